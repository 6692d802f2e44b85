"""The pages docs/reference/sets/: each shipped set and kind of file, its guide, its event, an example both ways. Made of what ships, so that they stay true.

`python -m tests.set_pages` writes them again after a deliberate change; tests/test_set_pages.py says when that is due.
"""

import json
from collections.abc import Iterator
from typing import Any

from gateway.commands.map import _medium
from partners.guides import shipped_guides
from partners.mappings import shipped
from tests.mapping_fixtures import ROOT, context, documents, file_documents, terms
from translators.csv.dialect import Dialect
from translators.document import Control
from translators.mapping import CompiledMapping
from translators.mapping.compose import compose
from translators.mapping.coverage import coverage, grouped
from translators.x12.envelope_write import stamp
from translators.x12.guide_text import guide_text

FOLDER = ROOT / "docs" / "reference" / "sets"
SCHEMAS = "../schemas"
ABOUT = {
    "204": "A shipper or broker offers a load to a motor carrier: stops, times, goods, what is paid. The carrier answers with a [990](990.md).",
    "210": "A motor carrier bills a shipment: charges line by line, what they are reckoned on, and the sum.",
    "214": "A carrier says what happened to a shipment, or when something is to happen. One event for each status in it.",
    "753": "A supplier asks its customer how to ship an order; the customer answers with a [754](754.md).",
    "754": "A customer says how an order is to be shipped: carrier, day, load number.",
    "810": "A supplier bills goods.",
    "824": "What a receiver made of a document: taken, or refused, with the reason. Read as a verdict on what we sent; written where an agreement asks for it (`duties.application_advice`).",
    "846": "A warehouse or supplier says how much of each item there is.",
    "850": "A buyer orders goods: what, where to and when. Prices come with the lines; terms of sale, taxes and allowances are listed as not carried over.",
    "855": "A supplier answers an order line by line.",
    "856": "A supplier or 3PL says that a shipment is on its way: orders, pallets, cartons and items as a tree of levels.",
    "940": "A depositor tells its warehouse what to ship; the warehouse answers with a [945](945.md).",
    "943": "A depositor tells its warehouse what stock is on its way to it; the warehouse answers with a [944](944.md).",
    "944": "A warehouse says what stock arrived, and in which state.",
    "945": "A warehouse says what it shipped of an order.",
    "947": "A warehouse says that stock was changed: counted, damaged, found.",
    "990": "A carrier takes a load that was offered by a [204](204.md), or does not.",
    "997": "Says of a group whether each set in it was in good form. Written for every group; read as a verdict on what we sent.",
    "999": "The 997's successor from 005010 on, which can also say which guide was broken.",
}
FILES = {
    "csv/status": "Status updates of a carrier, one a row.",
    "csv/asn": "A ship notice as a flat table: a row a line, its carton and its shipment beside it.",
    "csv/ship-confirm": "What a warehouse shipped of an order, a row a line.",
    "csv/inventory": "Stock at one moment, a row an item.",
    "csv/adjustments": "Changes of stock, a row a change.",
    "xml/ubl-despatch-advice": "UBL 2 DespatchAdvice, also as Peppol has it.",
    "xml/ubl-receipt-advice": "UBL 2 ReceiptAdvice: what arrived.",
    "xml/cxml-ship-notice": "cXML ShipNoticeRequest.",
    "xml/gs1-despatch-advice": "GS1 XML 3 DespatchAdvice.",
}
HOW = ("evidence", "quality")
MOST_LINES = 150
RELEASE = "004010"


def pages() -> dict[str, str]:
    """File name -> the page."""
    book, library = shipped_guides(), shipped()
    made = {f"{set_id}.md": "\n".join(_set_page(set_id)) + "\n" for set_id in book.sets()}
    made |= {f"{name.replace('/', '-')}.md": "\n".join(_file_page(name)) + "\n" for name in library.names() if name in FILES}
    made["README.md"] = "\n".join(_index()) + "\n"
    return made


def _index() -> Iterator[str]:
    yield "# Sets and files that ship"
    yield ""
    yield "One page each: its guide, its event, and an example both ways. They are made of what ships (`python -m tests.set_pages`)."
    yield ""
    yield "| | event | |"
    yield "|---|---|---|"
    for set_id in shipped_guides().sets():
        name = f"x12/{set_id}"
        event = f"`{shipped().mapping(name).family.name}`" if name in shipped().names() else "guide only"
        yield f"| [{set_id}]({set_id}.md) | {event} | {ABOUT[set_id].split('. ')[0].split(':')[0].rstrip('.')} |"
    for name, about in FILES.items():
        yield f"| [`{name}`]({name.replace('/', '-')}.md) | `{shipped().mapping(name).family.name}` | {about.rstrip('.')} |"


def _set_page(set_id: str) -> Iterator[str]:
    book = shipped_guides()
    releases = book.releases(set_id)
    guide = book.guide(set_id, releases[-1])
    assert guide is not None
    name = f"x12/{set_id}"
    yield f"# {set_id}, {guide.title}"
    yield ""
    yield ABOUT[set_id]
    yield ""
    yield f"Group `{guide.functional}`, guides for {' and '.join(releases)}." + (_event(shipped().mapping(name)) if name in shipped().names() else "")
    if name in shipped().names():
        yield from _fields(name)
        yield from _example(name)
    elif set_id not in ("824", "997", "999"):
        yield ""
        yield "No mapping ships: a set of this kind can be agreed all the same; it is checked, answered by its 997 and held. A mapping of your own makes events of it."
    yield ""
    yield "## Guide"
    yield ""
    yield f"`crossdock guide show {set_id}` adds each segment's elements, codes and conditions."
    yield ""
    yield "```"
    yield guide_text(guide, {}, elements=False).rstrip()
    yield "```"


def _event(mapping: CompiledMapping) -> str:
    kind = mapping.family.type
    return f" Its event is [`{mapping.family.name}`]({SCHEMAS}/{kind}.json), by the mapping [`{mapping.name}`](../../../mappings/{mapping.name}/mapping.yaml)."


def _fields(name: str) -> Iterator[str]:
    guide = shipped_guides().guide(name.partition("/")[2], RELEASE)
    assert guide is not None
    control = Control("000000001", "1", "0001", "", RELEASE, "ZZ:A", "ZZ:B", "P")
    rows = coverage(shipped().traced(name), guide, context(control))
    places: dict[str, list[str]] = {}
    for row in grouped(rows):
        if row.kind == "carried":
            shown = ", ".join(f"`{field}`" for field in row.fields[:2]) + (" …" if len(row.fields) > 2 else "")
            places.setdefault(row.path, []).append(f"{row.element:02} {shown}")
    counts = {kind: sum(1 for row in rows if row.kind == kind) for kind in ("carried", "dropped", "unmapped")}
    yield ""
    yield "## What becomes of it"
    yield ""
    yield f"Of the {RELEASE} guide's elements {counts['carried']} are carried, {counts['dropped']} dropped on purpose; {counts['unmapped']} have no field and are listed as *not carried over* where they come."
    yield f"`crossdock map show {name} --table` lists every one."
    yield ""
    yield "| segment | element and field |"
    yield "|---|---|"
    for path, elements in places.items():
        yield f"| {path} | {' · '.join(elements)} |"


def _example(name: str) -> Iterator[str]:
    file = min(shipped().fixtures(name), key=lambda path: (bool(terms(path)["overlays"]), len(path.read_bytes()), path.name))
    mapping = shipped().mapping(name)
    golden = json.loads(file.with_suffix(".events.json").read_text(encoding="utf-8"))
    found = file_documents(file, mapping) if mapping.form is not None else documents(file.read_bytes(), zone=golden["zone"])
    document, around = next(iter(found))
    draft = mapping.read(document, around).events[0]
    data = {key: value for key, value in json.loads(json.dumps(draft.data)).items() if key not in HOW}
    written = compose(mapping, data, _medium(mapping, document), around)
    language = {".csv": "csv", ".xml": "xml"}.get(file.suffix, "")
    yield ""
    yield "## An example, both ways"
    yield ""
    yield f"[`{file.name}`](../../../{file.relative_to(ROOT).as_posix()}) holds"
    yield ""
    yield from _block(file.read_text(encoding="utf-8"), language)
    yield ""
    yield "and tells" + (" first" if len(golden["sets"]) > 1 or len(golden["sets"][0]["events"]) > 1 else "")
    yield ""
    yield from _block(_compact(data), "json")
    yield ""
    yield "which is written as"
    yield ""
    body = stamp(written.parts, interchange_control=1, group_control=1, date6="261120", date8="20261120", time4="0900").decode("utf-8")
    yield from _block(body.replace("~", "~\n") if not language else body, language)


def _file_page(name: str) -> Iterator[str]:
    mapping = shipped().mapping(name)
    yield f"# {name}"
    yield ""
    yield f"{FILES[name]}{_event(mapping)}"
    if isinstance(mapping.form, Dialect):
        yield ""
        yield "| column | heading, any of | holds | |"
        yield "|---|---|---|---|"
        for record in mapping.form.records:
            for column in record.columns:
                key = "key" if column.number in record.key else "required" if column.required else ""
                yield f"| `{record.name}/{column.name}` | {', '.join(column.headings)} | {column.kind} | {key} |"
    yield from _example(name)


def _block(text: str, language: str) -> Iterator[str]:
    lines = text.rstrip().splitlines()
    yield f"```{language}"
    yield from lines[:MOST_LINES]
    if len(lines) > MOST_LINES:
        yield "…"
    yield "```"


def _compact(value: Any, depth: int = 0) -> str:
    """JSON with small objects and lists on one line."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + 2 * depth <= 120 or not isinstance(value, dict | list):
        return flat
    pad = "  " * (depth + 1)
    if isinstance(value, dict):
        inner = ",\n".join(f"{pad}{json.dumps(key)}: {_compact(one, depth + 1)}" for key, one in value.items())
        return f"{{\n{inner}\n{'  ' * depth}}}"
    inner = ",\n".join(pad + _compact(one, depth + 1) for one in value)
    return f"[\n{inner}\n{'  ' * depth}]"


def write() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
