"""How compose writes X12: a tree as one set in one interchange with slots, and the same read again by the engine.

Knows the guide and the partner's terms; knows no event and no rule.
"""

from typing import Any

from translators.document import Document, Finding
from translators.mapping.compose import ComposeProblem, Parts, Put
from translators.mapping.draft import Written
from translators.mapping.placing import NewNode
from translators.mapping.placing_x12 import X12Form
from translators.x12.envelope import outline
from translators.x12.envelope_write import stamp
from translators.x12.guide import Guide, GuideBook
from translators.x12.options import Options
from translators.x12.reader import read_sets
from translators.x12.write import Row, Terms, compose_interchange


class X12Medium:
    """One set under a guide, as one partner wants it (compose.Medium)."""

    def __init__(self, guide: Guide, terms: Terms) -> None:
        self.guide, self.terms = guide, terms
        self.form = X12Form(guide)
        self.evidence = {"format": "x12", "set": guide.set_id, "release": guide.release}
        self.upper_case = terms.upper_case

    def put(self, written: Written) -> Put:
        rows = [row_of(node) for node in written.nodes[1:]]
        interchange = compose_interchange(rows, set_id=self.guide.set_id, functional=self.guide.functional, terms=self.terms)
        replaced = [(row + 1, element, text) for row, element, text in interchange.replaced]
        return Put(interchange.parts, replaced, [(row + 1, element, why) for row, element, why in interchange.refused])

    def read(self, parts: Parts) -> tuple[Document | None, list[Finding]]:
        data = stamp(parts, interchange_control=1, group_control=1, date6="260101", date8="20260101", time4="0000")
        options = Options("strict", frozenset({"latin-1-fallback"}))

        def read(offset: int, length: int) -> bytes:
            return data[offset : offset + length]

        found = outline(read, len(data), options)
        faults = [*found.findings, *(finding for one in found.interchanges for finding in one.findings)]
        faults += [finding for one in found.interchanges for group in one.groups for finding in group.findings]
        hard = [("", f"the envelope would be refused: {finding.text}") for finding in faults if finding.severity == "error"]
        if hard or not found.interchanges or not found.interchanges[0].groups:
            raise ComposeProblem(hard or [("", "the envelope would be refused")])
        interchange = found.interchanges[0]
        guide = self.guide
        book = GuideBook({guide.set_id: (guide.release,)}, lambda set_id, release, dictionary: guide)
        reading = next(iter(read_sets(read, interchange, interchange.groups[0], book, options)))
        return (None if reading.codes else reading.document()), reading.findings


def row_of(node: NewNode) -> Row:
    """A segment as its tag and elements, components as lists."""
    row: list[Any] = [node.tag]
    for key, text in node.texts.items():
        element, component = key if isinstance(key, tuple) else (key, 0)
        if len(row) <= element:
            row += [""] * (element + 1 - len(row))
        if not component:
            row[element] = text
            continue
        parts = row[element] if isinstance(row[element], list) else ([row[element]] if row[element] else [])
        parts += [""] * (component - len(parts))
        parts[component - 1] = text
        row[element] = parts
    return row
