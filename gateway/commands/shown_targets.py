"""Destinations as a person reads them in a terminal."""

from collections.abc import Callable
from typing import Any

from rich.text import Text

from gateway.commands.screen import console, table_of, time_text

STYLE = {"closed": "green", "ramping": "yellow", "half-open": "yellow", "open": "red", "paused": "magenta"}


def _state(one: dict[str, Any]) -> Text:
    return Text(one["state"], style=STYLE.get(one["state"], ""))


def _targets(value: list[dict[str, Any]]) -> None:
    """A line each, and below it why one is not well."""
    if not value:
        console.print("No destinations yet: name a target in the settings.")
        return
    table = table_of("destination", "state", "due", "oldest due", "in flight", "dead", "rate", "today")
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


def _target(value: dict[str, Any]) -> None:
    _targets([value])
    for step in value["life"]:
        console.print(f"  {time_text(step['at'])}  {step['step']:<10} {step['text']} ({step['who']})", markup=False)


def _steered(value: dict[str, Any]) -> None:
    console.print(Text.assemble((value["destination"], "bold"), " is ", _state(value)))


SHOWERS: dict[str, Callable[[Any], None]] = {"targets": _targets, "targets.show": _target, "targets.steer": _steered}
