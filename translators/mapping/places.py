"""Finds the segment that a rule's path means while a document is being written, and makes it where there is room.

Knows the draft and where rules look; knows no value.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from translators.mapping.draft import Draft, NoPlace
from translators.mapping.inverses import Unwritable
from translators.mapping.language import Path, Step
from translators.mapping.placing import HL, NewNode
from translators.mapping.write_rules import ItemRule, Sets


class Places:
    def __init__(self, draft: Draft) -> None:
        self._draft, self._tree = draft, draft.tree

    def existing(self, scope: NewNode, path: Path, *, outward: bool) -> NewNode | None:
        """The segment that the path means, if it is there."""
        if not path.steps:
            return scope
        first = path.steps[0]
        if path.reach == "nearest":
            found = next((node for node in scope.ancestors() if node is not scope and self._draft.meets(node, first)), None)
        else:
            found = None
            for level in _levels(scope, path, outward):
                found = (
                    level if self._draft.meets(level, first) else next((child for child in level.children if self._draft.meets(child, first)), None)
                )
                if found is not None:
                    break
        for step in path.steps[1:]:
            if found is None:
                return None
            found = next((child for child in found.children if self._draft.meets(child, step)), None)
        return found

    def find(self, scope: NewNode, path: Path, *, outward: bool) -> NewNode:
        """The segment that the path means, made if it is not there. Raises NoPlace."""
        found = self.existing(scope, path, outward=outward)
        if found is not None:
            return found
        return self._through(self._begin(scope, path, outward=outward), path.steps[1:], path)

    def _begin(self, scope: NewNode, path: Path, *, outward: bool) -> NewNode:
        """The first segment of a path: the one we stand at if it can be meant, else a new one where there is room."""
        first = path.steps[0]
        if path.reach == "nearest":
            raise NoPlace(f"no {first.tag} encloses it")
        existing = next((child for child in scope.children if self._draft.meets(child, first)), None)
        if existing is not None and len(path.steps) > 1:
            return existing
        levels = list(_levels(scope, path, outward))
        for level in levels:
            if level.tag == first.tag and not first.levels:
                self._draft.assume(level, first)
                if self._draft.meets(level, first):
                    return level
            elif self._tree.room(level, first.tag) is not None and first.tag != HL:
                return self._draft.new(level, first)
        full = any(self._tree.slot(level, first.tag) is not None for level in levels)
        words = "no more room" if full else "no place"
        raise NoPlace(f"the {self._tree.called} has {words} for {path.text or first.tag}{'' if outward else f' in {scope.tag}'}")

    def set_all(self, sets: Sets, scope: NewNode, *, outward: bool) -> None:
        for source, text in sets:
            node = self.find(scope, source.path, outward=outward)
            if source.keys[0] not in node.texts:
                self._draft.set(node, source.keys[0], text, "", assumed=True)

    # ---- where an item of a list belongs

    def home(self, block: ItemRule, path: Path, item: Any, scope: NewNode, *, outward: bool) -> NewNode:
        """The segment below which an item's segment belongs."""
        last = path.steps[-1]
        encloses = self._enclosing(block, item) if isinstance(item, Mapping) else None
        if len(path.steps) == 1:
            if encloses is not None:
                return encloses
            levels = list(_levels(scope, path, outward))
            for level in levels:
                if self._tree.room(level, last.tag) is not None:
                    return level
            for level in levels:
                if self._tree.slot(level, last.tag) is not None:
                    return level
            raise NoPlace(f"the {self._tree.called} has no place for {path.text}")
        if path.reach == "nearest":
            return self._through(self.existing(scope, Path(path.text, "nearest", path.steps[:1], (), False), outward=False), path.steps[1:-1], path)
        if encloses is not None:
            tags = [step.tag for step in path.steps[:-1]]
            after = tags.index(encloses.tag) + 1 if encloses.tag in tags else len(tags)
            return self._through(encloses, path.steps[after:-1], path)
        if path.tries:
            return self._chain_to(scope, path, outward=outward)[0][-1]
        carrier = self._carrier(block, path, item, scope, outward=outward)
        return self._through(carrier, path.steps[1:-1], path)

    def _enclosing(self, block: ItemRule, item: Mapping[str, Any]) -> NewNode | None:
        """The innermost segment among those that the item names as enclosing it. Raises Unwritable if they do not lie in each other."""
        found: list[NewNode] = []
        for key, path in block.anchors:
            if key not in item or (node := self._draft.item(path, item[key])) is None:
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

    def _carrier(self, block: ItemRule, path: Path, item: Any, scope: NewNode, *, outward: bool) -> NewNode:
        """The segment that opens the item's loop (LX): the last one if it says the same of it, else a new one."""
        first = path.steps[0]
        told = {key: item[name] for name, key, tag in block.carriers if tag == first.tag and name in item} if isinstance(item, Mapping) else {}
        for level in _levels(scope, path, outward):
            if level.tag == first.tag:
                return level
            if self._tree.slot(level, first.tag) is None:
                continue
            last = level.children[-1] if level.children else None
            if told and last is not None and last.tag == first.tag and all(last.texts.get(key) == text for key, text in told.items()):
                return last
            if self._tree.room(level, first.tag) is None:
                return next(child for child in level.children if child.tag == first.tag)
            return self._draft.new(level, first)
        raise NoPlace(f"the {self._tree.called} has no place for {path.text}")

    def _chain_to(self, scope: NewNode, path: Path, *, outward: bool) -> tuple[list[NewNode], tuple[Step, ...]]:
        """(the nodes from where a path begins to the one that holds its last step, the steps between them), the latest of each, made if need be."""
        steps = path.steps[:-1]
        for level in _levels(scope, path, outward):
            if level.tag == steps[0].tag:
                chain, steps = [level], steps[1:]
                break
            if self._tree.slot(level, steps[0].tag) is not None:
                chain = [level]
                break
        else:
            raise NoPlace(f"the {self._tree.called} has no place for {path.text}")
        for step in steps:
            latest = next((child for child in reversed(chain[-1].children) if self._draft.meets(child, step)), None)
            chain.append(latest if latest is not None else self._draft.new(chain[-1], step))
        return chain, steps

    def roomy(self, scope: NewNode, path: Path, *, outward: bool) -> NewNode:
        """The node for another of the last step's (XML): the latest there is, or, where that is full, a new one beside it or beside one above it."""
        chain, steps = self._chain_to(scope, path, outward=outward)
        if self._tree.room(chain[-1], path.steps[-1].tag) is not None:
            return chain[-1]
        for depth in range(len(steps) - 1, -1, -1):
            if self._tree.room(chain[depth], steps[depth].tag) is not None:
                node = chain[depth]
                for step in steps[depth:]:
                    node = self._draft.new(node, step)
                return node
        raise NoPlace(f"the {self._tree.called} has no more room for {path.text}")

    def _through(self, node: NewNode | None, steps: Sequence[Step], path: Path) -> NewNode:
        if node is None:
            raise NoPlace(f"no {path.steps[0].tag} encloses it")
        for step in steps:
            below = next((child for child in node.children if self._draft.meets(child, step)), None)
            node = below if below is not None else self._draft.new(node, step)
        return node

    # ---- where one value of many goes

    def same(self, scope: NewNode, path: Path, *, outward: bool) -> list[NewNode]:
        """The segments there are that the path means, at the nearest level that has a place for them."""
        last = path.steps[-1]
        parent = self._parent(scope, path, outward=outward, make=False)
        if parent is None:
            return []
        if parent.tag == last.tag and len(path.steps) == 1:
            return [parent]
        return [child for child in parent.children if self._draft.meets(child, last)]

    def another(self, scope: NewNode, path: Path, *, outward: bool) -> NewNode:
        parent = self._parent(scope, path, outward=outward, make=True)
        if parent is None or (parent.tag == path.steps[-1].tag and len(path.steps) == 1):
            raise NoPlace(f"the {self._tree.called} has no more room for {path.text}")
        return self._draft.new(parent, path.steps[-1])

    def _parent(self, scope: NewNode, path: Path, *, outward: bool, make: bool) -> NewNode | None:
        if len(path.steps) > 1:
            above = Path(path.text, path.reach, path.steps[:-1], (), False)
            return self.find(scope, above, outward=outward) if make else self.existing(scope, above, outward=outward)
        last = path.steps[0]
        if path.reach == "nearest":
            return self.existing(scope, path, outward=False)
        for level in _levels(scope, path, outward):
            if level.tag == last.tag or self._tree.slot(level, last.tag) is not None:
                return level
        return None


def _levels(scope: NewNode, path: Path, outward: bool) -> Iterable[NewNode]:
    """Where a path may begin: at the segment we stand at, and, where it looks outward, at each that encloses it, from the inside out."""
    return scope.ancestors() if outward or path.reach == "outward" else (scope,)
