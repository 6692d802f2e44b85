"""Reads XML into the tree that mappings walk: each element and each attribute a node, with its bytes in the message.

Knows no mapping and no event. The parser loads nothing, resolves nothing and forgives nothing; what a file may cost is bounded before and after.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from lxml import etree

from translators.document import Delimiters, Document, Finding, Node, Segment
from translators.xml.limits import DEFAULT, XmlLimits, fault
from translators.xml.prolog import Prepared, prepare

NO_DELIMITERS = Delimiters(b"", b"", b"", b"")
_TAG = re.compile(rb"""<(?:!--.*?-->|!\[CDATA\[.*?\]\]>|\?.*?\?>|[^!?>"'][^>"']*(?:(?:"[^"]*"|'[^']*')[^>"']*)*>)""", re.DOTALL)
"""Every tag of a document that is known to be well formed."""
_END, _SKIPPED, _SLASH = ord("/"), (ord("!"), ord("?")), ord("/")
XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"

Spans = list[tuple[int, int, int]]
"""For each element in the order of the document: where it begins, where its start tag ends, where it ends (offsets in UTF-8)."""


class XmlReading(NamedTuple):
    """What became of a file: the document, or the findings that say why there is none."""

    document: Document | None
    findings: list[Finding]


class Refused(Exception):
    """The finding that ends the reading."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.text)
        self.finding = finding


def hardened_parser() -> etree.XMLParser:
    """A parser that reads nothing but the bytes it is given: no DTD, no entity, no network, no repair."""
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        decompress=False,
        remove_pis=True,
        remove_comments=True,
        collect_ids=False,
    )


def read(data: bytes, limits: XmlLimits = DEFAULT) -> XmlReading:
    """The document in `data`, or findings with line and place. Raises nothing for any bytes."""
    try:
        prepared, root = parsed(data, limits)
        return XmlReading(_document(root, prepared, limits), [])
    except Refused as refused:
        return XmlReading(None, [refused.finding])


def root_of(data: bytes, limits: XmlLimits = DEFAULT) -> tuple[str, str]:
    """(the root's tag, as "{namespace}local"; "" and why the file cannot be read). Reads it whole, hardened, and builds no tree of ours."""
    try:
        return str(parsed(data, limits)[1].tag), ""
    except Refused as refused:
        return "", refused.finding.text


def parsed(data: bytes, limits: XmlLimits) -> tuple[Prepared, Any]:
    """(the prepared bytes, lxml's root element). Raises Refused."""
    prepared = prepare(data, limits)
    if isinstance(prepared, Finding):
        raise Refused(prepared)
    try:
        root = etree.fromstring(prepared.utf8, hardened_parser())
    except etree.XMLSyntaxError as error:
        raise Refused(_not_well_formed(prepared, error)) from None
    if root.getroottree().docinfo.internalDTD is not None:  # a second lock: prepare() has let none through
        raise Refused(fault("dtd", "the file has a DOCTYPE that could not be taken out; leave it out"))
    return prepared, root


def _not_well_formed(prepared: Prepared, error: etree.XMLSyntaxError) -> Finding:
    line, column = error.lineno or 1, max(error.offset or 1, 1)
    start = _line_start(prepared.utf8, line)
    at = min(start + column - 1, len(prepared.utf8))
    place = prepared.received(at)
    words = (error.msg or "it is empty").partition(", line ")[0]
    return fault("not-well-formed", f"line {line}, column {column}: this is no well-formed XML: {words}", start=place, end=place, line=line)


def _line_start(utf8: bytes, line: int) -> int:
    at = 0
    for _ in range(line - 1):
        found = utf8.find(b"\n", at)
        if found < 0:
            break
        at = found + 1
    return at


def _spans(utf8: bytes) -> Spans:
    spans: Spans = []
    waiting: list[int] = []
    for match in _TAG.finditer(utf8):
        start, end = match.span()
        kind = utf8[start + 1]
        if kind == _END:
            index = waiting.pop()
            first, inner, _ = spans[index]
            spans[index] = (first, inner, end)
        elif kind not in _SKIPPED:
            if utf8[end - 2] != _SLASH:
                waiting.append(len(spans))
            spans.append((start, end, end))
    return spans


def _in_received(spans: Spans, prepared: Prepared) -> Spans:
    """The same in the bytes received, in one pass over the text."""
    if prepared.encoding == "utf-8":
        return spans
    wanted = sorted({offset for span in spans for offset in span})
    places: dict[int, int] = {}
    before, place = 0, prepared.bom
    for offset in wanted:
        place += len(prepared.utf8[before:offset].decode("utf-8").encode(prepared.encoding))
        places[offset], before = place, offset
    return [(places[start], places[inner], places[end]) for start, inner, end in spans]


def _document(root: Any, prepared: Prepared, limits: XmlLimits) -> Document:
    spans = _in_received(_spans(prepared.utf8), prepared)
    builder = _Builder(spans, limits, _prefixes(root))
    node = builder.build(root)
    namespace, local = split_tag(node.tag)
    return Document(local, namespace or local, node, NO_DELIMITERS, format="xml", names=builder.names)


def split_tag(tag: str) -> tuple[str, str]:
    """("urn:…", "ID") of "{urn:…}ID"; ("", "ID") of "ID"."""
    if tag.startswith("{"):
        namespace, _, local = tag[1:].rpartition("}")
        return namespace, local
    return "", tag


def _prefixes(root: Any) -> dict[str, str]:
    """Namespace -> prefix, as the document's root has them; others are met on the way."""
    return {uri: prefix or "" for prefix, uri in root.nsmap.items()} | {XML_NAMESPACE: "xml"}


class _Builder:
    """Makes nodes of lxml's elements, without recursion."""

    def __init__(self, spans: Spans, limits: XmlLimits, prefixes: dict[str, str]) -> None:
        self.spans = spans
        self.limits = limits
        self.prefixes = prefixes
        self.names: dict[str, str] = {}
        """Tag -> the name as the document writes it."""
        self.raw: dict[str, bytes] = {}
        """Tag -> its bytes."""
        self.elements = 0
        self.position = 0

    def build(self, root: Any) -> Node:
        top = self.element(root, None)
        waiting: list[tuple[Node, Iterator[Any]]] = [(top, iter(root))]
        limits = self.limits
        while waiting:
            parent, rest = waiting[-1]
            for found in rest:
                node = self.element(found, parent)
                parent.children.append(node)
                if (tail := found.tail) and not tail.isspace():
                    _more_text(parent, tail)
                if len(found):
                    if len(waiting) >= limits.max_depth:
                        raise Refused(self.refused("too-deep", f"elements lie more than {limits.max_depth} deep in each other", node, found))
                    waiting.append((node, iter(found)))
                    break
            else:
                waiting.pop()
        return top

    def element(self, found: Any, parent: Node | None) -> Node:
        tag = found.tag
        raw = self.raw.get(tag)
        if raw is None:
            self._name(tag, found)
            raw = self.raw[tag] = tag.encode()
        start, inner, end = self.spans[self.elements]
        self.elements += 1
        self.position += 1
        text = found.text
        value = text.strip().encode() if text else b""
        node = Node(tag, Segment(tag, [raw, value] if value else [raw], self.position, start, end), [], parent)
        given = found.items()
        if given:
            self.attributes(given, node, found, inner)
        if self.position > self.limits.max_nodes:
            raise Refused(
                self.refused("too-many-nodes", f"the document has more than {self.limits.max_nodes:,} elements and attributes", node, found)
            )
        return node

    def attributes(self, given: list[tuple[str, str]], node: Node, found: Any, inner: int) -> None:
        if len(given) > self.limits.max_attributes:
            raise Refused(self.refused("too-many-attributes", f"an element has more than {self.limits.max_attributes} attributes", node, found))
        start = node.segment.byte_start
        for name, value in given:
            tag = f"@{name}"
            raw = self.raw.get(tag)
            if raw is None:
                self._name(tag, found)
                raw = self.raw[tag] = tag.encode()
            self.position += 1
            elements = [raw, value.strip().encode()]
            node.children.append(Node(tag, Segment(tag, elements, self.position, start, inner), [], node))

    def _name(self, tag: str, found: Any) -> None:
        sign, bare = ("@", tag[1:]) if tag.startswith("@") else ("", tag)
        namespace, local = split_tag(bare)
        prefix = self.prefixes.get(namespace, "") if namespace else ""
        if namespace and namespace not in self.prefixes:
            prefix = next((known or "" for known, uri in found.nsmap.items() if uri == namespace), "")
            self.prefixes[namespace] = prefix
        self.names[tag] = f"{sign}{prefix}:{local}" if prefix else f"{sign}{local}"

    def refused(self, code: str, text: str, node: Node, found: Any) -> Finding:
        path = path_of(node, self.names)
        start, inner, _ = self.spans[self.elements - 1]
        return fault(code, f"line {found.sourceline}: {path[:300]}: {text}", start=start, end=inner, line=found.sourceline, path=path[:300])


def _more_text(node: Node, tail: str) -> None:
    """An element's own text goes on behind an element in it."""
    elements = node.segment.elements
    before = elements[1] + b" " if len(elements) > 1 else b""
    elements[1:] = [before + tail.strip().encode()]


def path_of(node: Node, names: dict[str, str]) -> str:
    """ "/DespatchAdvice/cac:DespatchLine/cbc:ID", as the document names them."""
    parts = []
    here: Node | None = node
    while here is not None:
        parts.append(names.get(here.tag, here.tag))
        here = here.parent
    return "/" + "/".join(reversed(parts))
