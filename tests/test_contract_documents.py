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

from gateway.contract import erp_api
from gateway.contract.breaking import breaks_callers, breaks_readers, breaks_writers
from gateway.contract.documents import asyncapi, openapi
from gateway.contract.versions import CURRENT, VERSIONS
from gateway.doors.problems import KINDS
from tests.mapping_fixtures import FIXTURES, ROOT, golden_path
from translators.events.families import FAMILIES, OWN, json_schema

FOLDER = ROOT / "docs" / "reference" / "contract"
VERSION = "0.1.0"
DOCUMENTS = {"openapi.json": openapi, "asyncapi.json": asyncapi}
RELEASED = sorted((FOLDER / "released").glob("*/org.*.json"))
RELEASED_DOCUMENTS = sorted((FOLDER / "released").glob("*/openapi.json"))
SCHEMAS = {family.type: json_schema(family) for family in (FAMILIES | OWN).values()}
STATUS = SCHEMAS["org.crossdock.shipment.status.v1"]


OPENAPI = openapi(VERSION)


def write() -> None:
    for name, make in DOCUMENTS.items():
        (FOLDER / name).write_text(json.dumps(make(VERSION), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def test_two_schemas_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(erp_api, "schemas", lambda: {next(iter(SCHEMAS)): {}})
    with pytest.raises(ValueError, match="two schemas are called"):
        openapi(VERSION)


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


@pytest.mark.parametrize("file", RELEASED_DOCUMENTS, ids=[file.parent.name for file in RELEASED_DOCUMENTS])
def test_nobody_who_calls_by_a_released_document_is_broken(file: Path):
    assert breaks_callers(json.loads(file.read_text(encoding="utf-8")), OPENAPI) == []


def test_the_versions_that_are_kept_are_those_that_were_released():
    assert [file.parent.name for file in RELEASED_DOCUMENTS] == list(VERSIONS)
    assert CURRENT == VERSION


SHIPMENTS = "/v1/shipments"


def of_get(document: dict[str, Any], path: str = SHIPMENTS) -> dict[str, Any]:
    return document["paths"][path]["get"]


BROKEN: dict[str, tuple[Any, str]] = {
    "an address": (lambda one: one["paths"].pop(SHIPMENTS), "GET /v1/shipments is gone"),
    "a method": (lambda one: one["paths"]["/v1/documents"].pop("post"), "POST /v1/documents is gone"),
    "a parameter": (lambda one: of_get(one).update(parameters=of_get(one)["parameters"][1:]), "the query parameter status is gone"),
    "a parameter that must be": (lambda one: of_get(one)["parameters"][0].update(required=True), "the query parameter status must be there now"),
    "a word of a parameter": (
        lambda one: of_get(one, "/v1/documents")["parameters"][0]["schema"].update(enum=["in"]),
        "direction may not have words any more",
    ),
    "an answer": (lambda one: of_get(one)["responses"].pop("200"), "it does not answer 200 any more"),
    "a kind of answer": (lambda one: of_get(one)["responses"]["200"].update(content={}), "200 is not application/json any more"),
    "a field": (lambda one: one["components"]["schemas"]["ListedStanding"]["properties"].pop("milestone"), "items[].milestone is gone"),
    "a field of a part": (lambda one: one["components"]["schemas"]["Released"]["properties"].pop("document"), "document is gone"),
    "a body that must have more": (
        lambda one: one["components"]["schemas"]["Release"]["required"].append("set"),
        "POST /v1/documents: set must be there now",
    ),
    "a body": (lambda one: of_put(one)["requestBody"].update(content={}), "a body of application/json is not taken any more"),
    "a body that was none": (
        lambda one: of_get(one).update(requestBody={"required": True, "content": {}}),
        "GET /v1/shipments: a body must be there now",
    ),
}  # fmt: skip


def of_put(document: dict[str, Any]) -> dict[str, Any]:
    return document["paths"]["/v1/events/cursor"]["put"]


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_callers_is_told(name: str):
    change, words = BROKEN[name]
    after = copy.deepcopy(OPENAPI)
    change(after)
    told = breaks_callers(OPENAPI, after)
    assert any(words in one for one in told), told


def test_what_is_added_breaks_no_caller():
    before = copy.deepcopy(OPENAPI)
    del before["paths"][SHIPMENTS]
    of_get(before, "/v1/orders")["parameters"].pop(0)
    assert breaks_callers(before, OPENAPI) == []


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
