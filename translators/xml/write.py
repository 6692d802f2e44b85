"""Writes XML: a layout as the form of a document that is being written, and its tree as bytes. Same input, same bytes.

Knows the layout; knows no event, no rule and no parser.
"""

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from translators.document import Document, Finding
from translators.mapping.compose import Parts, Put
from translators.mapping.draft import Written
from translators.mapping.placing import Key, NewNode, Slot
from translators.x12.envelope_write import stamp
from translators.xml.layout import Inside, XmlForm
from translators.xml.order import layout_findings
from translators.xml.reader import read

ATTRIBUTE = Inside()
INDENT = "  "
GAP, GAP_END = "\x00", "\x01"
"""Marks around a slot while the text is made; no XML has them."""


class XmlTree:
    """A layout (placing.Form)."""

    def __init__(self, form: XmlForm) -> None:
        self.form = form
        self.set_id, self.release = form.name, form.release

    def root(self) -> tuple[str, Slot]:
        return self.form.root, Slot(0, self.form.layout, 1)

    def slot(self, node: NewNode, tag: str) -> Slot | None:
        """Attributes anywhere and first; elements where the layout has them."""
        if tag.startswith("@"):
            return Slot(-1, ATTRIBUTE, 1) if not node.tag.startswith("@") else None
        child = node.loop.children.get(tag) if isinstance(node.loop, Inside) else None
        return Slot(child.order, child.inside, child.most) if child is not None else None

    def required(self, tag: str, element: int) -> bool:
        return False

    def paired(self, tag: str, key: Key) -> Sequence[tuple[int, ...]]:
        return ()

    def finish(self, ordered: list[NewNode]) -> None:
        """What must be there and has a text of its own stands where the elements around it say anything."""
        filled = _filled(ordered[0])
        for node in list(ordered):
            if id(node) not in filled or not isinstance(node.loop, Inside):
                continue
            there = {child.tag for child in node.children}
            for tag, child in node.loop.children.items():
                if child.default and child.least and tag not in there:
                    new = NewNode(tag, Slot(child.order, child.inside, child.most), node, 0)
                    new.texts[1] = child.default
                    node.children.append(new)
                    node.children.sort(key=lambda one: one.order)
                    ordered.append(new)


class XmlMedium:
    """One document as one file (compose.Medium)."""

    upper_case = False

    def __init__(self, form: XmlForm) -> None:
        self._form = form
        self.form = XmlTree(form)
        self.evidence = {"format": "xml", "set": form.name, "release": form.release}

    def put(self, written: Written) -> Put:
        put = Put([])
        lines = ['<?xml version="1.0" encoding="UTF-8"?>']
        if self._form.doctype:
            lines.append(self._form.doctype)
        numbers = {id(node): number for number, node in enumerate(written.nodes)}
        for node in written.nodes:
            if (text := node.texts.get(1)) and (sign := _unwritable(text)):
                put.refused.append((numbers[id(node)], 1, f"the character U+{ord(sign):04X} cannot stand in XML"))
        lines += self._lines(written.nodes[0])
        put.parts = self._with_gaps("".join(f"{line}\n" for line in lines).encode("utf-8", errors="replace").decode("latin-1"))
        return put

    def _with_gaps(self, text: str) -> Parts:
        """The text with a slot behind each mark."""
        parts: Parts = []
        for number, piece in enumerate(text.split(GAP)):
            if number:
                name, _, piece = piece.partition(GAP_END)
                parts.append({"slot": name})
            parts.append(piece)
        return parts

    def read(self, parts: Parts) -> tuple[Document | None, list[Finding]]:
        data = stamp(parts, interchange_control=1, group_control=1, date6="260101", date8="20260101", time4="0000")
        document, findings = read_as(self._form, data)
        if document is not None:
            findings = [*findings, *(finding._replace(severity="error") for finding in layout_findings(document, self._form))]
        return document, findings

    def _lines(self, root: NewNode) -> Iterator[str]:
        """Elements with anything in them, one a line; without recursion, because layouts may be deep."""
        filled = _filled(root)
        waiting: list[tuple[NewNode, int] | str] = [(root, 0)]
        while waiting:
            one = waiting.pop()
            if isinstance(one, str):
                yield one
                continue
            node, depth = one
            name, indent = self._form.called(node.tag), INDENT * depth
            opening = name + (self._declared() if node is root else "")
            opening += "".join(
                f" {self._form.called(child.tag)[1:]}={quoteattr(child.texts[1])}"
                for child in node.children
                if child.tag[:1] == "@" and child.texts.get(1)
            )
            below = [child for child in node.children if child.tag[:1] != "@" and id(child) in filled]
            text = escape(node.texts.get(1, ""))
            if below:
                yield f"{indent}<{opening}>{text}"
                waiting.append(f"{indent}</{name}>")
                waiting += [(child, depth + 1) for child in reversed(below)]
            else:
                yield f"{indent}<{opening}>{text}</{name}>" if text else f"{indent}<{opening}/>"

    def _declared(self) -> str:
        found = sorted((prefix, uri) for prefix, uri in self._form.namespaces.items() if prefix != "xml")
        stamps = "".join(f' {name}="{GAP}{slot}{GAP_END}"' for name, slot in self._form.stamps.items())
        return "".join(f" xmlns{':' + prefix if prefix else ''}={quoteattr(uri)}" for prefix, uri in found) + stamps


def read_as(form: XmlForm, data: bytes) -> tuple[Document | None, list[Finding]]:
    """A document of that form, under its names. A root of another name is a fault."""
    document, findings = read(data)
    if document is None:
        return None, findings
    if document.root.tag != form.root:
        segment = document.root.segment
        called = (document.names or {}).get(document.root.tag, document.root.tag)
        text = f"line 1: the root is {called}, and {form.called(form.root)} ({form.root}) is wanted"
        return None, [Finding("interchange", "root", text, segment.byte_start, segment.byte_end, kind="xml", line=1, path=f"/{called}")]
    document.set_id, document.release = form.name, form.release
    return document, findings


def _filled(root: NewNode) -> set[int]:
    """The nodes that hold a text, an attribute with a value or such a node; all others say nothing and are not written."""
    found: set[int] = {id(root)}
    ordered, waiting = [], [root]
    while waiting:
        node = waiting.pop()
        ordered.append(node)
        waiting += node.children
    for node in reversed(ordered):
        if node.texts.get(1) or id(node) in found:
            here: NewNode | None = node
            while here is not None and (id(here) not in found or here is node):
                found.add(id(here))
                here = here.parent
    return found


def _unwritable(text: str) -> str:
    """The first character that XML 1.0 has no form for."""
    return next((sign for sign in text if (sign < " " and sign not in "\t\n\r") or sign in "\ufffe\uffff" or "\ud800" <= sign <= "\udfff"), "")
