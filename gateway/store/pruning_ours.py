"""What is no partner's and is over goes after the settings' retention: letters about alarms that were delivered, and alarms that are closed."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from gateway.clock import Instant
from gateway.store.pruning import DELETE_ATTEMPTS, DELETE_LANE, remove_payloads
from gateway.store.sql import many, rows_of

_LETTERS = text(
    "SELECT id, lane, payload FROM deliveries WHERE destination = :channel AND state = 'delivered' AND event IS NULL AND done_at < :before"
    " ORDER BY done_at LIMIT :limit"
)
_CLOSED = text("SELECT id FROM alarms WHERE closed_at < :before AND tell_at IS NULL ORDER BY id LIMIT :limit")
_DELETE_LETTER = text("DELETE FROM deliveries WHERE id = :key AND state = 'delivered'")
_DELETE_ALARM = text("DELETE FROM alarms WHERE id = :key AND closed_at < :before AND tell_at IS NULL")


@dataclass(frozen=True, slots=True)
class Ours:
    """These alarms (`closed`), and so many letters by each of these channels (alarm:NAME), from before `before`."""

    alarms: list[str]
    channels: list[str]
    before: Instant
    limit: int
    at: Instant


def closed(tx: Connection, before: Instant, limit: int) -> list[str]:
    """Ids of alarms that were over before then, and of which nobody needs to hear any more. Reads their table through."""
    return list(tx.execute(_CLOSED, {"before": before, "limit": limit}).scalars())


def prune(tx: Connection, items: list[Ours]) -> list[int]:
    """How many letters and alarms there were of each."""
    return [_prune(tx, item) for item in items]


def _prune(tx: Connection, item: Ours) -> int:
    given = {"before": item.before, "limit": item.limit}
    letters = [row for channel in item.channels for row in rows_of(tx, _LETTERS, given | {"channel": channel})]
    many(tx, DELETE_ATTEMPTS, [{"key": row.id} for row in letters])
    many(tx, _DELETE_LETTER, [{"key": row.id} for row in letters])
    many(tx, DELETE_LANE, [{"lane": one} for one in sorted({row.lane for row in letters})])
    remove_payloads(tx, {row.payload for row in letters}, item.at)
    many(tx, _DELETE_ALARM, [{"key": one, "before": item.before} for one in sorted(item.alarms)])
    return len(letters) + len(item.alarms)
