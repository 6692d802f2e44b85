"""Destinations as a person reads them in a terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

STYLE = {"closed": "green", "ramping": "yellow", "half-open": "yellow", "open": "red", "paused": "magenta"}
SECONDS = 19
"""Characters of an RFC 3339 time down to its seconds."""


def time_text(text: str | None) -> str:
    return text[:SECONDS].replace("T", " ") if text else ""


def _state(one: dict[str, Any]) -> Text:
    return Text(one["state"], style=STYLE.get(one["state"], ""))


def targets(console: Console, value: list[dict[str, Any]]) -> None:
    """A line each, and below it why one is not well."""
    if not value:
        console.print("No destinations yet: name a target in the settings.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(("destination", "state", "due", "oldest due", "in flight", "dead", "rate", "today")):
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    for one in value:
        dead = f"{one['dead']:,}" + (f", {one['blocked_lanes']:,} lanes wait" if one["blocked_lanes"] else "")
        today = f"{one['used_today']:,}" + (f" of {one['daily']:,}" if one["daily"] else "")
        rate = f"{one['rate']:g}/s" if one["rate"] else ""
        table.add_row(one["destination"], _state(one), f"{one['due']:,}", time_text(one["oldest_due"]), str(one["in_flight"]), dead, rate, today)
    console.print(table)
    for one in value:
        if one["state"] != "closed":
            probe = f", next probe {time_text(one['next_probe'])}" if one["next_probe"] else ""
            since = f" since {time_text(one['since'])}{probe}: {one['reason'] or ''} ({one['who'] or ''})"
            console.print(Text.assemble((one["destination"], "bold"), " is ", _state(one), since))


def target(console: Console, value: dict[str, Any]) -> None:
    targets(console, [value])
    for step in value["life"]:
        console.print(f"  {time_text(step['at'])}  {step['step']:<10} {step['text']} ({step['who']})", markup=False)


def steered(console: Console, value: dict[str, Any]) -> None:
    console.print(Text.assemble((value["destination"], "bold"), " is ", _state(value)))
