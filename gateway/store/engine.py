"""Opens the two databases the way that is safe: drivers, settings, the version gate, migrations.

Knows nothing of messages or stages.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import Connection, create_engine, event, inspect, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool, StaticPool

from gateway.errors import StoreUnavailable

SQLITE_SAFE = (3, 51, 3)
"""SQLite before this can corrupt a WAL that two connections write and checkpoint at once."""

MIGRATIONS = Path(__file__).parent / "migrations"
ASLEEP = 3000
"""Milliseconds after which a transaction that does nothing is ended by PostgreSQL: less than anybody outside waits for a commit."""
BY_KEYS = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off"
"""The writer looks rows up by their keys and never reads a table through. PostgreSQL counts tables now and then, and ours fill and empty between two counts; a plan
made for a table that was empty would read all of it for every claim."""
MIGRATION_LOCK = 0x43524F5353
"""One node at a time brings the schema up to date (PostgreSQL's advisory lock, held for that transaction)."""


def sqlite_driver() -> ModuleType:
    """Whichever of sqlite3 and pysqlite3 links the newer SQLite."""
    candidates: list[ModuleType] = [sqlite3]
    try:
        from pysqlite3 import dbapi2

        candidates.append(dbapi2)
    except ImportError:
        pass
    return max(candidates, key=lambda driver: driver.sqlite_version_info)


class Database:
    """One database by URL: a writing engine, a reading engine, and what a start-up should say about them."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.notes: list[str] = []
        if self.is_sqlite:
            self._open_sqlite()
        elif self.url.get_backend_name() == "postgresql":
            self._open_postgresql()
        else:
            raise StoreUnavailable(f"{self.url.get_backend_name()!r} is no database we know; use sqlite:///PATH or postgresql://…")

    def _open_sqlite(self) -> None:
        driver = sqlite_driver()
        self.reads_beside_writer = driver.sqlite_version_info >= SQLITE_SAFE
        if not self.reads_beside_writer:
            self.notes.append(
                f"SQLite {driver.sqlite_version} can corrupt a log with two users; reads go through the writer. Installing pysqlite3 mends it."
            )
        path = self.url.database
        if path in (None, "", ":memory:"):
            raise StoreUnavailable("SQLite needs a file: sqlite:////var/lib/crossdock/crossdock.db")
        assert path is not None
        _make_durable(Path(path))
        url = self.url.set(drivername="sqlite+pysqlite")
        self.writing = create_engine(url, module=driver, poolclass=StaticPool, connect_args={"check_same_thread": False})
        self.reading = self.writing
        if self.reads_beside_writer:
            self.reading = create_engine(
                url, module=driver, poolclass=QueuePool, pool_size=4, max_overflow=0, connect_args={"check_same_thread": False}
            )
            event.listen(self.reading, "connect", _prepare_sqlite_reader)
        event.listen(self.writing, "connect", _prepare_sqlite_writer)
        event.listen(self.writing, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))

    def _open_postgresql(self) -> None:
        url = self.url.set(drivername="postgresql+psycopg")
        self.reads_beside_writer = True
        options = {
            "connect_timeout": 5, "options": "-c lock_timeout=10000 -c statement_timeout=60000",
            # A server that vanishes without a word, as behind a cut network, is given up after this and not after two hours.
            "keepalives_idle": 5, "keepalives_interval": 5, "keepalives_count": 2, "tcp_user_timeout": 15_000,
        }  # fmt: skip
        # A node that is stopped within a transaction holds what it has locked there: the others must not wait for it to wake.
        alone = options | {"options": f"{options['options']} -c idle_in_transaction_session_timeout={ASLEEP} {BY_KEYS}"}
        self.writing = create_engine(url, poolclass=QueuePool, pool_size=1, max_overflow=0, connect_args=alone)
        self.reading = create_engine(url, poolclass=QueuePool, pool_size=4, max_overflow=0, pool_pre_ping=True, connect_args=options)
        event.listen(self.writing, "connect", _prepare_postgresql)

    def check_settings(self) -> None:
        """Refuses a PostgreSQL that would answer COMMIT before the disk has it (promise P2)."""
        if self.is_sqlite:
            return
        with self.reading.connect() as connection:
            for name, wanted in (("fsync", {"on"}), ("synchronous_commit", {"on", "remote_apply"}), ("data_sync_retry", {"off"})):
                value = connection.exec_driver_sql(f"SHOW {name}").scalar_one()
                if value not in wanted:
                    raise StoreUnavailable(
                        f"PostgreSQL has {name}={value}; a receipt would leave before its message is safe. Set it to {min(wanted)}."
                    )

    def migrate(self, revision: str = "head") -> None:
        """Brings the schema to the newest revision, or to a named one; safe to call at every start, and by several nodes at once.

        Raises StoreUnavailable where a newer version was there before.
        """
        with self.writing.connect() as connection, connection.begin():
            if not self.is_sqlite:
                connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
            if revision == "head" and _revision_of(connection) == newest_revision():
                return
            from alembic import command  # a quarter of a second, and nearly every start finds nothing to do
            from alembic.config import Config
            from alembic.util import CommandError

            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", str(MIGRATIONS))
            try:
                command.upgrade(config, revision)
            except CommandError as error:
                raise StoreUnavailable(
                    f"this database was brought up to date by a newer version of Crossdock, which knows more than this one: {error}. Install that version."
                ) from error

    def close(self) -> None:
        self.writing.dispose()
        if self.reading is not self.writing:
            self.reading.dispose()


@contextlib.contextmanager
def faults_told() -> Iterator[None]:
    """What the database does not do is a StoreUnavailable in its own words, for whoever works on it without a store."""
    try:
        yield
    except DBAPIError as error:
        raise StoreUnavailable(str(error.orig)) from error


def newest_revision() -> str:
    """Of the schema that this version knows: each migration's file is called as its revision is, in their order."""
    return max(file.stem for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _revision_of(connection: Connection) -> str | None:
    """At which the database stands; None for a new one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()
    return None if found is None else str(found)


def _make_durable(path: Path) -> None:
    """The database and its folder exist on the disk before anything is promised: a lost folder entry loses every row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.fsync(descriptor)
    os.close(descriptor)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _prepare_sqlite_writer(connection: Any, _: Any) -> None:
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "busy_timeout=5000",
        "mmap_size=0",
        "temp_store=MEMORY",
        "cache_size=-16000",
        "wal_autocheckpoint=8000",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _prepare_postgresql(connection: Any, _: Any) -> None:
    """Every statement of ours stays prepared: there are more than the driver keeps by itself, and in turns each would push another out."""
    connection.prepared_max = 1000


def _prepare_sqlite_reader(connection: Any, _: Any) -> None:
    connection.isolation_level = None
    for pragma in ("busy_timeout=5000", "mmap_size=0", "query_only=ON", "cache_size=-8000"):
        connection.execute(f"PRAGMA {pragma}")
