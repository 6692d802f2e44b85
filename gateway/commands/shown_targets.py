"""Destinations as a person reads them in a terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

STYLE = {"closed": "green", "ramping": "yellow", "half-open": "yellow", "open": "red", "paused": "magenta"}
SECONDS = 19
"""Characters of an RFC 3339 time down to its seconds."""


def _time(text: str | None) -> str:
    return text[:SECONDS].replace("T", " ") if text else ""


def _state(one: dict[str, Any]) -> Text:
    return Text(one["state"], style=STYLE.get(one["state"], ""))


def targets(console: Console, value: list[dict[str, Any]]) -> None:
    """A line each, and below it why one is not well."""
    if not value:
        console.print("No destinations yet: name a target in the settings.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("destination", "state", "since", "next probe", "due", "in flight", "dead", "blocked", "oldest due", "rate", "today"):
        table.add_column(column, overflow="fold")
    for one in value:
        rate = f"{one['rate']:g}/s" if one["rate"] else ""
        today = f"{one['used_today']:,}" + (f" of {one['daily']:,}" if one["daily"] else "")
        table.add_row(
            one["destination"], _state(one), _time(one["since"]), _time(one["next_probe"]), f"{one['due']:,}", str(one["in_flight"]), str(one["dead"]),
            str(one["blocked_lanes"]), _time(one["oldest_due"]), rate, today,
        )  # fmt: skip
    console.print(table)
    for one in value:
        if one["state"] != "closed":
            console.print(Text.assemble((one["destination"], "bold"), " is ", _state(one), f": {one['reason'] or ''} ({one['who'] or ''})"))


def target(console: Console, value: dict[str, Any]) -> None:
    targets(console, [value])
    for step in value["life"]:
        console.print(f"  {_time(step['at'])}  {step['step']:<10} {step['text']} ({step['who']})", markup=False)


def steered(console: Console, value: dict[str, Any]) -> None:
    console.print(Text.assemble((value["destination"], "bold"), " is ", _state(value)))
