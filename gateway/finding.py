"""What people ask of documents, messages, shipments, orders and stock: searching by any reference and time, and how each stands."""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from gateway.clock import as_text
from gateway.errors import Refused
from gateway.evidence import instant_of
from gateway.store import finding, standings, stock
from gateway.store.store import Store
from translators.events.identity import normalise_reference, spellings, subject_of

Arguments = dict[str, Any]
WAIT = timedelta(seconds=30).total_seconds()
SHORTEST = 4
"""Characters of a beginning, so that it means something."""
MARK = "*"


def messages(store: Store, given: Arguments) -> Any:
    """The latest messages received, or with `sent` those of ours; `partner`, `state`, `since`, `until`, `file_name`, `before` and `limit` narrow them."""
    narrowed = {name: given.get(name) or None for name in ("partner", "state", "before", "file_name")} | _span(given)
    direction = "out" if given.get("sent") else "in"
    return store.read(lambda tx: finding.messages(tx, direction=direction, limit=_limit(given, 20), **narrowed)).result(WAIT)


def find(store: Store, given: Arguments) -> Any:
    """Documents by any reference, or by how one begins (`*` at its end), and by `type`, `partner`, `set`, `since`, `until`, `limit`.

    Each row has `after`: given as the argument it gets the page behind it.
    """
    value = str(given["value"]).strip()
    narrowed = {name: given.get(name) or None for name in ("type", "partner", "set")} | _span(given)
    limit, after = _limit(given, 50), _after(given)
    if not value.endswith(MARK):
        return store.read(lambda tx: finding.find(tx, spellings(value), limit=limit, after=after, **narrowed)).result(WAIT)
    wanted = normalise_reference(str(given.get("type") or ""), value[: -len(MARK)])
    if len(wanted) < SHORTEST:
        raise Refused(400, "bad-request", f"{value} is short for a beginning; write at least {SHORTEST} characters, spaces and dashes not counted")
    return store.read(lambda tx: finding.begins(tx, wanted, limit=limit, after=after, **narrowed)).result(WAIT)


def shipment(store: Store, given: Arguments) -> Any:
    """How a shipment stands, by its id or by any reference of it: a row for each partner that tells of it."""
    return _standing(store, "shipment", str(given["id"]))


def order(store: Store, given: Arguments) -> Any:
    """How an order stands, by its id or by any reference of it."""
    return _standing(store, "order", str(given["id"]))


def _standing(store: Store, kind: str, wanted: str) -> list[dict[str, Any]]:
    name = wanted.strip().removeprefix(f"{kind}/")
    names = [subject_of(kind, one).removeprefix(f"{kind}/") for one in dict.fromkeys((name.upper(), name))]
    rows = store.read(lambda tx: standings.standing(tx, kind, names, spellings(name))).result(WAIT)
    if not rows:
        raise Refused(404, "not-found", f"no {kind} is known as {wanted}; `crossdock find {wanted}` searches all documents")
    return [standing_shown(row) for row in rows]


def standing_shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of standings as people and consumers see it."""
    names = ("subject", "partner", "stream", "step", "milestone", "cancelled", "event", "document", "revision")
    return {name: row[name] for name in names} | {
        "cancelled": bool(row["cancelled"]),
        "when": _moment(row, "") if row["step"] else None,
        "expected_at": {"what": row["expected"], "event": row["expected_event"]} | _moment(row, "expected_") if row["expected"] else None,
        "references": [{"type": kind, "value": value} for kind, value in row["refs"]],
        "changed_at": as_text(row["changed_at"]),
    }


def _moment(row: Mapping[str, Any], before: str) -> dict[str, Any]:
    """A moment as events tell it; `instant` is absent where only its clock's own time is known."""
    known = row[f"{before}certainty"] in ("stated", "place", "profile") or row[f"{before}local"] is None
    found = {"instant": as_text(row[f"{before}at"]) if known else None} | {name: row[f"{before}{name}"] for name in ("local", "zone", "certainty")}
    return {name: value for name, value in found.items() if value is not None}


def stock_listed(store: Store, given: Arguments) -> Any:
    """Stock by `item`, `location` and `partner`: the latest count with what was changed since. Each row has `after`, for the page behind it."""
    narrowed = {"item": given.get("item") or None, "place": given.get("location") or None, "partner": given.get("partner") or None}
    rows = store.read(lambda tx: stock.listed(tx, after=str(given.get("after") or ""), limit=_limit(given, 50), **narrowed)).result(WAIT)
    return [stock_shown(row) | {"after": row["id"]} for row in rows]


def stock_shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of stock as people and consumers see it."""
    return {
        "item": row["item"], "numbering": row["numbering"], "location": row["place"], "partner": row["partner"], "stream": row["stream"],
        "unit": row["unit"], "quantities": row["quantities"], "as_of": as_text(row["as_of"]) if row["as_of"] is not None else None,
        "changes": row["changes"], "changed_at": as_text(row["changed_at"]) if row["changed_at"] is not None else None, "event": row["event"],
        "document": row["document"],
    }  # fmt: skip


def _span(given: Arguments) -> dict[str, Any]:
    return {"since": instant_of(given.get("since")), "until": instant_of(given.get("until"))}


def _limit(given: Arguments, usual: int) -> int:
    return max(1, min(int(given.get("limit") or usual), finding.MOST))


def _after(given: Arguments) -> dict[str, Any] | None:
    """A cursor as it was given out. Raises Refused for another text."""
    if not given.get("after"):
        return None
    try:
        cursor = json.loads(str(given["after"]))
        return {"value": str(cursor.get("value", "")), "at": int(cursor["at"]), "document": str(cursor["document"])}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Refused(400, "bad-request", "after is the `after` of the last row of the page before, as it was given") from None


OPERATIONS: dict[str, Callable[[Store, Arguments], Any]] = {
    "messages": messages,
    "find": find,
    "shipment": shipment,
    "order": order,
    "stock": stock_listed,
}
