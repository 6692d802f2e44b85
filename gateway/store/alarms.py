"""Alarms: one row for one trouble; the same trouble again only counts up."""

from typing import Any

from sqlalchemy import Connection, text

from gateway.store.sql import many

_RAISE = text(
    "INSERT INTO alarms (id, kind, partner, message, text, count, first_at, last_at) VALUES (:id, :kind, :partner, :message, :text, 1, :at, :at)"
    " ON CONFLICT (id) DO UPDATE SET count = alarms.count + 1, last_at = excluded.last_at, text = excluded.text"
)


def raise_alarms(tx: Connection, rows: list[dict[str, Any]]) -> None:
    many(tx, _RAISE, sorted(rows, key=lambda row: row["id"]))
