"""Lists and the event stream for consumers, in a store of many shipments, documents and events: pages at a place by chance; median and worst of 50, on each database.

`python -m benchmarks.asking [NUMBER]`
"""

import contextlib
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import text

from benchmarks.rows import Row
from gateway.clock import SECOND
from gateway.consumers.records import Consumer
from gateway.store import feed, lists
from gateway.store.lists import DOCUMENTS, SHIPMENTS, Wanted
from gateway.store.store import Store
from tests.databases import empty_database, own_postgresql

NUMBER = 500_000
PARTNERS = [f"partner{number:02}" for number in range(40)]
BATCH = 20_000
ROUNDS = 50
AIM = 0.1
"""Seconds."""
BEGUN = 1_750_000_000 * SECOND
RARE = 25_000
"""One shipment of so many is delivered."""

_STANDING = text(
    "INSERT INTO standings (subject, partner, stream, step, milestone, cancelled, actuals, refs, changed_at)"
    " VALUES (:subject, :partner, 'production', :step, :milestone, false, '{}', '[]', :at)"
)
_MESSAGE = text(
    "INSERT INTO messages (id, partner, direction, channel, state, payload, size, sha256, media_type, profile_revision, arrival)"
    " VALUES (:message, :partner, 'in', 'http', 'translated', 'x', 900, 'x', 'application/edi-x12', 1, :at)"
)
_DOCUMENT = text(
    "INSERT INTO documents (id, message, interchange, grp, ordinal, partner, stream, set_id, control, state, verdict, codes, release, byte_start, byte_end,"
    " profile_revision, at) VALUES (:document, :message, 1, 1, 1, :partner, 'production', '214', '0001', 'translated', 'A', '', '004010', 0, 900, 1, :at)"
)
_FEED = text(
    "INSERT INTO feed (position, event, partner, type, stream, at) VALUES (:position, :document, :partner, 'org.crossdock.shipment.status.v1', 'production', :at)"
)


def fill(store: Store, number: int) -> None:
    def put(tx: Any, items: list[int]) -> list[None]:
        for first in items:
            rows = []
            for one in range(first, min(first + BATCH, number)):
                rare = one % RARE == 7
                rows.append(
                    {
                        "subject": f"shipment/SHP{one * 7_919 % number:09}", "partner": PARTNERS[one % len(PARTNERS)], "at": BEGUN + one * SECOND,
                        "step": "delivery.unloaded" if rare else "pickup.departed", "milestone": "delivery" if rare else "pickup",
                        "message": f"{one:026d}", "document": f"{one:026d}.1.1.1", "position": one + 1,
                    }
                )  # fmt: skip
            for statement in (_STANDING, _MESSAGE, _DOCUMENT, _FEED):
                tx.execute(statement, rows)
        return [None] * len(items)

    for first in range(0, number, BATCH):
        store.writer.submit(put, first).result()
    move = text("INSERT INTO feed_heads (id, position, at) VALUES ('events', :number, 0)")
    store.writer.submit(lambda tx, items: [tx.execute(move, {"number": number}) and None], None).result()


def questions(number: int, chance: random.Random) -> dict[str, Callable[[Any], Any]]:
    """What is asked, each time at another place."""

    def shipment() -> str:
        return f"shipment/SHP{chance.randrange(number):09}"

    def page(view: Any, **given: Any) -> Callable[[Any], Any]:
        return lambda tx: lists.page(
            tx, view, Wanted(**({"partners": None, "stream": "production", "limit": 200} | {key: value() for key, value in given.items()}))
        )

    def partners(many: int) -> Callable[[], tuple[str, ...]]:
        return lambda: tuple(sorted(chance.sample(PARTNERS, many)))

    def events(tx: Any) -> Any:
        rare = Consumer("x", frozenset(), (chance.choice(PARTNERS),), None, "production", None, "0.1.0")
        return feed.page(tx, rare, chance.randrange(number), 500)

    def nobody(tx: Any) -> Any:
        return feed.page(tx, Consumer("x", frozenset(), ("nobody",), None, None, None, "0.1.0"), chance.randrange(number), 500)

    after = lambda: [shipment(), PARTNERS[0], "production"]  # noqa: E731
    return {
        "shipments of all, 200": page(SHIPMENTS, after=after),
        "shipments of 1 partner, 200": page(SHIPMENTS, after=after, partners=partners(1)),
        "shipments of 20 partners, 200": page(SHIPMENTS, after=after, partners=partners(20)),
        "shipments of one status, rare": page(SHIPMENTS, after=after, filters=lambda: {"status": "delivery"}),
        "shipments of one status of 20 partners, rare": page(SHIPMENTS, after=after, filters=lambda: {"status": "delivery"}, partners=partners(20)),
        "shipments altered since then, 200": page(SHIPMENTS, since=lambda: BEGUN + chance.randrange(number) * SECOND),
        "shipments of 1 partner altered since then": page(SHIPMENTS, since=lambda: BEGUN + chance.randrange(number) * SECOND, partners=partners(1)),
        "documents of 1 partner, 200": page(DOCUMENTS, after=lambda: [f"{chance.randrange(number):026d}.1.1.1"], partners=partners(1)),
        "events of 1 partner of 40, 500": events,
        "events of nobody": nobody,
    }  # fmt: skip


@contextlib.contextmanager
def databases(folder: Path) -> Iterator[dict[str, str]]:
    with own_postgresql() as server:
        yield {"SQLite": f"sqlite:///{folder / 'crossdock.db'}", "PostgreSQL": empty_database(server.get_uri())}


def run(number: int = NUMBER) -> list[Row]:
    folder = Path(tempfile.mkdtemp())
    rows = []
    try:
        with databases(folder) as urls:
            for name, url in urls.items():
                store = Store(url, folder / name)
                fill(store, number)
                for question, ask in questions(number, random.Random(7)).items():
                    taken = []
                    for _ in range(ROUNDS):
                        begun = time.perf_counter()
                        store.read(ask).result()
                        taken.append(time.perf_counter() - begun)
                    figure = f"{statistics.median(taken) * 1000:.1f} ms, at worst {max(taken) * 1000:.0f} ms"
                    rows.append(Row(question, figure, f"{name}, {number:,} of each", "", f"≤ {AIM * 1000:.0f} ms", max(taken) <= AIM))
                store.close()
        return rows
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    for row in run(int(sys.argv[1]) if len(sys.argv) > 1 else NUMBER):
        print(row)
