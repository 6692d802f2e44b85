"""What people ask of nodes and of the work that they share: who is there, who does what, what pruning would take. For the commands and the admin API."""

import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from gateway.clock import MINUTE, as_text, now
from gateway.errors import Refused
from gateway.settings import Settings
from gateway.shared_work import kept_for
from gateway.store import nodes, profiles, pruning
from gateway.store.store import Store
from partners.profile import read_profile

Arguments = dict[str, Any]
WAIT = timedelta(seconds=30).total_seconds()
FORGET_AFTER = 10 * MINUTE
LOOK_AT = 10_000
"""Messages of a partner that a look counts at most."""


def shown(store: Store, given: Arguments) -> Any:
    """Every node, and the work that one node at a time does."""
    at = now()
    rows = store.read(nodes.listed).result(WAIT)
    work = store.read(nodes.chores_listed).result(WAIT)
    return {
        "nodes": [
            {
                "name": row.name, "state": "lost" if row.state != "stopped" and row.seen_at < at - nodes.LOST_AFTER else row.state, "version": row.version,
                "addresses": json.loads(row.addresses), "started_at": as_text(row.started_at), "seen_at": as_text(row.seen_at),
            }
            for row in rows
        ],
        "work": [
            {
                "name": row.name, "node": row.node, "at_work": row.lease_until > at, "done_at": as_text(row.at) if row.at else None,
                "next": as_text(row.next_due) if row.next_due else None, "told": row.told or "",
            }
            for row in work
        ],
    }  # fmt: skip


def forget(store: Store, given: Arguments) -> Any:
    """Takes the row of a node away that will not come back."""
    name = str(given["name"])
    if name not in {row.name for row in store.read(nodes.listed).result(WAIT)}:
        raise Refused(404, "not-found", f"no node is called {name}; `crossdock nodes` lists them")
    if not store.forget_node(name, now() - FORGET_AFTER).result(WAIT):
        raise Refused(409, "bad-request", f"{name} was seen within the last {FORGET_AFTER // MINUTE} minutes; stop it first, or wait")
    return {"forgotten": name}


def prune_now(store: Store, given: Arguments) -> Any:
    """The next node that looks for work prunes, without waiting for its hour."""
    store.hasten("prune").result(WAIT)
    return {"due": "now"}


def prune_look(store: Store, given: Arguments) -> Any:
    """By partner: how long its messages are kept, how many are older, and how many of those nothing needs any more. `messages` is the installation's own span."""
    settings = Settings.model_validate({"retention": {"messages": given.get("messages")}})
    at, found = now(), []
    for row in store.read(profiles.live).result(WAIT):
        kept = kept_for(read_profile(row.text, row.partner), settings)
        if kept is None:
            found.append({"partner": row.partner, "kept_days": None, "older": 0, "would_go": 0, "at_least": False})
            continue
        ask = pruning.Ask(row.partner, at - kept, 0, LOOK_AT, at)
        older, over = store.read(partial(pruning.counted, ask=ask)).result(WAIT)
        days = timedelta(microseconds=kept).days
        found.append({"partner": row.partner, "kept_days": days, "older": older, "would_go": over, "at_least": older >= LOOK_AT})
    return {"replays_under_way": store.read(pruning.is_replaying).result(WAIT), "partners": found}


OPERATIONS: dict[str, Callable[[Store, Arguments], Any]] = {
    "nodes": shown,
    "nodes.forget": forget,
    "prune": prune_now,
    "prune.look": prune_look,
}
CHANGING = frozenset({"nodes.forget", "prune"})
