"""What one claim costs: many lanes of many partners, and a long queue behind one head that is deferred.

`python -m benchmarks.claims [DATABASE_URL]`; without a URL on SQLite in a temporary folder.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import SECOND
from gateway.scheduling import LaneClaim
from gateway.store.store import Store

TARGET = "target:erp"
PARTNERS = 100
LANES = 100_000
QUEUE = 300_000
ROUNDS = 200
BATCH = 10_000

_LANE = text("INSERT INTO lanes (id, destination, partner, subject, head, next_due) VALUES (:id, :destination, :partner, :id, :head, :next_due)")
_DELIVERY = text(
    "INSERT INTO deliveries (id, lane, position, partner, destination, kind, state, message, payload, attributes, on_dead, created_at, next_due)"
    " VALUES (:id, :lane, :position, :partner, :destination, 'event', 'due', 'm', 'p', '{}', 'pass', 1, :next_due)"
)
_PAYLOAD = text("INSERT INTO payloads (id, partner, size, sha256, data) VALUES ('p', 'p', 1, 'x', :data) ON CONFLICT DO NOTHING")


def fill(store: Store, lanes: int, partners: int, queue: int) -> None:
    """`lanes` due lanes spread over the partners, each with one delivery; and `queue` deliveries behind one head that is not due for long."""
    store.writer.submit(_put, (_PAYLOAD, [{"data": b"x"}])).result()
    for start in range(0, lanes, BATCH):
        numbers = range(start, min(start + BATCH, lanes))
        rows = [(f"l{n}", f"d{n}", f"p{n % partners:04}", n) for n in numbers]
        values = [
            {"id": lane, "destination": TARGET, "partner": partner, "head": head, "next_due": n, "lane": lane, "position": n}
            for lane, head, partner, n in rows
        ]
        store.writer.submit(_put, (_LANE, values)).result()
        store.writer.submit(_put, (_DELIVERY, [value | {"id": value["head"]} for value in values])).result()
    late = 10**15
    store.writer.submit(_put, (_LANE, [{"id": "long", "destination": TARGET, "partner": "p0000", "head": "q0", "next_due": late}])).result()
    for start in range(0, queue, BATCH):
        values = [
            {"id": f"q{n}", "lane": "long", "position": n, "partner": "p0000", "destination": TARGET, "next_due": late}
            for n in range(start, min(start + BATCH, queue))
        ]
        store.writer.submit(_put, (_DELIVERY, values)).result()
    if not store.database.is_sqlite:
        store.writer.submit(_run, "ANALYZE").result()


def _put(tx: Connection, items: list[tuple[Any, list[dict[str, Any]]]]) -> list[None]:
    for statement, values in items:
        tx.execute(statement, values)
    return [None] * len(items)


def _run(tx: Connection, items: list[str]) -> list[None]:
    for statement in items:
        tx.exec_driver_sql(statement)
    return [None] * len(items)


def timed(store: Store, claims: Callable[[int], LaneClaim]) -> float:
    """Milliseconds of one claim inside its transaction, the median of many: the disk's sync is not the claim's."""
    spent = []

    def verb(tx: Connection, items: list[LaneClaim]) -> list[None]:
        begun = time.perf_counter()
        for item in items:
            store._claims.claim_lanes(tx, [item])
        spent.append((time.perf_counter() - begun) * 1000)
        return [None] * len(items)

    for number in range(ROUNDS):
        store.writer.submit(verb, claims(number)).result()
    return statistics.median(spent[10:])


def measure(url: str | None = None) -> dict[str, float]:
    """Milliseconds a claim: by what is claimed."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(url or f"sqlite:///{folder}/claims.db", Path(folder) / "payloads")
        try:
            fill(store, LANES, PARTNERS, QUEUE)
            now = 10**9
            found = {
                f"{limit} of {LANES:,} due lanes, {PARTNERS} partners": timed(
                    store, lambda n, limit=limit: LaneClaim(TARGET, "a", now, now + SECOND, limit)
                )  # type: ignore[misc]
                for limit in (1, 4, 32)
            }
            store.writer.submit(_run, "UPDATE lanes SET next_due = NULL WHERE id <> 'long'").result()
            found[f"none due: {QUEUE:,} behind one deferred head"] = timed(store, lambda n: LaneClaim(TARGET, "a", now, now + SECOND, 32))
            store.writer.submit(_run, "UPDATE lanes SET next_due = 1000000000000000").result()
            found[f"none due: {LANES:,} deferred lanes"] = timed(store, lambda n: LaneClaim(TARGET, "a", now, now + SECOND, 32))
        finally:
            store.close()
        return found


if __name__ == "__main__":
    for what, milliseconds in measure(sys.argv[1] if len(sys.argv) > 1 else None).items():
        print(f"{what}: {milliseconds:.3f} ms")
