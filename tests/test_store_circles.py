"""Two nodes whose commits want the same lanes, one the other way round: neither may end up waiting for what the other has.

PostgreSQL would end one of them after a second, so nothing would be lost; but for that second partners get no answer, and where its clock was set it may never.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gateway.as2.records import Arrived, Decided
from gateway.records.incoming import Incoming
from gateway.records.translation import TranslateClaim, TranslateLane
from gateway.sftp.records import FilePut, FileRow
from gateway.store.payloads import Payload
from gateway.store.replays import Replay
from gateway.store.store import Store
from tests.databases import migrated_database
from tests.test_store_writer import grouped, incoming

PARTNERS = ("northway", "harbor")
TURNS = 8


def of(partner: str, number: int, channel: str = "http") -> Incoming:
    return replace(incoming(number), partner=partner, channel=channel)


def kept(store: Store, partner: str, number: int) -> Future[Any]:
    return store.keep_message(of(partner, number))


def kept_together(store: Store, partner: str, number: int) -> Future[Any]:
    return store.keep_together([of(partner, number)])


def released(store: Store, partner: str, number: int) -> Future[Any]:
    return store.release_lane(TranslateLane(partner, "http", 0, []))


def renewed(store: Store, partner: str, number: int) -> Future[Any]:
    return store.renew_lane(TranslateLane(partner, "http", 0, []), 1)


def replayed(store: Store, partner: str, number: int) -> Future[Any]:
    return store.replay(Replay(f"held of {partner}", None, 1, None, "ann", "again", 1))


def by_sftp(store: Store, partner: str, number: int) -> Future[Any]:
    item = of(partner, number)
    row = FileRow(item.id, partner, "in", f"{number}.edi", "received", item.payload.size, 1, item.payload.sha256, None, None, False, None, 1, "key")
    return store.put_file(FilePut(row, incoming=item, is_new=True))


def by_as2(store: Store, partner: str, number: int) -> Future[Any]:
    payload = Payload.inline(f"as2:{number}", partner, b"%d" % number)
    arrived = Arrived(f"as2 {number}", partner, partner, "us", f"<{number}@{partner}>", (), payload, "test", "none", False, None, 1, 1)
    return store.decide_as2(Decided(arrived, (of(partner, number, "as2"),), {}, None, None, None, None, (), 1))


def claimed(store: Store, partner: str, number: int) -> Future[Any]:
    """Whichever lane is due first; it is free again at once."""
    return store.claim_messages(TranslateClaim("node", 10**18, 1, 1, 0))


WAYS: dict[str, Callable[[Store, str, int], Future[Any]]] = {
    "kept": kept, "kept together": kept_together, "released": released, "renewed": renewed, "replayed": replayed, "by SFTP": by_sftp, "by AS2": by_as2,
    "claimed": claimed,
}  # fmt: skip


@contextlib.contextmanager
def two_nodes(url: str, folder: Path) -> Iterator[tuple[Store, Store]]:
    nodes = Store(url, folder / "a"), Store(url, folder / "b")
    yield nodes
    for node in nodes:
        node.close()


def hold(store: Store, channel: str) -> None:
    """A message of each partner that waits to be replayed, whatever becomes of it."""

    def verb(tx, items):
        for partner in PARTNERS:
            values = {"new": f"held of {partner}", "partner": partner, "channel": channel}
            tx.execute(
                text(
                    "INSERT INTO messages (id, partner, direction, channel, state, payload, size, sha256, media_type, profile_revision, arrival, resume)"
                    " VALUES (:new, :partner, 'in', :channel, 'held', :new, 1, '', 'x', 1, 1, '{}') ON CONFLICT (id) DO UPDATE SET state = 'held'"
                ),
                values,
            )
        return [None] * len(items)

    store.writer.submit(verb, None).result(20)


def deadlocks(store: Store) -> int:
    """That PostgreSQL has ended since the database was made; a session tells what it counted when it is idle."""
    time.sleep(0.1)
    return store.read(lambda tx: tx.execute(text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")).scalar_one()).result(
        20
    )


NEW = ("kept", "kept together", "by SFTP", "by AS2")
"""Those that may be the first of a lane."""


@pytest.mark.parametrize(("way", "new"), [(way, False) for way in WAYS] + [(way, True) for way in NEW])
def test_nodes_that_want_the_same_lanes_never_wait_in_a_circle(postgresql: str, tmp_path: Path, way: str, new: bool):
    """Each commit is of both partners, at one node first of one, at the other first of the other, and takes its time between."""

    def between(tx, items):
        tx.exec_driver_sql("SELECT pg_sleep(0.02)")
        return [None] * len(items)

    def commit(store: Store, first: str, second: str, number: int) -> Any:
        together.wait(20)
        futures = grouped(
            store,
            lambda: WAYS[way](store, first, number),
            lambda: store.writer.submit(between, None),
            lambda: store.keep_together([of(second, number + 1, channel)]),
        )
        return futures[0].exception() or futures[2].exception() or futures[2].result()[0].outcome

    def work(node: int) -> None:
        first, second = PARTNERS if node else PARTNERS[::-1]
        for turn in range(1 if new else TURNS):
            outcomes.append(commit(nodes[node], first, second, 1 + node * 1_000 + turn * 2))

    channel = "as2" if way == "by AS2" else "http"
    url = migrated_database(postgresql)
    together = threading.Barrier(2)
    outcomes: list[Any] = []
    with two_nodes(url, tmp_path) as nodes:
        if not new:
            for number, partner in enumerate(PARTNERS):
                nodes[0].keep_message(of(partner, 9_000 + number, channel)).result(20)
            hold(nodes[0], channel)
        threads = [threading.Thread(target=work, args=(node,)) for node in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert set(outcomes) == {"new"}
        assert len(outcomes) == 2 * (1 if new else TURNS)
        assert deadlocks(nodes[0]) == 0
