"""Which numbers of an event a person may search by, and which of them ties documents together.

Reads them off the event's data by its family's schema; knows no format.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, get_args, get_origin

from translators.events.families import FAMILIES
from translators.events.family import Family
from translators.events.goods import Mark
from translators.events.identity import normalise_reference
from translators.events.parts import Part, Reference
from translators.mapping.blocks import bare

Way = tuple[str, ...]
SSCC = "sscc"


@lru_cache(maxsize=64)
def _ways(name: str) -> tuple[tuple[Way, str | None], ...]:
    """(names down to a value, its type of reference; None: the value is a Reference or Mark that says so itself)."""
    family = FAMILIES[name]
    given: list[tuple[Way, str | None]] = [(tuple(path.split(".")), type_) for path, type_ in family.references.items()]
    return tuple(given + [(way, SSCC if way[-1] == SSCC else None) for way in _found(family.model, ())])


def _found(model: type[Part], way: Way) -> Iterator[Way]:
    for name, info in model.model_fields.items():
        wanted = bare(info.annotation)
        inner = get_args(wanted)[0] if get_origin(wanted) is list else wanted
        if inner in (Reference, Mark) or name == SSCC:
            yield (*way, name)
        elif isinstance(inner, type) and issubclass(inner, Part) and len(way) < 6:
            yield from _found(inner, (*way, name))


def _values(value: Any, way: Way) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _values(item, way)
    elif not way:
        yield value
    elif isinstance(value, dict) and way[0] in value:
        yield from _values(value[way[0]], way[1:])


def references_of(family: Family, data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(type, normalised value) of all numbers of the data, each once, in the order of the schema."""
    found: dict[tuple[str, str], None] = {}
    for way, type_ in _ways(family.name):
        if way[0] not in data:
            continue
        for value in _values(data, way):
            kind, text = (value["type"], value["value"]) if type_ is None else (type_, value)
            if plain := normalise_reference(kind, text):
                found[(kind, plain)] = None
    return list(found)


def correlation_of(family: Family, references: list[tuple[str, str]]) -> str | None:
    """The best reference that ties documents together, as "type/value"."""
    for wanted in family.correlation:
        for type_, value in references:
            if type_ == wanted:
                return f"{type_}/{value}"
    return None
