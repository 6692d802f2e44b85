"""What a stranger's XML may cost, and the findings that say it is too much. Knows no parser."""

from typing import NamedTuple

from translators.document import Finding


class XmlLimits(NamedTuple):
    """Bounds of one document. Text of one element is bounded by the parser at 10,000,000 bytes."""

    max_bytes: int = 50 * 2**20
    """Bytes as received, and as UTF-8."""
    max_depth: int = 100
    """Elements inside each other; the parser itself stops at 256."""
    max_nodes: int = 500_000
    """Elements and attributes together."""
    max_attributes: int = 200
    """Of one element."""


DEFAULT = XmlLimits()


def fault(code: str, text: str, *, start: int = 0, end: int = 0, line: int | None = None, path: str | None = None) -> Finding:
    """A finding that ends the reading of a file."""
    return Finding(level="interchange", code=code, text=text, byte_start=start, byte_end=end, kind="xml", line=line, path=path)
