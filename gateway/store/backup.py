"""All rows of a database as one snapshot, written to files and read from them: the same files for SQLite and PostgreSQL, either way.

A file for each table: a line with its columns, then a line for each row, JSON, compressed. Knows tables, not what is in them; but for what a restored database must not believe of itself (`make_safe`).
"""

import base64
import gzip
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Boolean, Connection, LargeBinary, Table, select, text
from sqlalchemy.exc import DBAPIError

from gateway.clock import Instant
from gateway.errors import StoreUnavailable
from gateway.store import consumers, feed, installation
from gateway.store.alarms import raise_alarms
from gateway.store.engine import Database
from gateway.store.receipts import RESTORED
from gateway.store.sql import many
from gateway.store.tables import metadata

LEFT_OUT = frozenset({"nodes", "chores", "payload_drops"})
"""What a database knows of the processes that use it now, and of files on their way out."""
AT_ONCE = 1000
MOST_NAMED = 20
FASTEST = 1
"""Of gzip's levels."""

Progress = Callable[[str, int], None]
"""Called with a table's name and how many of its rows are done."""


@contextmanager
def snapshot(database: Database) -> Iterator[Connection]:
    """A connection that sees one moment, however long it is used, and holds nobody up."""
    with database.reading.connect() as connection:
        if database.is_sqlite:
            connection.exec_driver_sql("BEGIN")
            connection.exec_driver_sql("SELECT count(*) FROM alembic_version").scalar_one()  # the moment is that of the first look
            try:
                yield connection
            finally:
                connection.exec_driver_sql("ROLLBACK")
            return
        connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with connection.begin():
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            yield connection


def schema_of(tx: Connection) -> str:
    return str(tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one())


def tables() -> list[Table]:
    return [table for table in metadata.sorted_tables if table.name not in LEFT_OUT]


def write_tables(tx: Connection, folder: Path, progress: Progress) -> tuple[dict[str, int], Iterator[str]]:
    """(rows by table, the SHA-256 of each payload that is a file)."""
    counts: dict[str, int] = {}
    files: dict[str, None] = {}
    for table in tables():
        counts[table.name] = 0
        with gzip.open(folder / f"{table.name}.jsonl.gz", "wt", compresslevel=FASTEST, encoding="utf-8") as file:
            file.write(json.dumps([column.name for column in table.columns]) + "\n")
            for rows in tx.execution_options(stream_results=True, yield_per=AT_ONCE).execute(select(table)).partitions():
                file.writelines(json.dumps(_out(table, row), separators=(",", ":")) + "\n" for row in rows)
                counts[table.name] += len(rows)
                progress(table.name, counts[table.name])
                if table.name == "payloads":
                    files |= dict.fromkeys(row.location for row in rows if row.location is not None)
    return counts, iter(files)


def _out(table: Table, row: Any) -> list[Any]:
    return [
        base64.b64encode(value).decode() if isinstance(column.type, LargeBinary) and value is not None
        else bool(value) if isinstance(column.type, Boolean) and value is not None
        else value
        for column, value in zip(table.columns, row, strict=True)
    ]  # fmt: skip


def is_empty(tx: Connection) -> bool:
    """Whether nobody has used this database yet."""
    return all(tx.execute(select(table).limit(1)).first() is None for table in tables())


def read_tables(tx: Connection, folder: Path, names: list[str], progress: Progress) -> dict[str, int]:
    """Rows by table. Columns that this schema does not have any more are an error: the schema is that of the backup while its rows are read."""
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = 0
        with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            columns = [one for one in json.loads(file.readline()) if re.fullmatch(r"[a-z0-9_]+", one)]  # they go into a statement
            binary = {one.name for one in metadata.tables[name].columns if isinstance(one.type, LargeBinary)}
            statement = text(f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({', '.join(f':{column}' for column in columns)})")  # noqa: S608 - names are a table's
            while rows := [dict(zip(columns, json.loads(line), strict=True)) for line in _some(file)]:
                for column in binary.intersection(columns):
                    for row in rows:
                        row[column] = base64.b64decode(row[column]) if row[column] is not None else None
                many(tx, statement, rows)
                counts[name] += len(rows)
                progress(name, counts[name])
    return counts


def _some(file: Any) -> Iterator[str]:
    for _ in range(AT_ONCE):
        if not (line := file.readline()):
            return
        yield line


@contextmanager
def in_one_transaction(database: Database) -> Iterator[Connection]:
    """However long it takes. Raises StoreUnavailable where the database does not take it: then nothing of it is there."""
    try:
        with database.writing.connect() as connection, connection.begin():
            if not database.is_sqlite:
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            yield connection
    except DBAPIError as error:
        raise StoreUnavailable(f"the database does not take it: {error.orig}") from error


_SAFE = (
    # What is due may have been sent since the snapshot: a target that can be asked is asked first, where nobody can say a person decides.
    "UPDATE deliveries SET unknown_outcome = true WHERE state = 'due'",
    "UPDATE lanes SET lease_until = 0, node = NULL, fence = fence + 1 WHERE lease_until > 0",
    "UPDATE translate_lanes SET lease_until = 0, node = NULL, fence = fence + 1",
    "UPDATE sftp_polls SET lease_until = 0, node = NULL, fence = fence + 1",
    "UPDATE replay_jobs SET lease_until = 0, node = NULL, fence = fence + 1",
    "UPDATE as2_messages SET lease_until = 0, node = NULL WHERE lease_until > 0",
)
_UNFINISHED = "state IN ('partial', 'waiting') AND payload IS NULL AND size > 0"
_LEFT = text(f"SELECT partner, folder, name, size FROM sftp_files WHERE {_UNFINISHED} ORDER BY partner, at, id")  # noqa: S608 - ours
_END_LEFT = text(f"UPDATE sftp_files SET state = 'expired' WHERE {_UNFINISHED}")  # noqa: S608 - ours
_PAUSE = text("UPDATE replay_jobs SET state = 'paused' WHERE state = 'running'")
_BEGIN_AT = text(
    f"INSERT INTO counters (partner, scope, value) VALUES ('{RESTORED[0]}', '{RESTORED[1]}', :ahead) ON CONFLICT (partner, scope) DO NOTHING"  # noqa: S608 - names are ours
)
_AHEAD = text("UPDATE counters SET value = value + :ahead WHERE scope NOT LIKE 'turn: %'")
_DUE = text("SELECT count(*) FROM deliveries WHERE state = 'due'")


def make_safe(tx: Connection, *, taken: str, ahead: int, at: Instant) -> int:
    """What has happened since the snapshot, this database does not know: nothing may be done twice for that. How many deliveries are in doubt."""
    for statement in _SAFE:
        tx.exec_driver_sql(statement if tx.dialect.name != "sqlite" else statement.replace("= true", "= 1"))
    installation.forget(tx)  # the one that this is a copy of may work on, and its bucket is not ours
    tx.execute(_PAUSE)  # a person decides whether what it sends again was sent since
    tx.execute(_AHEAD, {"ahead": ahead})
    tx.execute(_BEGIN_AT, {"ahead": ahead})
    feed.restart(tx, [at])  # positions will be given again, to other events: a cursor of before would skip them
    names = consumers.note_restored(tx, taken, at)
    raise_alarms(tx, end_unfinished(tx, at))
    due = int(tx.execute(_DUE).scalar_one())
    what = (
        f"this database was restored from a backup of {taken}. {due} deliveries that were due then are in doubt and are looked up or decided on before they"
        f" are sent again; {names} consumers have the tokens, terms and cursors of then, so rotate what was rotated since; replays of many are paused; control numbers go on {ahead} further; what partners and the ERP have sent since then, they must send again"
    )
    raise_alarms(tx, [{"id": "database.restored:-", "kind": "database.restored", "partner": "-", "message": None, "text": what, "at": at}])
    return due


def end_unfinished(tx: Connection, at: Instant) -> list[dict[str, Any]]:
    """Large files by SFTP that were not whole at the snapshot: their bytes are in no backup. They end; an alarm for each partner says what it must send again."""
    files: dict[str, list[str]] = {}
    for row in tx.execute(_LEFT):
        files.setdefault(row.partner, []).append(f"{row.folder}/{row.name} ({row.size} bytes)")
    tx.execute(_END_LEFT)
    return [
        {"id": f"sftp.unfinished:{partner}", "kind": "sftp.unfinished", "partner": partner, "message": None, "at": at, "text": _send_again(names)}
        for partner, names in files.items()
    ]


def _send_again(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(names[:MOST_NAMED])}{more} had no last name or marker yet when the backup was taken, and their bytes are not in it; the partner must send them again, also where its client has had a yes"
