"""Real files of the shared corpus: each of their sets becomes events, or is held or rejected with words."""

import io
import json

import pytest

from gateway.commands.translate import translate
from partners.mappings import shipped
from tests.corpus import corpus_files
from tests.mapping_fixtures import context, documents
from translators.events.identity import content_hash
from translators.mapping import Mapped, MappingProblem
from translators.x12.options import LENIENCIES, Options

SETS = ("856", "214", "940", "945")
LENIENT = Options("tolerant", frozenset(LENIENCIES) - {"comma-decimal"})


@pytest.mark.corpus
@pytest.mark.parametrize("set_id", SETS)
def test_every_real_set_maps_or_is_held_in_words(set_id: str):
    mapping = shipped().mapping(f"x12/{set_id}")
    read, held = 0, list[str]()
    for file in corpus_files(f"x12-{set_id}"):
        for document, around in documents(file.read_bytes(), options=LENIENT):
            if document.set_id != set_id:
                continue
            assert len(content_hash(document)) == 64
            try:
                mapped = mapping.read(document, around)
            except MappingProblem as problem:
                held += problem.problems
                continue
            read += 1
            check(mapped)
    assert all(len(text) > 20 for text in held)
    assert read >= 5, (read, held)


def check(mapped: Mapped) -> None:
    assert mapped.events
    for event in mapped.events:
        assert event.business_key.strip("|")
        assert event.subject.split("/", 1)[1]
        assert json.dumps(event.data)


@pytest.mark.corpus
@pytest.mark.parametrize("set_id", SETS)
def test_translate_says_something_of_every_real_file(set_id: str):
    for file in corpus_files(f"x12-{set_id}"):
        for as_json in (False, True):
            out = io.StringIO()
            code = translate(file, as_json=as_json, out=out)
            assert code in (0, 1, 65), file
            if as_json:
                assert all(json.loads(line)["specversion"] == "1.0" for line in out.getvalue().splitlines())
            else:
                assert out.getvalue().strip(), file


@pytest.mark.corpus
def test_real_files_read_by_hand():
    """A few facts that a person read off the files."""
    [file] = [file for file in corpus_files("x12-856") if file.name == "edi-map-check-856-856-pickpack.edi"]
    [(document, around)] = documents(file.read_bytes())
    [event] = shipped().mapping("x12/856").read(document, around).events
    assert [(line["pack"], line["item"]["ids"][0]["value"], line["shipped"]["value"]) for line in event.data["lines"]] == [
        ("3", "614141007349", "12"),
        ("3", "614141007350", "24"),
        ("6", "614141007351", "60"),
    ]
    assert event.data["orders"] == [{"id": "2", "purchase_order": "PO4400021"}]

    [file] = [file for file in corpus_files("x12-856") if file.name == "edi-map-check-856-856-defects.edi"]
    [(document, around)] = documents(file.read_bytes(), options=LENIENT)
    with pytest.raises(MappingProblem, match=r"HL at segment 24 .*hangs below no HL\[S\]"):
        shipped().mapping("x12/856").read(document, context())
