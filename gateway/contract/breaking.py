"""Whether one published JSON Schema, or the document of the whole interface, breaks those who rely on an earlier one. Pure.

Two who rely on a schema: who reads what we tell (events, answers), and who writes what we take (the same data in a release to a partner). Who calls us does
both, at addresses.
"""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
MOST_DEEP = 30


def breaks_readers(before: Schema, after: Schema) -> list[str]:
    """Where a reader of `before` may stumble over data of `after`: what it could count on is gone, may be missing, or may be of another kind."""
    return sorted(set(_for_readers(_Side(before), _Side(after), "", 0)))


def breaks_writers(before: Schema, after: Schema) -> list[str]:
    """Where data that was good by `before` is refused by `after`."""
    return sorted(set(_for_writers(_Side(before), _Side(after), "", 0)))


def breaks_callers(before: Schema, after: Schema) -> list[str]:
    """Where who calls by the OpenAPI document `before` may stumble over what `after` serves: addresses, parameters, bodies, answers of success."""
    told: list[str] = []
    sides = before.get("components", {}).get("schemas", {}), after.get("components", {}).get("schemas", {})
    for path, operations in before["paths"].items():
        for method, operation in operations.items():
            where = f"{method.upper()} {path}"
            now = after["paths"].get(path, {}).get(method)
            if now is None:
                told.append(f"{where} is gone")
                continue
            told += [f"{where}: {one}" for one in (*_parameters(operation, now), *_bodies(operation, now, sides), *_answers(operation, now, sides))]
    return sorted(set(told))


def _parameters(before: Schema, after: Schema) -> Iterator[str]:
    known = {(one["in"], one["name"]): one for one in before.get("parameters", ())}
    present = {(one["in"], one["name"]): one for one in after.get("parameters", ())}
    for place, name in known.keys() - present.keys():
        yield f"the {place} parameter {name} is gone"
    for key, one in present.items():
        if one.get("required") and not known.get(key, {}).get("required"):
            yield f"the {key[0]} parameter {key[1]} must be there now"
        if key in known:
            yield from _for_writers(_Side(known[key].get("schema", {}), {}), _Side(one.get("schema", {}), {}), key[1], 0)


def _bodies(before: Schema, after: Schema, definitions: tuple[Schema, Schema]) -> Iterator[str]:
    if "requestBody" not in before:
        if after.get("requestBody", {}).get("required"):
            yield "a body must be there now"
        return
    known, present = before["requestBody"]["content"], after.get("requestBody", {}).get("content", {})
    for media, body in known.items():
        if media not in present:
            yield f"a body of {media} is not taken any more"
            continue
        yield from _for_writers(_Side(body["schema"], definitions[0]), _Side(present[media]["schema"], definitions[1]), "", 0)


def _answers(before: Schema, after: Schema, definitions: tuple[Schema, Schema]) -> Iterator[str]:
    for status, answer in before["responses"].items():
        if not status.startswith("2"):
            continue
        if status not in after["responses"]:
            yield f"it does not answer {status} any more"
            continue
        for media, body in answer.get("content", {}).items():
            present = after["responses"][status].get("content", {}).get(media)
            if present is None:
                yield f"{status} is not {media} any more"
                continue
            yield from _for_readers(_Side(body["schema"], definitions[0]), _Side(present["schema"], definitions[1]), "", 0)


class _Side:
    """A schema with the definitions that it refers to."""

    def __init__(self, schema: Schema, definitions: Schema | None = None) -> None:
        self.definitions = schema.get("$defs", {}) if definitions is None else definitions
        while "$ref" in schema:
            schema = self.definitions[str(schema["$ref"]).rpartition("/")[2]]
        self.schema = schema

    @property
    def properties(self) -> dict[str, Any]:
        """Its own, and those of all that it is together (`allOf`)."""
        found = dict(self.schema.get("properties", {}))
        for one in self.schema.get("allOf", ()):
            found |= self.of(one).properties
        return found

    @property
    def required(self) -> set[str]:
        return set(self.schema.get("required", ())).union(*(self.of(one).required for one in self.schema.get("allOf", ())))

    @property
    def kinds(self) -> set[str]:
        """JSON's own types; of a choice, those of all of it."""
        found = set()
        for one in self.choices:
            given = one.schema.get("type", "object" if "properties" in one.schema else None)
            found |= set(given) if isinstance(given, list) else {given} if given else set()
        return found

    @property
    def words(self) -> set[Any] | None:
        """The only values that it may have; None where it may have others."""
        found: set[Any] = set()
        for one in self.choices:
            given = one.schema.get("enum", [one.schema["const"]] if "const" in one.schema else None)
            if given is None:
                if one.schema.get("type") == "null":
                    continue
                return None
            found |= set(given)
        return found

    @property
    def choices(self) -> list["_Side"]:
        several = self.schema.get("anyOf") or self.schema.get("oneOf")
        return [self.of(one) for one in several] if several else [self]

    def of(self, schema: Schema) -> "_Side":
        return _Side(schema, self.definitions)

    def inner(self) -> "_Side":
        """The one choice that has properties or items, or itself."""
        return next((one for one in self.choices if {"properties", "items", "allOf"} & one.schema.keys()), self)


def _for_readers(before: _Side, after: _Side, place: str, deep: int) -> Iterator[str]:
    if deep > MOST_DEEP:
        return
    if before.kinds and (wider := after.kinds - before.kinds):
        yield f"{place or 'data'} may be {', '.join(sorted(wider))} now, and was {', '.join(sorted(before.kinds))}"
    if before.words is not None and (after.words is None or after.words - before.words):
        new = "any" if after.words is None else ", ".join(sorted(map(str, after.words - before.words)))
        yield f"{place} may have words now that it had not: {new}"
    one, other = before.inner(), after.inner()
    for name, field in one.properties.items():
        where = f"{place}.{name}".lstrip(".")
        if name not in other.properties:
            yield f"{where} is gone"
            continue
        if name in one.required and name not in other.required:
            yield f"{where} may be missing now"
        yield from _for_readers(one.of(field), other.of(other.properties[name]), where, deep + 1)
    if "items" in one.schema and "items" in other.schema:
        yield from _for_readers(one.of(one.schema["items"]), other.of(other.schema["items"]), f"{place}[]", deep + 1)


def _for_writers(before: _Side, after: _Side, place: str, deep: int) -> Iterator[str]:
    if deep > MOST_DEEP:
        return
    if after.kinds and before.kinds and (narrower := before.kinds - after.kinds):
        yield f"{place or 'data'} may not be {', '.join(sorted(narrower))} any more"
    if after.words is not None and (before.words is None or before.words - after.words):
        gone = "others" if before.words is None else ", ".join(sorted(map(str, before.words - after.words)))
        yield f"{place} may not have words any more that it had: {gone}"
    one, other = before.inner(), after.inner()
    for name in sorted(other.required - one.required):
        yield f"{f'{place}.{name}'.lstrip('.')} must be there now"
    for name, field in one.properties.items():
        where = f"{place}.{name}".lstrip(".")
        if name in other.properties:
            yield from _for_writers(one.of(field), other.of(other.properties[name]), where, deep + 1)
        elif other.schema.get("additionalProperties") is False:
            yield f"{where} is refused now"
    if "items" in one.schema and "items" in other.schema:
        yield from _for_writers(one.of(one.schema["items"]), other.of(other.schema["items"]), f"{place}[]", deep + 1)
