"""The one thread that writes: group commit.

Whatever is queued when the writer is free goes into one transaction; nobody who waits for an answer waits for a window. Each future resolves only after COMMIT.
Work that nobody outside waits for rides along: while somebody talks to us, one request after another, it goes into that one's next commit.
Knows nothing of tables: a member is a verb (a re-runnable function over a list) and one item for it.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.errors import StoreBroken, StoreUnavailable
from gateway.failpoints import reach
from gateway.store.engine import Database

Verb = Callable[[Connection, list[Any]], list[Any]]
"""Takes a list of items, gives one result an item, in their order. It may be run again after a rollback, so it must not change its items."""


class First(Protocol):
    """What a transaction does before its verbs, which it knows by then with their items; again, where one verb is to be run item by item."""

    def __call__(self, tx: Connection, runs: list[tuple[Verb, list[Any]]], *, may_spare: bool = True) -> None: ...


def nothing_first(tx: Connection, runs: list[tuple[Verb, list[Any]]], *, may_spare: bool = True) -> None:
    """Where nobody else writes."""


MOST_MEMBERS = 512
TRIES_TOGETHER, TRIES_ALONE = 2, 4
RIDE = 0.004
"""Seconds that members who ride along wait for one who does not: about the time in which a client sends its next request."""
TALK = 0.02
"""Seconds after such a commit in which the next one is expected."""


class NotBegun(StoreUnavailable):
    """There is no connection, or somebody else has held the database's lock for as long as we wait for one: nothing was tried."""


class Member(NamedTuple):
    verb: Verb
    item: Any
    future: "Future[Any]"
    rides: bool
    """Whether nobody outside waits for it."""


class Writer:
    def __init__(self, database: Database, on_broken: Callable[[StoreBroken], None] = lambda error: None, first: First = nothing_first) -> None:
        self._on_broken = on_broken
        self._first = first
        self._database = database
        self._queue: deque[Member] = deque()
        self._wake = threading.Condition()
        self._stopping = False
        self._connection: Connection | None = None
        self.commits = 0
        self.members = 0
        self._talked = 0.0
        """When somebody outside was last answered."""
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, verb: Verb, item: Any, *, rides: bool = False) -> "Future[Any]":
        """The item's result, once it is committed. Cancelling the future does not cancel the member: it may be in the transaction already.

        One that `rides` may be committed a few milliseconds later, together with one that does not.
        """
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        with self._wake:
            if self._stopping:
                future.set_exception(StoreUnavailable("the store is closing"))
                return future
            self._queue.append(Member(verb, item, future, rides))
            self._wake.notify()
        return future

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def close(self) -> None:
        """Commits what is queued, then ends."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._queue and not self._stopping:
                    self._wake.wait()
                if not self._queue:
                    self._drop_connection()
                    return
                self._wait_for_company()
                members = [self._queue.popleft() for _ in range(min(len(self._queue), MOST_MEMBERS))]
            self._commit_together(members)
            if not all(member.rides for member in members):
                self._talked = time.monotonic()

    def _wait_for_company(self) -> None:
        """A sync saved is worth more than these milliseconds to a client that waits for its own: one at a time, its commit would wait for this one."""
        until = time.monotonic() + RIDE
        if until - RIDE - self._talked > TALK:
            return
        while all(member.rides for member in self._queue) and not self._stopping and (left := until - time.monotonic()) > 0:
            self._wake.wait(left)

    def _commit_together(self, members: list[Member]) -> None:
        """All members in one transaction. If the transaction itself dies they are tried together once more, for it is seldom a member's fault; then in halves.

        One by one at once, a node that comes back behind a cut line would fall behind the others, which commit hundreds together. A lost answer to COMMIT is
        an unknown outcome: its members run again, and unique keys make that harmless.
        """
        parts = deque([(members, 1)])
        while parts:
            part, number = parts.popleft()
            try:
                outcomes = self._transaction(part)
            except NotBegun as error:
                self._refuse_all([*part, *(member for others, _ in parts for member in others)], error)
                return
            except Exception as error:
                self._drop_connection()
                if number < (TRIES_ALONE if len(part) == 1 else TRIES_TOGETHER) and _worth_another_try(error):
                    parts.appendleft((part, number + 1))
                elif len(part) == 1:
                    self._refuse(part[0], error)
                else:
                    half = len(part) // 2
                    parts.extendleft([(part[half:], 1), (part[:half], 1)])
            else:
                self._resolve(part, outcomes)

    def _refuse_all(self, members: list[Member], error: "NotBegun") -> None:
        """The wait for a connection or a lock was long enough; one such wait for each member would be minutes."""
        self._drop_connection()
        for member in members:
            self._refuse(member, error)

    def _refuse(self, member: Member, error: Exception) -> None:
        ours = _as_ours(error)
        member.future.set_exception(ours)
        if isinstance(ours, StoreBroken):
            self._on_broken(ours)

    def _resolve(self, members: list[Member], outcomes: list[Any]) -> None:
        self.commits += 1
        self.members += len(members)
        for member, outcome in zip(members, outcomes, strict=True):
            if isinstance(outcome, Exception):
                self._refuse(member, outcome)
            else:
                member.future.set_result(outcome)

    def _transaction(self, members: list[Member]) -> list[Any]:
        try:
            connection = self._connect()
            transaction = connection.begin()
        except DBAPIError as error:
            raise NotBegun(f"the database cannot be written: {error.orig}") from error
        try:
            outcomes: dict[int, Any] = {}
            runs = _runs(members)
            self._first(connection, [(run[0].verb, [member.item for member in run]) for run in runs])
            for run in runs:
                found = self._under_savepoint(connection, run[0].verb, [member.item for member in run])
                outcomes |= {id(member): outcome for member, outcome in zip(run, found, strict=True)}
            reach("store.before_commit")
            transaction.commit()
            reach("store.after_commit")
        except BaseException:
            if transaction.is_active:
                try:
                    transaction.rollback()
                except Exception:
                    logging.getLogger("crossdock.store").warning("rollback failed; the connection is dropped")
            raise
        return [outcomes[id(member)] for member in members]

    def _under_savepoint(self, connection: Connection, verb: Verb, items: list[Any]) -> list[Any]:
        """The verb over its items; if that fails, item by item, so that one bad member costs the others nothing.

        A fault that ends the transaction (a full disk rolls back savepoints too) is raised, not answered.
        """
        try:
            return self._savepoint(connection, verb, items)
        except Exception as error:
            if _ends_transaction(error):
                raise
            if len(items) == 1:
                return [error]
        self._first(connection, [(verb, items)], may_spare=False)  # one by one it takes its rows in no order of its own
        outcomes: list[Any] = []
        for item in items:
            try:
                outcomes += self._savepoint(connection, verb, [item])
            except Exception as error:
                if _ends_transaction(error):
                    raise
                outcomes.append(error)
        return outcomes

    @staticmethod
    def _savepoint(connection: Connection, verb: Verb, items: list[Any]) -> list[Any]:
        connection.exec_driver_sql("SAVEPOINT member")
        try:
            results = verb(connection, items)
            if len(results) != len(items):
                raise AssertionError(f"{verb.__qualname__} gave {len(results)} results for {len(items)} items")
        except Exception as error:
            if not _ends_transaction(error):  # else there is no savepoint to go back to, and trying would hide what has happened
                connection.exec_driver_sql("ROLLBACK TO SAVEPOINT member")
                connection.exec_driver_sql("RELEASE SAVEPOINT member")
            raise
        connection.exec_driver_sql("RELEASE SAVEPOINT member")
        return results

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = self._database.writing.connect()
        return self._connection

    def _drop_connection(self) -> None:
        """A new connection for the next transaction: after a fault nothing is assumed about the old one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.invalidate()
                connection.close()
            except Exception:
                logging.getLogger("crossdock.store").warning("closing a broken connection failed")


def _runs(members: list[Member]) -> list[list[Member]]:
    """The members by verb, each verb once, at the place of its first member: executemany then serves many callers at once.

    A verb takes its rows in one order. Were it run twice in a transaction it would not, and two nodes would wait for each other in a circle.
    """
    runs: dict[Verb, list[Member]] = {}
    for member in members:
        runs.setdefault(member.verb, []).append(member)
    return list(runs.values())


FULL_OR_BROKEN = (
    "disk is full",
    "disk I/O error",
    "database is locked",
    "no space left",
    "cannot commit",
    "no such savepoint",
    "no transaction is active",
)


def _ends_transaction(error: Exception) -> bool:
    """Faults after which the transaction cannot go on: the connection is gone, SQLite rolled all back, or PostgreSQL chose us in a deadlock."""
    if isinstance(error, PendingRollbackError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return str(state)[:2] in {"08", "53", "57", "58", "40", "25"}
    return any(word in str(error.orig) for word in FULL_OR_BROKEN)


def _worth_another_try(error: Exception) -> bool:
    """A full disk will not empty itself in a moment; a lost connection, a lock or a deadlock may pass."""
    if isinstance(error, PendingRollbackError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = str(getattr(error.orig, "sqlstate", "") or "")
    if state:
        return error.connection_invalidated or state[:2] in {"08", "57", "40", "25"}
    return error.connection_invalidated or "locked" in str(error.orig) or "savepoint" in str(error.orig)


def _as_ours(error: Exception) -> Exception:
    """The store's own failures. After a failed sync nothing may be tried again: the kernel may have dropped what it did not write."""
    if isinstance(error, DBAPIError) and "disk I/O error" in str(error.orig):
        failure: StoreUnavailable = StoreBroken(f"the disk did not take a commit: {error.orig}")
    elif isinstance(error, PendingRollbackError | PoolTimeout):
        failure = StoreUnavailable(f"the database's connection was lost: {error}")
    elif isinstance(error, DBAPIError) and (_ends_transaction(error) or isinstance(error, OperationalError | InterfaceError)):
        failure = StoreUnavailable(f"the database refused the write: {error.orig}")
    else:
        return error
    failure.__cause__ = error
    return failure
