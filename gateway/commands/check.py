"""`crossdock check FILE`: explains a file's faults to a person, or as JSON to a script.

Knows nothing of partners' profiles but what the caller hands in; needs no server.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from gateway.commands.files import check_file, chosen, complain
from partners.files import NotAgreed
from partners.guides import guides_with
from partners.profile import Profile
from translators.document import TranslationError
from translators.mapping import MappingError
from translators.x12.explain import explain_report
from translators.x12.options import Options, Strictness
from translators.x12.report import Report, check_report

CLEAN, FINDINGS, USAGE, UNREADABLE = 0, 1, 2, 65
"""Exit codes; 65 is EX_DATAERR of sysexits.h."""


def check(
    path: Path,
    *,
    strictness: Strictness = "strict",
    allow: Iterable[str] = (),
    as_json: bool = False,
    out: TextIO,
    colour: bool = False,
    partner: Profile | None = None,
    mapping: str | None = None,
    schema: Path | None = None,
    guides: Path | None = None,
) -> int:
    """Checks a file and prints what was found. 0 clean, 1 findings, 2 no such file, mapping or leniency, 65 nothing in it can be read.

    `partner` and `mapping` say how a CSV or XML file is read, `guides` is a folder of guides over those that ship.
    """
    try:
        file_of_its_own = chosen(path, partner=partner, mapping=mapping, schema=schema)
        if file_of_its_own is not None:
            return check_file(file_of_its_own, path, as_json=as_json, out=out)
    except (OSError, NotAgreed, MappingError, TranslationError) as error:
        return complain("check", error)
    try:
        options = Options(strictness, frozenset(allow))
        with path.open("rb") as file:

            def read(offset: int, length: int) -> bytes:
                file.seek(offset)
                return file.read(length)

            size = file.seek(0, 2)
            report = check_report(read, size, guides_with(guides), options)
            report["file"] = str(path)
            if as_json:
                json.dump(report, out, indent=1)
                out.write("\n")
            else:
                out.write(explain_report(report, read, colour=colour))
    except (OSError, ValueError, TranslationError) as error:
        print(f"crossdock check: {error}", file=sys.stderr)
        return USAGE
    return exit_code(report)


def exit_code(report: Report) -> int:
    """What the shell is told of a report."""
    if not report["interchanges"]:
        return UNREADABLE
    interchanges = report["interchanges"]
    groups = [group for interchange in interchanges for group in interchange["groups"]]
    sets = [one for group in groups for one in group["sets"]]
    faults = [fault for each in [report, *interchanges, *groups, *sets] for fault in each["faults"]]
    clean = not any(one["errors"] for one in sets) and all(fault["severity"] == "warning" for fault in faults)
    return CLEAN if clean else FINDINGS


def main(arguments: list[str]) -> int:
    """python -m gateway.commands.check [--json] [--tolerant] [--allow NAME] FILE"""
    import argparse

    parser = argparse.ArgumentParser(prog="check", description="Explains the faults of an X12 file.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--tolerant", action="store_true")
    parser.add_argument("--allow", action="append", default=[], metavar="NAME")
    given = parser.parse_args(arguments)
    strictness: Strictness = "tolerant" if given.tolerant else "strict"
    colour = sys.stdout.isatty()
    return check(given.file, strictness=strictness, allow=given.allow, as_json=given.json, out=sys.stdout, colour=colour)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
