"""How much stock there is: for each item, place and unit the latest count, and what was changed since.

Kept in COMMIT 2. What every count and change said stays in `stock_told`, so that late counts, corrections and cancellations come to the same sum
whatever order they are told in; the row of `stock` is that sum.
"""

import hashlib
import json
from decimal import Context, Decimal
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import Instant
from gateway.records.documents import EventRow
from gateway.store.sql import in_lists, insert, json_text, many, one_of

_NAMES = ("place", "numbering", "item", "unit")
_ROW = ("id", "partner", "stream", *_NAMES, "quantities", "as_of", "event", "document", "changes", "changed_at", "told_at")
_TOLD = ("identity", "stock", "partner", "at", "counted", "quantities", "event", "document")
_PUT_STOCK = text(
    insert("stock", *_ROW).text
    + " ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in ("quantities", "as_of", "event", "document", "changes", "changed_at", "told_at"))
)
_PUT_TOLD = insert("stock_told", *_TOLD)
_FORGET = text("DELETE FROM stock_told WHERE identity = :identity")
_STOCK = one_of(f"SELECT {', '.join(_ROW)} FROM stock WHERE id IN :keys")  # noqa: S608 - names are ours
_STOCK_OF = one_of("SELECT DISTINCT stock FROM stock_told WHERE identity IN :keys")
_LATEST = "(SELECT max(c.at) FROM stock_told c WHERE c.stock = t.stock AND c.counted = TRUE)"
_COUNTS = one_of(
    "SELECT t.stock, t.at, t.counted, t.quantities, t.event, t.document, t.identity FROM stock_told t"  # noqa: S608 - names are ours
    f" WHERE t.stock IN :keys AND t.counted = TRUE AND t.at = {_LATEST}"
)
_CHANGES = one_of(
    "SELECT t.stock, t.at, t.counted, t.quantities, t.event, t.document, t.identity FROM stock_told t"  # noqa: S608 - names are ours
    f" WHERE t.stock IN :keys AND t.counted = FALSE AND t.at > COALESCE({_LATEST}, -9223372036854775807)"
)
_EXACT = Context(prec=100)


class StockTold:
    """What the events of one commit say of stock."""

    def __init__(self) -> None:
        self._told: dict[str, dict[str, dict[str, Any]]] = {}
        """By identity: the rows of its latest revision, by stock."""
        self._names: dict[str, dict[str, Any]] = {}
        self._revised: set[str] = set()
        self._at: Instant = 0

    def take(self, partner: str, stream: str, event: EventRow, *, event_id: str, document: str, revised: bool, at: Instant) -> None:
        """One event as it is told; `revised`: an earlier revision of it may have said something else."""
        self._at = max(self._at, at)
        if revised:
            self._revised.add(event.identity)
        elif not event.stock:
            return
        rows = self._told[event.identity] = {}
        for one in event.stock:
            key = stock_id(stream, partner, *(one[name] for name in _NAMES))
            self._names[key] = {"id": key, "partner": partner, "stream": stream} | {name: one[name] for name in _NAMES}
            rows[key] = {
                "identity": event.identity, "stock": key, "partner": partner, "at": one["at"], "counted": one["counted"],
                "quantities": _summed(one["quantities"]), "event": event_id, "document": document,
            }  # fmt: skip

    def put(self, tx: Connection) -> None:
        """Keeps what was told, and the sums that it alters."""
        if not self._told:
            return
        again = {row.stock for row in in_lists(tx, _STOCK_OF, self._revised)}
        told = [self._told[identity][key] for identity in sorted(self._told) for key in sorted(self._told[identity])]
        again |= {row["stock"] for row in told if row["identity"] in self._revised}
        many(tx, _FORGET, [{"identity": identity} for identity in sorted(self._revised)])
        many(tx, _PUT_TOLD, [row | {"quantities": json_text(row["quantities"])} for row in told])
        rows = {row.id: dict(row._mapping) | {"quantities": json.loads(row.quantities)} for row in in_lists(tx, _STOCK, {*again, *self._names})}
        for row in told:
            key = row["stock"]
            known = rows.setdefault(key, self._names[key] | _NOTHING)
            if key not in again and not _joined(known, row):
                again.add(key)
        self._sum_again(tx, rows, again)
        touched = sorted(again | {row["stock"] for row in told})
        many(tx, _PUT_STOCK, [rows[key] | {"quantities": json_text(rows[key]["quantities"]), "told_at": self._later(rows[key])} for key in touched])

    def _later(self, row: dict[str, Any]) -> Instant:
        """When a row is altered by this commit: never before it was altered last, so that who follows changes meets it again."""
        return max(self._at, row.get("told_at") or 0)

    def _sum_again(self, tx: Connection, rows: dict[str, dict[str, Any]], keys: set[str]) -> None:
        counts = sorted(in_lists(tx, _COUNTS, keys), key=lambda row: str(row.identity))
        changes = in_lists(tx, _CHANGES, keys)
        for key in keys:
            rows[key] |= _NOTHING
        for row in (*counts, *changes):
            done = _joined(rows[row.stock], dict(row._mapping) | {"quantities": json.loads(row.quantities)})
            assert done, "counts come first, then what changed after them"


_NOTHING: dict[str, Any] = {"quantities": {}, "as_of": None, "event": None, "document": None, "changes": 0, "changed_at": None}
_CHANGED = ("on_hand", "available")
"""The condition that an adjustment alters: the first of these that was counted, else the first."""


def _joined(row: dict[str, Any], told: dict[str, Any]) -> bool:
    """Adds one count or change to a row. False where the row does not hold enough for it: a count older than changes that are summed already."""
    if told["counted"]:
        if row["as_of"] is not None and (told["at"], told["event"].rpartition("-r")[0]) < (row["as_of"], row["event"].rpartition("-r")[0]):
            return True
        if row["changes"]:
            return False
        row |= {"quantities": told["quantities"], "as_of": told["at"], "event": told["event"], "document": told["document"]}
        return True
    if row["as_of"] is not None and told["at"] <= row["as_of"]:
        return True
    quantities = dict(row["quantities"])
    condition = next((name for name in _CHANGED if name in quantities), _CHANGED[0])
    for value in told["quantities"].values():
        quantities[condition] = _sum(quantities.get(condition, "0"), value)
    row |= {"quantities": quantities, "changes": row["changes"] + 1, "changed_at": max(told["at"], row["changed_at"] or told["at"])}
    return True


def _summed(quantities: dict[str, list[str]]) -> dict[str, str]:
    return {condition: _sum(*values) for condition, values in quantities.items()}


def _sum(*values: str) -> str:
    total = Decimal(0)
    for value in values:
        total = _EXACT.add(total, Decimal(value))
    if not total:
        return "0"
    digits = format(total, "f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def stock_id(stream: str, partner: str, *names: str) -> str:
    return hashlib.sha256(json_text([stream, partner, *names]).encode()).hexdigest()


# ---- reading

FILTERS = ("item", "place", "partner")


def _list(*filters: str) -> Any:
    where = " AND ".join([*(f"{name} = :{name}" for name in filters), "id > :after"])
    return text(f"SELECT {', '.join(_ROW)} FROM stock WHERE {where} ORDER BY id LIMIT :limit")  # noqa: S608 - names are ours


_LISTS = {
    frozenset(filters): _list(*filters)
    for filters in ((), ("item",), ("place",), ("partner",), ("item", "place"), ("item", "partner"), ("place", "partner"), FILTERS)
}


def listed(tx: Connection, *, after: str, limit: int, **narrowed: str | None) -> list[dict[str, Any]]:
    """Stock by item, place and partner, in the order of its ids; the next page is `after` the last one's."""
    given = {name: value for name, value in narrowed.items() if value is not None}
    rows = tx.execute(_LISTS[frozenset(given)], given | {"after": after, "limit": limit})
    return [dict(row._mapping) | {"quantities": json.loads(row.quantities)} for row in rows]
