"""Checks an event's data against its family's schema without building models, and gives it back with all names in alphabetical order.

Knows pydantic's core schemas; knows no family. The models themselves stay what is published and what words the faults.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from pydantic_core import SchemaValidator

from translators.events.parts import Part

Schema = dict[str, Any]


@lru_cache(maxsize=64)
def checker(model: type[Part]) -> Callable[[Any], dict[str, Any]]:
    """What `model.model_validate` takes, as a plain dict with its names in order; raises pydantic's ValidationError for all else."""
    return SchemaValidator(_plain(model.__pydantic_core_schema__)).validate_python


class _Fields:
    """A checked dict as a model's own rules see it: absent fields are None."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def __getattr__(self, name: str) -> Any:
        return self._fields.get(name)


def _plain(schema: Any) -> Any:
    """The core schema with dicts in place of models."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "model":
        return _dict_of(schema)
    plain = {key: _plain(value) for key, value in schema.items()}
    if schema.get("type") == "function-after":
        plain["function"] = {"type": "no-info", "function": _rule(schema["function"]["function"])}
    return plain


def _rule(rule: Callable[[Any], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A rule that holds between the fields of a model, for a dict."""

    def checked(fields: dict[str, Any]) -> dict[str, Any]:
        rule(_Fields(fields))
        return fields

    return checked


def _dict_of(model: Schema) -> Schema:
    inner = model["schema"]
    assert inner["type"] == "model-fields", "rules stand outside a model's fields"
    config = model["config"]
    plain: Schema = {
        "type": "typed-dict",
        "fields": {name: _field(field["schema"]) for name, field in sorted(inner["fields"].items())},
        "config": config,
        "extra_behavior": config.get("extra_fields_behavior", "ignore"),
    }
    return plain | ({"ref": model["ref"]} if "ref" in model else {})


def _field(schema: Schema) -> Schema:
    optional = schema["type"] == "default"
    return {"type": "typed-dict-field", "schema": _plain(schema["schema"] if optional else schema), "required": not optional}
