"""Nodes and their shared work as a person reads them in a terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.commands.shown_targets import time_text

STYLE = {"serving": "green", "draining": "yellow", "lost": "red"}


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    return table


def nodes(console: Console, value: dict[str, Any]) -> None:
    table = _table("node", "state", "version", "started", "last seen", "listens at")
    for one in value["nodes"]:
        where = ", ".join(f"{name} {address}" for name, address in sorted(one["addresses"].items()))
        state = Text(one["state"], style=STYLE.get(one["state"], ""))
        table.add_row(one["name"], state, one["version"], time_text(one["started_at"]), time_text(one["seen_at"]), where)
    console.print(table if value["nodes"] else "No node has run on this database yet.")
    console.print()
    table = _table("work", "done by", "at", "next", "what came of it")
    for one in value["work"]:
        who = f"{one['node']} (now)" if one["at_work"] else one["node"] or ""
        table.add_row(one["name"], who, time_text(one["done_at"]), time_text(one["next"]), one["told"])
    console.print(table)


def forgotten(console: Console, value: dict[str, Any]) -> None:
    console.print(f"{value['forgotten']} is forgotten.")


def due(console: Console, value: dict[str, Any]) -> None:
    console.print("A node prunes within seconds; `crossdock nodes` says what came of it.")


def look(console: Console, value: dict[str, Any]) -> None:
    table = _table("partner", "kept for", "older than that", "would go")
    for one in value["partners"]:
        kept = "ever" if one["kept_days"] is None else f"{one['kept_days']} days"
        more = "or more" if one["at_least"] else ""
        table.add_row(one["partner"], kept, f"{one['older']:,} {more}".rstrip(), f"{one['would_go']:,} {more}".rstrip())
    console.print(table if value["partners"] else "No partner has a live profile.")
    if value["replays_under_way"]:
        console.print("A replay of many is under way or paused (crossdock replays): until it ends nothing goes.")
