"""What is published of the interface is what the code says, is valid, and breaks nobody who relies on the last release.

`python -m tests.test_contract_documents` publishes it again after a deliberate change. At a release the schemas of that day are copied to
docs/reference/contract/released/VERSION.
"""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gateway.contract.breaking import breaks_readers, breaks_writers
from gateway.contract.documents import asyncapi, openapi
from gateway.doors.problems import KINDS
from tests.mapping_fixtures import FIXTURES, ROOT, golden_path
from translators.events.families import FAMILIES, OWN, json_schema

FOLDER = ROOT / "docs" / "reference" / "contract"
VERSION = "0.1.0"
DOCUMENTS = {"openapi.json": openapi, "asyncapi.json": asyncapi}
RELEASED = sorted((FOLDER / "released").glob("*/*.json"))
SCHEMAS = {family.type: json_schema(family) for family in (FAMILIES | OWN).values()}
STATUS = SCHEMAS["org.crossdock.shipment.status.v1"]


def write() -> None:
    for name, make in DOCUMENTS.items():
        (FOLDER / name).write_text(json.dumps(make(VERSION), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_published_documents_are_current(name: str):
    assert json.loads((FOLDER / name).read_text(encoding="utf-8")) == DOCUMENTS[name](VERSION)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_reference_leads_somewhere(name: str):
    whole = DOCUMENTS[name](VERSION)

    def look(value: Any) -> None:
        if isinstance(value, list):
            for one in value:
                look(one)
        elif isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                found: Any = whole
                for step in value["$ref"].removeprefix("#/").split("/"):
                    assert step in found, value["$ref"]
                    found = found[step]
            for one in value.values():
                look(one)

    look(whole)


def test_events_of_the_fixtures_are_what_the_documents_say():
    schemas = openapi(VERSION)["components"]["schemas"]
    for file in FIXTURES[::7]:
        for one in json.loads(golden_path(file).read_text(encoding="utf-8"))["sets"]:
            for event in one["events"]:
                whole = {"components": {"schemas": schemas}, "$ref": f"#/components/schemas/{event['type']}"}
                assert not list(Draft202012Validator(whole).iter_errors(event["data"]))


def test_every_problem_of_a_release_is_named():
    answers = openapi(VERSION)["paths"]["/v1/documents"]["post"]["responses"]
    assert {int(status) for status in answers} <= {202, *(status for status, *_ in KINDS.values())}


@pytest.mark.parametrize("file", RELEASED, ids=[f"{file.parent.name} {file.stem}" for file in RELEASED])
def test_nobody_who_relies_on_a_release_is_broken(file: Path):
    before, after = json.loads(file.read_text(encoding="utf-8")), SCHEMAS[file.stem]
    assert breaks_readers(before, after) == []
    if file.stem in {family.type for family in FAMILIES.values()}:
        assert breaks_writers(before, after) == []


def changed(change: Any) -> dict[str, Any]:
    schema = copy.deepcopy(STATUS)
    change(schema)
    return schema


def drop(schema: dict[str, Any], *path: str) -> None:
    for step in path[:-1]:
        schema = schema[step]
    del schema[path[-1]]


def loosen(schema: dict[str, Any]) -> None:
    schema["required"].remove(schema["required"][0])


def kind(schema: dict[str, Any]) -> None:
    name = schema["required"][0]
    schema["properties"][name] = {"anyOf": [schema["properties"][name], {"type": "null"}]}


def demand(schema: dict[str, Any]) -> None:
    schema["properties"]["weather"] = {"type": "string"}
    schema["required"].append("weather")


def offer(schema: dict[str, Any]) -> None:
    schema["properties"]["weather"] = {"type": "string"}


REQUIRED = STATUS["required"][0]


def test_a_schema_breaks_nobody_by_itself_or_by_what_it_adds():
    for after in (STATUS, changed(offer)):
        assert breaks_readers(STATUS, after) == []
        assert breaks_writers(STATUS, after) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda schema: drop(schema, "properties", REQUIRED), f"{REQUIRED} is gone"),
        (loosen, f"{REQUIRED} may be missing now"),
        (kind, f"{REQUIRED} may be null now"),
    ],
)
def test_what_breaks_readers_is_told(change: Any, words: str):
    assert any(words in one for one in breaks_readers(STATUS, changed(change)))


def test_what_breaks_writers_is_told():
    assert breaks_writers(STATUS, changed(demand)) == ["weather must be there now"]
    before = {"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}, "b": {"enum": ["x", "y"]}}, "additionalProperties": False}
    after = {"properties": {"a": {"type": "string"}, "b": {"enum": ["x"]}}, "additionalProperties": False}
    assert breaks_writers(before, after) == ["a may not be null any more", "b may not have words any more that it had: y"]
    assert breaks_writers(before, {"properties": {"a": before["properties"]["a"]}, "additionalProperties": False}) == ["b is refused now"]


def test_words_that_are_new_break_readers_and_words_that_are_open_do_not():
    before, after = {"properties": {"b": {"enum": ["x"]}}}, {"properties": {"b": {"enum": ["x", "y"]}}}
    assert breaks_readers(before, after) == ["b may have words now that it had not: y"]
    assert breaks_readers(after, before) == []


def test_parts_that_refer_to_themselves_come_to_an_end():
    part = {"properties": {"parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}}}}
    schema = {"$ref": "#/$defs/Part", "$defs": {"Part": part}}
    assert breaks_readers(schema, schema) == breaks_writers(schema, schema) == []


if __name__ == "__main__":
    write()
