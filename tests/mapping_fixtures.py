"""The mapping fixtures: X12 files beside their mapping, each with the events it must give (`NAME.events.json`).

`python -m tests.mapping_fixtures` writes the events again after a deliberate change; read the difference before you keep it.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from partners.guides import shipped_guides
from partners.mappings import shipped, zone_offset
from translators.document import Control, Document, Node
from translators.formats import read_file
from translators.mapping import CompiledMapping, Context, Mapped
from translators.x12.envelope import outline
from translators.x12.options import Options
from translators.x12.reader import read_sets

ROOT = Path(__file__).parent.parent
FIXTURES = sorted((ROOT / "mappings").rglob("fixtures/*.edi"))
FILE_FIXTURES = sorted(path for name in ("csv", "xml") for path in (ROOT / "mappings" / name).rglob(f"fixtures/*.{name}"))
RECEIVED = "2026-11-20T00:00:00Z"
NO_ENVELOPE = Control("", "", "", "", "", "acme", "", "P")
"""Of formats without one."""


def golden_path(file: Path) -> Path:
    return file.with_suffix(".events.json")


def terms(file: Path) -> dict[str, Any]:
    """{"overlays", "zone"} of a fixture, kept in its golden file."""
    path = golden_path(file)
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {"overlays": kept.get("overlays", []), "zone": kept.get("zone")}


def mapping_of(file: Path) -> CompiledMapping:
    name = file.parent.parent.relative_to(ROOT / "mappings").as_posix()
    return shipped().mapping(name, tuple(terms(file)["overlays"]))


def documents(data: bytes, *, zone: str | None = None, options: Options | None = None) -> Iterator[tuple[Document, Context]]:
    """The sets of an X12 file as trees, each with its context; sets without a grammar are left out."""
    options = options or Options("tolerant")

    def read(offset: int, length: int) -> bytes:
        return data[offset : offset + length]

    for interchange in outline(read, len(data), options).interchanges:
        for group in interchange.groups:
            for reading in read_sets(read, interchange, group, shipped_guides(), options):
                if (document := reading.document()) is not None:
                    control = Control(
                        interchange.control, group.control, reading.control, group.functional, group.version,
                        f"{interchange.sender_qualifier}:{interchange.sender}", f"{interchange.receiver_qualifier}:{interchange.receiver}",
                        interchange.usage,
                    )  # fmt: skip
                    yield document, context(control, zone=zone, written=(group.date, group.time))


def context(control: Control | None = None, *, zone: str | None = None, written: tuple[str, str] = ("", ""), max_steps: int = 10_000_000) -> Context:
    control = control or Control("000000001", "1", "0001", "SH", "004010", "ZZ:A", "ZZ:B", "P")
    return Context(
        control=control, partner="acme", received_at=RECEIVED, zone_offset=zone_offset, default_zone=zone, written=written, max_steps=max_steps
    )


def file_documents(file: Path, mapping: CompiledMapping) -> Iterator[tuple[Document, Context]]:
    """The documents of a CSV or XML file as trees, each with its context."""
    for one in read_file(file.read_bytes(), mapping.form).documents(0):
        assert one.document is not None, one.findings
        yield one.document, context(NO_ENVELOPE, zone=terms(file)["zone"])


def mapped(file: Path) -> list[Mapped]:
    mapping = mapping_of(file)
    found = file_documents(file, mapping) if file in FILE_FIXTURES else documents(file.read_bytes(), zone=terms(file)["zone"])
    return [mapping.read(document, around) for document, around in found]


def told(file: Path) -> dict[str, Any]:
    """What a golden file holds: the terms, and for each set its events and what was not carried over."""
    return {
        **terms(file),
        "sets": [{"events": [asdict(draft) for draft in one.events], "unmapped": [list(entry) for entry in one.unmapped]} for one in mapped(file)],
    }


def copied(document: Document) -> Document:
    """A tree of its own, to be changed."""
    return replace(document, root=_copied(document.root, None))


def _copied(node: Node, parent: Node | None) -> Node:
    own = Node(node.tag, replace(node.segment, elements=list(node.segment.elements)), [], parent, node.level)
    own.children = [_copied(child, own) for child in node.children]
    return own


def write() -> None:
    for file in [*FIXTURES, *FILE_FIXTURES]:
        text = json.dumps(told(file), indent=1, ensure_ascii=False)
        golden_path(file).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
