"""`crossdock guide import SOURCE --to FOLDER`: guides made of tables that people own. Needs no server and changes nothing but the folder."""

import re
import sys
from pathlib import Path
from typing import TextIO

from gateway.exits import BAD_DATA, GOOD, USAGE
from partners.guide_import.folder import write_folder
from partners.guide_import.made import ImportFault, Made
from partners.guide_import.maps import data_elements, import_map
from partners.guide_import.tables import TABLES, import_csv, import_json
from partners.guides import shipped_guides

MOST_BYTES = 64 * 2**20
DATA_ELEMENTS = "dataele.xml"


def import_guides(source: Path, to: Path, *, sets: tuple[str, ...], replace: bool, out: TextIO) -> int:
    """Imports and says what came of it. 0 imported, 2 no such source, 65 it cannot be read, with each place and mend."""
    try:
        made = _read(source)
        if sets:
            made.guides = [guide for guide in made.guides if guide.set_id in sets]
        if not made.guides:
            raise ImportFault(f"{source}: there is no set in it" + (f" among {', '.join(sets)}" if sets else ""))
        files = write_folder(made, to, replace=replace)
    except FileNotFoundError as error:
        print(f"crossdock guide import: {error.filename}: {error.strerror}", file=sys.stderr)
        return USAGE
    except ImportFault as fault:
        for line in str(fault).splitlines():
            print(f"crossdock guide import: {line}", file=sys.stderr)
        return BAD_DATA
    for guide in made.guides:
        print(f"{guide.set_id} of {guide.release} ({guide.functional}): {guide.title}", file=out)
    print(f"{len(made.segments)} segments, {len(made.composites)} composites, codes of {len(made.codes)} data elements", file=out)
    for note in made.notes:
        print(f"not carried over: {note}", file=out)
    print(f"written to {to}: {', '.join(files)}", file=out)
    print(f"use them: --guides {to} with `crossdock check` and `crossdock guide show`, or as guides/ of your library", file=out)
    return GOOD


def _read(source: Path) -> Made:
    if source.is_dir():
        return import_csv({f"{name}.csv": _bytes(source / f"{name}.csv") for name in TABLES if (source / f"{name}.csv").exists()})
    if source.suffix.lower() == ".json":
        return import_json(_bytes(source), source.name)
    beside = source.parent / DATA_ELEMENTS
    if not beside.exists():
        raise ImportFault(f"{source}: a map needs pyx12's {DATA_ELEMENTS} beside it, which says how long each element is")
    return import_map(_bytes(source), source.name, elements=data_elements(_bytes(beside), DATA_ELEMENTS), titles=_our_words())


def _bytes(path: Path) -> bytes:
    if path.stat().st_size > MOST_BYTES:
        raise ImportFault(f"{path}: more than {MOST_BYTES // 2**20} MiB")
    return path.read_bytes()


def _our_words() -> dict[str, str]:
    """Titles of data elements, composites and segments, as the shipped dictionary has them: a map's own are X12's."""
    book = shipped_guides()
    found: dict[str, str] = {}
    for set_id in book.sets():
        for release in book.releases(set_id):
            guide = book.guide(set_id, release)
            if guide is None:
                continue
            found.setdefault(f"set {set_id}", guide.title)
            for tag, rules in guide.dictionary.segments.items():
                found.setdefault(tag, rules.title)
                for element in (*rules.elements, *(part for one in rules.elements for part in one.parts)):
                    if re.fullmatch(r"C?[0-9]{1,4}", element.number):
                        found.setdefault(element.number, element.title)
    return found
