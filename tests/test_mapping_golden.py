"""Every fixture beside a mapping gives exactly the events kept with it, and nothing of it is lost in silence."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.mapping_fixtures import FIXTURES, ROOT, context, copied, documents, golden_path, mapping_of, terms, told
from translators.document import Document, Node
from translators.mapping import MappingProblem
from translators.mapping.run import meets

NAMES = [file.relative_to(ROOT / "mappings").as_posix() for file in FIXTURES]


@pytest.mark.parametrize("file", FIXTURES, ids=NAMES)
def test_events(file: Path):
    assert json.loads(json.dumps(told(file))) == json.loads(golden_path(file).read_text(encoding="utf-8"))


def test_every_set_has_fixtures_of_both_releases():
    for mapping in sorted((ROOT / "mappings" / "x12").rglob("mapping.yaml")):
        releases = {document.release for file in (mapping.parent / "fixtures").glob("*.edi") for document, _ in documents(file.read_bytes())}
        assert releases == {"004010", "005010"}, mapping


def altered(raw: bytes) -> bytes:
    """Another value of the same kind: the last digit or letter moved on by one."""
    last = raw[-1:]
    if last.isdigit():
        return raw[:-1] + bytes([48 + (last[0] - 47) % 10])
    return raw[:-1] + (b"B" if last == b"A" else b"A")


def nodes_of(document: Document) -> list[Node]:
    return list(document.root.walk())


def meaning(mapping: Any, document: Document, around: Any) -> Any:
    """What the document tells, without where it was read and what is left over; a problem tells something, too."""
    try:
        mapped = mapping.read(document, around)
    except MappingProblem as problem:
        return problem.problems
    return [
        ({name: value for name, value in event.data.items() if name != "evidence"}, event.subject, event.time, event.business_key, event.event_key)
        for event in mapped.events
    ]


@pytest.mark.parametrize("file", FIXTURES, ids=NAMES)
def test_every_element_is_mapped_dropped_by_name_or_listed(file: Path):
    """The law of exactness. If a change of an element's value changes nothing that is told, the element is listed, or dropped with a reason."""
    mapping = mapping_of(file)
    silent = []
    for document, around in documents(file.read_bytes(), zone=terms(file)["zone"]):
        before = meaning(mapping, document, around)
        listed = {(entry.path, entry.position) for entry in mapping.read(document, around).unmapped}
        for index, node in enumerate(nodes_of(document)):
            for element in range(1, len(node.segment.elements)):
                raw = node.segment.elements[element]
                if not raw.strip() or is_dropped(mapping, node, element):
                    continue
                other = copied(document)
                nodes_of(other)[index].segment.elements[element] = altered(raw)
                is_listed = any(path.endswith(f"{node.tag}/{element:02}") and position == node.segment.position for path, position in listed)
                if (meaning(mapping, other, around) == before) is not is_listed:
                    silent.append(
                        (node.segment.position, node.tag, element, raw, "listed, yet it is told" if is_listed else "neither told nor listed")
                    )
    assert silent == []


def is_dropped(mapping: Any, node: Node, element: int) -> bool:
    return any(
        meets(drop.step.levels, drop.step.conditions, node)
        and (not drop.elements or any(one.number <= element <= (one.last or one.number) for one in drop.elements))
        for drop in mapping.drops.get(node.tag, ())
    )


def test_the_law_can_fail():
    """A rule that takes a value and tells nothing of it is noticed."""
    file = next(file for file in FIXTURES if "pick-and-pack" in file.name)
    [(document, around)] = documents(file.read_bytes())
    mapping = mapping_of(file)
    other = copied(document)
    bsn = next(node for node in nodes_of(other) if node.tag == "BSN")
    bsn.segment.elements[2] = altered(bsn.segment.elements[2])
    assert meaning(mapping, other, around) != meaning(mapping, document, around)
    bsn.segment.elements[2] = document.root.children[0].segment.elements[2]
    bsn.segment.elements += [b"", b"", b"NEW"]
    assert meaning(mapping, other, context()) == meaning(mapping, document, context())
    assert [entry.path for entry in mapping.read(other, around).unmapped] == ["BSN/08"]
