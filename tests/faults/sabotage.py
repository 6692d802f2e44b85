"""Promises broken on purpose, for as long as a `with` lasts. What is broken here must be noticed by a trial."""

import asyncio
import contextlib
import itertools
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from aiohttp import ClientResponse
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, StaticPool, create_engine

from gateway.as2.records import Arrived
from gateway.clock import Instant
from gateway.consumers.placing import Placer
from gateway.errors import CrossdockError, PermanentFailure, TemporaryFailure
from gateway.receive.stage import ReceiveStage
from gateway.records.incoming import Incoming, Kept
from gateway.records.translation import Chunk
from gateway.scheduling import Quotas
from gateway.steady import SteadyClock
from gateway.store import as2, backup, breaker, delivery, lives, payloads, search, standings, translation, writes
from gateway.store.engine import MIGRATIONS, Database
from gateway.store.writes import Writes
from gateway.targets import http
from gateway.targets.rest import RestTarget
from gateway.translate import stage
from gateway.translate.pool import Pool


@contextlib.contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    honest = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, honest)


@contextlib.contextmanager
def answer_before_commit() -> Iterator[None]:
    """The 202 leaves before COMMIT 1: the member is queued, nobody waits for it."""
    honest = ReceiveStage.keep

    async def keep(self: ReceiveStage, items: list[Incoming]) -> list[Kept]:
        task = asyncio.create_task(honest(self, items))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return [Kept(item.id, item.at, "new") for item in items]

    with replaced(ReceiveStage, "keep", keep):
        yield


@contextlib.contextmanager
def drop_idempotency_key() -> Iterator[None]:
    """Every attempt carries a key of its own: the ERP cannot tell a repeat."""
    honest = RestTarget._headers

    def headers(self: RestTarget, attributes: dict[str, str]) -> dict[str, str]:
        return honest(self, attributes | {"id": uuid.uuid4().hex})

    with replaced(RestTarget, "_headers", headers):
        yield


@contextlib.contextmanager
def places_from_memory() -> Iterator[None]:
    """Events that wait for their place in the feed are known for one life only."""
    honest = Placer.start

    def forget(tx: Connection, items: list[None]) -> list[None]:
        tx.exec_driver_sql("DELETE FROM feed_waiting")
        return items

    def start(self: Placer) -> None:
        self._store.writer.submit(forget, None).result()
        honest(self)

    with replaced(Placer, "start", start):
        yield


@contextlib.contextmanager
def retry_after_unheard() -> Iterator[None]:
    """Retry-After is not read."""
    with replaced(http, "retry_after_of", lambda header, now: None):
        yield


@contextlib.contextmanager
def refusals_repeated() -> Iterator[None]:
    """A refusal is taken for a trouble that passes."""
    honest = http.failure_of

    def failure_of(status: int, answer: bytes, retry_after: timedelta | None) -> CrossdockError | None:
        failure = honest(status, answer, retry_after)
        return TemporaryFailure(str(failure), status=status, answer=answer) if isinstance(failure, PermanentFailure) else failure

    with replaced(http, "failure_of", failure_of):
        yield


@contextlib.contextmanager
def answers_read_whole() -> Iterator[None]:
    """An answer is read to its end, however long it is."""

    async def read(response: ClientResponse, limit: int) -> bytes:
        return await response.read()

    with replaced(http, "bounded_read", read):
        yield


@contextlib.contextmanager
def lanes_of_single_events() -> Iterator[None]:
    """Each event has a lane of its own: what is said of one shipment leaves side by side."""
    honest = writes.lane_id
    with replaced(writes, "lane_id", lambda destination, partner, subject: honest(destination, partner, uuid.uuid4().hex)):
        yield


@contextlib.contextmanager
def last_word_stands() -> Iterator[None]:
    """A subject stands as whoever came last says, whenever that happened."""
    ranks = itertools.count()
    with replaced(standings, "rank_of", lambda event, slot: f"{next(ranks):020}" if event.standing and event.standing[slot] else None):
        yield


@contextlib.contextmanager
def checksums_not_looked_at() -> Iterator[None]:
    """Stored bytes are taken as they are."""
    with contextlib.ExitStack() as stack:
        for module in (payloads, stage, lives, search):
            stack.enter_context(replaced(module, "sound", lambda data, sha256: True))
        stack.enter_context(replaced(payloads.PayloadFiles, "verify", lambda self, sha256: None))
        yield


@contextlib.contextmanager
def some_997s_forgotten() -> Iterator[None]:
    """Of the acknowledgments that one commit composes only the first is written."""
    honest = translation.compose

    def compose(tx: Connection, writes: Writes, **more: Any) -> None:
        del writes.composed[1:]
        honest(tx, writes, **more)

    with replaced(translation, "compose", compose):
        yield


@contextlib.contextmanager
def rejected_without_ta1() -> Iterator[None]:
    """An envelope is refused, and its sender is not told."""
    honest = translation.ta1_row

    def row(chunk: Chunk, interchange: dict[str, Any]) -> dict[str, Any]:
        return honest(chunk, interchange) | ({"state": "written"} if interchange["state"] == "rejected" else {})

    with replaced(translation, "ta1_row", row):
        yield


@contextlib.contextmanager
def turns_without_end() -> Iterator[None]:
    """Whoever has its turn at the ERP keeps it while it has anything."""
    honest = Quotas.of
    with replaced(Quotas, "of", lambda self, partner: replace(honest(self, partner), weight=10**6)):
        yield


@contextlib.contextmanager
def workers_first_come() -> Iterator[None]:
    """Who asked first for a translation worker gets it first, whose it is makes no difference."""
    honest = Pool.take
    with replaced(Pool, "take", lambda self, partner: honest(self, "")):
        yield


@contextlib.contextmanager
def losses_not_counted() -> Iterator[None]:
    """However many workers a set has cost, it is read again."""
    with replaced(stage, "MOST_LOSSES", 10**6):
        yield


@contextlib.contextmanager
def outages_count() -> Iterator[None]:
    """Time in which a destination rests counts against what waits for it."""
    with replaced(breaker, "rested", lambda tx, destination, since, now: 0):
        yield


@contextlib.contextmanager
def breaker_stays_closed() -> Iterator[None]:
    """However often a destination fails, it is tried on."""
    with replaced(breaker, "heard", lambda health, item: health):
        yield


@contextlib.contextmanager
def as2_ids_forgotten() -> Iterator[None]:
    """Every AS2 message is met as if its id had never been seen."""
    with replaced(Arrived, "key", property(lambda self: None)), replaced(as2, "by_key", lambda tx, key: None):
        yield


@contextlib.contextmanager
def fences_not_looked_at() -> Iterator[None]:
    """Whoever comes with an outcome is believed, whoever has the lane by now."""
    with replaced(delivery, "_holds", lambda fences, item: True):
        yield


@contextlib.contextmanager
def clock_followed_at_once() -> Iterator[None]:
    """A node's clock is what its reference says now."""

    def agree(self: SteadyClock, reference: Instant) -> Instant:
        behind = reference - self()
        self.set(reference)
        return behind

    with replaced(SteadyClock, "agree", agree):
        yield


@contextlib.contextmanager
def doors_closed_at_once() -> Iterator[None]:
    """A node that is told to stop closes its doors before anybody knows."""

    async def drain(self: Any) -> None:
        pass

    from gateway.app import Node

    with replaced(Node, "_drain", drain):
        yield


@contextlib.contextmanager
def restored_as_it_was() -> Iterator[None]:
    """A restored database believes that nothing has happened since its backup."""
    with replaced(backup, "make_safe", lambda tx, **more: 0):
        yield


@contextlib.contextmanager
def migrated_in_pieces() -> Iterator[None]:
    """Each statement of a migration is a commit of its own."""

    def migrate(self: Database, revision: str = "head") -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with sqlite3.connect(str(self.url.database), isolation_level=None, check_same_thread=False) as raw:
            alone = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
            with alone.connect() as connection:
                config.attributes["connection"] = connection.execution_options(isolation_level="AUTOCOMMIT")
                command.upgrade(config, revision)

    with replaced(Database, "migrate", migrate):
        yield


@contextlib.contextmanager
def leak() -> Iterator[None]:
    """Of each document that is kept, 64 KiB stay in memory."""
    honest, held = ReceiveStage.wake, list[bytes]()

    def wake(self: ReceiveStage, partner: str, channel: str) -> None:
        held.append(b"x" * 65_536)
        honest(self, partner, channel)

    with replaced(ReceiveStage, "wake", wake):
        yield


SABOTAGES: dict[str, Callable[[], contextlib.AbstractContextManager[None]]] = {
    "answer-before-commit": answer_before_commit,
    "drop-idempotency-key": drop_idempotency_key,
    "fences-not-looked-at": fences_not_looked_at,
    "clock-followed-at-once": clock_followed_at_once,
    "doors-closed-at-once": doors_closed_at_once,
    "places-from-memory": places_from_memory,
    "leak": leak,
    "migrated-in-pieces": migrated_in_pieces,
    "restored-as-it-was": restored_as_it_was,
    "retry-after-unheard": retry_after_unheard,
    "refusals-repeated": refusals_repeated,
    "answers-read-whole": answers_read_whole,
    "lanes-of-single-events": lanes_of_single_events,
    "some-997s-forgotten": some_997s_forgotten,
    "rejected-without-ta1": rejected_without_ta1,
    "turns-without-end": turns_without_end,
    "workers-first-come": workers_first_come,
    "losses-not-counted": losses_not_counted,
    "outages-count": outages_count,
    "breaker-stays-closed": breaker_stays_closed,
    "as2-ids-forgotten": as2_ids_forgotten,
    "checksums-not-looked-at": checksums_not_looked_at,
    "last-word-stands": last_word_stands,
}


def sabotaged(name: str | None) -> contextlib.AbstractContextManager[None]:
    return SABOTAGES[name]() if name else contextlib.nullcontext()
