"""JSON paths in the mapping language: an event's fields, what steps have found, and what surrounds an event.

    notice_id                          a field of the event, or a name that a step has given
    line.item.ids[type=buyer_item].value   of a list the first that fits; [type=a,b], [type!=a], [type] as in other formats
    orders[id == line.order].purchase_order   the first whose field equals what stands elsewhere
    goods[].move                       of a list all: the value is a list
    @id, @partner, @revision …         what stands around the event

Knows which names there are and, of an event, which fields its schema has; knows no values.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from translators.mapping.language import COMMON, Condition, Element, LanguageError, Path, Step, Steps

_NAME = r"[A-Za-z_]\w*"
_BRACKET = r"(?:\[[^\]\[]*\])"
_PATH = rf"@?{_NAME}{_BRACKET}?(?:\.{_NAME}{_BRACKET}?)*"
_TOKENS = re.compile(COMMON % rf"(?P<step>{_PATH})(?![\w\[@(.]) | (?P<elements>(?!))", re.VERBOSE)
_PART = re.compile(rf"(?P<name>@?{_NAME})(?P<bracket>{_BRACKET}?)")
_EQUALS = re.compile(rf"\s*(?P<field>{_NAME})\s*==\s*(?P<path>{_NAME}(?:\.{_NAME})*)\s*")
_CONDITION = re.compile(rf"\s*(?P<field>{_NAME})\s*(?:(?P<operator>!?=)\s*(?P<values>[^=!]+?))?\s*")
NOTHING: tuple[Any, ...] = (None, False, "", [])
"""What a condition takes for nothing."""
ALL = "all"
"""Marks a step written with []: every item of the list."""
ATTRIBUTES = ("id", "type", "source", "subject", "partner", "stream", "time", "revision", "supersedes", "correlation", "data")
"""What may stand behind @: of the CloudEvent; `revision` is 1 where it is told for the first time, `data` is all that it tells."""


class JsonSyntax:
    """`line.item.ids[type=sku].value` (language.Syntax)."""

    tokens = _TOKENS
    value = (Element(1),)

    def steps(self, match: "re.Match[str]") -> Steps:
        return Steps(tuple(self._step(part) for part in _PART.finditer(match.group("step"))))

    def _step(self, part: "re.Match[str]") -> Step:
        inner = part["bracket"][1:-1].strip()
        if part["bracket"] and not inner:
            return Step(part["name"], (ALL,), ())
        if not inner:
            return Step(part["name"], (), ())
        if equals := _EQUALS.fullmatch(inner):
            return Step(part["name"], (), (Condition(1, (), False, (equals["field"], *equals["path"].split("."))),))
        found = _CONDITION.fullmatch(inner)
        if found is None:
            raise LanguageError(
                f"[{inner}] is no condition; write [type=sku], [type=sku,gtin12], [type!=sku], [type], [id == line.order], or [] for all"
            )
        values = tuple(one.strip().encode() for one in (found["values"] or "").split(",") if one.strip())
        return Step(part["name"], (), (Condition(1, values, found["operator"] == "!=", (found["field"],)),))

    def elements(self, text: str) -> tuple[Element, ...]:
        raise LanguageError(f"{text!r} is no path")

    def last(self, tag: str) -> int:
        return 1

    def check(self, path: Path) -> None:
        if path.reach:
            raise LanguageError(f"{path.reach} is a word of documents; a path here begins at a name")


# ---- what is known of a path before it is followed


@dataclass(frozen=True, slots=True)
class Shape:
    """What stands at a name: an object of a model, a list, a text, or anything (an answer)."""

    kind: Literal["object", "list", "leaf", "any"]
    model: type[BaseModel] | None = None
    fields: "tuple[tuple[str, Shape], ...]" = ()
    """Of an object without a model (what a loop has collected)."""
    item: "Shape | None" = None


ANYTHING, TEXT = Shape("any"), Shape("leaf")


def shape_of(annotation: Any) -> Shape:
    """Of a field of an event's model."""
    if get_origin(annotation) in (Union, UnionType):
        kinds = [shape_of(one) for one in get_args(annotation) if one is not type(None)]
        return kinds[0] if len(kinds) == 1 else TEXT
    if get_origin(annotation) is list:
        return Shape("list", item=shape_of(get_args(annotation)[0]))
    if get_origin(annotation) is not None and hasattr(annotation, "__metadata__"):
        return shape_of(get_args(annotation)[0])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Shape("object", model=annotation)
    return TEXT


def known(path: Path, names: dict[str, Shape]) -> Shape:
    """What a path leads to. Raises LanguageError where it can lead nowhere, with what was meant."""
    first = path.steps[0]
    if first.tag.startswith("@"):
        if first.tag == "@data" and len(path.steps) == 1:
            return ANYTHING
        if first.tag[1:] not in ATTRIBUTES or len(path.steps) > 1:
            raise LanguageError(f"there is no {first.tag}{_meant(first.tag[1:], ATTRIBUTES)}; there are {', '.join(f'@{one}' for one in ATTRIBUTES)}")
        return TEXT
    if first.tag not in names:
        raise LanguageError(f"nothing is called {first.tag!r} here{_meant(first.tag, names)}")
    shape, way, several = _picked(names[first.tag], first, first.tag), first.tag, ALL in first.levels
    for condition in [one for step in path.steps for one in step.conditions if len(one.way) > 1]:
        known(_other(condition), names)
    for step in path.steps[1:]:
        shape = _picked(_field(shape, step.tag, way), step, f"{way}.{step.tag}")
        way, several = f"{way}.{step.tag}", several or ALL in step.levels
    return Shape("list", item=shape) if several else shape


def _field(shape: Shape, name: str, way: str) -> Shape:
    if shape.kind == "any":
        return ANYTHING
    if shape.kind == "list":
        raise LanguageError(f"{way} is a list; write {way}[] for all of it, {way}[field=word] for the first that fits, or go through it with each")
    if shape.kind == "leaf":
        raise LanguageError(f"{way} has no fields")
    fields = {key: shape_of(info.annotation) for key, info in shape.model.model_fields.items()} if shape.model else dict(shape.fields)
    if name not in fields:
        raise LanguageError(f"{way} has no field {name!r}{_meant(name, fields)}; there are {', '.join(fields)}")
    return fields[name]


def _picked(shape: Shape, step: Step, way: str) -> Shape:
    """What a bracket leaves of it."""
    if not step.levels and not step.conditions:
        return shape
    if shape.kind == "any":
        return ANYTHING
    if shape.kind != "list" or shape.item is None:
        raise LanguageError(f"{way} is no list; leave the brackets out")
    for condition in step.conditions:
        _field(shape.item, condition.way[0], way)
    return shape.item


def _meant(name: str, among: Any) -> str:
    near = get_close_matches(name, list(among), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _other(condition: Condition) -> Path:
    """The path that a field is compared with."""
    return Path(".".join(condition.way[1:]), "", tuple(Step(name, (), ()) for name in condition.way[1:]), (), False)


# ---- following it


Names = Callable[[str], Any]
"""What a name stands for; None: nothing."""


def follow(path: Path, names: Names) -> Any:
    """The value; None where there is none."""
    return _go(names(path.steps[0].tag), path.steps, 0, names)


def _go(value: Any, steps: tuple[Step, ...], at: int, names: Names) -> Any:
    """`value` is what steps[at] names, before its bracket is looked at."""
    step = steps[at]
    if ALL in step.levels:
        items = value if isinstance(value, list) else []
        found = [_onward(item, steps, at, names) for item in items]
        return [one for one in found if one is not None]
    if step.conditions:
        condition = step.conditions[0]
        items = value if isinstance(value, list) else []
        if len(condition.way) > 1:
            wanted = follow(_other(condition), names)
            value = next((item for item in items if isinstance(item, dict) and wanted is not None and item.get(condition.way[0]) == wanted), None)
        else:
            value = next((item for item in items if _fits(item, condition)), None)
    return _onward(value, steps, at, names)


def _onward(value: Any, steps: tuple[Step, ...], at: int, names: Names) -> Any:
    if at + 1 == len(steps):
        return value
    if not isinstance(value, dict):
        return None
    return _go(value.get(steps[at + 1].tag), steps, at + 1, names)


def _fits(item: Any, condition: Condition) -> bool:
    found = item.get(condition.way[0]) if isinstance(item, dict) else None
    if not condition.values:
        return (found not in NOTHING) != condition.negate
    return (found is not None and str(found).encode("utf-8", "replace") in condition.values) != condition.negate
