"""Alarms as a person reads them in a terminal.

Knows nothing of how letters about them are worded.
"""

from collections.abc import Callable
from typing import Any

from gateway.commands.screen import console, time_text


def _alarms(value: list[dict[str, Any]]) -> None:
    if not value:
        console.print("No alarms.")
    for one in value:
        times = f" ({one['count']} times)" if one["count"] > 1 else ""
        console.print(f"{time_text(one['last_at'])}  {one['kind']}{times}: {one['text']}", markup=False)
        console.print(f"  {one['show']}   or   crossdock alarms close {one['id'][:24]} --because …", style="dim", markup=False)
        if one["closed_at"]:
            console.print(f"  over since {time_text(one['closed_at'])}, said by {one['closed_by']}: {one['closed_because']}", markup=False)


def _alarm_closed(value: dict[str, Any]) -> None:
    console.print(f"{value['id']} is over" if value["closed"] else f"{value['id']} was over already")


def _alarm_tested(value: dict[str, Any]) -> None:
    console.print(
        f"{value['kind']} is raised; it leaves with the next letter (alarms.gather) to each channel of the settings. `crossdock alarms` lists it"
    )


SHOWERS: dict[str, Callable[[Any], None]] = {"alarms": _alarms, "alarms.close": _alarm_closed, "alarms.test": _alarm_tested}
