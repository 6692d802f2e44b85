"""Compiles the blocks of a mapping (`fields:` and what is nested in it) against the schema of its event.

Knows expressions and pydantic models; knows no single event and no identity.
"""

import types
from dataclasses import replace
from difflib import get_close_matches
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin

from translators.events.parts import Part
from translators.mapping import language
from translators.mapping.expressions import Check, Read, Surroundings, compile_expression, compile_test, is_constant
from translators.mapping.lists import compile_list
from translators.mapping.paths import FindAll, FindOne, compile_all, compile_one, condition_mask, first_of, union
from translators.mapping.readers import Fields, Needs, at_most_one, guarded, joined, moved, needs_of, read_each, read_object, read_one
from translators.mapping.tracing import ITEM, PASS, noting, traced
from translators.mapping.transforms import Tables
from translators.mapping.written import Path, Written

RESERVED = ("at", "each", "is", "when", "read", "write")
"""Words of a block that are no fields."""
VALUE = ("is", "when", "read", "write")
"""Words of a block that says one value, perhaps in its two directions apart (write_rules.py)."""
MADE_HERE = frozenset({"purpose", "evidence", "quality", "cancelled"})
"""Fields that the engine fills itself."""


class Fault(Exception):
    """Part of a mapping does not compile; collected, not raised to callers."""


class BlockCompiler:
    """Compiles one mapping's blocks, collecting faults with their places."""

    def __init__(self, written: Written, tables: Tables, words: language.Language, *, trace: bool = False) -> None:
        self.written, self.words, self.trace = written, words, trace
        self.tables = tables
        self.faults: list[str] = []
        self.origins: dict[str, str] = {}
        """Field (dotted, without indexes) -> the expression that gives it, to say where a missing one would come from."""

    def fault(self, path: Path, text: str) -> None:
        """Notes what is wrong at a place."""
        self.faults.append(self.written.at(path, text))

    def fields(self, path: Path, model: type[Part], around: Surroundings, *, made: frozenset[str] = frozenset()) -> Read:
        """A reader of the block at `path` as an object of `model`; None when nothing but constants could be read."""
        spec = self.written.find(path)
        required: Fields = []
        optional: list[tuple[str, Read, Needs]] = []
        constants = 0
        for key in spec:
            if key in RESERVED:
                continue
            name = str(key).removesuffix("[]")
            read = self.field((*path, key), name, model, around)
            if read is None:
                continue
            read = self.traced(name, (*path, key), read)
            if model.model_fields[name].is_required():
                required.append((name, read))
            else:
                optional.append((name, read, self._needs(spec[key])))
            constants += isinstance(spec[key], str) and self._constant(spec[key])
        given = {name for name, _ in required} | made
        for name, info in model.model_fields.items():
            if info.is_required() and name not in given:
                self.fault(path, f"must give {name!r}, which the event requires: {info.description or ''}".rstrip(": "))
        return read_object(required, optional, constants, whole=bool(made) or model.essential, outward=around.outward)

    def traced(self, name: str, path: Path, read: Read) -> Read:
        """The reader, with a notebook around it where the mapping is compiled to explain."""
        if not self.trace:
            return read
        spec = self.written.find(path)
        if isinstance(spec, dict):
            spec = spec.get("is", spec.get("read", spec.get("each", spec.get("at", ""))))
        return traced(name, " or ".join(map(str, spec)) if isinstance(spec, list) else str(spec), self.written.place(path), read)

    def _needs(self, spec: Any) -> Needs:
        try:
            return needs_of(spec, self.words)
        except (language.LanguageError, AttributeError):  # a fault inside it is noted already; nothing will be read with this
            return None

    def _constant(self, text: str) -> bool:
        try:
            return is_constant(self.words.expression(text))
        except language.LanguageError:
            return False

    def field(self, path: Path, name: str, model: type[Part], around: Surroundings) -> Read | None:
        """A reader of one field; None, with the fault noted, if it does not compile."""
        info = model.model_fields.get(name)
        if info is None or (name in MADE_HERE and "evidence" in model.model_fields):
            near = get_close_matches(name, [known for known in model.model_fields if known not in MADE_HERE], 1)
            self.fault(path, f"{model.__name__} has no field {name!r}" + (f"; did you mean {near[0]!r}?" if near else "; see the event's schema"))
            return None
        wanted = bare(info.annotation)
        listed = get_origin(wanted) is list
        if listed is not str(path[-1]).endswith("[]"):
            self.fault(path, f"{name} is {'a list: write' if listed else 'no list: write'} {name}{'[]' if listed else ''}")
            return None
        spec = self.written.find(path)
        try:
            if listed:
                return self._list(path, spec, bare(get_args(wanted)[0]), around)
            if isinstance(spec, dict) and not {"is", "read", "write"} & spec.keys():
                return self._nested(path, spec, wanted, around)
            return self._value(path, spec, wanted, around)
        except Fault:
            return None

    def _value(self, path: Path, spec: Any, wanted: Any, around: Surroundings) -> Read:
        """`field: EXPRESSION` or `field: {is: EXPRESSION, when: TEST}`."""
        if isinstance(spec, dict):
            self._only(path, spec, VALUE)
            word = "is" if "is" in spec else "read"
            if word not in spec:  # written only
                return lambda run, node: None
            read = self._expression((*path, word), spec[word], wanted, around)
            return guarded(self._tests(path, spec, around), read)
        return self._expression(path, spec, wanted, around)

    def _expression(self, path: Path, spec: Any, wanted: Any, around: Surroundings) -> Read:
        if not isinstance(spec, str):
            self._stop(path, "must be an expression such as BSN/02; to leave the field out, name it under `remove:` in an overlay")
        try:
            read, gives = compile_expression(self.words.expression(spec), around)
        except language.LanguageError as fault:
            self._stop(path, str(fault))
        self._fits(path, gives, wanted)
        self.origins[field_name(path)] = spec
        return read

    def _fits(self, path: Path, gives: Any, wanted: Any) -> None:
        text = wanted is str or get_origin(wanted) is Literal
        if gives is not wanted and not (gives is str and text):
            self._stop(path, f"wants {_called(wanted)}, and this gives {_called(gives)}; {_mend(wanted)}")

    def _nested(self, path: Path, spec: dict[str, Any], wanted: Any, around: Surroundings) -> Read:
        """`field: {at: PATH, when: TEST, FIELD: …}`: an object."""
        if not (isinstance(wanted, type) and issubclass(wanted, Part)):
            self._stop(path, f"wants {_called(wanted)}, not a block")
        if "each" in spec:
            self._stop((*path, "each"), "makes a list; this field is a single one: use `at:` for the first such segment")
        if "at" not in spec:
            return guarded(self._tests(path, spec, around), self.fields(path, wanted, around))
        inner = replace(around, outward=False)
        find, masks = self._find_one((*path, "at"), spec["at"], around)
        return moved(find, masks, guarded(self._tests(path, spec, inner), self.fields(path, wanted, inner)))

    def _list(self, path: Path, spec: Any, item: Any, around: Surroundings) -> Read:
        """`field[]: EXPRESSION`, one block with `each` or `at`, or named blocks."""
        if isinstance(spec, str):
            return self._list_expression(path, spec, item, around)
        if not isinstance(spec, dict) or not spec:
            self._stop(path, "must be an expression, a block with `each:`, or named blocks")
        if {"is", "read"} & spec.keys() and not {"each", "at"} & spec.keys():
            self._only(path, spec, ("is", "read", "write"))
            word = "is" if "is" in spec else "read"
            return self._list_expression((*path, word), spec[word], item, around)
        if any(word in spec for word in RESERVED):
            return self._items(path, spec, item, around)
        if (
            isinstance(item, type)
            and issubclass(item, Part)
            and any(isinstance(inner, str) and key.removesuffix("[]") in item.model_fields for key, inner in spec.items())
        ):
            self._stop(path, "is a block of a list and needs `each:` (every such segment) or `at:` (the first)")
        reads = []
        for name, inner in spec.items():
            try:
                reads.append(self.traced(PASS, (*path, name), self._list((*path, name), inner, item, around)))
            except Fault:
                continue
        return joined(reads)

    def _list_expression(self, path: Path, spec: Any, item: Any, around: Surroundings) -> Read:
        if not isinstance(spec, str):
            self._stop(path, "must be an expression such as W6/01..04")
        try:
            read, gives = compile_list(self.words.expression(spec), around)
        except language.LanguageError as fault:
            self._stop(path, str(fault))
        self._fits(path, gives, item)
        self.origins[field_name(path)] = spec
        return read

    def _items(self, path: Path, spec: dict[str, Any], item: Any, around: Surroundings) -> Read:
        inner = replace(around, outward=False)
        if "each" in spec:
            find, masks = self.find_all((*path, "each"), spec["each"], around)
        elif "at" in spec:
            one, masks = self._find_one((*path, "at"), spec["at"], around)
            find = at_most_one(one)
        else:
            self._stop(path, "needs `each:` (every such segment) or `at:` (the first)")
        if "is" in spec:
            self._only(path, spec, ("each", "at", *VALUE))
            read = self._expression((*path, "is"), spec["is"], item, inner)
        elif isinstance(item, type) and issubclass(item, Part):
            read = self.fields(path, item, inner)
        else:
            self._stop(path, f"is a list of {_called(item)}; give each one as `is: 02`")
        checks = self._tests(path, spec, inner)
        if self.trace:
            read, checks = traced(ITEM, "", None, noting(masks, guarded(checks, read))), []
        elif "at" in spec and not around.outward:
            return read_one(one, masks, checks, read)
        return read_each(find, masks, checks, read, len(spec), shared=around.outward)

    def _tests(self, path: Path, spec: dict[str, Any], around: Surroundings) -> list[Check]:
        given = spec.get("when")
        checks = []
        for number, text in enumerate(given if isinstance(given, list) else [given] if given is not None else []):
            try:
                checks.append(compile_test(self.words.test(str(text)), around))
            except language.LanguageError as fault:
                self.fault((*path, "when", number) if isinstance(given, list) else (*path, "when"), str(fault))
        return checks

    def _find_one(self, path: Path, text: Any, around: Surroundings) -> tuple[FindOne, dict[str, int]]:
        try:
            parsed = self.words.path(str(text))
            self.words.check(parsed)
        except language.LanguageError as fault:
            self._stop(path, str(fault))
        return compile_one(parsed, around.outward), _told([parsed])

    def find_all(self, path: Path, given: Any, around: Surroundings) -> tuple[FindAll, dict[str, int]]:
        """`each: PATH`, `each: PATH else PATH` (the first that has any) or a list (all of them together)."""
        finders: list[FindAll] = []
        parsed: list[language.Path] = []
        for number, text in enumerate(given if isinstance(given, list) else [given]):
            try:
                alternatives = self.words.paths(str(text))
                for alternative in alternatives:
                    self.words.check(alternative)
            except language.LanguageError as fault:
                self._stop((*path, number) if isinstance(given, list) else path, str(fault))
            parsed += alternatives
            found = [compile_all(alternative, around.outward) for alternative in alternatives]
            finders.append(found[0] if len(found) == 1 else first_of(found))
        return (finders[0] if len(finders) == 1 else union(finders)), _told(parsed)

    def _only(self, path: Path, spec: dict[str, Any], words: tuple[str, ...]) -> None:
        for key in spec:
            if key not in words:
                self.fault((*path, key), f"cannot stand beside `is:`; only {', '.join(words)} can")

    def _stop(self, path: Path, text: str) -> NoReturn:
        self.fault(path, text)
        raise Fault


def _told(paths: list[language.Path]) -> dict[str, int]:
    """For each tag the elements that every path to it tells by its conditions, so that being chosen takes them."""
    told: dict[str, int] = {}
    for parsed in paths:
        last = parsed.steps[-1]
        mask = condition_mask(last)
        told[last.tag] = told[last.tag] & mask if last.tag in told else mask
    return told


def bare(annotation: Any) -> Any:
    """A field's type without Optional and Annotated."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType):
            annotation = next(part for part in get_args(annotation) if part is not type(None))
        else:
            break
    if get_origin(annotation) is list:
        return list[bare(get_args(annotation)[0])]  # type: ignore[misc]
    return annotation


def field_name(path: Path) -> str:
    """('fields', 'lines[]', 'shipped') as the schema's errors name it: lines.shipped"""
    return ".".join(str(part).removesuffix("[]") for part in path[1:] if part not in RESERVED)


def _called(wanted: Any) -> str:
    if wanted is str or get_origin(wanted) is Literal:
        return "a text"
    if get_origin(wanted) is list:
        return f"a list of {_called(get_args(wanted)[0])}"
    return f"a {getattr(wanted, '__name__', wanted)}"


def _mend(wanted: Any) -> str:
    name = getattr(wanted, "__name__", "")
    transform = {"Moment": "| moment or | date", "Quantity": "| quantity(unit)", "Weight": "| weight(unit, weight_kind)"}.get(name)
    return f"add {transform}" if transform else "write a block with its fields, or choose another field"
