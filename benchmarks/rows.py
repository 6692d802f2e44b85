"""What a benchmark gives back: a figure, the baseline of the same run, and what we aim at.

Knows nothing of what is measured.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """One line of the table. Figures are text with their units."""

    name: str
    figure: str
    baseline: str
    """Measured in the same run, on the same machine."""
    ratio: str
    aim: str
    reached: bool

    def __str__(self) -> str:
        return f"{self.name}: {self.figure} against {self.baseline}, {self.ratio or 'no ratio'}; aim {self.aim}: {_yes(self.reached)}"


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [("what", "measured", "baseline, same run", "ratio", "aim", "reached"), *((*row[:5], _yes(row.reached)) for row in rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(6)]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines)


def _yes(reached: bool) -> str:
    return "yes" if reached else "no"
