"""The shipped CSV and XML mappings: their fixtures give the events kept beside them, both ways, and nothing of a file is lost in silence."""

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from partners.mappings import shipped
from tests.corpus import corpus_files
from tests.mapping_fixtures import FILE_FIXTURES, NO_ENVELOPE, ROOT, context, copied, file_documents, golden_path, mapping_of, told
from tests.test_mapping_golden import altered, is_dropped, meaning, nodes_of
from translators.csv.dialect import Dialect
from translators.document import Document
from translators.formats import read_file
from translators.mapping import CompiledMapping, Context, MappingProblem
from translators.mapping.compose import Composed, ComposeProblem, Medium, compose
from translators.mapping.explain import explain
from translators.mapping.media import medium_of
from translators.mapping.run import _lies_in
from translators.xml.layout import XmlForm

NAMES = [file.relative_to(ROOT / "mappings").as_posix() for file in FILE_FIXTURES]
MAPPINGS = [name for name in shipped().names() if not name.startswith("x12/")]
HOW = ("evidence", "quality")


def said(data: Any) -> Any:
    """A value without how it was read."""
    return {key: value for key, value in json.loads(json.dumps(data)).items() if key not in HOW}


@pytest.mark.parametrize("name", MAPPINGS)
def test_every_mapping_has_a_fixture(name: str):
    assert shipped().fixtures(name)


@pytest.mark.parametrize("file", FILE_FIXTURES, ids=NAMES)
def test_events(file: Path):
    assert json.loads(json.dumps(told(file))) == json.loads(golden_path(file).read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", FILE_FIXTURES, ids=NAMES)
def test_every_event_is_written_and_read_again(file: Path):
    mapping = mapping_of(file)
    medium = medium_of(mapping.form)
    for document, around in file_documents(file, mapping):
        for draft in mapping.read(document, around).events:
            again = compose(mapping, said(draft.data), medium, around)
            assert said(again.data) == said(draft.data)
            assert again.not_written == []
            assert (again.business_key, again.subject) == (draft.business_key, draft.subject)
            assert compose(mapping, said(draft.data), medium, around).parts == again.parts


@pytest.mark.parametrize("file", FILE_FIXTURES, ids=NAMES)
def test_every_value_is_mapped_dropped_by_name_or_listed(file: Path):
    """The law of exactness, as for X12: if a change of a value changes nothing that is told, the value is listed, or dropped with a reason."""
    mapping = mapping_of(file)
    silent = []
    for document, around in file_documents(file, mapping):
        before = meaning(mapping, document, around)
        listed = {entry.path for entry in mapping.read(document, around).unmapped}
        for index, node in enumerate(nodes_of(document)):
            for element in range(1, len(node.segment.elements)):
                raw = node.segment.elements[element]
                above = [drop for drop in mapping.drops.get(node.tag, ()) if _lies_in(node, drop.above)]
                if not raw.strip() or node.tag == "file" or (above and is_dropped(mapping, node, element)):
                    continue
                other = copied(document)
                nodes_of(other)[index].segment.elements[element] = altered(raw)
                if (meaning(mapping, other, around) == before) is not (document.label(node, element) in listed):
                    silent.append((document.label(node, element), raw))
    assert silent == []


# ---- laws over made events


def parts(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each field and item."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*way, key)
        yield from parts(inner, (*way, key))


def thinned(data: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """The data without one to three of its parts, wherever they lie."""
    data = copy.deepcopy(data)
    for _ in range(chance.randint(1, 3)):
        *above, last = chance.choice(list(parts(data)))
        holder: Any = data
        for key in above:
            holder = holder[key]
        del holder[last]
    return data


@pytest.mark.parametrize("file", FILE_FIXTURES, ids=NAMES)
def test_what_is_written_of_any_event_is_read_as_it_was_or_refused_by_its_field(file: Path):
    """`read(write(event)) == event`; where a form has no room for all of an event, the refusal or the note names the field."""
    mapping = mapping_of(file)
    medium = medium_of(mapping.form)
    kept = refused = 0
    for document, around in file_documents(file, mapping):
        for draft in mapping.read(document, around).events:
            for seed in range(40):
                data = thinned(said(draft.data), random.Random(seed))
                again, problems = composed(mapping, data, medium, around)
                if again is None:
                    assert all(field or text.startswith(("has no ", "lists neither ")) for field, text in problems), problems
                    refused += 1
                    continue
                kept += 1
                lost = {name.split("[")[0].split(".")[0] for name, _ in again.not_written}
                for key in data.keys() - lost - {"purpose"}:
                    if isinstance(data[key], str):
                        assert again.data[key] == data[key], (seed, key)
    print(f"{file.name}: {kept} written and read again, {refused} refused")
    assert kept >= 8


def composed(mapping: CompiledMapping, data: dict[str, Any], medium: Medium, around: Context) -> tuple[Composed | None, list[tuple[str, str]]]:
    try:
        return compose(mapping, data, medium, around), []
    except ComposeProblem as problem:
        return None, problem.problems


def reached_by(mapping: CompiledMapping, documents: list[tuple[Document, Any]]) -> set[tuple[str, int]]:
    """The places of documents that have a value."""
    return {
        (node.tag, element) for document, _ in documents for node in document.root.walk() for element in range(1, len(node.segment.elements))
        if node.segment.elements[element]
    }  # fmt: skip


@pytest.mark.parametrize("name", [name for name in MAPPINGS if name.startswith("csv/")])
def test_every_declared_column_is_carried_or_dropped_with_a_reason(name: str):
    """A row with every column filled: none of them is left over."""
    mapping = shipped().mapping(name)
    dialect = mapping.form
    assert isinstance(dialect, Dialect)
    values = {"text": "AF", "number": "12", "date": "2026-11-16", "time": "14:05", "moment": "2026-11-16T14:05"}
    columns = [column for record in dialect.records for column in record.columns]
    text = ",".join(column.headings[0] for column in columns) + "\n" + ",".join(f"{values[column.kind]}" for column in columns) + "\n"
    [one] = read_file(text.encode(), dialect).documents(0)
    assert one.findings == []
    assert one.document is not None
    mapped = mapping.read(one.document, context(NO_ENVELOPE, zone="America/Chicago"))
    assert [entry.path for entry in mapped.unmapped] == []
    assert len(reached_by(mapping, [(one.document, None)])) == len(columns)


@pytest.mark.parametrize("file", FILE_FIXTURES, ids=NAMES)
def test_the_bytes_that_a_field_is_explained_by_are_its_own(file: Path):
    """Altering the named bytes alters the field."""
    name = file.parent.parent.relative_to(ROOT / "mappings").as_posix()
    mapping, data = shipped().traced(name), file.read_bytes()
    documents = list(file_documents(file, mapping))
    for number, (document, around) in enumerate(documents[:1]):
        _, fields = explain(mapping, document, around)
        checked = 0
        for field in fields:
            spots = [spot for spot in field.spots if spot.role == "value"]
            if len(spots) != 1 or not isinstance(field.value, str) or spots[0].text != field.value or field.name.startswith("("):
                continue
            raw = data[spots[0].byte_start : spots[0].byte_end]
            assert field.value.encode() in raw or field.value.replace("&", "&amp;").encode() in raw, (field.name, raw)
            checked += 1
        assert checked > 3, number


@pytest.mark.corpus
def test_despatch_advices_and_receipts_of_others_give_events():
    """Every UBL DespatchAdvice and ReceiptAdvice of the corpus; what is not carried is listed."""
    files = [path for path in corpus_files("xml-ubl") if path.suffix == ".xml"]
    tried, held = 0, []
    for name in ("xml/ubl-despatch-advice", "xml/ubl-receipt-advice"):
        mapping = shipped().mapping(name)
        assert isinstance(mapping.form, XmlForm)
        for path in files:
            for one in read_file(path.read_bytes(), mapping.form).documents(0):
                assert one.document is not None
                tried += 1
                try:
                    assert mapping.read(one.document, context(NO_ENVELOPE)).events
                except MappingProblem as problem:
                    held.append((path.name, str(problem)))
    assert tried >= 10
    assert held == []
