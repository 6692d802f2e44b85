"""Writes one value of an event: by the first chain of its rule that can tell it, to the elements which the rule names.

Knows the draft and its places; knows no object and no list around the value.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from translators.mapping.draft import Draft, NoPlace
from translators.mapping.inverses import Unwritable, Zones
from translators.mapping.language import Path
from translators.mapping.places import Places
from translators.mapping.placing import HL, Key, NewNode
from translators.mapping.write_rules import Chain, Source, TextsRule, ValueRule


class Values:
    def __init__(self, draft: Draft, places: Places, event: Mapping[str, Any], zones: Zones) -> None:
        self._draft, self._written, self._places, self._event, self._zones = draft, draft.written, places, event, zones

    def write(self, rule: ValueRule, value: Any, item: Mapping[str, Any], scope: NewNode, name: str, *, outward: bool) -> None:
        if rule.plain is not None:
            try:
                node = scope if not rule.plain.path.steps else self._places.find(scope, rule.plain.path, outward=outward)
                self._draft.set(node, rule.plain.keys[0], value, name)
            except NoPlace as fault:
                self._written.unwritten.append((name, str(fault)))
            except Unwritable as fault:
                self._written.problems.append((name, str(fault)))
            return
        if rule.words and value not in rule.words:
            raise NoPlace(f"{name} is {value!r}, and this place is for {' or '.join(sorted(rule.words))} only")
        why: list[tuple[bool, str]] = []
        for chain in self.chains(rule, item):
            done = len(self._draft.journal)
            try:
                if self._tell(chain, value, item, scope, name, outward=outward):
                    self._places.set_all(rule.sets, scope, outward=outward)
                    return
            except NoPlace as fault:
                why.append((False, str(fault)))
            except Unwritable as fault:
                why.append((True, str(fault)))
            self._draft.take_back(done)
        hard = [text for bad, text in why if bad]
        if hard:
            self._written.problems.append((name, hard[0]))
        else:
            self._written.unwritten.append((name, why[0][1] if why else "this mapping only reads it"))

    def write_late(self, rule: ValueRule, value: Any, item: Mapping[str, Any], scope: NewNode, name: str, *, outward: bool) -> None:
        """A word: its code may stand there already, as the partner's own; then the word is said."""
        chains = self.chains(rule, item)
        for chain in chains:
            source = chain.sources[0]
            if chain.kind == "constant":
                continue
            node = self._places.existing(scope, source.path, outward=outward)
            if node is not None and any(key in node.texts for key in source.keys):
                return
        if all(chain.kind in ("check", "constant") for chain in chains):
            return
        self.write(rule, value, item, scope, name, outward=outward)

    def chains(self, rule: ValueRule, item: Mapping[str, Any]) -> tuple[Chain, ...]:
        for one in rule.alternatives:
            if one.test is None or one.test.holds(item, self._event):
                return one.chains
        return ()

    def _tell(self, chain: Chain, value: Any, item: Mapping[str, Any], scope: NewNode, name: str, *, outward: bool) -> bool:
        """Whether this chain tells the value. Raises NoPlace and Unwritable."""
        if chain.kind == "constant":
            return bool(value == chain.argument)
        if chain.kind in ("never", "check"):
            return False
        if chain.kind == "number":
            return self._number(chain.sources[0].path, value, item, scope, name)
        for invert in chain.inverts:
            value = invert(value[0] if isinstance(value, list) and len(value) == 1 else value, self._zones)
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
            node = self._places.find(scope, source.path, outward=outward)
            for key, text in zip(source.keys, mine, strict=False):
                if text:
                    self._draft.set(node, key, text, name)
        if any(texts[at:]):
            raise NoPlace(f"there is no element for all of it ({', '.join(str(text) for text in texts if text)})")

    def _number(self, path: Path, value: Any, item: Mapping[str, Any], scope: NewNode, name: str) -> bool:
        """An item's own id, or the id of the item that encloses it."""
        key = name.rpartition(".")[2]
        if path.reach == "nearest":
            found = self._draft.item(path, value)
            if found is None:
                return False
            self._written.numbered[id(item), key] = found
            return True
        node = scope if not path.steps or path.steps[0].tag == scope.tag else self._places.find(scope, path, outward=False)
        self._draft.call_item(str(value), node)
        if node.tag == HL:
            node.fields[1] = str(value)
        self._written.numbered[id(item), key] = node
        return True

    # ---- one value of a list of texts

    def write_text(self, block: TextsRule, item: Any, scope: NewNode, name: str, *, outward: bool) -> None:
        """One value of a list into the next free elements. Raises NoPlace when none is left."""
        why: Exception = NoPlace("this mapping only reads it")
        for chain in block.chains:
            if chain.kind in ("never", "check", "constant", "number"):
                continue
            try:
                texts = self._inverted(chain, item)
                self._free(chain.sources[0], texts, scope, name, outward=outward, once=chain.kind == "pick")
                return
            except (NoPlace, Unwritable) as fault:
                why = fault
        raise why

    def stands(self, chain: Chain, item: Any, scope: NewNode) -> bool:
        source = chain.sources[0]
        node = self._places.existing(scope, source.path, outward=False)
        texts = [chain.argument, item]
        return node is not None and any(
            [node.texts.get(key) for key in source.keys[at : at + 2]] == texts for at in range(0, len(source.keys) - 1, 2)
        )

    def _inverted(self, chain: Chain, value: Any) -> list[Any]:
        for invert in chain.inverts:
            value = invert(value, self._zones)
        return value if isinstance(value, list) else [value]

    def _free(self, source: Source, texts: list[Any], scope: NewNode, name: str, *, outward: bool, once: bool) -> None:
        width = len(texts)
        groups = _groups(source.keys, width)
        if not source.path.steps:
            homes: list[NewNode] = [scope]
        else:
            homes = self._places.same(scope, source.path, outward=outward)
        if once and any(all(node.texts.get(key) == text for key, text in zip(keys, texts, strict=True)) for node in homes for keys in groups):
            return
        for node in homes:
            for keys in groups:
                if not any(key in node.texts for key in keys):
                    for key, text in zip(keys, texts, strict=True):
                        if text:
                            self._draft.set(node, key, text, name)
                    return
        if not source.path.steps:
            raise NoPlace(f"{scope.tag} has no more elements for it")
        node = self._places.another(scope, source.path, outward=outward)
        for key, text in zip(groups[0], texts, strict=True):
            if text:
                self._draft.set(node, key, text, name)


@lru_cache(maxsize=1024)
def _groups(keys: tuple[Key, ...], width: int) -> tuple[tuple[Key, ...], ...]:
    """Elements in groups of one value each: qualifier and number of a pair, or single ones."""
    return tuple(keys[at : at + width] for at in range(0, len(keys) - width + 1, width))
