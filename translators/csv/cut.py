"""Cuts the bytes of a CSV file into rows and fields, and knows where each row began. Knows no dialect's columns and no record."""

import csv
from collections.abc import Iterator
from typing import Any, NamedTuple

BLOCK = 1 << 20
"""Bytes that are cut into lines at once."""
BOM_UTF8, BOMS_UTF16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
PADDING = " \t"


class Row(NamedTuple):
    """One row as it stood."""

    line: int
    byte_start: int
    byte_end: int
    fields: list[str]
    """Each byte a character (Latin-1), so that nothing is lost before the encoding is known."""
    fault: str = ""
    """Why it cannot be cut into fields."""


class Cutter:
    """Rows of a part of a file, one after another."""

    def __init__(self, data: bytes, delimiter: str, quote: str, start: int = 0, line: int = 1, end: int | None = None) -> None:
        self.data, self.at, self.line, self.end = data, start, line, len(data) if end is None else end
        """`at` and `line`: where the next row begins."""
        self.format: dict[str, Any] = {"delimiter": delimiter, "strict": True}
        self.format |= {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE, "quotechar": None}

    def _lines(self) -> Iterator[str]:
        begin = self.at
        while begin < self.end:
            stop = min(begin + BLOCK, self.end)
            if stop < self.end:
                stop = self.data.rfind(b"\n", begin, stop) + 1 or self.data.find(b"\n", stop, self.end) + 1 or self.end
            for line in self.data[begin:stop].splitlines(keepends=True):
                self.at += len(line)
                self.line += 1
                yield line.decode("latin-1")
            begin = stop

    def rows(self) -> Iterator[Row]:
        """Every row that has anything in it."""
        reader = csv.reader(self._lines(), **self.format)
        while True:
            start, line = self.at, self.line
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as fault:
                end, several = self.at, self.line > line + 1
                if several:  # a quote that nobody closed took the lines behind it; they are read as if it had been closed
                    end = self.data.find(b"\n", start, self.end) + 1 or self.end
                    self.at, self.line = end, line + 1
                    reader = csv.reader(self._lines(), **self.format)
                yield Row(line, start, end, [], _why(str(fault), several=several))
                continue
            if any(text.strip(PADDING) for text in fields):
                yield Row(line, start, self.at, fields)


def _why(fault: str, *, several: bool) -> str:
    if several or "unexpected end" in fault:
        return "a quote opens a field and is never closed; close it, or double it where it is part of the text"
    if "expected after" in fault:
        return "a quoted field goes on behind its closing quote; double a quote that is part of the text"
    return f"it cannot be cut into fields ({fault})"


def plain(data: bytes) -> tuple[bytes, str, int]:
    """(the text as single bytes or UTF-8, the encoding that a byte order mark names or "", where the text begins)."""
    if data.startswith(BOM_UTF8):
        return data, "utf-8", len(BOM_UTF8)
    if data.startswith(BOMS_UTF16):
        return data.decode("utf-16", errors="replace").encode(), "utf-16", 0
    return data, "", 0


def undressed(text: str, encoding: str) -> str:
    """A field as text: rows are cut as Latin-1, a character a byte."""
    return text.encode("latin-1").decode(encoding, errors="replace")


def folded(heading: str) -> str:
    """A heading without what people do not mean: case, spaces around and runs of spaces."""
    return " ".join(heading.split()).casefold()


def heading_of(data: bytes, delimiter: str, quote: str, encoding: str) -> list[str]:
    """The first row's fields, folded as headings are compared; [] where it cannot be read."""
    text, marked, start = plain(data[: 1 << 16])
    row = next(Cutter(text, delimiter, quote, start).rows(), None)
    if row is None or row.fault:
        return []
    return [folded(undressed(field, "utf-8" if marked or encoding == "utf-16" else encoding)) for field in row.fields]


def spans(raw: bytes, delimiter: str, quote: str) -> list[tuple[int, int]]:
    """Where each field of one row stands in its bytes, quotes left out; for places in words, not for reading."""
    found, at, sign, mark = [], 0, delimiter.encode(), quote.encode()
    raw = raw.rstrip(b"\r\n")
    while True:
        if mark and raw[at : at + 1] == mark:
            end = at + 1
            while (end := raw.find(mark, end)) != -1 and raw[end + 1 : end + 2] == mark:
                end += 2
            end = len(raw) if end == -1 else end
            found.append((at + 1, end))
            end = raw.find(sign, end)
        else:
            end = raw.find(sign, at)
            found.append((at, len(raw) if end == -1 else end))
        if end == -1:
            return found
        at = end + 1
