"""Laws of reading under a mapping, over documents broken at random: it ends, it tells the same twice, it never raises anything unforeseen."""

import json
from dataclasses import asdict
from typing import Any
from unicodedata import category

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.mapping_fixtures import FIXTURES, ROOT, context, copied, documents, mapping_of, terms
from translators.document import Document, Node, Segment
from translators.events.families import FAMILIES
from translators.events.identity import data_json, meaning_hash
from translators.mapping import CompiledMapping, Context, Mapped, MappingProblem

LAW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
RAW = st.binary(max_size=12) | st.sampled_from([b"", b" ", b"ZZ", b"01", b"20261116", b"1.5", b"A:B", b"\x00", b"\xff\xfe", b"9" * 40])


@st.composite
def broken(draw: st.DrawFn, document: Document) -> Document:
    """The document with a few elements, segments and levels changed, doubled, moved or lost."""
    document = copied(document)
    for _ in range(draw(st.integers(1, 6))):
        nodes = list(document.root.walk())
        node = nodes[draw(st.integers(0, len(nodes) - 1))]
        match draw(st.sampled_from(["element", "cut", "lose", "double", "move", "level", "tag"])):
            case "element":
                element = draw(st.integers(1, 20))
                node.segment.elements += [b""] * (element + 1 - len(node.segment.elements))
                node.segment.elements[element] = draw(RAW)
            case "cut":
                del node.segment.elements[draw(st.integers(1, len(node.segment.elements))) :]
            case "level":
                node.level = draw(st.sampled_from(["S", "O", "I", "P", "", None]))
            case "tag":
                node.tag = node.segment.tag = draw(st.sampled_from(["HL", "LX", "AT7", "N1", "W01", "W12", "QQ"]))
            case change if node.parent is not None:
                change_place(draw, change, node, nodes)
    return document


def change_place(draw: st.DrawFn, change: str, node: Node, nodes: list[Node]) -> None:
    assert node.parent is not None
    if change == "double":
        segment = Segment(node.tag, list(node.segment.elements), node.segment.position, node.segment.byte_start, node.segment.byte_end)
        node.parent.children.append(Node(node.tag, segment, [], node.parent, node.level))
        return
    inside = set(node.walk())
    node.parent.children.remove(node)
    if change == "move":
        places = [other for other in nodes if other not in inside]
        node.parent = places[draw(st.integers(0, len(places) - 1))]
        node.parent.children.append(node)


def outcome(mapping: CompiledMapping, document: Document, around: Context) -> Any:
    try:
        return mapping.read(document, around)
    except MappingProblem as problem:
        return problem.problems


@pytest.mark.parametrize("file", FIXTURES, ids=[file.relative_to(ROOT).as_posix() for file in FIXTURES])
@given(st.data())
@LAW
def test_any_tree_gives_events_or_a_problem(file: Any, data: st.DataObject):
    mapping = mapping_of(file)
    for whole, around in documents(file.read_bytes(), zone=terms(file)["zone"]):
        document = data.draw(broken(whole))
        told = outcome(mapping, document, around)
        again = outcome(mapping, copied(document), around)
        if isinstance(told, Mapped):
            assert asdict(told) == asdict(again)
            check_events(told)
            check_unmapped(told, document)
        else:
            assert told == again
            assert all(told)


def check_events(told: Mapped) -> None:
    keys = [(event.business_key, event.event_key, event.ordinal) for event in told.events]
    assert len(keys) == len(set(keys))
    for event in told.events:
        model = next(family.model for family in FAMILIES.values() if family.type == event.type)
        model.model_validate_json(data_json(event.data))
        assert event.meaning_hash == meaning_hash(event.data)
        assert 0 < len(event.subject) <= 200
        assert not any(category(letter) == "Cc" for letter in event.subject + event.time + (event.correlation or ""))
        assert len(event.time) <= 40
        assert all(0 < len(value) <= 80 and 0 < len(type_) <= 24 for type_, value in event.references)


def check_unmapped(told: Mapped, document: Document) -> None:
    """What is listed stands in the document, and no value is counted twice."""
    values: dict[str, int] = {}
    for node in document.root.walk():
        for raw in node.segment.elements[1:]:
            if raw.strip():
                values[node.tag] = values.get(node.tag, 0) + 1 + raw.count(document.delimiters.component)
    counted: dict[str, int] = {}
    for entry in told.unmapped:
        tag = entry.path.split(" > ")[-1].split("/")[0].split("[")[0]
        counted[tag] = counted.get(tag, 0) + entry.values
    assert all(count <= values[tag] for tag, count in counted.items())


@given(st.integers(1, 400))
@LAW
def test_the_budget_ends_any_document_in_words(steps: int):
    file = FIXTURES[0]
    [(document, _)] = documents(file.read_bytes())
    told = outcome(mapping_of(file), document, context(max_steps=steps))
    assert isinstance(told, Mapped) or f"more than {steps:,} steps" in told[0]


def test_a_chain_of_levels_costs_no_recursion():
    """200,000 HL below each other: held or read, never a crash of the interpreter."""
    file = next(file for file in FIXTURES if "pick-and-pack" in file.name)
    [(document, _)] = documents(file.read_bytes())
    leaf = next(node for node in document.root.walk() if node.level == "I")
    for position in range(100, 30_100):
        child = Node("HL", Segment("HL", [b"HL", b"%d" % position, b"%d" % (position - 1), b"I"], position, 0, 0), [], leaf, "I")
        leaf.children.append(child)
        leaf = child
    told = outcome(mapping_of(file), document, context(max_steps=2_000_000))
    assert told == ["the mapping took more than 2,000,000 steps on this document; its lists look through each other too often"]


def test_delimiters_do_not_change_what_is_told():
    file = next(file for file in FIXTURES if "pick-and-pack" in file.name)
    text = file.read_bytes()
    other = text.replace(b"|", b"").replace(b"*", b"|").replace(b"~", b"\x1e")
    [(first, around)], [(second, _)] = documents(text), documents(other)
    told, again = (mapping_of(file).read(document, around) for document in (first, second))
    assert json.dumps(told.events[0].data, sort_keys=True) == json.dumps(again.events[0].data, sort_keys=True)
