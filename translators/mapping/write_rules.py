"""Compiles a mapping's lines for the way out: which elements each field of an event is written to.

Reads the same text as the reading direction (blocks.py), which has checked it already. Knows no event and no document.

A line may say its two directions apart: `{read: EXPRESSION}` is never written, `write:` beside `is:` is used in its place, and may be a list
of which the first holds whose `when:` is true of the event: `write: [{to: AT7/03, when: status.element = 1652}, AT7/01]`. A block's own
`write: {when: not carrier_reference, set: 01 = F}` says when it is written, and what stands there besides.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from translators.mapping import language
from translators.mapping.inverses import INVERSES, Invert
from translators.mapping.language import LAST_ELEMENT, Constant, LanguageError, Path, Step
from translators.mapping.placing import Key
from translators.mapping.transforms import ArgumentError, Tables

RESERVED = ("at", "each", "is", "when", "read", "write")


class Source(NamedTuple):
    """One path of a rule and the elements it names there."""

    path: Path
    keys: tuple[Key, ...]
    constant: str | None = None


class Chain(NamedTuple):
    """One way to write a value."""

    sources: tuple[Source, ...]
    inverts: tuple[Invert, ...]
    """From the last transform to the first."""
    kind: str
    """plain, word, check, pairs, pick, constant, number, or never."""
    argument: str = ""
    text: str = ""


class FieldTest(NamedTuple):
    """A condition on the event: a field beside the one to be written, or one of the whole event."""

    way: tuple[str, ...]
    values: frozenset[str] | None
    negate: bool

    def holds(self, item: Mapping[str, Any], whole: Mapping[str, Any]) -> bool:
        """Whether it is true here."""
        for data in (item, whole):
            value: Any = data
            for name in self.way:
                value = value.get(name) if isinstance(value, Mapping) else None
            if value is not None:
                return (self.values is None or value in self.values) is not self.negate
        return self.negate


class Alternative(NamedTuple):
    """Chains under a condition on the event."""

    test: FieldTest | None
    chains: tuple[Chain, ...]


Sets = tuple[tuple[Source, str], ...]
"""What a block's `when:` says of elements (02 = 2), so that writing makes it true."""


@dataclass(slots=True)
class ValueRule:
    """One field that is a value."""

    alternatives: tuple[Alternative, ...]
    sets: Sets = ()
    late: bool = False
    """It speaks of what other rules write (words beside codes): after them."""
    words: frozenset[str] = frozenset()
    """The constants that are all it may say; empty for any other rule."""
    plain: Source | None = None
    """The one element that holds its text as it stands: the usual case."""

    def __post_init__(self) -> None:
        chains = [chain for alternative in self.alternatives for chain in alternative.chains]
        if chains and all(chain.kind == "constant" for chain in chains):
            self.words = frozenset(chain.argument for chain in chains)
        if len(chains) == 1 and self.alternatives[0].test is None and not self.sets and chains[0].kind == "plain" and not chains[0].inverts:
            [source] = chains[0].sources if len(chains[0].sources) == 1 else [None]
            self.plain = source if source is not None and len(source.keys) == 1 else None


@dataclass(slots=True)
class ObjectRule:
    """One field that is an object."""

    at: Path | None
    sets: Sets
    fields: dict[str, "Rule"]


@dataclass(slots=True)
class ItemRule:
    """One block of a list field: each item a segment."""

    each: tuple[Path, ...]
    sets: Sets
    fields: dict[str, "Rule"]
    value: ValueRule | None
    """Where an item is a single value (`is:`)."""
    single: bool
    """`at:` in place of `each:`: one item only."""
    anchors: tuple[tuple[str, Path], ...] = ()
    """Fields that name another item whose segment must enclose this one's."""
    carriers: tuple[tuple[str, Key, str], ...] = ()
    """Fields that stand in the enclosing segment (`nearest LX/01`): (field, element, tag)."""
    test: FieldTest | None = None
    """`write: {when: …}`: what must be true of the event for this block to be written."""
    constants: tuple[tuple[str, frozenset[str]], ...] = ()
    """Fields that this block says by being read at all (`type: =upc_case`): an item that says another thing, or nothing, is not its."""


@dataclass(slots=True)
class TextsRule:
    """One block of a list field: an expression that gives many values."""

    chains: tuple[Chain, ...]


@dataclass(slots=True)
class ListRule:
    """One field that is a list: its blocks, in the order in which they are read."""

    blocks: list[ItemRule | TextsRule]


Rule = ValueRule | ObjectRule | ListRule


@dataclass(slots=True)
class Plan:
    """A mapping, to be written."""

    each: tuple[Path, ...]
    fields: dict[str, Rule]
    purpose: ValueRule | None
    places: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    """(segment, element) -> the fields that would give it, for words about what is missing."""
    paths: list[Path] = field(default_factory=list)
    """Every path that a line names, in either direction."""


_TEST = re.compile(r"(?P<no>not )?(?P<way>[a-z][\w.]*)(?:\s*(?P<operator>!?=)\s*(?P<values>.+))?")


class PlanCompiler:
    """Compiles one mapping; the faults it finds are (path, text)."""

    def __init__(self, written: Mapping[str, Any], tables: Tables, words: language.Language) -> None:
        self.written, self.tables, self.words = written, tables, words
        self.faults: list[tuple[tuple[str | int, ...], str]] = []
        self.places: dict[tuple[str, int], list[str]] = {}
        self.named: list[Path] = []

    def compile(self) -> Plan:
        """The plan, as far as it compiles."""
        identity = self.written.get("identity") or {}
        each = self._paths(self.written.get("each"), ("each",))
        purpose = self._value(identity["purpose"], ("identity", "purpose"), "", "purpose") if identity.get("purpose") else None
        fields = self._fields(self.written.get("fields") or {}, ("fields",), "", "")
        return Plan(each, fields, purpose, self.places, [*self.named, *self._read_paths(self.written.get("fields"))])

    def _read_paths(self, spec: Any) -> Iterator[Path]:
        """The paths of every line below, as they are read."""
        if isinstance(spec, Mapping):
            for key, inner in spec.items():
                if key not in ("write", "when"):
                    yield from self._read_paths(inner)
        elif isinstance(spec, list):
            for inner in spec:
                yield from self._read_paths(inner)
        elif isinstance(spec, str):
            try:
                yield from (source for chain in self.words.expression(spec).chains for source in chain.sources if isinstance(source, Path))
            except LanguageError:
                return  # told where it stands

    def _fields(self, spec: Mapping[str, Any], path: tuple[str | int, ...], tag: str, name: str) -> dict[str, Rule]:
        rules: dict[str, Rule] = {}
        for key, inner in spec.items():
            if key in RESERVED:
                continue
            plain = str(key).removesuffix("[]")
            here, dotted = (*path, key), f"{name}.{plain}" if name else plain
            if str(key).endswith("[]"):
                rules[plain] = ListRule(list(self._blocks(inner, here, tag, dotted)))
            elif isinstance(inner, str) or "is" in inner or "write" in inner or "read" in inner:
                rules[plain] = self._value(inner, here, tag, dotted)
            else:
                at = self._paths(inner["at"], (*here, "at"), dotted)[0] if "at" in inner else None
                below = at.steps[-1].tag if at is not None and at.steps else tag
                rules[plain] = ObjectRule(at, self._sets(inner, here), self._fields(inner, here, below, dotted))
        return rules

    def _blocks(self, spec: Any, path: tuple[str | int, ...], tag: str, name: str) -> Iterator[ItemRule | TextsRule]:
        if isinstance(spec, str):
            yield TextsRule(self._chains(spec, path, tag, name))
        elif "each" in spec or "at" in spec:
            yield self._items(spec, path, name)
        elif "is" in spec or "write" in spec:
            yield TextsRule(self._chains(str(spec.get("write", spec.get("is"))), path, tag, name))
        elif "read" not in spec:
            for key, inner in spec.items():
                yield from self._blocks(inner, (*path, key), tag, name)

    def _items(self, spec: Mapping[str, Any], path: tuple[str | int, ...], name: str) -> ItemRule:
        word = "each" if "each" in spec else "at"
        each = self._paths(spec[word], (*path, word), name)
        tag = each[0].steps[-1].tag if each and each[0].steps else ""
        value = self._value({key: spec[key] for key in ("is", "write", "read") if key in spec}, path, tag, name) if "is" in spec else None
        fields = {} if value else self._fields(spec, path, tag, name)
        anchors, carriers = [], []
        for field_name, rule in fields.items():
            for source in _first_sources(rule):
                if source.path.reach != "nearest":
                    continue
                if source.path.number:
                    anchors.append((field_name, source.path))
                elif len(source.path.steps) == 1 and len(source.keys) == 1:
                    carriers.append((field_name, source.keys[0], source.path.steps[0].tag))
        written = spec.get("write")
        test = self._field_test(written.get("when"), (*path, "write")) if isinstance(written, Mapping) else None
        sets = self._sets(spec, path) + (self._set_by(written, path) if isinstance(written, Mapping) else ())
        constants = tuple((field_name, words) for field_name, rule in fields.items() if (words := _constants(rule)))
        return ItemRule(each, sets, fields, value, word == "at", tuple(anchors), tuple(carriers), test, constants)

    def _set_by(self, written: Mapping[str, Any], path: tuple[str | int, ...]) -> Sets:
        """`write: {set: 01 = F}`: elements that say nothing to us and that the partner wants."""
        found: list[tuple[Source, str]] = []
        given = written.get("set")
        for text in given if isinstance(given, list) else [given] if given is not None else []:
            where, _, word = str(text).partition("=")
            try:
                source = self.words.expression(where.strip()).chains[0].sources[0]
            except LanguageError as fault:
                self.faults.append(((*path, "write"), str(fault)))
                continue
            if not isinstance(source, Path) or len(source.elements) != 1 or not word.strip():
                self.faults.append(((*path, "write"), f"{text!r} sets nothing; write `01 = F`"))
                continue
            found.append((self._source(source, "", ""), word.strip()))
        return tuple(found)

    def _value(self, spec: Any, path: tuple[str | int, ...], tag: str, name: str) -> ValueRule:
        if isinstance(spec, str):
            alternatives: tuple[Alternative, ...] = (Alternative(None, self._chains(spec, path, tag, name)),)
            sets: Sets = ()
        else:
            alternatives, sets = self._directions(spec, path, tag, name), self._sets(spec, path)
        late = any(chain.kind in ("word", "check") for alternative in alternatives for chain in alternative.chains)
        return ValueRule(alternatives, sets, late)

    def _directions(self, spec: Mapping[str, Any], path: tuple[str | int, ...], tag: str, name: str) -> tuple[Alternative, ...]:
        given = spec.get("write", spec.get("is"))
        if given is None:
            return ()
        found = []
        for number, one in enumerate(given if isinstance(given, list) else [given]):
            place = (*path, "write", number) if isinstance(given, list) else path
            if isinstance(one, Mapping):
                test = self._field_test(one.get("when"), place)
                found.append(Alternative(test, self._chains(str(one.get("to", "")), place, tag, name)))
            else:
                found.append(Alternative(None, self._chains(str(one), place, tag, name)))
        return tuple(found)

    def _field_test(self, given: Any, path: tuple[str | int, ...]) -> FieldTest | None:
        if given is None:
            return None
        match = _TEST.fullmatch(str(given).strip())
        if match is None:
            self.faults.append(
                (path, f"{given!r} is no condition on the event; write `status.element = 1652`, `!=`, a field's name alone, or `not` before it")
            )
            return None
        values = frozenset(word.strip() for word in match["values"].split(",")) if match["values"] else None
        return FieldTest(tuple(match["way"].split(".")), values, (match["operator"] == "!=") is not bool(match["no"]))

    def _chains(self, text: str, path: tuple[str | int, ...], tag: str, name: str) -> tuple[Chain, ...]:
        try:
            parsed = self.words.expression(text)
            return tuple(self._chain(chain, tag, name, text) for chain in parsed.chains)
        except (LanguageError, ArgumentError) as fault:
            self.faults.append((path, str(fault)))
            return ()

    def _chain(self, chain: language.Chain, tag: str, name: str, text: str) -> Chain:
        sources = tuple(self._source(source, tag, name) for source in chain.sources)
        kind, argument = "plain", ""
        inverts: list[Invert] = []
        first = chain.sources[0]
        if isinstance(first, Constant):
            return Chain(sources, (), "constant", first.text, text)
        if first.number:
            return Chain(sources, (), "number", "", text)
        for call in chain.calls:
            inverse = INVERSES[call.name]
            if inverse.kind != "plain":
                kind = "pick" if call.name == "pick" else inverse.kind
                argument = call.arguments[0] if call.arguments else ""
            if inverse.bind is None:
                kind = kind if kind == "check" else "never"
                continue
            try:
                inverts.insert(0, inverse.bind(call.arguments, self.tables))
            except ArgumentError:
                kind = "never"
        return Chain(sources, tuple(inverts), kind, argument, text)

    def _source(self, source: Path | Constant, tag: str, name: str) -> Source:
        if isinstance(source, Constant):
            return Source(Path("", "", (), (), False), (), source.text)
        own = source.steps[-1].tag if source.steps else tag
        keys: list[Key] = []
        for element in source.elements:
            if element.component is not None:
                keys.append((element.number, element.component))
                continue
            last = element.last or element.number
            keys += range(element.number, (self.words.syntax.last(own) or element.number if last == LAST_ELEMENT else last) + 1)
        self._givers(source, name)
        for key in keys:
            names = self.places.setdefault((own, key if isinstance(key, int) else key[0]), [])
            if name not in names:
                names.append(name)
        return Source(source, tuple(keys))

    def _givers(self, path: Path, name: str) -> None:
        """Notes the field that writes something of each segment on the way: (segment, 0)."""
        for step in path.steps:
            names = self.places.setdefault((step.tag, 0), [])
            if name and name not in names:
                names.append(name)

    def _paths(self, given: Any, path: tuple[str | int, ...], name: str = "") -> tuple[Path, ...]:
        found: list[Path] = []
        for text in given if isinstance(given, list) else [given]:
            try:
                found += self.words.paths(str(text))
                self.named += found
                for one in found:
                    self._givers(one, name)
            except LanguageError as fault:
                self.faults.append((path, str(fault)))
        return tuple(found)

    def _sets(self, spec: Mapping[str, Any], path: tuple[str | int, ...]) -> Sets:
        """The equalities of a block's `when:` that name elements: writing the block makes them true."""
        given = spec.get("when")
        found: list[tuple[Source, str]] = []
        for text in given if isinstance(given, list) else [given] if given is not None else []:
            try:
                test = self.words.test(str(text))
            except LanguageError:
                continue  # told by the reading direction
            first = test.chain.sources[0]
            if test.values and not test.negate and not test.chain.calls and isinstance(first, Path) and len(first.elements) == 1:
                words = re.split(r"\s*,\s*", str(text).partition("=")[2].strip())
                found.append((self._source(first, "", ""), words[0]))
        return tuple(found)


def _constants(rule: Rule) -> frozenset[str]:
    """The words of a field that nothing but constants give; empty for any other."""
    if not isinstance(rule, ValueRule):
        return frozenset()
    return rule.words


def _first_sources(rule: Rule) -> Iterator[Source]:
    if isinstance(rule, ValueRule):
        for alternative in rule.alternatives:
            for chain in alternative.chains:
                if chain.sources and chain.kind in ("number", "plain"):
                    yield chain.sources[0]


def assumed_texts(step: Step) -> Iterator[tuple[int, str]]:
    """What a step's conditions say of its own elements, so that a new segment is found by them again: (element, text)."""
    for condition in step.conditions:
        if condition.values and not condition.negate and not condition.way:
            yield condition.element, condition.values[0].decode()
