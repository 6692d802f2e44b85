"""Compiles expressions of list fields: every value of every segment that a path means.

Knows paths and transforms; knows no field and no event.
"""

from typing import Any, get_args, get_origin

from translators.document import Node
from translators.mapping.expressions import (
    Read,
    Surroundings,
    alternatives_of,
    bind_calls,
    check_sources,
    in_turn,
    of_one,
    one_type,
    read_many,
    row_reader,
    told_by_finding,
    transform_taken,
)
from translators.mapping.language import Chain, Constant, Expression, LanguageError, Path
from translators.mapping.paths import FindAll, compile_all, element_texts, spelled_out
from translators.mapping.run import Run
from translators.mapping.transforms import Reader


def compile_list(expression: Expression, around: Surroundings) -> tuple[Read, Any]:
    """(reader of a list of all values, the type of one). Raises LanguageError."""
    compiled = [_compile_list_chain(chain, around) for chain in expression.chains]
    return alternatives_of([read for read, _ in compiled]), one_type([gives for _, gives in compiled])


def _compile_list_chain(chain: Chain, around: Surroundings) -> tuple[Read, Any]:
    check_sources(chain, around)
    calls, gives = bind_calls(chain.calls, around.tables)
    many = bool(calls) and calls[0][0].takes == "many"
    listed = get_origin(gives) is list
    item = get_args(gives)[0] if listed else gives
    apply = in_turn([reader for _, reader in calls]) if calls else None
    if many and len(chain.sources) > 1:
        assert apply is not None
        single = read_many(chain.sources, apply, around)
        return (single if listed else _as_list(single)), item
    finders = []
    for source in chain.sources:
        if isinstance(source, Constant):
            raise LanguageError("a list is read from segments; a constant belongs into a block's field")
        if not source.elements:
            raise LanguageError(f"{source.text} must name its elements, as in /02")
        find = compile_all(source, around.outward, around.marking)
        whole = all(element.component is None for element in source.elements)
        row = row_reader(source, apply, around) if many and whole and apply is not None else None
        plain = _each_plain(source, around) if whole and apply is None else None
        finders.append((find, row or plain or _each_element(source, apply, around, many=many, listed=listed)))
    return _read_all(finders), item


def _as_list(single: Read) -> Read:
    def read(run: Run, node: Node) -> list[Any] | None:
        value = single(run, node)
        return None if value is None else [value]

    return read


def _each_plain(path: Path, around: Surroundings) -> Read:
    """A reader of a node's whole elements as they stand: the usual list."""
    numbers, open_end = spelled_out(path.elements)
    told, marking = told_by_finding(path, around), around.marking

    def read(run: Run, node: Node) -> list[str]:
        segment = node.segment
        elements = segment.elements
        count = len(elements)
        found, mask = [], told
        for number in [*numbers, *range(open_end, count)] if open_end else numbers:
            if number < count and (raw := elements[number]) and (text := run.text(raw)):
                found.append(text)
                mask |= 1 << number
        if found and marking:
            run.seen[segment.position] |= mask
        return found

    return read


def _each_element(path: Path, apply: Reader | None, around: Surroundings, *, many: bool, listed: bool) -> Read:
    """A reader of a node's elements, one value each (or, for `many`, one value of all): a list."""
    one = of_one(apply) if not many or apply is None else apply
    elements, mask, marking = path.elements, told_by_finding(path, around), around.marking

    def read(run: Run, node: Node) -> list[Any] | None:
        texts = element_texts(run, node, elements)
        found: list[Any] = []
        for group in [texts] if many else [[taken] for taken in texts]:
            value = transform_taken(run, list(group), [(node, mask)], one, marking)
            if value is not None:
                found += value if listed else [value]
        return found if not many or listed or not found else found[0]

    return read


def _read_all(finders: list[tuple[FindAll, Read]]) -> Read:
    def read(run: Run, node: Node) -> list[Any] | None:
        found: list[Any] = []
        for find, values in finders:
            nodes = find(run, node)
            run.spend(len(nodes))
            for here in nodes:
                value = values(run, here)
                if value is not None:
                    found += value if isinstance(value, list) else [value]
        return found or None

    return read
