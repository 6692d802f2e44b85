"""Writes an event as a document: every field to the elements its rule names, every segment where the form has a place for it.

Knows the plan (write_rules.py) and the tree (placing.py); knows no delimiter, no envelope and no control number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from translators.mapping.inverses import Unwritable, Zones
from translators.mapping.language import Path, Step
from translators.mapping.placing import HL, Form, Key, NewNode, Tree
from translators.mapping.write_rules import Chain, ItemRule, ListRule, ObjectRule, Plan, Rule, Sets, Source, TextsRule, ValueRule, assumed_texts

MADE = frozenset({"evidence", "quality", "cancelled"})
"""Fields of an event that say how it was read; nothing of them is written."""
PURPOSE, ORIGINAL = "purpose", "original"
MAX_PROBLEMS = 50


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


def write(plan: Plan, data: Mapping[str, Any], form: Form, zones: Zones) -> Written:
    """The segments that tell `data`. Total: what cannot be told is in `unwritten` and `problems`."""
    return _Writer(plan, data, form, zones).run()


class _NoPlace(Exception):
    """A rule's path has no place in this form, or none that is free."""


Mark = tuple[int, int, int, int, int]


class _Writer:
    def __init__(self, plan: Plan, data: Mapping[str, Any], form: Form, zones: Zones) -> None:
        self.plan, self.data, self.zones = plan, data, zones
        self.tree = Tree(form)
        self.written = Written([])
        self.journal: list[tuple[NewNode, Key | None]] = []
        """What was done, to be undone when a trial fails: a new segment (None) or an element that got its text."""
        self.late: list[tuple[ValueRule, Any, NewNode, str, Mapping[str, Any], bool]] = []
        self.known: dict[str, list[tuple[str, NewNode]]] = {}
        """Item id -> (tag, segment)."""
        self.named: list[str] = []
        """The ids in `known`, in the order in which they came."""

    def run(self) -> Written:
        scope = self._scope()
        self._fields(self.plan.fields, self.data, scope, "", outward=True)
        if self.plan.purpose is not None and self.data.get(PURPOSE) and self._says_purpose(self.plan.purpose):
            self._late(self.plan.purpose, self.data[PURPOSE], self.data, scope, PURPOSE, outward=True)
        self.written.nodes = self.tree.finish()
        return self.written

    def _says_purpose(self, rule: ValueRule) -> bool:
        """An original needs no word of it where the partner's form wants none."""
        if self.data[PURPOSE] != ORIGINAL:
            return True
        for chain in self._chains(rule, self.data):
            source = chain.sources[0]
            if source.path.steps and isinstance(source.keys[0], int) and self.tree.form.required(source.path.steps[-1].tag, source.keys[0]):
                return True
        return False

    def _scope(self) -> NewNode:
        """The segment that the event's own fields look from."""
        for path in self.plan.each:
            node = self.tree.root
            for step in path.steps:
                if step.tag == node.tag:
                    continue
                slot = self.tree.room(node, step.tag)
                if slot is None:
                    break
                node = self._new(node, step)
            else:
                return node
        return self.tree.root

    # ---- objects

    def _fields(self, rules: Mapping[str, Rule], item: Mapping[str, Any], scope: NewNode, name: str, *, outward: bool) -> None:
        """Writes an object's fields; those that speak of other elements (words beside codes) when these are there."""
        begun = len(self.late)
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
        for late_rule, value, late_scope, dotted, beside, reach in self.late[begun:]:
            self._late(late_rule, value, beside, late_scope, dotted, outward=reach)
        del self.late[begun:]

    def _lists(self, waiting: list[tuple[ListRule, Any, str]], scope: NewNode) -> None:
        """The event's lists, in the mapping's order; items that name items of a later list wait for them."""
        order = {id(rule): place for place, rule in enumerate(self.plan.fields.values())}
        pending: list[tuple[ListRule, Any, str, int]] = []
        for rule, value, dotted in sorted(waiting, key=lambda one: order.get(id(one[0]), 0)):
            self._list(rule, value, scope, dotted, outward=True, again=pending)
        while pending:
            left: list[tuple[ListRule, Any, str, int]] = []
            for rule, item, dotted, _ in pending:
                self._list(rule, [item], scope, dotted, outward=True, again=left, numbered=False)
            if len(left) == len(pending):
                for rule, item, dotted, _ in left:
                    block = next(block for block in rule.blocks if isinstance(block, ItemRule))
                    lost = [f"{key} {item[key]!r}" for key, _ in block.anchors if key in item and item[key] not in self.known]
                    self.written.problems.append((dotted, f"names {' and '.join(lost) or 'each other in a circle'}, which no item has as its id"))
                return
            pending = left

    def _one(self, rule: Rule, value: Any, item: Mapping[str, Any], scope: NewNode, name: str, *, outward: bool) -> None:
        if isinstance(rule, ObjectRule):
            if not isinstance(value, Mapping):
                self.written.problems.append((name, "must be an object"))
                return
            try:
                inner = scope if rule.at is None else self._find(scope, rule.at, outward=outward)
                self._set_all(rule.sets, inner, outward=outward and rule.at is None)
            except _NoPlace as fault:
                self.written.unwritten.append((name, str(fault)))
                return
            mark = self._mark()
            try:
                self._fields(rule.fields, value, inner, name, outward=outward and rule.at is None)
            except _NoPlace as fault:
                self._undo(mark)
                self.written.unwritten.append((name, str(fault)))
        elif isinstance(rule, ValueRule):
            if not rule.alternatives:
                self.written.derived.add(name)
            elif rule.late:
                self.late.append((rule, value, scope, name, item, outward))
            else:
                self._value(rule, value, item, scope, name, outward=outward)

    # ---- values

    def _chains(self, rule: ValueRule, item: Mapping[str, Any]) -> tuple[Chain, ...]:
        for one in rule.alternatives:
            if one.test is None or one.test.holds(item, self.data):
                return one.chains
        return ()

    def _value(self, rule: ValueRule, value: Any, item: Mapping[str, Any], scope: NewNode, name: str, *, outward: bool) -> None:
        if rule.plain is not None:
            try:
                node = scope if not rule.plain.path.steps else self._find(scope, rule.plain.path, outward=outward)
                self._set(node, rule.plain.keys[0], value, name)
            except _NoPlace as fault:
                self.written.unwritten.append((name, str(fault)))
            except Unwritable as fault:
                self.written.problems.append((name, str(fault)))
            return
        if rule.words and value not in rule.words:
            raise _NoPlace(f"{name} is {value!r}, and this place is for {' or '.join(sorted(rule.words))} only")
        why: list[tuple[bool, str]] = []
        for chain in self._chains(rule, item):
            done = len(self.journal)
            try:
                if self._chain(chain, value, item, scope, name, outward=outward):
                    self._set_all(rule.sets, scope, outward=outward)
                    return
            except _NoPlace as fault:
                why.append((False, str(fault)))
            except Unwritable as fault:
                why.append((True, str(fault)))
            self._take_back(done)
        hard = [text for bad, text in why if bad]
        if hard:
            self.written.problems.append((name, hard[0]))
        else:
            self.written.unwritten.append((name, why[0][1] if why else "this mapping only reads it"))

    def _late(self, rule: ValueRule, value: Any, item: Mapping[str, Any], scope: NewNode, name: str, *, outward: bool) -> None:
        """A word: its code may stand there already, as the partner's own; then the word is said."""
        chains = self._chains(rule, item)
        for chain in chains:
            source = chain.sources[0]
            if chain.kind == "constant":
                continue
            node = self._existing(scope, source.path, outward=outward)
            if node is not None and any(key in node.texts for key in source.keys):
                return
        if all(chain.kind in ("check", "constant") for chain in chains):
            return
        self._value(rule, value, item, scope, name, outward=outward)

    def _chain(self, chain: Chain, value: Any, item: Mapping[str, Any], scope: NewNode, name: str, *, outward: bool) -> bool:
        """Whether this chain tells the value. Raises _NoPlace and Unwritable."""
        if chain.kind == "constant":
            return bool(value == chain.argument)
        if chain.kind in ("never", "check"):
            return False
        if chain.kind == "number":
            return self._number(chain.sources[0].path, value, item, scope, name)
        for invert in chain.inverts:
            value = invert(value[0] if isinstance(value, list) and len(value) == 1 else value, self.zones)
        texts = value if isinstance(value, list) else [value]
        self._assign(chain.sources, texts, scope, name, outward=outward)
        return True

    def _assign(self, sources: Sequence[Source], texts: Sequence[Any], scope: NewNode, name: str, *, outward: bool) -> None:
        at = 0
        for source in sources:
            if source.constant is not None:
                at += 1
                continue
            mine = texts[at : at + len(source.keys)]
            at += len(source.keys)
            if not any(mine):
                continue
            node = self._find(scope, source.path, outward=outward)
            for key, text in zip(source.keys, mine, strict=False):
                if text:
                    self._set(node, key, text, name)
        if any(texts[at:]):
            raise _NoPlace(f"there is no element for all of it ({', '.join(str(text) for text in texts if text)})")

    def _set(self, node: NewNode, key: Key, text: Any, name: str, *, assumed: bool = False) -> None:
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
            raise _NoPlace(f"{place} says {known!r} already ({other}), and this would say {text!r}")

    def _set_all(self, sets: Sets, scope: NewNode, *, outward: bool) -> None:
        for source, text in sets:
            node = self._find(scope, source.path, outward=outward)
            if source.keys[0] not in node.texts:
                self._set(node, source.keys[0], text, "", assumed=True)

    def _number(self, path: Path, value: Any, item: Mapping[str, Any], scope: NewNode, name: str) -> bool:
        """An item's own id, or the id of the item that encloses it."""
        key = name.rpartition(".")[2]
        if path.reach == "nearest":
            found = self._known(path, value)
            if found is None:
                return False
            self.written.numbered[id(item), key] = found
            return True
        node = scope if not path.steps or path.steps[0].tag == scope.tag else self._find(scope, path, outward=False)
        self.known.setdefault(str(value), []).append((node.tag, node))
        self.named.append(str(value))
        if node.tag == HL:
            node.fields[1] = str(value)
        self.written.numbered[id(item), key] = node
        return True

    def _known(self, path: Path, value: Any) -> NewNode | None:
        last = path.steps[-1]
        for tag, node in self.known.get(str(value), ()):
            if tag == last.tag and (not last.levels or node.level in last.levels):
                return node
        return None

    # ---- places

    def _meets(self, node: NewNode, step: Step) -> bool:
        if node.tag != step.tag or (step.levels and node.level not in step.levels):
            return False
        for element, values, negate, way in step.conditions:
            if way:
                texts = [one.texts.get(element, "") for one in _led_to(node, way)]
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

    def _existing(self, scope: NewNode, path: Path, *, outward: bool) -> NewNode | None:
        """The segment that the path means, if it is there."""
        if not path.steps:
            return scope
        first = path.steps[0]
        if path.reach == "nearest":
            found = next((node for node in scope.ancestors() if node is not scope and self._meets(node, first)), None)
        else:
            found = None
            for level in scope.ancestors() if outward or path.reach == "outward" else (scope,):
                found = level if self._meets(level, first) else next((child for child in level.children if self._meets(child, first)), None)
                if found is not None:
                    break
        for step in path.steps[1:]:
            if found is None:
                return None
            found = next((child for child in found.children if self._meets(child, step)), None)
        return found

    def _find(self, scope: NewNode, path: Path, *, outward: bool) -> NewNode:
        """The segment that the path means, made if it is not there. Raises _NoPlace."""
        found = self._existing(scope, path, outward=outward)
        if found is not None:
            return found
        node = self._begin(scope, path, outward=outward)
        for step in path.steps[1:]:
            below = next((child for child in node.children if self._meets(child, step)), None)
            node = below if below is not None else self._new(node, step)
        return node

    def _begin(self, scope: NewNode, path: Path, *, outward: bool) -> NewNode:
        """The first segment of a path: the one we stand at if it can be meant, else a new one where there is room."""
        first = path.steps[0]
        if path.reach == "nearest":
            raise _NoPlace(f"no {first.tag} encloses it")
        existing = next((child for child in scope.children if self._meets(child, first)), None)
        if existing is not None and len(path.steps) > 1:
            return existing
        levels = list(scope.ancestors()) if outward or path.reach == "outward" else [scope]
        for level in levels:
            if level.tag == first.tag and not first.levels:
                self._assume(level, first)
                if self._meets(level, first):
                    return level
            elif self.tree.room(level, first.tag) is not None and first.tag != HL:
                return self._new(level, first)
        full = any(self.tree.slot(level, first.tag) is not None for level in levels)
        words = "no more room" if full else "no place"
        raise _NoPlace(f"the {self.tree.called} has {words} for {path.text or first.tag}{'' if outward else f' in {scope.tag}'}")

    def _new(self, node: NewNode, step: Step) -> NewNode:
        slot = self.tree.room(node, step.tag)
        if slot is None:
            raise _NoPlace(f"the {self.tree.called} has no place for {step.tag} in {node.tag}")
        child = self.tree.add(node, step.tag, slot)
        self.journal.append((child, None))
        if step.levels:
            child.level = step.levels[0]
        self._assume(child, step)
        return child

    def _assume(self, node: NewNode, step: Step) -> None:
        for element, text in assumed_texts(step):
            if element not in node.texts:
                self._set(node, element, text, "", assumed=True)
        for condition in step.conditions:
            if condition.way and condition.values and not condition.negate and not _led_to(node, condition.way):
                here = node
                for tag in condition.way:
                    here = next((child for child in here.children if child.tag == tag), None) or self._new(here, Step(tag, (), ()))
                self._set(here, condition.element, condition.values[0].decode(), "", assumed=True)

    # ---- lists

    def _list(
        self,
        rule: ListRule,
        items: Any,
        scope: NewNode,
        name: str,
        *,
        outward: bool,
        again: list[tuple[ListRule, Any, str, int]] | None,
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
                again.append((rule, item, dotted, number))
                continue
            self._item(rule, item, scope, dotted, used, outward=outward)

    def _waits(self, rule: ListRule, item: Any) -> bool:
        if not isinstance(item, Mapping):
            return False
        anchors = [anchor for block in rule.blocks if isinstance(block, ItemRule) for anchor in block.anchors]
        return any(key in item and self._known(path, item[key]) is None for key, path in anchors)

    def _item(self, rule: ListRule, item: Any, scope: NewNode, name: str, used: set[tuple[int, int]], *, outward: bool) -> None:
        best: tuple[int, ItemRule | TextsRule] | None = None
        failures: list[tuple[list[tuple[str, str]], list[tuple[str, str]]]] = []
        for block in sorted(rule.blocks, key=lambda block: self._fitness(block, item, scope)) if len(rule.blocks) > 1 else rule.blocks:
            mark = self._mark()
            lost = self._block(block, item, scope, name, used, outward=outward)
            if not lost:
                return
            if lost == _ALL:
                failures.append((self.written.unwritten[mark[1] :], self.written.problems[mark[2] :]))
            elif best is None or lost < best[0]:
                best = lost, block
            self._undo(mark)
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
            return (-1 if any(self._stands(chain, item, scope) for chain in picks) else 1), 0
        if not isinstance(item, Mapping) or not block.fields:
            return 0, 0
        return sum(1 for key in item if key not in block.fields), -len(block.constants)

    def _stands(self, chain: Chain, item: Any, scope: NewNode) -> bool:
        source = chain.sources[0]
        node = self._existing(scope, source.path, outward=False)
        texts = [chain.argument, item]
        return node is not None and any(
            [node.texts.get(key) for key in source.keys[at : at + 2]] == texts for at in range(0, len(source.keys) - 1, 2)
        )

    def _block(self, block: ItemRule | TextsRule, item: Any, scope: NewNode, name: str, used: set[tuple[int, int]], *, outward: bool) -> int:
        """How much of the item this block cannot tell: 0 nothing, _ALL everything."""
        before, done = len(self.written.unwritten) + len(self.written.problems), len(self.journal)
        try:
            if isinstance(block, TextsRule):
                self._texts(block, item, scope, name, outward=outward)
            else:
                self._segment(block, item, scope, name, used, outward=outward)
        except _NoPlace as fault:
            self.written.unwritten.append((name, str(fault)))
            return _ALL
        except Unwritable as fault:
            self.written.problems.append((name, str(fault)))
            return _ALL
        lost = len(self.written.unwritten) + len(self.written.problems) - before
        told = any(key is not None and key not in node.assumed for node, key in self.journal[done:])
        return lost if told or not lost else _ALL

    def _segment(self, block: ItemRule, item: Any, scope: NewNode, name: str, used: set[tuple[int, int]], *, outward: bool) -> None:
        if block.value is None and not isinstance(item, Mapping):
            raise Unwritable("must be an object")
        for key, words in block.constants:
            if item.get(key) not in words:
                raise _NoPlace(f"this place is for the {key} {' or '.join(sorted(words))} only")
        if block.test is not None and not block.test.holds({}, self.data):
            raise _NoPlace("this event says it elsewhere")
        why: _NoPlace | None = None
        for path in block.each:
            try:
                self._into(block, path, item, scope, name, used, outward=outward)
                return
            except _NoPlace as fault:
                why = why or fault
        raise why or _NoPlace("there is no place for it")

    def _into(self, block: ItemRule, path: Path, item: Any, scope: NewNode, name: str, used: set[tuple[int, int]], *, outward: bool) -> None:
        last = path.steps[-1]
        if len(path.steps) == 1 and not path.reach and scope.tag == last.tag and last.tag != HL:
            self._into_own(block, last, item, scope, name, used)
            return
        home = self._home(block, path, item, scope, outward=outward)
        mark = self._mark()
        begun = len(self.written.unwritten), len(self.written.problems)
        for child in list(home.children):
            if child.tag == last.tag and last.tag != HL and (id(block), id(child)) not in used and self._could_be(child, last):
                self._fill(block, last, item, child, name)
                if (len(self.written.unwritten), len(self.written.problems)) == begun and self._meets(child, last):
                    used.add((id(block), id(child)))
                    return
                self._undo(mark)
        if path.tries and len(path.steps) > 1 and self.tree.room(home, last.tag) is None:
            home = self._roomy(scope, path, outward=outward)
        node = self._new(home, last)
        if last.tag == HL:
            node.level = self._level(block, last, item)
        self._fill(block, last, item, node, name)
        if not self._meets(node, last):
            raise _NoPlace(f"{path.text} does not mean it")
        used.add((id(block), id(node)))

    def _into_own(self, block: ItemRule, last: Step, item: Any, scope: NewNode, name: str, used: set[tuple[int, int]]) -> None:
        if (id(block), id(scope)) in used:
            raise _NoPlace(f"one {last.tag} holds one of it")
        self._fill(block, last, item, scope, name)
        if not self._meets(scope, last):
            raise _NoPlace(f"the {last.tag} it stands in is not meant")
        used.add((id(block), id(scope)))

    def _could_be(self, node: NewNode, step: Step) -> bool:
        """Whether an existing segment may still become one that the step means."""
        for element, values, negate, way in step.conditions:
            texts = [one.texts.get(element) for one in _led_to(node, way)] if way else [node.texts.get(element)]
            told = [text.encode() for text in texts if text is not None]
            if told and values and any(text in values for text in told) is negate:
                return False
        return True

    def _home(self, block: ItemRule, path: Path, item: Any, scope: NewNode, *, outward: bool) -> NewNode:
        """The segment below which an item's segment belongs."""
        last = path.steps[-1]
        encloses = self._enclosing(block, item) if isinstance(item, Mapping) else None
        if len(path.steps) == 1:
            if encloses is not None:
                return encloses
            levels = list(scope.ancestors()) if outward or path.reach == "outward" else [scope]
            for level in levels:
                if self.tree.room(level, last.tag) is not None:
                    return level
            for level in levels:
                if self.tree.slot(level, last.tag) is not None:
                    return level
            raise _NoPlace(f"the {self.tree.called} has no place for {path.text}")
        if path.reach == "nearest":
            return self._through(self._existing(scope, Path(path.text, "nearest", path.steps[:1], (), False), outward=False), path.steps[1:-1], path)
        if encloses is not None:
            tags = [step.tag for step in path.steps[:-1]]
            after = tags.index(encloses.tag) + 1 if encloses.tag in tags else len(tags)
            return self._through(encloses, path.steps[after:-1], path)
        if path.tries:
            return self._chain_to(scope, path, outward=outward)[0][-1]
        carrier = self._carrier(block, path, item, scope, outward=outward)
        return self._through(carrier, path.steps[1:-1], path)

    def _chain_to(self, scope: NewNode, path: Path, *, outward: bool) -> tuple[list[NewNode], tuple[Step, ...]]:
        """(the nodes from where a path begins to the one that holds its last step, the steps between them), the latest of each, made if need be."""
        steps = path.steps[:-1]
        for level in scope.ancestors() if outward or path.reach == "outward" else (scope,):
            if level.tag == steps[0].tag:
                chain, steps = [level], steps[1:]
                break
            if self.tree.slot(level, steps[0].tag) is not None:
                chain = [level]
                break
        else:
            raise _NoPlace(f"the {self.tree.called} has no place for {path.text}")
        for step in steps:
            latest = next((child for child in reversed(chain[-1].children) if self._meets(child, step)), None)
            chain.append(latest if latest is not None else self._new(chain[-1], step))
        return chain, steps

    def _roomy(self, scope: NewNode, path: Path, *, outward: bool) -> NewNode:
        """The node for another of the last step's (XML): the latest there is, or, where that is full, a new one beside it or beside one above it."""
        chain, steps = self._chain_to(scope, path, outward=outward)
        if self.tree.room(chain[-1], path.steps[-1].tag) is not None:
            return chain[-1]
        for depth in range(len(steps) - 1, -1, -1):
            if self.tree.room(chain[depth], steps[depth].tag) is not None:
                node = chain[depth]
                for step in steps[depth:]:
                    node = self._new(node, step)
                return node
        raise _NoPlace(f"the {self.tree.called} has no more room for {path.text}")

    def _through(self, node: NewNode | None, steps: Sequence[Step], path: Path) -> NewNode:
        if node is None:
            raise _NoPlace(f"no {path.steps[0].tag} encloses it")
        for step in steps:
            below = next((child for child in node.children if self._meets(child, step)), None)
            node = below if below is not None else self._new(node, step)
        return node

    def _carrier(self, block: ItemRule, path: Path, item: Any, scope: NewNode, *, outward: bool) -> NewNode:
        """The segment that opens the item's loop (LX): the last one if it says the same of it, else a new one."""
        first = path.steps[0]
        told = {key: item[name] for name, key, tag in block.carriers if tag == first.tag and name in item} if isinstance(item, Mapping) else {}
        for level in scope.ancestors() if outward or path.reach == "outward" else (scope,):
            if level.tag == first.tag:
                return level
            if self.tree.slot(level, first.tag) is None:
                continue
            last = level.children[-1] if level.children else None
            if told and last is not None and last.tag == first.tag and all(last.texts.get(key) == text for key, text in told.items()):
                return last
            if self.tree.room(level, first.tag) is None:
                return next(child for child in level.children if child.tag == first.tag)
            return self._new(level, first)
        raise _NoPlace(f"the {self.tree.called} has no place for {path.text}")

    def _enclosing(self, block: ItemRule, item: Mapping[str, Any]) -> NewNode | None:
        """The innermost segment among those that the item names as enclosing it. Raises Unwritable if they do not lie in each other."""
        found: list[NewNode] = []
        for key, path in block.anchors:
            if key not in item or (node := self._known(path, item[key])) is None:
                continue
            first = path.steps[0]
            enclosing = next((one for one in node.ancestors() if one.tag == first.tag), None) if len(path.steps) > 1 else node
            if enclosing is not None:
                found.append(enclosing)
        if not found:
            return None
        deepest = max(found, key=lambda node: sum(1 for _ in node.ancestors()))
        above = set(map(id, deepest.ancestors()))
        if any(id(node) not in above for node in found):
            names = " and ".join(f"{key} {item[key]!r}" for key, _ in block.anchors if key in item)
            raise Unwritable(f"{names} do not lie in each other, so there is no place below both")
        return deepest

    def _level(self, block: ItemRule, step: Step, item: Mapping[str, Any]) -> str:
        """HL03 of an item: what its kind says, else the first level that the rule takes."""
        for key, rule in block.fields.items():
            if key in item and isinstance(rule, ValueRule):
                for chain in self._chains(rule, item):
                    if chain.kind == "word" and chain.sources[0].keys == (3,):
                        level = str(chain.inverts[0](item[key], self.zones)[0])
                        if level in step.levels:
                            return level
        return step.levels[0] if step.levels else ""

    def _fill(self, block: ItemRule, step: Step, item: Any, node: NewNode, name: str) -> None:
        if step.tag == HL:
            node.texts[3] = node.level
        self._assume(node, step)
        self._set_all(block.sets, node, outward=False)
        if block.value is not None:
            self._one(block.value, item, {}, node, name, outward=False)
            for rule, value, scope, dotted, beside, reach in self.late[len(self.late) - block.value.late :]:
                self._late(rule, value, beside, scope, dotted, outward=reach)
                self.late.pop()
        else:
            self._fields(block.fields, item, node, name, outward=False)

    def _texts(self, block: TextsRule, item: Any, scope: NewNode, name: str, *, outward: bool) -> None:
        """One value of a list into the next free elements. Raises _NoPlace when none is left."""
        why: Exception = _NoPlace("this mapping only reads it")
        for chain in block.chains:
            if chain.kind in ("never", "check", "constant", "number"):
                continue
            try:
                texts = self._inverted(chain, item)
                self._free(chain.sources[0], texts, scope, name, outward=outward, once=chain.kind == "pick")
                return
            except (_NoPlace, Unwritable) as fault:
                why = fault
        raise why

    def _inverted(self, chain: Chain, value: Any) -> list[Any]:
        for invert in chain.inverts:
            value = invert(value, self.zones)
        return value if isinstance(value, list) else [value]

    def _free(self, source: Source, texts: list[Any], scope: NewNode, name: str, *, outward: bool, once: bool) -> None:
        width = len(texts)
        groups = _groups(source.keys, width)
        if not source.path.steps:
            homes: list[NewNode] = [scope]
        else:
            homes = self._same(scope, source.path, outward=outward)
        if once and any(all(node.texts.get(key) == text for key, text in zip(keys, texts, strict=True)) for node in homes for keys in groups):
            return
        for node in homes:
            for keys in groups:
                if not any(key in node.texts for key in keys):
                    for key, text in zip(keys, texts, strict=True):
                        if text:
                            self._set(node, key, text, name)
                    return
        if not source.path.steps:
            raise _NoPlace(f"{scope.tag} has no more elements for it")
        node = self._another(scope, source.path, outward=outward)
        for key, text in zip(groups[0], texts, strict=True):
            if text:
                self._set(node, key, text, name)

    def _same(self, scope: NewNode, path: Path, *, outward: bool) -> list[NewNode]:
        """The segments there are that the path means, at the nearest level that has a place for them."""
        last = path.steps[-1]
        parent = self._parent(scope, path, outward=outward, make=False)
        if parent is None:
            return []
        if parent.tag == last.tag and len(path.steps) == 1:
            return [parent]
        return [child for child in parent.children if self._meets(child, last)]

    def _another(self, scope: NewNode, path: Path, *, outward: bool) -> NewNode:
        parent = self._parent(scope, path, outward=outward, make=True)
        if parent is None or (parent.tag == path.steps[-1].tag and len(path.steps) == 1):
            raise _NoPlace(f"the {self.tree.called} has no more room for {path.text}")
        return self._new(parent, path.steps[-1])

    def _parent(self, scope: NewNode, path: Path, *, outward: bool, make: bool) -> NewNode | None:
        if len(path.steps) > 1:
            above = Path(path.text, path.reach, path.steps[:-1], (), False)
            return self._find(scope, above, outward=outward) if make else self._existing(scope, above, outward=outward)
        last = path.steps[0]
        if path.reach == "nearest":
            return self._existing(scope, path, outward=False)
        for level in scope.ancestors() if outward or path.reach == "outward" else (scope,):
            if level.tag == last.tag or self.tree.slot(level, last.tag) is not None:
                return level
        return None

    # ---- trials

    def _mark(self) -> Mark:
        return len(self.journal), len(self.written.unwritten), len(self.written.problems), len(self.late), len(self.named)

    def _undo(self, mark: Mark) -> None:
        self._take_back(mark[0])
        del self.written.unwritten[mark[1] :]
        del self.written.problems[mark[2] :]
        del self.late[mark[3] :]
        while len(self.named) > mark[4]:
            self.known[self.named.pop()].pop()

    def _take_back(self, done: int) -> None:
        while len(self.journal) > done:
            node, key = self.journal.pop()
            if key is None:
                assert node.parent is not None
                node.parent.children.remove(node)
            else:
                del node.texts[key]
                node.fields.pop(key, None)
                node.assumed.discard(key)


def _led_to(node: NewNode, way: tuple[str, ...]) -> list[NewNode]:
    """The nodes that a way of tags leads to."""
    found = [node]
    for tag in way:
        found = [child for one in found for child in one.children if child.tag == tag]
    return found


@lru_cache(maxsize=1024)
def _groups(keys: tuple[Key, ...], width: int) -> tuple[tuple[Key, ...], ...]:
    """Elements in groups of one value each: qualifier and number of a pair, or single ones."""
    return tuple(keys[at : at + width] for at in range(0, len(keys) - width + 1, width))


_ALL = 1 << 30
"""A block that can tell nothing of an item."""
