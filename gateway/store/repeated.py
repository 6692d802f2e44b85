"""Interchanges that came before, byte for byte: they get the answers of the first one again, each its own and each once.

Knows rows; that it came before is decided in translation.py.
"""

import json
from collections import defaultdict
from typing import Any

from sqlalchemy import Connection, TextClause

from gateway.clock import Ticks
from gateway.store.owed import ta1_row
from gateway.store.sql import in_lists, one_of
from gateway.store.writes import Writes, delivery_row

_ANSWERED = one_of(
    "SELECT d.message, d.kind, d.destination, d.outgoing, d.payload, d.attributes FROM deliveries d WHERE d.message IN :keys AND d.kind = 'receipt'"
)
_SAME = ("stream", "sender", "receiver", "control", "sha256")
_PLACES = one_of(f"SELECT message, ordinal, state, {', '.join(_SAME)} FROM interchanges WHERE message IN :keys ORDER BY message, ordinal")  # noqa: S608 - names are ours


def answer_again(tx: Connection, writes: Writes, *, ticks: Ticks) -> None:
    """A repeated interchange gets the stored acknowledgments again, byte for byte: new deliveries of the same payloads.

    Its own alone, whatever else came in the same file; and also those that this commit has just composed. A TA1 that is still to be written for the
    first one cannot be stored yet, so the repeat gets one of its own.
    """
    originals = {one.original for one in writes.again}
    if not originals:
        return
    places: dict[tuple[str, ...], int] = {}
    for row in [*_rows(tx, _PLACES, originals), *writes.interchanges]:
        if row["message"] in originals and row["state"] not in ("duplicate", "rejected", "held"):
            places.setdefault((row["message"], *(row[name] for name in _SAME)), row["ordinal"])
    stored: dict[str, list[Any]] = defaultdict(list)
    for row in [*_rows(tx, _ANSWERED, originals), *writes.deliveries]:
        if row["kind"] == "receipt" and row["message"] in originals:
            answers = json.loads(row["attributes"])["answers"]
            stored[".".join(answers.split(".")[:2])].append(row)
    fresh = []
    for one in writes.again:
        place = f"{one.original}.{places.get((one.original, *(one.interchange[name] for name in _SAME)), 0)}"
        found = {row["payload"]: row for row in stored[place]}.values()
        for row in found:
            fresh.append(
                delivery_row(
                    f"again:{one.chunk.message}.{one.interchange['ordinal']}:{row['outgoing']}",
                    one.chunk,
                    destination=row["destination"],
                    subject=f"{one.chunk.message}.{one.interchange['ordinal']}.{row['outgoing']}",
                    position=ticks(),
                    kind="receipt",
                    payload=row["payload"],
                    attributes=json.loads(row["attributes"]),
                    on_dead="pass",
                    outgoing=row["outgoing"],
                )
            )
        if one.asks and not any(json.loads(row["attributes"])["set"] == "TA1" for row in found):
            writes.owed.append(ta1_row(one.chunk, one.interchange))
    writes.deliveries += fresh


def _rows(tx: Connection, query: TextClause, messages: set[str]) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in in_lists(tx, query, messages)]
