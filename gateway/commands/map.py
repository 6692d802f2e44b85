"""`crossdock map check|show|test|diff`: mappings for the people who write them, without a server.

The fixtures beside a mapping are its tests: NAME.edi with NAME.events.json.
"""

import difflib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from gateway.exits import FAILED, GOOD, USAGE
from partners.calls import CallLibrary, shipped_calls
from partners.guides import shipped_guides
from partners.mappings import MappingLibrary, shipped, zone_offset
from translators.document import Control, Document
from translators.formats import read_file
from translators.mapping import CompiledMapping, Context, MappingError, MappingProblem
from translators.mapping.compose import ComposeProblem, Medium, compose
from translators.mapping.compose_x12 import X12Medium
from translators.mapping.coverage import coverage, grouped, summed
from translators.mapping.media import medium_of
from translators.x12.envelope import outline
from translators.x12.options import Options
from translators.x12.reader import read_sets
from translators.x12.write import Terms

RECEIVED = "2026-11-20T00:00:00Z"
"""When the fixtures were received; their expected events were made with it."""
HOW = ("evidence", "quality")


def check(names: list[str], *, out: TextIO) -> int:
    """Compiles mappings with each of their overlays. 0 all can be used, 1 a mistake, each with file, line, column and mend."""
    library, calls, wrong = shipped(), shipped_calls(), 0
    for name in names or [*library.names(), *calls.names()]:
        for label, compile_it in _compiling_calls(calls, name) if name.startswith("erp/") else _compiling(library, name):
            try:
                compile_it()
                print(f"{label}: can be used", file=out)
            except MappingError as error:
                wrong += 1
                print(str(error), file=out)
    return FAILED if wrong else GOOD


def _compiling(library: MappingLibrary, name: str) -> Iterator[tuple[str, Callable[[], object]]]:
    for overlays in [(), *((one,) for one in library.overlays(name))]:
        yield " + ".join((name, *overlays)), partial(library.mapping, name, overlays)


def _compiling_calls(library: CallLibrary, name: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """Of one ERP every event, or the one that is named."""
    erp, _, event = name.partition("/")[2].partition("/")
    for one in [event] if event else library.events(f"erp/{erp}") or [""]:
        yield f"erp/{erp}/{one}", partial(library.needed, f"erp/{erp}", one)


def show(name: str, *, overlays: tuple[str, ...], table: bool, release: str, as_json: bool, out: TextIO) -> int:
    """The effective mapping, each line of an overlay saying so; or what becomes of every element of the guide. 2 if there is none."""
    try:
        library = shipped()
        if not table:
            print(library.effective(name, overlays), end="", file=out)
            return GOOD
        mapping = library.traced(name, overlays)
    except MappingError as error:
        print(str(error), file=out)
        return USAGE
    guide = shipped_guides().guide(name.partition("/")[2], release)
    if guide is None:
        print(f"{name}: there is no guide to hold it against", file=out)
        return USAGE
    rows = coverage(mapping, guide, _context(Control("000000001", "1", "0001", "", release, "ZZ:A", "ZZ:B", "P"), None, ("", "")))
    if as_json:
        json.dump([asdict(row) | {"kind": row.kind} for row in rows], out, indent=1)
        out.write("\n")
        return GOOD
    counts = summed(rows)
    print(f"{name} on the {guide.set_id} of {guide.release}: {', '.join(f'{number} {kind}' for kind, number in counts.items())}\n", file=out)
    for row in grouped(rows):
        what = ", ".join(row.fields[:3]) + (f" and {len(row.fields) - 3} more" if len(row.fields) > 3 else "") if row.fields else row.dropped
        print(f"{row.path + f'/{row.element:02}':<24} {row.title:<34} {row.kind:<9} {what}".rstrip(), file=out)
    return GOOD


def diff(name: str, overlays: tuple[str, ...], *, out: TextIO) -> int:
    """What overlays change in a mapping, line by line, and in the events of its fixtures. 0 nothing, 1 something, 2 there is none."""
    library = shipped()
    try:
        before, after = library.effective(name), library.effective(name, overlays)
        plain, laid = library.mapping(name), library.mapping(name, overlays)
    except MappingError as error:
        print(str(error), file=out)
        return USAGE
    label = " + ".join((name, *overlays))
    after = "\n".join(line.split("  # mappings/")[0] for line in after.splitlines())
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), name, label, lineterm="", n=1))
    changed = 0
    for file, document, context, _ in _fixtures(library, name):
        one, other = (_told(mapping, document, context) for mapping in (plain, laid))
        if one != other:
            changed += 1
            lines += ["", f"the events of {file.name}:"]
            lines += list(difflib.unified_diff(_text(one), _text(other), name, label, lineterm="", n=0))[2:]
    print("\n".join(lines) if lines else f"{label} says the same as {name}", file=out)
    return FAILED if lines or changed else GOOD


def test(names: list[str], *, out: TextIO) -> int:
    """Reads the fixtures beside each mapping: the events must be those beside them, and must be written so that the same is read again.

    0 all hold, 1 something does not.
    """
    library, failed, tried = shipped(), 0, 0
    for name in names or library.names():
        try:
            for file, document, context, expected in _fixtures(library, name):
                tried += 1
                mapping = library.mapping(name, tuple(expected["overlays"]))
                trouble = list(_judged(mapping, document, context, expected["events"]))
                failed += bool(trouble)
                print(f"{name} {file.name}: {'; '.join(trouble) or 'holds, both ways'}", file=out)
        except MappingError as error:
            failed += 1
            print(str(error), file=out)
    if not tried:
        print("there are no fixtures beside these mappings", file=out)
    return FAILED if failed or not tried else GOOD


def _judged(mapping: CompiledMapping, document: Document, context: Context, expected: list[Any]) -> Iterator[str]:
    told = _told(mapping, document, context)
    if told != [event["data"] for event in expected]:
        yield "the events are not those beside it: " + "; ".join(
            list(difflib.unified_diff(_text([e["data"] for e in expected]), _text(told), n=0))[3:6]
        )
    for data in told:
        if not isinstance(data, dict):
            return
        try:
            again = compose(mapping, data, _medium(mapping, document), context)
        except ComposeProblem as problem:
            yield f"it cannot be written: {problem}"
            return
        if _plain(again.data) != _plain(data):
            yield "what is written does not tell the same"


def _medium(mapping: CompiledMapping, document: Document) -> Medium:
    if mapping.form is not None:
        return medium_of(mapping.form)
    guide = shipped_guides().guide(document.set_id, document.release)
    if guide is None:
        raise ComposeProblem([("", f"there is no guide of {document.set_id} in {document.release} to write it by")])
    late = document.release > "004010"
    terms = Terms("ZZ", "US", "ZZ", "THEM", "US", "THEM", version=document.release, envelope_version="00501" if late else "00401")
    return X12Medium(guide, terms)


def _plain(value: Any) -> Any:
    """A value without how it was read, the order of its lists aside."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items() if key not in HOW}
    return sorted(map(_plain, value), key=json.dumps) if isinstance(value, list) else value


def _told(mapping: CompiledMapping, document: Document, context: Context) -> list[Any]:
    try:
        return [json.loads(json.dumps(draft.data)) for draft in mapping.read(document, context).events]
    except MappingProblem as problem:
        return [str(problem)]


def _text(told: Any) -> list[str]:
    return json.dumps(told, indent=1, ensure_ascii=False, sort_keys=True).splitlines()


def _fixtures(library: MappingLibrary, name: str) -> Iterator[tuple[Path, Document, Context, dict[str, Any]]]:
    """(file, one set of it as a tree, its context, {"overlays", "events"} as kept beside it)."""
    for file in library.fixtures(name):
        golden = json.loads(file.with_suffix(".events.json").read_text(encoding="utf-8"))
        mapping = library.mapping(name, tuple(golden["overlays"]))
        found = _documents(file.read_bytes(), golden["zone"]) if mapping.form is None else _of_a_file(file.read_bytes(), mapping, golden["zone"])
        for (document, context), kept in zip(found, golden["sets"], strict=True):
            yield file, document, context, {"overlays": golden["overlays"], "events": kept["events"]}


def _documents(data: bytes, zone: str | None) -> Iterator[tuple[Document, Context]]:
    def read(offset: int, length: int) -> bytes:
        return data[offset : offset + length]

    options = Options("tolerant")
    for interchange in outline(read, len(data), options).interchanges:
        sender, receiver = f"{interchange.sender_qualifier}:{interchange.sender}", f"{interchange.receiver_qualifier}:{interchange.receiver}"
        for group in interchange.groups:
            for reading in read_sets(read, interchange, group, shipped_guides(), options):
                if (document := reading.document()) is not None:
                    names = interchange.control, group.control, reading.control, group.functional, group.version, sender, receiver, interchange.usage
                    yield document, _context(Control(*names), zone, (group.date, group.time))


def _of_a_file(data: bytes, mapping: CompiledMapping, zone: str | None) -> Iterator[tuple[Document, Context]]:
    for one in read_file(data, mapping.form).documents(0):
        if one.document is not None:
            yield one.document, _context(Control("", "", "", "", "", "acme", "", "P"), zone, ("", ""))


def _context(control: Control, zone: str | None, written: tuple[str, str]) -> Context:
    return Context(control=control, partner="acme", received_at=RECEIVED, zone_offset=zone_offset, default_zone=zone, written=written)
