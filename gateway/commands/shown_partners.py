"""Partners and the revisions of their profiles, as a person reads them in a terminal.

Knows nothing of what a profile means.
"""

from collections.abc import Callable
from typing import Any

from gateway.commands.screen import console, table_of, time_text


def _applied(value: dict[str, Any]) -> None:
    console.print(f"{value['partner']}: revision {value['revision']} is {'live' if value['state'] == 'live' else 'a draft'}")


def _partners(value: list[dict[str, Any]]) -> None:
    if not value:
        console.print("No partners yet: crossdock partners apply FILE")
        return
    table = table_of("partner", "name", "revision", "since", "takes", "sends")
    for one in value:
        table.add_row(
            one["partner"],
            one["name"],
            str(one["revision"]),
            time_text(one["since"]),
            ", ".join(one["receives"]),
            ", ".join(one["sends"]),
        )
    console.print(table)


def _partner(value: dict[str, Any]) -> None:
    console.print(f"# {value['partner']}, revision {value['revision']} ({value['state']})", style="bold")
    console.print(value["text"], markup=False)
    for one in value["revisions"]:
        console.print(f"# revision {one['revision']}: {one['state']}, {one['at']}, {one['who']}", style="dim")


SHOWERS: dict[str, Callable[[Any], None]] = {
    "partners.apply": _applied,
    "partners.promote": _applied,
    "partners.rollback": _applied,
    "partners.list": _partners,
    "partners.show": _partner,
}
