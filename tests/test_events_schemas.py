"""The published schemas are those of the code, say something of every field, and hold for every event we keep."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.mapping_fixtures import FIXTURES, ROOT, golden_path
from translators.events.families import FAMILIES, OWN, json_schema
from translators.events.family import Family, OwnFamily

SCHEMAS = ROOT / "docs" / "reference" / "schemas"
ALL = FAMILIES | OWN
EACH = pytest.mark.parametrize("family", ALL.values(), ids=list(ALL))


def published(family: Family | OwnFamily) -> Path:
    return SCHEMAS / f"{family.type}.json"


def write() -> None:
    """`python -m tests.test_events_schemas` publishes them again after a deliberate change."""
    SCHEMAS.mkdir(parents=True, exist_ok=True)
    for family in ALL.values():
        published(family).write_text(json.dumps(json_schema(family), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@EACH
def test_published_schemas_are_current(family: Family | OwnFamily):
    assert json.loads(published(family).read_text(encoding="utf-8")) == json_schema(family)


@EACH
def test_schemas_are_2020_12_and_describe_every_field(family: Family | OwnFamily):
    schema = json_schema(family)
    Draft202012Validator.check_schema(schema)
    for part in (schema, *schema["$defs"].values()):
        for name, field in part["properties"].items():
            assert field.get("description"), (part["title"], name)


def test_nothing_else_is_published():
    assert sorted(path.name for path in SCHEMAS.iterdir()) == sorted(published(family).name for family in ALL.values())


@pytest.mark.parametrize("file", FIXTURES, ids=[file.name for file in FIXTURES])
def test_kept_events_are_valid(file: Path):
    golden: dict[str, Any] = json.loads(golden_path(file).read_text(encoding="utf-8"))
    events = [event for one in golden["sets"] for event in one["events"]]
    assert events
    for event in events:
        family = next(family for family in FAMILIES.values() if family.type == event["type"])
        Draft202012Validator(json_schema(family)).validate(event["data"])


def test_every_family_has_an_event_in_the_fixtures():
    kept = {event["type"] for file in FIXTURES for one in json.loads(golden_path(file).read_text())["sets"] for event in one["events"]}
    assert kept == {family.type for family in FAMILIES.values()}


def test_a_schema_refuses_what_is_not_in_it():
    schema = json_schema(FAMILIES["shipment.status"])
    assert not Draft202012Validator(schema).is_valid({"shipment_id": "1"})
    quantity = {"$ref": "#/$defs/Quantity", "$defs": schema["$defs"]}
    assert Draft202012Validator(quantity).is_valid({"value": "12.5", "unit": "each"})
    for wrong in ({"value": 12.5}, {"value": "12.50"}, {"value": "1e3"}, {"value": "1", "colour": "red"}):
        assert not Draft202012Validator(quantity).is_valid(wrong)


if __name__ == "__main__":
    write()
