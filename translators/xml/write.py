"""Writes XML: a layout as the form of a document that is being written, and its tree as bytes. Same input, same bytes.

Knows the layout; knows no event, no rule and no parser.
"""

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from translators.document import Document, Finding
from translators.mapping.compose import Parts, Put
from translators.mapping.placing import Key, NewNode, Slot
from translators.mapping.write import Written
from translators.xml.layout import Inside, XmlForm
from translators.xml.reader import read

ATTRIBUTE = Inside()
INDENT = "  "


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
        """Nothing follows from the whole."""


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
        put.parts = ["".join(f"{line}\n" for line in lines).encode("utf-8", errors="replace").decode("latin-1")]
        return put

    def read(self, parts: Parts) -> tuple[Document | None, list[Finding]]:
        data = "".join(part for part in parts if isinstance(part, str)).encode("latin-1")
        return read_as(self._form, data)

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
        found = sorted(self._form.namespaces.items())
        return "".join(f" xmlns{':' + prefix if prefix else ''}={quoteattr(uri)}" for prefix, uri in found)


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
