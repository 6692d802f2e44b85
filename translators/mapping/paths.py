"""Compiles paths to functions that find nodes, and sources to functions that read their elements.

Knows the tree; knows no transform, no field and no event.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from translators.document import Node
from translators.mapping.language import LAST_ELEMENT, Element, Path, Step, led_to
from translators.mapping.run import Run, meets

FindOne = Callable[[Run, Node], Node | None]
FindAll = Callable[[Run, Node], list[Node]]
HL = "HL"


class Taken(NamedTuple):
    """One value as it was read: the node, the element (and component) and the text."""

    node: Node
    element: Element
    text: str


def condition_mask(step: Step) -> int:
    """The elements whose values a step's conditions tell: finding the segment by them takes them."""
    mask = 0
    for element, values, negate, way in step.conditions:
        if values and not negate and not way:
            mask |= 1 << element
    return mask | (1 << 3 if step.levels else 0)


def _tell(run: Run, node: Node, mask: int) -> None:
    run.seen[node.segment.position] |= mask


def _one_child(step: Step) -> FindOne:
    """The first child of that kind."""
    tag, levels, conditions = step.tag, step.levels, step.conditions
    if not levels and not conditions:

        def plain(run: Run, node: Node) -> Node | None:
            found = (run.indexes.get(node) or run.index(node)).get(tag) if node.children else None
            return found[0] if found else None

        return plain

    def tested(run: Run, node: Node) -> Node | None:
        found = (run.indexes.get(node) or run.index(node)).get(tag) if node.children else None
        if found:
            run.spend(len(found))
            for child in found:
                if meets(levels, conditions, child):
                    return child
        return None

    return tested


def _all_children(step: Step) -> FindAll:
    """All children of that kind; HL reaches through the levels, because their nesting is X12's business."""
    tag, levels, conditions = step.tag, step.levels, step.conditions

    def children(run: Run, node: Node) -> list[Node]:
        found = (run.indexes.get(node) or run.index(node)).get(tag, []) if node.children else []
        if not conditions:
            return found
        run.spend(len(found))
        return [child for child in found if meets(levels, conditions, child)]

    def below(run: Run, node: Node) -> list[Node]:
        found, waiting = [], list(reversed(run.index(node).get(HL, ())))
        while waiting:
            child = waiting.pop()
            run.spend(1)
            if meets(levels, conditions, child):
                found.append(child)
            waiting.extend(reversed(run.index(child).get(HL, ())))
        return found

    return below if tag == HL else children


def _is(step: Step) -> Callable[[Node], bool]:
    tag, levels, conditions = step.tag, step.levels, step.conditions
    return lambda node: node.tag == tag and meets(levels, conditions, node)


def _enclosing(run: Run, node: Node, meant: Callable[[Node], bool]) -> Node | None:
    found = node.parent
    while found is not None and not meant(found):
        run.spend(1)
        found = found.parent
    return found


def _outward(run: Run, node: Node) -> Iterator[Node]:
    here: Node | None = node
    while here is not None:
        yield here
        run.spend(1)
        here = here.parent


def _tell_below(run: Run, node: Node, steps: tuple[Step, ...]) -> None:
    """Notes the children by which nodes were chosen: those of the node that was found, and of the steps before it, which lie above it."""
    here: Node | None = node
    for step in reversed(steps):
        if here is None:
            return
        for element, values, negate, way in step.conditions:
            if way and values and not negate:
                for child in led_to(here, way):
                    if child.segment.get(element).strip() in values:
                        run.seen[child.segment.position] |= 1 << element
        here = here.parent


def _looks_below(path: Path) -> bool:
    return any(condition.way for step in path.steps for condition in step.conditions)


def compile_one(path: Path, outward: bool, marking: bool = True) -> FindOne:
    """The first node that the path means, seen from a node; `outward`: if it is not here, look further out."""
    find = _first_way(path, outward) if path.tries and len(path.steps) > 1 else _compile_one(path, outward, marking)
    if not marking or not _looks_below(path):
        return find
    steps = path.steps

    def telling(run: Run, node: Node) -> Node | None:
        found = find(run, node)
        if found is not None:
            _tell_below(run, found, steps)
        return found

    return telling


def _first_way(path: Path, outward: bool) -> FindOne:
    """The first node that a way leads to; where one branch does not lead on, the next is tried (XML)."""
    steps = [(step.tag, step.conditions) for step in path.steps]
    tags = frozenset(step.tag for step in path.steps)
    first, last = path.steps[0], len(steps) - 1
    meant = _is(first)
    outward = outward or path.reach == "outward"

    def descend(run: Run, node: Node, at: int) -> Node | None:
        if not node.children:
            return None
        tag, conditions = steps[at]
        for child in (run.indexes.get(node) or run.index(node)).get(tag, ()):
            if conditions and not meets((), conditions, child):
                continue
            found = child if at == last else descend(run, child, at + 1)
            if found is not None:
                return found
        return None

    def find(run: Run, node: Node) -> Node | None:
        if not tags <= run.tags:
            return None
        if path.reach == "nearest":
            enclosing = _enclosing(run, node, meant)
            return None if enclosing is None else descend(run, enclosing, 1)
        level: Node | None = node
        while level is not None:
            found = descend(run, level, 1) if meant(level) else descend(run, level, 0)
            if found is not None or not outward:
                return found
            run.left -= 1
            level = level.parent
        return None

    return find


def _compile_one(path: Path, outward: bool, marking: bool) -> FindOne:
    if not path.steps:
        return lambda run, node: node
    outward = outward or path.reach == "outward"
    if path.reach != "nearest" and len(path.steps) == 1:
        return _one_of_a_kind(path.steps[0], outward)
    first, rest = path.steps[0], path.steps[1:]
    begin = _nearest(first) if path.reach == "nearest" else _one_of_a_kind(first, outward=False)
    telling = condition_mask(first) if rest and marking else 0
    followers = [(_one_child(step), condition_mask(step) if marking and index < len(rest) - 1 else 0) for index, step in enumerate(rest)]

    def here(run: Run, node: Node) -> Node | None:
        found = start = begin(run, node)
        if start is None:
            return None
        told = []
        for find, mask in followers:
            found = find(run, found) if found is not None else None
            told.append((found, mask))
        if found is not None and followers:
            _tell(run, start, telling)
            for seen, mask in told:
                if mask and seen is not None:
                    _tell(run, seen, mask)
        return found

    def further(run: Run, node: Node) -> Node | None:
        for level in _outward(run, node):
            if (found := here(run, level)) is not None:
                return found
        return None

    return further if outward and path.reach != "nearest" else here


def _nearest(step: Step) -> FindOne:
    meant = _is(step)
    return lambda run, node: _enclosing(run, node, meant)


@lru_cache(maxsize=1024)
def _one_of_a_kind(step: Step, outward: bool) -> FindOne:
    """One segment: the one we stand at, or the first child of that kind; `outward`: else the same one level further out.

    One function for all rules that look for the same segment, so that they look for it once.
    """
    tag, levels, conditions = step.tag, step.levels, step.conditions
    plain = not levels and not conditions
    child = _one_child(step)

    def here(run: Run, node: Node) -> Node | None:
        if tag not in run.tags:
            return None
        if node.tag == tag and (plain or meets(levels, conditions, node)):
            return node
        return child(run, node) if node.children else None

    def search(run: Run, node: Node) -> Node | None:
        if tag not in run.tags:
            return None
        level: Node | None = node
        while level is not None:
            if level.tag == tag and (plain or meets(levels, conditions, level)):
                return level
            if level.children and (found := child(run, level)) is not None:
                return found
            run.left -= 1
            level = level.parent
        return None

    def further(run: Run, node: Node) -> Node | None:
        if run.searched_from is not node:
            run.searched_from, run.searched = node, {}
        elif search in run.searched:
            return run.searched[search]
        found = run.searched[search] = search(run, node)
        return found

    return further if outward else here


def compile_all(path: Path, outward: bool, marking: bool = True) -> FindAll:
    """All nodes that the path means. `outward`: those of the nearest level that has any; the word "outward" itself: of every level."""
    find = _compile_all(path, outward, marking)
    if not marking or not _looks_below(path):
        return find
    steps = path.steps

    def telling(run: Run, node: Node) -> list[Node]:
        found = find(run, node)
        for one in found:
            _tell_below(run, one, steps)
        return found

    return telling


def _compile_all(path: Path, outward: bool, marking: bool) -> FindAll:
    if not path.steps:
        return lambda run, node: [node]
    first, rest = path.steps[0], path.steps[1:]
    meant, finders = _is(first), [_all_children(step) for step in path.steps]
    masks = [condition_mask(step) if marking else 0 for step in path.steps[:-1]]

    def follow(run: Run, found: list[Node]) -> list[Node]:
        for mask, find in zip(masks, finders[1:], strict=True):
            deeper = []
            for node in found:
                if below := find(run, node):
                    deeper += below
                    _tell(run, node, mask)
            found = deeper
        return found

    def here(run: Run, node: Node) -> list[Node]:
        if node.tag == first.tag and (rest or first.tag != HL) and meant(node):
            found = [node]
        else:
            found = finders[0](run, node) if node.children else []
        return follow(run, found) if rest else found

    def nearest(run: Run, node: Node) -> list[Node]:
        found = _enclosing(run, node, meant)
        return follow(run, [found]) if found is not None else []

    def further(run: Run, node: Node) -> list[Node]:
        for level in _outward(run, node):
            if found := here(run, level):
                return found
        return []

    def every(run: Run, node: Node) -> list[Node]:
        return [found for level in _outward(run, node) for found in here(run, level)]

    if path.reach == "nearest":
        return nearest
    if path.reach == "outward":
        return every
    return further if outward else here


def union(finders: list[FindAll]) -> FindAll:
    """All nodes of several paths, each once, in the order of the document."""

    def find(run: Run, node: Node) -> list[Node]:
        found = {found: None for finder in finders for found in finder(run, node)}
        return sorted(found, key=lambda node: node.segment.position)

    return find


def first_of(finders: list[FindAll]) -> FindAll:
    """The nodes of the first path that has any."""

    def find(run: Run, node: Node) -> list[Node]:
        for finder in finders:
            if found := finder(run, node):
                return found
        return []

    return find


def element_text(run: Run, node: Node, element: Element) -> str:
    """The text of an element or component, "" where it is absent."""
    raw = node.segment.get(element.number)
    if raw and element.component is not None:
        parts = raw.split(run.component) if run.component else [raw]
        raw = parts[element.component - 1] if element.component <= len(parts) else b""
    return run.text(raw) if raw else ""


def spelled_out(elements: tuple[Element, ...]) -> tuple[list[int], int]:
    """(element numbers, the number from which on all to the segment's end are meant; 0: none), for elements without components."""
    numbers: list[int] = []
    for element in elements:
        if element.last == LAST_ELEMENT:
            return numbers, element.number
        numbers += range(element.number, (element.last or element.number) + 1)
    return numbers, 0


def element_texts(run: Run, node: Node, elements: tuple[Element, ...]) -> list[Taken]:
    """The texts of elements, runs spelled out up to the segment's end; "" for each that is absent."""
    found = []
    for element in elements:
        if element.last is None:
            found.append(Taken(node, element, element_text(run, node, element)))
        else:
            end = element.last + 1 if element.last < LAST_ELEMENT else len(node.segment.elements)
            for number in range(element.number, end):
                single = Element(number)
                found.append(Taken(node, single, element_text(run, node, single)))
    return found


def take(run: Run, taken: Taken) -> None:
    """Notes that a rule carried this value into the event."""
    position, (number, component, _) = taken.node.segment.position, taken.element
    if component is None or run.take_part(position, number, component, taken.node.segment.get(number)):
        run.seen[position] |= 1 << number
