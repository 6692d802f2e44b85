"""Rows of payloads: put by everyone who keeps bytes; and the files that no row names any more, on their way out.

A file is removed in steps, each a commit, so that nobody who keeps the same bytes at the same moment, on whichever node, is left with a row and no file:
its row is gone and a `waiting` row says so; a grace later, if no row names it again, it is `going`; it is removed; it is `gone`, for a moment more.
Who keeps a payload with a file takes a waiting row away, and is refused while the file is going or only just gone: whether what it has put there outlives the removal, it cannot know.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import DAY, MINUTE, Instant
from gateway.errors import StoreUnavailable
from gateway.store.sql import in_lists, insert, many, one_of

PUT_PAYLOAD = insert("payloads", "id", "partner", "size", "sha256", "data", "location", or_nothing=True)
GRACE = DAY
"""So long a file stays after its last row: whoever is reading it is done by then."""
JUST_GONE = 10 * MINUTE
"""So long its removal is remembered: what was put there before it has committed by then, or never will."""

_WANTED_AGAIN = text("DELETE FROM payload_drops WHERE sha256 = :sha256 AND state = 'waiting'")
_GOING = one_of("SELECT sha256 FROM payload_drops WHERE sha256 IN :keys")
_DROP = text(
    "INSERT INTO payload_drops (sha256, state, at) SELECT CAST(:sha256 AS VARCHAR(64)), 'waiting', CAST(:at AS BIGINT)"
    " WHERE NOT EXISTS (SELECT 1 FROM payloads WHERE location = :sha256) ON CONFLICT (sha256) DO NOTHING"
)
_WAITED = text("SELECT sha256 FROM payload_drops WHERE state = 'waiting' AND at < :before ORDER BY at LIMIT :limit")
_NAMED_AGAIN = text(
    "DELETE FROM payload_drops WHERE sha256 = :sha256 AND state = 'waiting' AND EXISTS (SELECT 1 FROM payloads WHERE location = :sha256)"
)
_GO = text(
    "UPDATE payload_drops SET state = 'going', at = :at"
    " WHERE sha256 = :sha256 AND state = 'waiting' AND NOT EXISTS (SELECT 1 FROM payloads WHERE location = :sha256)"
)
_ALL_GOING = text("SELECT sha256 FROM payload_drops WHERE state = 'going' ORDER BY at LIMIT :limit")
_IS_GOING = text("SELECT 1 FROM payload_drops WHERE sha256 = :sha256 AND state = 'going'")
_GONE = text("UPDATE payload_drops SET state = 'gone', at = :at WHERE sha256 = :sha256 AND state = 'going'")
_FORGET = text("DELETE FROM payload_drops WHERE state = 'gone' AND at < :before")
_NAMED = one_of("SELECT DISTINCT location FROM payloads WHERE location IN :keys")


def put_payloads(tx: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Raises StoreUnavailable where the file of one is just being removed: its sender comes again, and puts it there anew."""
    many(tx, PUT_PAYLOAD, rows)
    files = sorted({row["location"] for row in rows if row["location"] is not None})
    if not files:
        return
    many(tx, _WANTED_AGAIN, [{"sha256": one} for one in files])
    if going := in_lists(tx, _GOING, files):
        raise StoreUnavailable(f"the file {going[0].sha256[:12]}… of a payload pruned long ago is just being removed; come again in some minutes")


def drop_files(tx: Connection, files: Sequence[str], at: Instant) -> None:
    """Files that may have lost their last row: those that have begin to wait."""
    many(tx, _DROP, [{"sha256": one, "at": at} for one in sorted(set(files))])


def take_drops(tx: Connection, items: list[tuple[Instant, int]]) -> list[list[str]]:
    """For (now, how many at most): the files that may be removed now, those of an earlier try first."""
    return [_take(tx, now, limit) for now, limit in items]


def _take(tx: Connection, now: Instant, limit: int) -> list[str]:
    many(tx, _FORGET, [{"before": now - JUST_GONE}])
    waited = [row.sha256 for row in tx.execute(_WAITED, {"before": now - GRACE, "limit": limit})]
    many(tx, _NAMED_AGAIN, [{"sha256": one} for one in sorted(waited)])
    many(tx, _GO, [{"sha256": one, "at": now} for one in sorted(waited)])
    return [row.sha256 for row in tx.execute(_ALL_GOING, {"limit": limit})]


def is_going(tx: Connection, file: str) -> bool:
    """Whether it may be removed now, still."""
    return tx.execute(_IS_GOING, {"sha256": file}).first() is not None


def end_drops(tx: Connection, items: list[tuple[list[str], Instant]]) -> list[None]:
    """Their files are removed."""
    many(tx, _GONE, [{"sha256": one, "at": at} for files, at in items for one in sorted(files)])
    return [None] * len(items)


def unnamed(tx: Connection, files: list[str]) -> list[str]:
    """Which of these files no row names."""
    named = {row.location for row in in_lists(tx, _NAMED, files)}
    return [one for one in files if one not in named]


def drop_unnamed(tx: Connection, items: list[tuple[list[str], Instant]]) -> list[None]:
    """Files that were found without a row: a crash left them between their sync and their commit."""
    for files, at in items:
        drop_files(tx, files, at)
    return [None] * len(items)
