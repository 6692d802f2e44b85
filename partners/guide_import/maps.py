"""pyx12's map files as guides: order, repetition, lengths, types, codes and conditions. Its titles are X12's words and stay where they are.

A map tells apart loops that the same segment opens by that segment's codes (2010AA, 2010AB); a guide has one such loop in their place, which holds
what any of them may hold. Knows the maps' form; knows neither our files nor where these lie.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from partners.guide_import.made import ImportFault, Item, Made, MadeGuide, MadeSegment
from translators.document import Node
from translators.x12.guide import CONDITION
from translators.xml.limits import XmlLimits
from translators.xml.reader import read

LIMITS = XmlLimits(max_nodes=2_000_000)
ENVELOPE = frozenset({"ISA", "IEA", "GS", "GE", "TA1"})
KINDS = {"AN": "AN", "ID": "ID", "DT": "DT", "TM": "TM", "R": "R", "B": "B", "N": "N0"} | {f"N{digit}": f"N{digit}" for digit in range(10)}
HL = "HL"


@dataclass(frozen=True, slots=True)
class DataElement:
    """One line of dataele.xml."""

    kind: str
    minimum: int
    maximum: int


@dataclass(slots=True)
class _Use:
    """What the map's uses of one segment have in common: it is required where all of them require it."""

    elements: dict[int, tuple[str, bool]] = field(default_factory=dict)
    """Position -> (data element or composite, whether every use requires it)."""
    uses: int = 0
    conditions: set[str] = field(default_factory=set)


def data_elements(data: bytes, name: str) -> dict[str, DataElement]:
    """dataele.xml. Raises ImportFault."""
    found = {}
    for node in _tree(data, name).walk():
        if node.tag == "data_ele":
            given = _attributes(node)
            if given.get("ele_num", "").isdigit() and given.get("data_type") in KINDS:
                found[given["ele_num"]] = DataElement(KINDS[given["data_type"]], int(given["min_len"]), int(given["max_len"]))
    if not found:
        raise ImportFault(f"{name}: there is no data_ele in it; the file dataele.xml of pyx12 is wanted")
    return found


def import_map(data: bytes, name: str, *, elements: Mapping[str, DataElement], titles: Mapping[str, str]) -> Made:
    """One map file. `titles`: our words for data elements, by number. Raises ImportFault."""
    return _Map(_tree(data, name), name, elements, titles).made()


class _Map:
    def __init__(self, root: Node, name: str, elements: Mapping[str, DataElement], titles: Mapping[str, str]) -> None:
        self.root, self.name, self.known, self.titles = root, name, elements, titles
        self.uses: dict[str, _Use] = {}
        self.composites: dict[str, _Use] = {}
        self.result = Made()
        self.merged: dict[str, int] = {}

    def made(self) -> Made:
        header = {node_id: node for node in self.root.walk() if node.tag == "segment" and (node_id := _attributes(node).get("xid")) in ("GS", "ST")}
        if set(header) != {"GS", "ST"}:
            raise ImportFault(
                f"{self.name}: it has no segments GS and ST with an xid, so it is no map of a transaction set in the form of map.xsd (map.v2.xsd is not read)"
            )
        versions, functional = _codes(header["GS"], 8), _codes(header["GS"], 1)
        sets = _codes(header["ST"], 1)
        if not versions or not functional or len(sets) != 1:
            raise ImportFault(f"{self.name}: GS01, GS08 and ST01 must have codes that say group, version and set")
        release = versions[0][:6]
        set_loop = next((node for node in self.root.walk() if node.tag == "loop" and _attributes(node).get("xid") == "ST_LOOP"), None)
        if set_loop is None:
            raise ImportFault(f"{self.name}: there is no loop ST_LOOP")
        items = self._items(set_loop)
        levels = list(_hierarchy(items))
        if levels:
            items = _with_hierarchy(items, _union([one.below or [] for one in levels]))
        title = self.titles.get(f"set {sets[0]}", f"set {sets[0]} of {versions[0]}")
        self.result.guides.append(MadeGuide(sets[0], release, functional[0], title, items))
        for tag, use in self.uses.items():
            self.result.segments[release, tag] = self._segment(tag, use)
        for number, use in self.composites.items():
            if use.elements:
                self.result.composites[release, number] = self._segment(number, use)
        for tag, count in sorted(self.merged.items()):
            self.result.notes.append(f"{count} kinds of {tag}, told apart by their codes, are one in the guide; which codes open which is not kept")
        return self.result

    # ---- order

    def _items(self, loop: Node) -> list[Item]:
        """A loop's children, neighbours of one kind as one."""
        found: list[Item] = []
        for child in _ordered(loop):
            if child.tag == "segment":
                tag = _attributes(child).get("xid", "")
                if tag in ENVELOPE:
                    continue
                self._note_use(tag, child)
                _add(found, Item(tag, _usage(child) == "R", _maximum(child, "max_use")), self.merged)
                continue
            inner = self._items(child)
            if _attributes(child).get("type") == "wrapper":
                for item in inner:
                    _add(found, item, self.merged)
            elif inner and inner[0].below is None:
                item = Item(inner[0].tag, _usage(child) == "R", _maximum(child, "repeat"), inner[1:])
                _add(found, item, self.merged)
            else:
                found += inner
        return found

    # ---- segments

    def _note_use(self, tag: str, node: Node) -> None:
        use = self.uses.setdefault(tag, _Use())
        use.uses += 1
        use.conditions |= {text for text in _texts(node, "syntax") if CONDITION.fullmatch(text)}
        for child in node.children:
            if child.tag == "element":
                self._note_element(use, child)
            elif child.tag == "composite":
                number = _text(child, "data_ele")
                position = _position(child)
                self._keep(use, position, number, _usage(child) == "R")
                inner = self.composites.setdefault(number, _Use())
                inner.uses += 1
                inner.conditions |= {text for text in _texts(child, "syntax") if CONDITION.fullmatch(text)}
                for part in child.children:
                    if part.tag == "element":
                        self._note_element(inner, part)

    def _note_element(self, use: _Use, node: Node) -> None:
        number = _text(node, "data_ele")
        self._keep(use, _position(node), number, _usage(node) == "R")
        for child in node.children:
            if child.tag == "valid_codes":
                for code in _texts(child, "code"):
                    self.result.codes.setdefault(number, {}).setdefault(code, code)

    def _keep(self, use: _Use, position: int, number: str, required: bool) -> None:
        known = use.elements.get(position)
        use.elements[position] = (number, required and (known is None or known[1]))

    def _segment(self, tag: str, use: _Use) -> MadeSegment:
        lines = []
        for position in range(1, max(use.elements, default=0) + 1):
            number, required = use.elements.get(position, ("", False))
            lines.append(self._line(number, required))
        conditional = {int(word[at : at + 2]) for word in use.conditions for at in range(1, len(word), 2)}
        lines = [line.replace(" O ", " X ", 1) if place in conditional else line for place, line in enumerate(lines, start=1)]
        kept = sorted(word for word in use.conditions if max(int(word[at : at + 2]) for at in range(1, len(word), 2)) <= len(lines))
        return MadeSegment(self.titles.get(tag, f"segment {tag}"), lines or ["1 O AN 1/999 not described"], kept)

    def _line(self, number: str, required: bool) -> str:
        letter = "M" if required else "O"
        if number.startswith("C") and number in self.composites and self.composites[number].elements:
            return f"{number} {letter} {self.titles.get(number, f'composite {number}')}"
        element = self.known.get(number)
        if element is None:
            return f"1 {letter} AN 1/999 not described"
        return f"{number} {letter} {element.kind} {element.minimum}/{element.maximum} {self.titles.get(number, f'data element {number}')}"


def _hierarchy(items: Iterable[Item]) -> Iterator[Item]:
    """All loops that an HL opens, wherever they lie."""
    for item in items:
        if item.tag == HL and item.below is not None:
            yield item
        yield from _hierarchy(item.below or ())


def _with_hierarchy(items: list[Item], inside: list[Item]) -> list[Item]:
    """The levels of a hierarchy as one HL loop without bound, as X12 has them; HL02 says what lies below what."""
    found: list[Item] = []
    for item in items:
        if item.tag == HL and item.below is not None:
            if not any(one.tag == HL for one in found):
                found.append(Item(HL, item.required, None, [one for one in inside if one.tag != HL]))
        else:
            found.append(item)
    return found


def _add(items: list[Item], item: Item, merged: dict[str, int]) -> None:
    last = items[-1] if items else None
    if last is None or last.tag != item.tag or (last.below is None) is not (item.below is None):
        items.append(item)
        return
    merged[item.tag] = merged.get(item.tag, 1) + 1
    maximum = None if last.maximum is None or item.maximum is None else last.maximum + item.maximum
    below = None if last.below is None or item.below is None else _union([last.below, item.below])
    items[-1] = Item(item.tag, last.required or item.required, maximum, below)


def _union(lists: list[list[Item]]) -> list[Item]:
    """One order that all of them fit; what not all have is optional."""
    found: list[Item] = []
    for items in lists:
        at = 0
        for item in items:
            same = next(
                (place for place in range(at, len(found)) if found[place].tag == item.tag and (found[place].below is None) is (item.below is None)),
                None,
            )
            if same is None:
                found.insert(at, item)
                at += 1
                continue
            known = found[same]
            maximum = None if known.maximum is None or item.maximum is None else max(known.maximum, item.maximum)
            below = None if known.below is None or item.below is None else _union([known.below, item.below])
            found[same] = Item(item.tag, known.required and item.required, maximum, below)
            at = same + 1
    in_all = [{item.tag for item in items} for items in lists]
    return [item if all(item.tag in tags for tags in in_all) else Item(item.tag, False, item.maximum, item.below) for item in found]


# ---- the file


def _tree(data: bytes, name: str) -> Node:
    document, findings = read(data, LIMITS)
    if document is None:
        raise ImportFault("\n".join(f"{name}: {finding.text}" for finding in findings))
    return document.root


def _attributes(node: Node) -> dict[str, str]:
    return {child.tag[1:]: child.segment.get(1).decode() for child in node.children if child.tag.startswith("@")}


def _texts(node: Node, tag: str) -> list[str]:
    return [child.segment.get(1).decode() for child in node.children if child.tag == tag]


def _text(node: Node, tag: str) -> str:
    return next(iter(_texts(node, tag)), "")


def _usage(node: Node) -> str:
    return _text(node, "usage")


def _position(node: Node) -> int:
    digits = _text(node, "seq")
    return int(digits) if digits.isdigit() and len(digits) < 3 else 0


def _maximum(node: Node, tag: str) -> int | None:
    text = _text(node, tag)
    return int(text) if text.isdigit() and 0 < int(text) < 1_000_000 else None


def _codes(segment: Node, position: int) -> list[str]:
    for child in segment.children:
        if child.tag == "element" and _position(child) == position:
            return [code for codes in child.children if codes.tag == "valid_codes" for code in _texts(codes, "code")]
    return []


def _ordered(loop: Node) -> list[Node]:
    """Segments and loops by their position, as the map numbers them; equal numbers stay as they stand."""
    children = [child for child in loop.children if child.tag in ("segment", "loop")]
    return sorted(children, key=lambda child: int(_text(child, "pos") or 0) if _text(child, "pos").isdigit() else 0)
