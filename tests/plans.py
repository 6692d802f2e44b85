"""How the writer's statements find their rows: whoever reads a table through that grows with every message is noted, with its plan, as SQLite tells it.

What costs nothing on a test's few rows costs a second a commit after a year. PostgreSQL takes the same statements, and an index that does not serve one
does not serve the other.
"""

import re
import sys
import threading
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

from gateway.store.schema import metadata

TESTS = Path(__file__).parent
SMALL = {
    "chores", "nodes", "consumers", "consumer_tokens", "consumer_quotas", "feed_heads", "feed_waiting", "profile_revisions", "ssh_keys", "certificates",
    "destinations", "throttles", "turns", "translate_lanes", "counters", "replay_jobs", "sftp_polls", "payload_drops",
}  # fmt: skip
"""They have a row for each partner, node or job, or for what waits for a moment."""
NAMED = re.compile(r"\b(?:FROM|JOIN|UPDATE|INTO)\s+(\w+)(?:\s+(?:AS\s+)?(\w+))?", re.IGNORECASE)
SCANNED = re.compile(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?")
_seen: set[str] = set()
_read_through: list[str] = []


def watch() -> None:
    """From now on, in this process."""
    from gateway.store import tables  # noqa: F401 - all tables are known then

    event.listen(Engine, "before_cursor_execute", _look)


def read_through() -> list[str]:
    """Statements that were met since the last time, in words."""
    found = _read_through.copy()
    _read_through.clear()
    return found


def _look(connection: Connection, _cursor: Any, statement: str, values: Any, _context: Any, executemany: bool) -> None:
    if statement in _seen or connection.dialect.name != "sqlite" or threading.current_thread().name != "store-writer":
        return
    if _is_of_a_test():
        return  # and is not noted as seen: the gateway may ask the same
    _seen.add(statement)
    if statement.split(None, 1)[0].upper() not in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"):
        return
    driver = connection.connection.driver_connection
    assert driver is not None
    plan = [row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {statement}", values[0] if executemany else values)]
    tables = {name: table for table, alias in NAMED.findall(statement) for name in (table, alias)}
    for step in plan:
        found = SCANNED.match(step)
        table = tables.get(found[1]) if found else None
        if found and table in metadata.tables and table not in SMALL and not _is_partial(driver, found[2]):
            _read_through.append(f"{table} is read through ({step}) by: {' '.join(statement.split())}")


def _is_of_a_test() -> bool:
    """Whether a test, which may do to its rows what it likes, asks for this and not the gateway."""
    frame = sys._getframe(2)
    while "site-packages" in frame.f_code.co_filename and frame.f_back is not None:
        frame = frame.f_back
    return Path(frame.f_code.co_filename).is_relative_to(TESTS)


def _is_partial(driver: Any, index: str | None) -> bool:
    """An index of those rows that still wait for something is short."""
    row = driver.execute("SELECT sql FROM sqlite_master WHERE name = ?", (index,)).fetchone()
    return bool(row and row[0] and " WHERE " in row[0])
