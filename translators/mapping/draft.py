"""A document that is being written, as far as it is, and the way back from a trial that failed.

Knows the tree (placing.py); knows no event, and of rules only what a path's step asks of a segment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from translators.mapping.inverses import Unwritable
from translators.mapping.language import Path, Step, led_to
from translators.mapping.placing import Form, Key, NewNode, Tree
from translators.mapping.write_rules import ValueRule, assumed_texts


@dataclass(slots=True)
class Written:
    """A document before it has an envelope."""

    nodes: list[NewNode]
    """The root first (ST; SE is not there yet), in the order of the form."""
    unwritten: list[tuple[str, str]] = field(default_factory=list)
    """Fields without a place in this document, and why."""
    problems: list[tuple[str, str]] = field(default_factory=list)
    """Fields whose value has no form in this document, and why."""
    derived: set[str] = field(default_factory=set)
    """Fields that follow from others, and are only read."""
    numbered: dict[tuple[int, str], NewNode] = field(default_factory=dict)
    """Ids of items: (identity of the item's dict, field) -> the segment whose ordinal they become."""


class NoPlace(Exception):
    """A rule's path has no place in this form, or none that is free."""


Mark = tuple[int, int, int, int, int]
"""How much there was of everything, to go back to."""
Late = tuple[ValueRule, Any, NewNode, str, Mapping[str, Any], bool]
"""A word that waits for its code: the rule, the value, the segment it looks from, the field, the object that has it, whether it looks outward."""


class Draft:
    def __init__(self, form: Form) -> None:
        self.tree = Tree(form)
        self.written = Written([])
        self.journal: list[tuple[NewNode, Key | None]] = []
        """What was done, to be undone when a trial fails: a new segment (None) or an element that got its text."""
        self.late: list[Late] = []
        self.items: dict[str, list[tuple[str, NewNode]]] = {}
        """Item id -> (tag, segment)."""
        self._called: list[str] = []
        """The ids in `items`, in the order in which they came."""

    # ---- trials

    def mark(self) -> Mark:
        return len(self.journal), len(self.written.unwritten), len(self.written.problems), len(self.late), len(self._called)

    def undo(self, mark: Mark) -> None:
        self.take_back(mark[0])
        del self.written.unwritten[mark[1] :]
        del self.written.problems[mark[2] :]
        del self.late[mark[3] :]
        while len(self._called) > mark[4]:
            self.items[self._called.pop()].pop()

    def take_back(self, done: int) -> None:
        while len(self.journal) > done:
            node, key = self.journal.pop()
            if key is None:
                assert node.parent is not None
                node.parent.children.remove(node)
            else:
                del node.texts[key]
                node.fields.pop(key, None)
                node.assumed.discard(key)

    # ---- segments and their elements

    def set(self, node: NewNode, key: Key, text: Any, name: str, *, assumed: bool = False) -> None:
        if not isinstance(text, str):
            raise Unwritable("must be a text here")
        known = node.texts.get(key)
        if known is None:
            node.texts[key] = text
            self.journal.append((node, key))
            if assumed:
                node.assumed.add(key)
            else:
                node.fields[key] = name
        elif known != text:
            other = node.fields.get(key, "the rule's own condition")
            place = f"{node.tag}/{key:02}" if isinstance(key, int) else f"{node.tag}/{key[0]:02}-{key[1]}"
            raise NoPlace(f"{place} says {known!r} already ({other}), and this would say {text!r}")

    def new(self, node: NewNode, step: Step) -> NewNode:
        slot = self.tree.room(node, step.tag)
        if slot is None:
            raise NoPlace(f"the {self.tree.called} has no place for {step.tag} in {node.tag}")
        child = self.tree.add(node, step.tag, slot)
        self.journal.append((child, None))
        if step.levels:
            child.level = step.levels[0]
        self.assume(child, step)
        return child

    def assume(self, node: NewNode, step: Step) -> None:
        for element, text in assumed_texts(step):
            if element not in node.texts:
                self.set(node, element, text, "", assumed=True)
        for condition in step.conditions:
            if condition.way and condition.values and not condition.negate and not led_to(node, condition.way):
                here = node
                for tag in condition.way:
                    here = next((child for child in here.children if child.tag == tag), None) or self.new(here, Step(tag, (), ()))
                self.set(here, condition.element, condition.values[0].decode(), "", assumed=True)

    def meets(self, node: NewNode, step: Step) -> bool:
        if node.tag != step.tag or (step.levels and node.level not in step.levels):
            return False
        for element, values, negate, way in step.conditions:
            if way:
                texts = [one.texts.get(element, "") for one in led_to(node, way)]
                if (any(texts) if not values else any(text.encode() in values for text in texts)) is negate:
                    return False
                continue
            text = node.texts.get(element, "")
            if not values:
                if not text:
                    return False
            elif (text.encode() in values) is negate:
                return False
        return True

    def could_be(self, node: NewNode, step: Step) -> bool:
        """Whether an existing segment may still become one that the step means."""
        for element, values, negate, way in step.conditions:
            texts = [one.texts.get(element) for one in led_to(node, way)] if way else [node.texts.get(element)]
            told = [text.encode() for text in texts if text is not None]
            if told and values and any(text in values for text in told) is negate:
                return False
        return True

    # ---- items by their ids

    def call_item(self, identity: str, node: NewNode) -> None:
        self.items.setdefault(identity, []).append((node.tag, node))
        self._called.append(identity)

    def item(self, path: Path, value: Any) -> NewNode | None:
        last = path.steps[-1]
        for tag, node in self.items.get(str(value), ()):
            if tag == last.tag and (not last.levels or node.level in last.levels):
                return node
        return None
