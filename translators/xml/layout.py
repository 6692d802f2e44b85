"""What a mapping says of its XML document (`xml:`): namespaces, the root, and which elements stand in which order and how often.

The layout is used to write, and to tell where a document that came has another order or number; elements that it does not name are left alone.
Knows the text of a mapping; knows no parser and no document.
"""

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

from translators.mapping.errors import MappingError
from translators.mapping.language import LanguageError
from translators.mapping.written import Path, Written
from translators.xml.paths import XmlSyntax

TERMS = ("root", "namespaces", "release", "doctype", "stamps", "types", "layout")
STAMPS = {"number": "interchange_control", "time": "timestamp"}
"""What only the commit knows of a document: our running number for the partner, and when it is sent."""
TEXT = "text"
_KEY = re.compile(r"(?P<name>(?:[A-Za-z_][\w.-]*:)?[A-Za-z_][\w.-]*)(?P<often>[?*+]?)")
_DOCTYPE = re.compile(r"""<!DOCTYPE [\w.:-]+ (?:SYSTEM ("[^"<>]*"|'[^'<>]*')|PUBLIC ("[^"<>]*"|'[^'<>]*') ("[^"<>]*"|'[^'<>]*'))>""")
MAX_ELEMENTS = 5_000


class Child(NamedTuple):
    """One element that may stand in another."""

    order: int
    least: int
    most: int | None
    inside: "Inside"
    default: str = ""
    """What stands in it where no field says anything and the document must have it."""


@dataclass(slots=True, eq=False)
class Inside:
    """The children of one kind of element, by tag; none where it holds text."""

    children: dict[str, Child] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class XmlForm:
    """One declared kind of XML document."""

    name: str
    """Of the mapping, without "xml/"; the set of its documents."""
    release: str
    root: str
    """The root's tag."""
    namespaces: dict[str, str]
    """Prefix -> namespace."""
    layout: Inside
    doctype: str = ""
    """Written before the root; what cXML wants."""
    stamps: dict[str, str] = field(default_factory=dict)
    """Attributes of the root that are filled when it is sent: name -> slot."""

    def called(self, tag: str) -> str:
        """A tag as the mapping names it."""
        sign, bare = ("@", tag[1:]) if tag.startswith("@") else ("", tag)
        namespace, _, local = bare[1:].rpartition("}") if bare.startswith("{") else ("", "", bare)
        prefix = next((prefix for prefix, uri in self.namespaces.items() if uri == namespace), "") if namespace else ""
        return f"{sign}{prefix}:{local}" if prefix else f"{sign}{local}"


def form_of(written: Written, name: str) -> XmlForm:
    """The form that a mapping declares. Raises MappingError with every fault on a line of its own."""
    return _Reader(written, name).form()


class _Reader:
    def __init__(self, written: Written, name: str) -> None:
        self.written, self.name = written, name
        self.given: Any = written.value.get("xml") if isinstance(written.value, dict) else None
        self.faults: list[str] = []
        self.named: dict[str, Inside] = {}
        self.count = 0

    def fault(self, path: Path, text: str) -> None:
        self.faults.append(self.written.at(("xml", *path), text))

    def stop(self, path: Path, text: str) -> NoReturn:
        self.fault(path, text)
        raise MappingError("\n".join(self.faults))

    def form(self) -> XmlForm:
        if not isinstance(self.given, dict):
            self.stop((), "is missing; it says which root and namespaces the document has")
        for key in self.given:
            if key not in TERMS:
                self.fault((key,), f"is not known here; {', '.join(TERMS)} are")
        namespaces = self.given.get("namespaces") or {}
        if not isinstance(namespaces, dict):
            self.stop(("namespaces",), "must hold lines such as `cbc: urn:oasis:…`")
        self.syntax = XmlSyntax({("" if prefix == "default" else str(prefix)): str(uri) for prefix, uri in namespaces.items()})
        root = self._tag(("root",), str(self.given.get("root") or ""))
        types = self.given.get("types") or {}
        if not isinstance(types, dict):
            self.stop(("types",), "must hold a block a type, as `party: {cbc:Name?: text}`")
        self.named = {str(name): Inside() for name in types}
        for name, block in types.items():
            self._fill(self.named[str(name)], ("types", name), block)
        layout = Inside()
        self._fill(layout, ("layout",), self.given.get("layout") or {})
        doctype = str(self.given.get("doctype") or "")
        if doctype and not _DOCTYPE.fullmatch(doctype):
            self.fault(("doctype",), 'must only name a DTD, as <!DOCTYPE cXML SYSTEM "…">')
        stamps = self.given.get("stamps") or {}
        for name, what in stamps.items() if isinstance(stamps, dict) else ():
            if what not in STAMPS or not _KEY.fullmatch(str(name)):
                self.fault(("stamps", name), f"must be an attribute of the root with {' or '.join(STAMPS)}")
        release = str(self.given.get("release", "1"))
        if not 1 <= len(release) <= 12:
            self.fault(("release",), "must have 1 to 12 characters")
        if self.faults:
            raise MappingError("\n".join(self.faults))
        return XmlForm(self.name, release, root, dict(self.syntax.namespaces), layout, doctype, {name: STAMPS[what] for name, what in stamps.items()})

    def _tag(self, path: Path, name: str) -> str:
        if not _KEY.fullmatch(name):
            self.stop(path, f"{name!r} is no name of an element, such as cbc:ID")
        try:
            return self.syntax.tag(name)
        except LanguageError as fault:
            self.stop(path, str(fault))

    def _fill(self, inside: Inside, path: Path, block: Any) -> None:
        if not isinstance(block, dict):
            self.stop(path, "must hold the elements in their order, as `cbc:ID: text`")
        for key, value in block.items():
            self.count += 1
            match = _KEY.fullmatch(str(key))
            if match is None or self.count > MAX_ELEMENTS:
                self.stop(
                    (*path, key),
                    f"is no element; write its name, with ? (at most once), * (any number) or + (at least once) behind it; at most {MAX_ELEMENTS}",
                )
            tag = self._tag((*path, key), match["name"])
            least, most = {"": (1, 1), "?": (0, 1), "*": (0, None), "+": (1, None)}[match["often"]]
            if tag in inside.children:
                self.fault((*path, key), "stands here twice")
            default = str(value)[1:] if isinstance(value, str) and value.startswith("=") else ""
            within = Inside() if default else self._inside((*path, key), value)
            inside.children[tag] = Child(len(inside.children), least, most, within, default)

    def _inside(self, path: Path, value: Any) -> Inside:
        if isinstance(value, dict):
            inside = Inside()
            self._fill(inside, path, value)
            return inside
        if value == TEXT or value is None:
            return Inside()
        if str(value) not in self.named:
            self.fault(path, f"is {value!r}; `text`, a block, or a type is wanted; the types are {', '.join(self.named) or 'none'}")
            return Inside()
        return self.named[str(value)]
