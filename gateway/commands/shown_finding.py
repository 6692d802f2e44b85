"""What searching and standing look like to a person: messages, found documents, shipments, orders, stock."""

from collections.abc import Callable
from typing import Any

from rich.text import Text

from gateway.commands.screen import console, state_of, table_of, time_text

FULL = 50
"""Rows of a page, unless --limit says otherwise."""


def _messages(value: list[dict[str, Any]]) -> None:
    if not value:
        console.print("No messages yet. Partners POST theirs to /v1/inbox on the partner listener.")
        return
    table = table_of("message", "received", "partner", "state", "what is in it", "file")
    for one in value:
        documents = ", ".join(f"{number} × {what}" for what, number in sorted(one["documents"].items()))
        table.add_row(
            one["id"], time_text(one["received_at"]), one["partner"], state_of(one["state"]), documents or one["reason"] or "", one["file_name"] or ""
        )
    console.print(table)


def _find(value: list[dict[str, Any]]) -> None:
    if not value:
        console.print("Nothing carries that reference.")
        return
    table = table_of("document", "partner", "set", "control", "state", "found by", "at")
    for one in value:
        found_by = f"{', '.join(one['found_by'])} {one['value']}"
        table.add_row(one["id"], one["partner"], one["set"], one["control"], state_of(one["state"]), found_by, time_text(one["at"]))
    console.print(table)
    console.print(f"\ncrossdock show {value[0]['id']}   tells its whole life", style="dim")
    _more(value)


def _standing(value: list[dict[str, Any]]) -> None:
    for one in value:
        stream = "" if one["stream"] == "production" else f", {one['stream']}"
        console.print(Text.assemble((one["subject"], "bold"), f" as {one['partner']} tells it{stream}"))
        if one["step"] is None:
            console.print("  nothing that was told of it stands any more")
        else:
            again = f", revision {one['revision']}" if one["revision"] > 1 else ""
            console.print(f"  {one['step']} ({one['milestone']}) {_moment(one['when'])}{again}", markup=False)
            console.print(f"    said by {one['event']}, document {one['document']}", markup=False, style="dim")
        if one["cancelled"]:
            console.print("  it is cancelled", style="red")
        if one["expected_at"]:
            console.print(f"  expected: {one['expected_at']['what']} {_moment(one['expected_at'])}", markup=False)
        if one["references"]:
            references = ", ".join(f"{ref['type']} {ref['value']}" for ref in one["references"])
            console.print(f"  references: {references}", markup=False)


def _moment(value: dict[str, Any]) -> str:
    """As it was written, with what is known of its zone; else its instant."""
    if "local" not in value:
        return time_text(value["instant"]) + " UTC"
    zone = {"profile": f"{value.get('zone')}, assumed", "none": "in an unknown zone"}.get(value.get("certainty", ""), value.get("zone") or "")
    return f"{value['local'].replace('T', ' ')} {zone}".rstrip()


def _stock(value: list[dict[str, Any]]) -> None:
    if not value:
        console.print("No stock is known there.")
        return
    table = table_of("item", "location", "partner", "how much", "counted", "changed since")
    for one in value:
        much = ", ".join(f"{kind} {number}" for kind, number in sorted(one["quantities"].items()))
        changed = f"{one['changes']} times, last {time_text(one['changed_at'])}" if one["changes"] else ""
        counted = time_text(one["as_of"]) if one["as_of"] else "never"
        table.add_row(one["item"], one["location"], one["partner"], f"{much} {one['unit']}".rstrip(), counted, changed)
    console.print(table)
    _more(value)


def _more(value: list[dict[str, Any]]) -> None:
    if len(value) >= FULL:
        console.print(f"There may be more: --after '{value[-1]['after']}'", style="dim", markup=False, soft_wrap=True)


SHOWERS: dict[str, Callable[[Any], None]] = {
    "messages": _messages,
    "find": _find,
    "shipment": _standing,
    "order": _standing,
    "stock": _stock,
}
