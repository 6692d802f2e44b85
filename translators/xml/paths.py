"""XML paths in the mapping language: a part of XPath over the names that the mapping declares prefixes for.

    cbc:ID                              a child's text; further out, where the rule looks further out
    cac:Shipment/cac:Consignment/cbc:ID one below the other
    cbc:Quantity/@unitCode, @unitCode   an attribute
    cbc:ID[@schemeID=SSCC,GLN]          only with that attribute; != for any other; [@schemeID] for any value
    cac:Property[cbc:Name='Lot No']/cbc:Value
    .                                   the text of the element we stand at
    cac:DespatchLine@number             its ordinal in the document

Knows the form's namespaces; knows no document.
"""

import re
from collections.abc import Mapping

from translators.mapping.language import COMMON, Condition, Element, LanguageError, Path, Step, Steps

_NAME = r"[A-Za-z_][\w.-]*"
_ELEMENT = rf"(?:{_NAME}:)?{_NAME}"
_PREDICATE = r"""\[(?:[^\]'"]|'[^']*'|"[^"]*")*\]"""
_PATH = rf"""(?:\./)?(?:@{_ELEMENT}|{_ELEMENT}(?:{_PREDICATE})*)(?:/(?:@{_ELEMENT}|{_ELEMENT}(?:{_PREDICATE})*))*(?:@number)?"""
_TOKENS = re.compile(COMMON % rf"(?P<step>{_PATH})(?![\w\[/@:(]) | (?P<elements>\.)(?![\w./])", re.VERBOSE)
_PART = re.compile(rf"/?(?P<name>@?{_ELEMENT})(?P<predicates>(?:{_PREDICATE})*)")
_ONE = re.compile(_PREDICATE)
_CONDITION = re.compile(rf"""\s*(?P<way>(?:{_ELEMENT}/)*@?{_ELEMENT}|\.)\s*(?:(?P<operator>!?=)\s*(?P<values>'[^']*'|"[^"]*"|[^'"=!]+))?\s*""")
TEXT = (Element(1),)
"""Where a node has its text."""


class XmlSyntax:
    """Prefixed names for paths (language.Syntax)."""

    tokens = _TOKENS
    value = TEXT

    def __init__(self, namespaces: Mapping[str, str]) -> None:
        """`namespaces`: prefix -> namespace; "" for names without a prefix."""
        self.namespaces = namespaces

    def steps(self, match: "re.Match[str]") -> Steps:
        text = match.group("step")
        number = text.endswith("@number") and not text.endswith("/@number")
        body = text.removesuffix("@number") if number else text
        steps = []
        for part in _PART.finditer(body.removeprefix("./")):
            conditions = tuple(self._condition(one.group()[1:-1]) for one in _ONE.finditer(part["predicates"]))
            steps.append(Step(self.tag(part["name"]), (), conditions))
        return Steps(tuple(steps), (), number, "@number" if number else "")

    def tag(self, name: str) -> str:
        """ "{urn:…}ID" of "cbc:ID", "@unitCode" of itself. Raises LanguageError for a prefix that is not declared."""
        sign, bare = ("@", name[1:]) if name.startswith("@") else ("", name)
        prefix, colon, local = bare.rpartition(":")
        if colon and prefix not in self.namespaces:
            known = ", ".join(one for one in self.namespaces if one) or "none"
            raise LanguageError(f"the prefix {prefix!r} is not declared under xml.namespaces; there are {known}")
        namespace = self.namespaces.get(prefix, "") if colon or not sign else ""
        return f"{sign}{{{namespace}}}{local}" if namespace else f"{sign}{local}"

    def _condition(self, text: str) -> Condition:
        match = _CONDITION.fullmatch(text)
        if match is None:
            raise LanguageError(f"[{text}] is no condition; write [@schemeID=SSCC], [cbc:Name='Lot No'], [cbc:ID!=X] or [cbc:ID]")
        given = (match["values"] or "").strip()
        values = (given[1:-1],) if given[:1] in ("'", '"') else tuple(one.strip() for one in given.split(",") if one.strip())
        way = () if match["way"] == "." else tuple(self.tag(name) for name in match["way"].split("/"))
        return Condition(1, tuple(value.encode() for value in values), match["operator"] == "!=", way)

    def elements(self, text: str) -> tuple[Element, ...]:
        return TEXT

    def last(self, tag: str) -> int:
        return 1

    def check(self, path: Path) -> None:
        """Any element may be in a document."""
