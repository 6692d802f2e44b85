"""Receipts and acknowledgments as a person reads them in a terminal: those that we owe, and those that partners owe us.

Knows no rule by which they are owed.
"""

from collections.abc import Callable
from typing import Any

from rich.text import Text

from gateway.commands.screen import console, state_of, table_of, time_text

MARKS = {"done": "[green]✓[/green]", "waiting": "[yellow]…[/yellow]", "failed": "[red]✗[/red]", "none": "[dim]–[/dim]"}


def _receipts(value: dict[str, Any]) -> None:
    if not value["rows"]:
        console.print("No messages.")
        return
    if len(value["rows"]) == 1:
        _receipts_of_one(value["rows"][0])
        return
    table = table_of("message", "partner", *value["columns"])
    for row in value["rows"]:
        cells = [Text.from_markup(MARKS[one["state"]]) for one in row["cells"].values()]
        table.add_row(row["message"], row["partner"], *cells)
    console.print(table)
    console.print("✓ done  … waits  ✗ wrong or overdue  – not owed; `--id MESSAGE` shows one with its times and evidence", style="dim")


def _receipts_of_one(row: dict[str, Any]) -> None:
    """Line by line, each with the commands that print the bytes behind it."""
    console.print(f"message {row['message']} of {row['partner']} by {row['channel']}: {row['state']}")
    for name, one in row["cells"].items():
        at = f"{time_text(one['at'])}  " if one["at"] else ""
        console.print(Text.from_markup(f"  {MARKS[one['state']]} {name:<13}") + Text(f"{at}{one['text']}"))
        for identity in one["opens"][:20]:
            console.print(f"      crossdock bytes {identity}", style="dim", markup=False, soft_wrap=True)


def _receipts_checked(value: dict[str, Any]) -> None:
    for one in value["wrong"]:
        console.print(f"✗ {one}", style="red", markup=False)
    told = f"{value['groups']} groups since {value['since'][:16]}: {value['answered']} answered once, {value['not_owed']} to which nothing is owed, {len(value['wrong'])} wrong"
    console.print(told + ("" if value["whole"] else "; there are more, so ask from a later time"))


def _awaited(value: list[dict[str, Any]]) -> None:
    if not value:
        console.print("No acknowledgment is awaited.")
        return
    table = table_of("what", "partner", "kind", "state", "sent", "due", "answered")
    for one in value:
        what = f"{one['set_id']} {one['set_control']}" if one["document"] else f"interchange {one['interchange_control']}"
        answered = time_text(one["settled_at"])
        table.add_row(
            f"{one['document'] or one['message']}  {what}", one["partner"], one["kind"], awaited_state(one), time_text(one["opened_at"]),
            time_text(one["due_at"]), answered + (" (late)" if one["late_at"] else ""),
        )  # fmt: skip
    console.print(table)
    for one in value:
        told_faults(one)


def awaited_state(one: dict[str, Any]) -> Text:
    if one["state"] == "waiting":
        return state_of("overdue" if one["overdue_at"] else "waiting")
    return state_of(one["state"]) + Text(" (disputed since)" if one["disputed_at"] and one["state"] != "disputed" else "")


def told_faults(one: dict[str, Any]) -> None:
    faults = (one["detail"] or {}).get("faults", [])
    for fault in faults[:20]:
        where = f" (segment {fault['position']})" if fault.get("position") else ""
        console.print(f"  {one['document'] or one['message']}: {fault['text']}{where}", markup=False)


SHOWERS: dict[str, Callable[[Any], None]] = {"awaited": _awaited, "receipts": _receipts, "receipts.check": _receipts_checked}
