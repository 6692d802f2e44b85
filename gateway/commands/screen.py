"""The terminal: colours of states, tables."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

STATE_STYLE = {
    "translated": "green", "delivered": "green", "duplicate": "cyan", "held": "yellow", "rejected": "red", "dead": "red", "due": "yellow",
    "sending": "yellow", "waiting": "yellow", "overdue": "red", "accepted": "green", "accepted with errors": "yellow", "partly accepted": "yellow",
    "disputed": "red", "processed": "green", "refused": "red", "failed": "red", "awaiting": "yellow", "written": "yellow", "kept": "blue",
    "active": "green", "expired": "red", "retired": "dim", "unproven": "cyan", "skipped": "dim", "received": "blue", "running": "yellow", "done": "green", "paused": "cyan", "cancelled": "dim", "draft": "cyan", "live": "green", "A": "green", "E": "yellow", "R": "red", "P": "yellow",
}  # fmt: skip

console = Console(highlight=False, soft_wrap=True)
SECONDS = len("2026-11-17T15:40:00")


def state_of(state: str) -> Text:
    """A state in its colour."""
    return Text(state, style=STATE_STYLE.get(state, ""))


def time_text(text: str | None) -> str:
    """An RFC 3339 time down to its seconds: 2026-11-17 15:40:00; None is empty."""
    return text[:SECONDS].replace("T", " ") if text else ""


def table_of(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    return table
