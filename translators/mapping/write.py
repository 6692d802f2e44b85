"""Writes an event as a document: every field to the elements its rule names, every segment where the form has a place for it.

Knows the plan (write_rules.py), and leaves places to places.py and values to write_values.py; knows no delimiter, no envelope and no control number.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from translators.mapping.draft import Draft, NoPlace, Written
from translators.mapping.inverses import Unwritable, Zones
from translators.mapping.language import Path, Step
from translators.mapping.places import Places
from translators.mapping.placing import HL, Form, NewNode
from translators.mapping.write_rules import ItemRule, ListRule, ObjectRule, Plan, Rule, TextsRule, ValueRule
from translators.mapping.write_values import Values

MADE = frozenset({"evidence", "quality", "cancelled"})
"""Fields of an event that say how it was read; nothing of them is written."""
PURPOSE, ORIGINAL = "purpose", "original"


def write(plan: Plan, data: Mapping[str, Any], form: Form, zones: Zones) -> Written:
    """The segments that tell `data`. Total: what cannot be told is in `unwritten` and `problems`."""
    return _Writer(plan, data, form, zones).run()


class _Writer:
    def __init__(self, plan: Plan, data: Mapping[str, Any], form: Form, zones: Zones) -> None:
        self.plan, self.data, self.zones = plan, data, zones
        self.draft = Draft(form)
        self.written = self.draft.written
        self.places = Places(self.draft)
        self.values = Values(self.draft, self.places, data, zones)

    def run(self) -> Written:
        scope = self._scope()
        self._fields(self.plan.fields, self.data, scope, "", outward=True)
        if self.plan.purpose is not None and self.data.get(PURPOSE) and self._says_purpose(self.plan.purpose):
            self.values.write_late(self.plan.purpose, self.data[PURPOSE], self.data, scope, PURPOSE, outward=True)
        self.written.nodes = self.draft.tree.finish()
        return self.written

    def _says_purpose(self, rule: ValueRule) -> bool:
        """An original needs no word of it where the partner's form wants none."""
        if self.data[PURPOSE] != ORIGINAL:
            return True
        for chain in self.values.chains(rule, self.data):
            source = chain.sources[0]
            if source.path.steps and isinstance(source.keys[0], int) and self.draft.tree.form.required(source.path.steps[-1].tag, source.keys[0]):
                return True
        return False

    def _scope(self) -> NewNode:
        """The segment that the event's own fields look from."""
        for path in self.plan.each:
            node = self.draft.tree.root
            for step in path.steps:
                if step.tag == node.tag:
                    continue
                slot = self.draft.tree.room(node, step.tag)
                if slot is None:
                    break
                node = self.draft.new(node, step)
            else:
                return node
        return self.draft.tree.root

    # ---- objects

    def _fields(self, rules: Mapping[str, Rule], item: Mapping[str, Any], scope: NewNode, name: str, *, outward: bool) -> None:
        """Writes an object's fields; those that speak of other elements (words beside codes) when these are there."""
        begun = len(self.draft.late)
        waiting: list[tuple[ListRule, Any, str]] = []
        for key, value in item.items():
            rule = rules.get(key)
            dotted = f"{name}.{key}" if name else key
            if rule is None:
                if not (not name and (key in MADE or key == PURPOSE)):
                    self.written.unwritten.append((dotted, "this mapping writes it nowhere"))
            elif isinstance(rule, ListRule):
                waiting.append((rule, value, dotted))
            else:
                self._one(rule, value, item, scope, dotted, outward=outward)
        if outward:
            self._lists(waiting, scope)
        else:
            for list_rule, value, dotted in waiting:
                self._list(list_rule, value, scope, dotted, outward=False, again=None)
        for late_rule, value, late_scope, dotted, beside, reach in self.draft.late[begun:]:
            self.values.write_late(late_rule, value, beside, late_scope, dotted, outward=reach)
        del self.draft.late[begun:]

    def _lists(self, waiting: list[tuple[ListRule, Any, str]], scope: NewNode) -> None:
        """The event's lists, in the mapping's order; items that name items of a later list wait for them."""
        order = {id(rule): place for place, rule in enumerate(self.plan.fields.values())}
        pending: list[tuple[ListRule, Any, str]] = []
        for rule, value, dotted in sorted(waiting, key=lambda one: order.get(id(one[0]), 0)):
            self._list(rule, value, scope, dotted, outward=True, again=pending)
        while pending:
            left: list[tuple[ListRule, Any, str]] = []
            for rule, item, dotted in pending:
                self._list(rule, [item], scope, dotted, outward=True, again=left, numbered=False)
            if len(left) == len(pending):
                for rule, item, dotted in left:
                    block = next(block for block in rule.blocks if isinstance(block, ItemRule))
                    lost = [f"{key} {item[key]!r}" for key, _ in block.anchors if key in item and item[key] not in self.draft.items]
                    self.written.problems.append((dotted, f"names {' and '.join(lost) or 'each other in a circle'}, which no item has as its id"))
                return
            pending = left

    def _one(self, rule: Rule, value: Any, item: Mapping[str, Any], scope: NewNode, name: str, *, outward: bool) -> None:
        if isinstance(rule, ObjectRule):
            if not isinstance(value, Mapping):
                self.written.problems.append((name, "must be an object"))
                return
            try:
                inner = scope if rule.at is None else self.places.find(scope, rule.at, outward=outward)
                self.places.set_all(rule.sets, inner, outward=outward and rule.at is None)
            except NoPlace as fault:
                self.written.unwritten.append((name, str(fault)))
                return
            mark = self.draft.mark()
            try:
                self._fields(rule.fields, value, inner, name, outward=outward and rule.at is None)
            except NoPlace as fault:
                self.draft.undo(mark)
                self.written.unwritten.append((name, str(fault)))
        elif isinstance(rule, ValueRule):
            if not rule.alternatives:
                self.written.derived.add(name)
            elif rule.late:
                self.draft.late.append((rule, value, scope, name, item, outward))
            else:
                self.values.write(rule, value, item, scope, name, outward=outward)

    # ---- lists

    def _list(
        self,
        rule: ListRule,
        items: Any,
        scope: NewNode,
        name: str,
        *,
        outward: bool,
        again: list[tuple[ListRule, Any, str]] | None,
        numbered: bool = True,
    ) -> None:
        """Each item into the first block that can tell all of it. `again` takes those that name items which are not there yet."""
        if not isinstance(items, Sequence) or isinstance(items, str):
            self.written.problems.append((name, "must be a list"))
            return
        used: set[tuple[int, int]] = set()
        for number, item in enumerate(items):
            dotted = f"{name}[{number}]" if numbered else name
            if again is not None and self._waits(rule, item):
                again.append((rule, item, dotted))
                continue
            self._item(rule, item, scope, dotted, used, outward=outward)

    def _waits(self, rule: ListRule, item: Any) -> bool:
        if not isinstance(item, Mapping):
            return False
        anchors = [anchor for block in rule.blocks if isinstance(block, ItemRule) for anchor in block.anchors]
        return any(key in item and self.draft.item(path, item[key]) is None for key, path in anchors)

    def _item(self, rule: ListRule, item: Any, scope: NewNode, name: str, used: set[tuple[int, int]], *, outward: bool) -> None:
        best: tuple[int, ItemRule | TextsRule] | None = None
        failures: list[tuple[list[tuple[str, str]], list[tuple[str, str]]]] = []
        for block in sorted(rule.blocks, key=lambda block: self._fitness(block, item, scope)) if len(rule.blocks) > 1 else rule.blocks:
            mark = self.draft.mark()
            lost = self._block(block, item, scope, name, used, outward=outward)
            if not lost:
                return
            if lost == _ALL:
                failures.append((self.written.unwritten[mark[1] :], self.written.problems[mark[2] :]))
            elif best is None or lost < best[0]:
                best = lost, block
            self.draft.undo(mark)
        if best is not None:
            self._block(best[1], item, scope, name, used, outward=outward)
            return
        unwritten, problems = next((failure for failure in failures if failure[1]), failures[0] if failures else ([(name, "is only read")], []))
        self.written.unwritten += unwritten
        self.written.problems += problems

    def _fitness(self, block: ItemRule | TextsRule, item: Any, scope: NewNode) -> tuple[int, int]:
        """Which blocks are tried first: those that have a field for all of the item, and among them those that say part of it by themselves.
        A value among pairs (a lot in LIN) belongs there only if it stands there already, or has no place of its own."""
        if isinstance(block, TextsRule):
            picks = [chain for chain in block.chains if chain.kind == "pick"]
            if not picks:
                return 0, 0
            return (-1 if any(self.values.stands(chain, item, scope) for chain in picks) else 1), 0
        if not isinstance(item, Mapping) or not block.fields:
            return 0, 0
        return sum(1 for key in item if key not in block.fields), -len(block.constants)

    def _block(self, block: ItemRule | TextsRule, item: Any, scope: NewNode, name: str, used: set[tuple[int, int]], *, outward: bool) -> int:
        """How much of the item this block cannot tell: 0 nothing, _ALL everything."""
        before, done = len(self.written.unwritten) + len(self.written.problems), len(self.draft.journal)
        try:
            if isinstance(block, TextsRule):
                self.values.write_text(block, item, scope, name, outward=outward)
            else:
                self._segment(block, item, scope, name, used, outward=outward)
        except NoPlace as fault:
            self.written.unwritten.append((name, str(fault)))
            return _ALL
        except Unwritable as fault:
            self.written.problems.append((name, str(fault)))
            return _ALL
        lost = len(self.written.unwritten) + len(self.written.problems) - before
        told = any(key is not None and key not in node.assumed for node, key in self.draft.journal[done:])
        return lost if told or not lost else _ALL

    def _segment(self, block: ItemRule, item: Any, scope: NewNode, name: str, used: set[tuple[int, int]], *, outward: bool) -> None:
        if block.value is None and not isinstance(item, Mapping):
            raise Unwritable("must be an object")
        for key, words in block.constants:
            if item.get(key) not in words:
                raise NoPlace(f"this place is for the {key} {' or '.join(sorted(words))} only")
        if block.test is not None and not block.test.holds({}, self.data):
            raise NoPlace("this event says it elsewhere")
        why: NoPlace | None = None
        for path in block.each:
            try:
                self._into(block, path, item, scope, name, used, outward=outward)
                return
            except NoPlace as fault:
                why = why or fault
        raise why or NoPlace("there is no place for it")

    def _into(self, block: ItemRule, path: Path, item: Any, scope: NewNode, name: str, used: set[tuple[int, int]], *, outward: bool) -> None:
        last = path.steps[-1]
        if len(path.steps) == 1 and not path.reach and scope.tag == last.tag and last.tag != HL:
            self._into_own(block, last, item, scope, name, used)
            return
        home = self.places.home(block, path, item, scope, outward=outward)
        mark = self.draft.mark()
        begun = len(self.written.unwritten), len(self.written.problems)
        for child in list(home.children):
            if child.tag == last.tag and last.tag != HL and (id(block), id(child)) not in used and self.draft.could_be(child, last):
                self._fill(block, last, item, child, name)
                if (len(self.written.unwritten), len(self.written.problems)) == begun and self.draft.meets(child, last):
                    used.add((id(block), id(child)))
                    return
                self.draft.undo(mark)
        if path.tries and len(path.steps) > 1 and self.draft.tree.room(home, last.tag) is None:
            home = self.places.roomy(scope, path, outward=outward)
        node = self.draft.new(home, last)
        if last.tag == HL:
            node.level = self._level(block, last, item)
        self._fill(block, last, item, node, name)
        if not self.draft.meets(node, last):
            raise NoPlace(f"{path.text} does not mean it")
        used.add((id(block), id(node)))

    def _into_own(self, block: ItemRule, last: Step, item: Any, scope: NewNode, name: str, used: set[tuple[int, int]]) -> None:
        if (id(block), id(scope)) in used:
            raise NoPlace(f"one {last.tag} holds one of it")
        self._fill(block, last, item, scope, name)
        if not self.draft.meets(scope, last):
            raise NoPlace(f"the {last.tag} it stands in is not meant")
        used.add((id(block), id(scope)))

    def _level(self, block: ItemRule, step: Step, item: Mapping[str, Any]) -> str:
        """HL03 of an item: what its kind says, else the first level that the rule takes."""
        for key, rule in block.fields.items():
            if key in item and isinstance(rule, ValueRule):
                for chain in self.values.chains(rule, item):
                    if chain.kind == "word" and chain.sources[0].keys == (3,):
                        level = str(chain.inverts[0](item[key], self.zones)[0])
                        if level in step.levels:
                            return level
        return step.levels[0] if step.levels else ""

    def _fill(self, block: ItemRule, step: Step, item: Any, node: NewNode, name: str) -> None:
        if step.tag == HL:
            node.texts[3] = node.level
        self.draft.assume(node, step)
        self.places.set_all(block.sets, node, outward=False)
        if block.value is not None:
            self._one(block.value, item, {}, node, name, outward=False)
            for rule, value, scope, dotted, beside, reach in self.draft.late[len(self.draft.late) - block.value.late :]:
                self.values.write_late(rule, value, beside, scope, dotted, outward=reach)
                self.draft.late.pop()
        else:
            self._fields(block.fields, item, node, name, outward=False)


_ALL = 1 << 30
"""A block that can tell nothing of an item."""
