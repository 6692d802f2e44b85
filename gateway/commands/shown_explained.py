"""Where an event's fields come from, and what a partner refuses of a document of ours, as a person reads it in a terminal.

Knows only the value of `explain`.
"""

import json
from collections.abc import Callable
from typing import Any

from rich.text import Text

from gateway.commands.screen import console, time_text
from gateway.commands.shown_receipts import awaited_state


def edited(edit: dict[str, Any]) -> str:
    return f"{edit['id']} was made of {edit['edited_from']} by {edit['who']} at {time_text(edit['at'])}: {edit['reason']}"


def _explained(value: dict[str, Any]) -> None:
    if "acknowledgments" in value:
        _answered(value)
        return
    console.print(Text.assemble((value["event"], "bold"), f": {value['type']} about {value['subject']}"))
    console.print(
        f"  read from document {value['document']} ({value['set']}) by {value['mapping']}, under revision {value['revision']} of {value['partner']}"
    )
    for edit in value["edited"]:
        what = (
            "a person made this event; what follows is what its document itself says"
            if edit["id"] == value["event"]
            else "a person made its document"
        )
        console.print(f"  {what}: {edited(edit)}", markup=False)
    for one in value["fields"]:
        place = f"{one['place']['file']}:{one['place']['line']}" if one["place"] else ""
        told = "" if one["value"] is None else " = " + json.dumps(one["value"], ensure_ascii=False)
        console.print(Text.assemble("\n", (one["field"], "bold"), told))
        console.print(Text.assemble("  rule  ", (one["rule"], "cyan"), f"   {place}"))
        for spot in one["from"]:
            role = "from " if spot["role"] == "value" else "where" if spot["role"] == "place" else "if   "
            console.print(Text.assemble(f"  {role} {spot['path']}  ", (repr(spot["text"])[1:-1] or "(empty)", "green"), _bytes(spot)))


def _answered(value: dict[str, Any]) -> None:
    console.print(Text.assemble((value["document"], "bold"), f": our {value['set']} {value['control']} to {value['partner']}"))
    for one in value["acknowledgments"]:
        by = f", said by its {one['form']} in {one['by']}" if one["by"] else ""
        console.print(Text.assemble(f"  {one['kind']}: ", awaited_state(one | {"overdue_at": None, "disputed_at": None}), by))
        if one["recheck"]:
            console.print(f"    {one['recheck']}")
        for fault in one["faults"]:
            console.print(Text.assemble("    ", ("✗ ", "red"), fault["text"]))
            if "ours" in fault:
                console.print(f"      we wrote {fault['ours']!r} at {fault['path']}, bytes {fault['byte_start']} to {fault['byte_end']}")
            if "field" in fault:
                console.print(Text.assemble("      the event's field: ", (fault["field"], "bold")))


def _bytes(spot: dict[str, Any]) -> str:
    return f"   segment {spot['segment']}, bytes {spot['byte_start']} to {spot['byte_end']}"


SHOWERS: dict[str, Callable[[Any], None]] = {"explain": _explained}
