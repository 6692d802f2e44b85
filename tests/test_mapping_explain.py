"""Explaining: each field names the bytes it comes from, and the law that holds it: altering them alters the field, and altering anything else does not."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from partners.mappings import shipped
from tests.mapping_fixtures import FIXTURES, ROOT, copied, documents, mapping_of, terms
from translators.document import Document
from translators.mapping import CompiledMapping, MappingProblem
from translators.mapping.explain import Explanation, explain

NAMES = [file.relative_to(ROOT).as_posix() for file in FIXTURES]
SKELETON = frozenset({"ST", "SE", "HL", "LX", "LS", "LE"})
"""Segments that say where others lie: altering one moves whole parts of an event."""


@cache
def traced(file: Any) -> CompiledMapping:
    return shipped().traced(file.parent.parent.relative_to(ROOT / "mappings").as_posix(), tuple(terms(file)["overlays"]))


def selectors(mapping: CompiledMapping) -> set[str]:
    """Elements that rules choose segments by, such as REF/01: altering one moves a segment from one field to another."""
    text = repr(mapping.written.value)
    found = {
        f"{tag}/{number}" for tag, inner in re.findall(r"\b([A-Z][A-Z0-9]{1,2})\[([^\]]*)\]", text) for number in re.findall(r"(\d\d)!?=", inner)
    }
    return found | {"AT7/01", "AT7/03", "MAN/01", "MAN/04", "TD5/02", "W05/01", "BSN/01", "L11/02"}


@cache
def _parts(name: str) -> list[str]:
    return re.findall(r"[^.\[\]]+", name)


def value_at(data: Any, name: str) -> Any:
    """The value of "lines[0].shipped"; None if there is none."""
    for part in _parts(name):
        if part.isdigit() and isinstance(data, list):
            data = data[int(part)] if int(part) < len(data) else None
        else:
            data = data.get(part) if isinstance(data, dict) else None
    return data


def altered(raw: bytes) -> Iterator[bytes]:
    """Other texts of the same form: another last digit, another last letter."""
    last = raw[-1:]
    if last.isdigit():
        yield from (raw[:-1] + bytes([digit]) for digit in b"123456789" if bytes([digit]) != last)
    elif last.isalpha():
        yield from (raw[:-1] + letter for letter in (b"Q", b"X", b"Z") if letter != last)


def places(document: Document) -> Iterator[tuple[int, int, bytes]]:
    for node in document.root.walk():
        if node.tag not in SKELETON:
            yield from ((node.segment.position, number, raw) for number, raw in enumerate(node.segment.elements) if number and raw.strip())


def changed(document: Document, position: int, element: int, raw: bytes) -> Document:
    other = copied(document)
    node = next(node for node in other.root.walk() if node.segment.position == position)
    node.segment.elements[element] = raw
    return other


def told(mapping: CompiledMapping, document: Document, around: Any) -> dict[str, Any] | None:
    try:
        return mapping.read(document, around).events[0].data
    except MappingProblem:
        return None


@pytest.mark.parametrize("file", FIXTURES, ids=NAMES)
def test_altering_the_named_bytes_alters_the_field_and_nothing_else_does(file: Any):
    document, around = next(iter(documents(file.read_bytes(), zone=terms(file)["zone"])))
    mapping, plain = traced(file), mapping_of(file)
    draft, found = explain(mapping, document, around)
    fields = [one for one in found if not one.name.startswith("(")]
    assert fields
    chosen_by = selectors(mapping)
    moved: set[tuple[int, int, str]] = set()
    tags = {node.segment.position: node.tag for node in document.root.walk()}
    for position, element, raw in places(document):
        named = {
            one.name: spot.role
            for one in fields
            for spot in one.spots
            if (spot.position, int(spot.path.rsplit("/", 1)[1][:2])) == (position, element)
        }
        for other in altered(raw):
            data = told(plain, changed(document, position, element, other), around)
            if data is None:
                continue
            for one in fields:
                differs = value_at(data, one.name) != one.value
                if differs and one.name in named:
                    moved.add((position, element, one.name))
                elif differs:
                    assert f"{tags[position]}/{element:02}" in chosen_by, (one.name, tags[position], element, raw, other)
        for name, role in named.items():
            one = next(one for one in fields if one.name == name)
            if role == "value" and "|" not in one.rule and f"{tags[position]}/{element:02}" not in chosen_by and next(altered(raw), None):
                assert (position, element, name) in moved, (name, tags[position], element, raw)
    assert moved
    assert draft.data


@pytest.mark.parametrize("file", FIXTURES, ids=NAMES)
def test_every_field_is_explained_and_every_spot_is_where_it_says(file: Any):
    data = file.read_bytes()
    for document, around in documents(data, zone=terms(file)["zone"]):
        draft, found = explain(traced(file), document, around)
        for one in found:
            for spot in one.spots:
                assert data[spot.byte_start : spot.byte_end].decode().rstrip() == spot.text, (one.name, spot)
        names = {one.name for one in found}
        for name in leaves({key: value for key, value in draft.data.items() if key not in ("evidence", "quality", "purpose", "cancelled")}):
            assert any(name == known or name.startswith((f"{known}.", f"{known}[")) for known in names), name


def leaves(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{name}[{number}]")
    else:
        yield name


def test_an_explanation_names_rule_file_and_line():
    file = next(file for file in FIXTURES if "pick-and-pack" in file.name)
    [(document, around)] = documents(file.read_bytes())
    _, found = explain(traced(file), document, around)
    by_name: dict[str, Explanation] = {one.name: one for one in found}
    shipped_line = by_name["lines[0].shipped"]
    assert shipped_line.rule == "SN1/02,03 | quantity(unit)"
    assert str(shipped_line.place).startswith("mappings/x12/856/mapping.yaml: line ")
    assert [(spot.path, spot.role) for spot in shipped_line.spots[:2]] == [("HL[I] > SN1/02", "value"), ("HL[I] > SN1/03", "value")]
    assert {spot.role for spot in by_name["shipped_at"].spots} == {"value"}
    assert by_name["(business)"].spots[0].path == "BSN/02"
