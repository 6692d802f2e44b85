"""Nodes and their shared work as a person reads them in a terminal."""

from collections.abc import Callable
from typing import Any

from rich.text import Text

from gateway.commands.screen import console, table_of, time_text

STYLE = {"serving": "green", "draining": "yellow", "lost": "red"}


def _nodes(value: dict[str, Any]) -> None:
    table = table_of("node", "state", "version", "started", "last seen", "listens at")
    for one in value["nodes"]:
        where = ", ".join(f"{name} {address}" for name, address in sorted(one["addresses"].items()))
        state = Text(one["state"], style=STYLE.get(one["state"], ""))
        table.add_row(one["name"], state, one["version"], time_text(one["started_at"]), time_text(one["seen_at"]), where)
    console.print(table if value["nodes"] else "No node has run on this database yet.")
    console.print()
    table = table_of("work", "done by", "at", "next", "what came of it")
    for one in value["work"]:
        who = f"{one['node']} (now)" if one["at_work"] else one["node"] or ""
        table.add_row(one["name"], who, time_text(one["done_at"]), time_text(one["next"]), one["told"])
    console.print(table)


def _forgotten(value: dict[str, Any]) -> None:
    console.print(f"{value['forgotten']} is forgotten.")


def _due(value: dict[str, Any]) -> None:
    console.print("A node prunes within seconds; `crossdock nodes` says what came of it.")


def _look(value: dict[str, Any]) -> None:
    table = table_of("partner", "kept for", "older than that", "would go")
    for one in value["partners"]:
        kept = "ever" if one["kept_days"] is None else f"{one['kept_days']} days"
        more = "or more" if one["at_least"] else ""
        table.add_row(one["partner"], kept, f"{one['older']:,} {more}".rstrip(), f"{one['would_go']:,} {more}".rstrip())
    console.print(table if value["partners"] else "No partner has a live profile.")
    if value["replays_under_way"]:
        console.print("A replay of many is under way or paused (crossdock replays): until it ends nothing goes.")


SHOWERS: dict[str, Callable[[Any], None]] = {"nodes": _nodes, "nodes.forget": _forgotten, "prune": _due, "prune.look": _look}
