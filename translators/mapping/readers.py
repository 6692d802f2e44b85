"""The functions that blocks are compiled to: objects, lists, conditions, moves to another segment.

Knows the run; knows no schema and no text of a mapping.
"""

from collections.abc import Callable, Collection
from typing import Any

from translators.document import Node
from translators.mapping import language
from translators.mapping.expressions import Check, Read, Single
from translators.mapping.paths import FindAll, FindOne
from translators.mapping.run import Run

Fields = list[tuple[str, Read]]
Needs = frozenset[tuple[str, frozenset[str]]] | None
"""Of each path the tag it begins with ("": it may begin anywhere in the document) and all its tags: one path must be there, or a rule cannot
give a value; None: it may always give one."""
Shape = tuple[frozenset[str], Collection[str]]
"""The tags of a document, and those that a path may begin with at a node."""
FEW = 3
"""Fields that are all tried at once; of more it is first asked which there can be at all."""
MAX_SHAPES = 1024
"""Shapes for which a block remembers the fields that can be there."""


def needs_of(spec: Any, words: language.Language) -> Needs:
    """What a compiled field needs of a document to give anything at all."""
    if isinstance(spec, str):
        sources = [source for chain in words.expression(spec).chains for source in chain.sources]
        needs = _tags([source for source in sources if isinstance(source, language.Path)])
        return needs if all(isinstance(source, language.Path) for source in sources) else _anywhere(needs)
    looked = spec.get("each", spec.get("at"))
    if looked is not None:
        return _tags([path for text in (looked if isinstance(looked, list) else [looked]) for path in words.paths(str(text))])
    found: set[tuple[str, frozenset[str]]] = set()
    for key, inner in spec.items():
        if key not in ("when", "write"):
            needs = needs_of(inner, words)
            if needs is None:
                return None
            found |= needs
    return _anywhere(frozenset(found)) if "when" in spec else frozenset(found)


def _anywhere(needs: Needs) -> Needs:
    """A condition takes what it compares, and a constant is given, though nothing else is near."""
    return None if needs is None else frozenset(("", tags) for _, tags in needs)


def _tags(paths: list[language.Path]) -> Needs:
    if not paths or any(not path.steps for path in paths):
        return None
    return frozenset(("" if path.reach else path.steps[0].tag, frozenset(step.tag for step in path.steps)) for path in paths)


def read_object(required: Fields, optional: list[tuple[str, Read, Needs]], constants: int, *, whole: bool, outward: bool) -> Read:
    """A reader of an object. Without a required field there is none, and what was read of its own segment counts as not taken.

    `whole`: the event itself or an essential part of it: what is missing is told by the schema, and the document held.
    `outward`: its paths look further out.
    """
    cost = len(required) + len(optional) + 1
    shapes: dict[Shape, Plan] = {}
    few = _together([(name, field) for name, field, _ in optional]) if len(optional) <= FEW else None

    def possible(shape: Shape) -> Plan:
        """The optional fields that there can be at a node; real documents have few shapes."""
        if len(shapes) >= MAX_SHAPES:
            shapes.clear()
        tags, near = shape
        fields = [
            (name, field)
            for name, field, needs in optional
            if needs is None or any((not first or first in near) and need <= tags for first, need in needs)
        ]
        plan = shapes[shape] = _together(fields)
        return plan

    def read(run: Run, node: Node) -> dict[str, Any] | None:
        run.spend(cost)
        found: dict[str, Any] = {}
        if required:
            position = node.segment.position
            before = run.seen[position]
            for name, field in required:
                value = field(run, node)
                if value is not None:
                    found[name] = value
                elif not whole:
                    run.seen[position] = before
                    return None
        if few is not None:
            groups, fields = few
        else:
            shape = (run.tags, run.reach(node) if outward else run.near(node))
            groups, fields = shapes.get(shape) or possible(shape)
        for find, singles in groups:
            segment_of = node if find is None else find(run, node)
            if segment_of is None:
                continue
            elements = segment_of.segment.elements
            count, text_of, seen, position = len(elements), run.text, run.seen, segment_of.segment.position
            for name, element, single in singles:
                if element < count and (raw := elements[element]) and (text := text_of(raw)):
                    if single.apply is None:
                        seen[position] |= single.mask
                        found[name] = text
                    elif (value := single.value(run, segment_of, text)) is not None:
                        found[name] = value
        for name, field in fields:
            value = field(run, node)
            if value is not None:
                found[name] = value
        return found if len(found) > constants else None

    return read


Groups = list[tuple[FindOne | None, list[tuple[str, int, Single]]]]
Plan = tuple[Groups, Fields]
"""Fields that are one element each, by the segment they stand in, so that it is looked for once; and all others."""


def _together(fields: Fields) -> Plan:
    groups: dict[FindOne | None, list[tuple[str, int, Single]]] = {}
    others: Fields = []
    for name, field in fields:
        if isinstance(field, Single):
            groups.setdefault(field.find, []).append((name, field.element, field))
        else:
            others.append((name, field))
    return list(groups.items()), others


def guarded(checks: list[Check], read: Read) -> Read:
    if not checks:
        return read

    def tested(run: Run, node: Node) -> Any:
        for check in checks:
            if not check(run, node):
                return None
        return read(run, node)

    return tested


def moved(find: FindOne, masks: dict[str, int], read: Read) -> Read:
    def there(run: Run, node: Node) -> Any:
        found = find(run, node)
        if found is None:
            return None
        value = read(run, found)
        if value is not None:
            run.seen[found.segment.position] |= masks.get(found.tag, 0)
        return value

    return there


def read_one(find: FindOne, masks: dict[str, int], checks: list[Check], read: Read) -> Read:
    """A list with one item, of the first such node."""
    item_of: Callable[[Run, Node], Any] = guarded(checks, read)

    def one(run: Run, node: Node) -> list[Any] | None:
        found = find(run, node)
        if found is None:
            return None
        value = item_of(run, found)
        if value is None:
            return None
        if mask := masks.get(found.tag):
            run.seen[found.segment.position] |= mask
        return [value]

    return one


def at_most_one(find: FindOne) -> FindAll:
    def found(run: Run, node: Node) -> list[Node]:
        one = find(run, node)
        return [] if one is None else [one]

    return found


def joined(reads: list[Read]) -> Read:
    def all_of_them(run: Run, node: Node) -> list[Any] | None:
        found: list[Any] = []
        for read in reads:
            if more := read(run, node):
                found += more
        return found or None

    return all_of_them


def read_each(find: FindAll, masks: dict[str, int], checks: list[Check], read: Read, cost: int, *, shared: bool) -> Read:
    """A list with one item for each node. `shared`: several events may meet the same node (a heading's)."""
    item_of: Callable[[Run, Node], Any] = guarded(checks, read)

    def once(run: Run, item: Node) -> Any:
        if run.memo is None or not shared:
            return item_of(run, item)
        key = (item_of, item)
        if key in run.memo:
            return run.memo[key]
        before = run.noted
        value = item_of(run, item)
        if run.noted == before:
            run.memo[key] = value
        return value

    def each(run: Run, node: Node) -> list[Any] | None:
        nodes = find(run, node)
        if not nodes:
            return None
        run.spend(cost * len(nodes))
        found = []
        for item in nodes:
            value = once(run, item)
            if value is not None:
                found.append(value)
                if mask := masks.get(item.tag):
                    run.seen[item.segment.position] |= mask
        return found or None

    return each
