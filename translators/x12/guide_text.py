"""A guide as a person reads an implementation guide: the order of the segments, then each segment with its elements.

Knows no files and no terminal: a guide and what its codes mean come in, text goes out.
"""

from collections.abc import Iterator, Mapping, Sequence

from translators.x12.guide import Condition, Element, Guide, Rules
from translators.x12.layout import Loop, places

Codes = Mapping[str, Mapping[str, str]]
"""Data element -> code -> our words; "" where we have none."""

RELATIONS = {
    "P": "{all} come together or not at all",
    "R": "at least one of {all} comes",
    "E": "at most one of {all} comes",
    "C": "where {first} comes, {rest} must come, too",
    "L": "where {first} comes, at least one of {rest} must come, too",
}
"""What a condition asks, by its letter (X12 relational notes)."""

WIDTH = 110
"""Columns that a line of codes fills before it is broken."""
CODES_SHOWN = 60
"""More of one element are counted, not listed."""


def guide_text(guide: Guide, codes: Codes, *, elements: bool = True) -> str:
    """The whole guide; without `elements` only the order of the segments."""
    lines = [f"{guide.set_id} {guide.title}, release {guide.release}, group {guide.functional}", ""]
    lines += ["Order (M mandatory, O optional; how often at most)", *_order(guide.layout.root, guide, 1)]
    if elements:
        lines += ["", "Segments (M mandatory, O optional, X by a condition; codes are those that we have words for)"]
        for tag in dict.fromkeys(place.tag for place in places(guide.layout.root)):
            lines += ["", *_segment(tag, guide.dictionary.segments.get(tag), codes)]
    return "\n".join(lines) + "\n"


def _order(loop: Loop, guide: Guide, depth: int) -> Iterator[str]:
    for item in loop.items:
        rules = guide.dictionary.segments.get(item.tag)
        name = "  " * depth + item.tag + (" loop" if isinstance(item, Loop) else "")
        most = ">1" if item.maximum is None else str(item.maximum)
        title = "" if isinstance(item, Loop) else rules.title if rules else "(its elements are not checked)"
        yield f"{name:<26}{'M' if item.required else 'O'} {most:>6}  {title}".rstrip()
        if isinstance(item, Loop):
            yield from _order(item, guide, depth + 1)


def _segment(tag: str, rules: Rules | None, codes: Codes) -> Iterator[str]:
    if rules is None:
        yield f"{tag}  not described here: it may stand where the order says, and its elements are not checked"
        return
    yield f"{tag}  {rules.title}"
    names = [f"{tag}{number:02}" for number in range(1, len(rules.elements) + 1)]
    yield from _elements(rules.elements, names, codes, "  ")
    for condition in rules.conditions:
        yield f"  {_relation(condition, names)}"


def _elements(elements: Sequence[Element], names: Sequence[str], codes: Codes, indent: str) -> Iterator[str]:
    """A line an element; the codes of a data element stand below the first that has it."""
    told = set[str]()
    for name, element in zip(names, elements, strict=True):
        kind = "composite" if element.parts else f"{element.kind} {element.minimum}/{element.maximum}"
        yield f"{indent}{name:<8}{element.number:>5} {element.required}  {kind:<11} {element.title}".rstrip()
        if element.parts:
            parts = [f"{name}-{part}" for part in range(1, len(element.parts) + 1)]
            yield from _elements(element.parts, parts, codes, indent + "  ")
            for condition in element.conditions:
                yield f"{indent}  {_relation(condition, parts)}"
        elif element.number not in told and (known := codes.get(element.number)):
            told.add(element.number)
            yield from _codes(known, indent + " " * 16)


def _relation(condition: Condition, names: Sequence[str]) -> str:
    """`names` are those of all elements of the segment, in order."""
    named = [names[number - 1] for number in condition.elements]
    words = RELATIONS[condition.letter].format(all=", ".join(named), first=named[0], rest=", ".join(named[1:]))
    return f"{words} ({condition}{'' if condition.sure else ', breaking it is a warning'})"


def _codes(known: Mapping[str, str], indent: str) -> Iterator[str]:
    words = [f"{code} {known[code].replace('_', ' ')}".strip() for code in sorted(known)]
    if len(words) > CODES_SHOWN:
        words = [*words[:CODES_SHOWN], f"and {len(words) - CODES_SHOWN} more"]
    line = indent
    for number, word in enumerate(words):
        piece = word + (", " if number + 1 < len(words) else "")
        if len(line) > len(indent) and len(line) + len(piece) > WIDTH:
            yield line.rstrip()
            line = indent
        line += piece
    yield line.rstrip()
