"""What a partner is told of a CSV or XML file that we could not take, row by row, as a file that a person opens in a spreadsheet.

Knows findings and nothing of formats.
"""

from collections.abc import Iterable

from translators.document import Finding

HEADING = ("line", "document", "place", "value", "problem")
MEDIA_TYPE = "text/csv; charset=utf-8"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
MOST_ROWS = 2_000


def error_report(findings: Iterable[tuple[str, Finding]]) -> bytes:
    """(document, finding) pairs as CSV, in their order: UTF-8 with its mark, every cell quoted, none that a spreadsheet takes for a formula."""
    lines = [_line(HEADING)]
    for number, (document, finding) in enumerate(findings):
        if number >= MOST_ROWS:
            lines.append(_line(("", "", "", "", f"and more; the first {MOST_ROWS:,} are listed")))
            break
        lines.append(_line((str(finding.line or ""), document, finding.path or finding.segment, finding.value or "", finding.text)))
    return b"\xef\xbb\xbf" + "".join(lines).encode()


def _line(cells: Iterable[str]) -> str:
    return ",".join(f'"{_safe(cell)}"' for cell in cells) + "\r\n"


def _safe(cell: str) -> str:
    text = cell.replace('"', '""').replace("\x00", "")
    return f"'{text}" if text.startswith(FORMULA) else text
