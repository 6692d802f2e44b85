"""The commits of polling: who may poll a folder now, what was seen there, and files that become messages.

Knows rows. Whether a file is whole comes decided.
"""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import Instant
from gateway.records.incoming import Kept
from gateway.sftp.records import PollClaim, PolledPut, PolledRow, PollEnd
from gateway.store.intake import IntakeVerbs, lanes_of
from gateway.store.serial import Rows, waits_for
from gateway.store.sql import held, many, rows_of

ROW = ("poll", "name", "size", "mtime", "partner", "state", "seen_at", "listed_at", "sha256", "message", "moved")
_NAMES = ", ".join(ROW)
_PUT = text(
    f"INSERT INTO sftp_polled ({_NAMES}) VALUES ({', '.join(f':{name}' for name in ROW)}) ON CONFLICT (poll, name, size, mtime)"  # noqa: S608
    " DO UPDATE SET state = excluded.state, listed_at = excluded.listed_at, sha256 = excluded.sha256, message = excluded.message, moved = excluded.moved"
)
_SEEN = text(
    f"INSERT INTO sftp_polled ({_NAMES}) VALUES ({', '.join(f':{name}' for name in ROW)}) ON CONFLICT (poll, name, size, mtime)"  # noqa: S608
    " DO UPDATE SET listed_at = excluded.listed_at"
)
_GONE = text("DELETE FROM sftp_polled WHERE poll = :poll AND name = :name AND size = :size AND mtime = :mtime")
_ALL = text(f"SELECT {_NAMES} FROM sftp_polled WHERE poll = :poll")  # noqa: S608 - names are ours
_FORGET = text("DELETE FROM sftp_polled WHERE poll = :poll AND listed_at < :before")
_FORGET_SEEN = text("DELETE FROM sftp_polled WHERE poll = :poll AND state = 'seen' AND listed_at < :before")
_NEW_POLL = text("INSERT INTO sftp_polls (id, partner, next_due) VALUES (:id, :partner, 0) ON CONFLICT (id) DO NOTHING")
_CLAIM = text(
    "UPDATE sftp_polls SET lease_until = :until, node = :node, fence = fence + 1 WHERE id = :id AND next_due <= :now AND lease_until <= :now RETURNING fence, failures"
)
_FENCE = text("SELECT fence, lease_until FROM sftp_polls WHERE id = :id")
_END = text(
    "UPDATE sftp_polls SET lease_until = 0, next_due = :next_due, failures = :failures, told = :told, at = :now WHERE id = :id AND fence = :fence"
)
_RENEW = text("UPDATE sftp_polls SET lease_until = :until WHERE id = :id AND fence = :fence AND lease_until > 0")
_DUE_NOW = text("UPDATE sftp_polls SET next_due = 0 WHERE partner = :partner")
_POLLS = text("SELECT id, partner, next_due, lease_until, node, failures, told, at FROM sftp_polls ORDER BY id")


@dataclass(frozen=True, slots=True)
class PollVerbs:
    intake: IntakeVerbs

    def claim(self, tx: Connection, items: list[PollClaim]) -> list[tuple[int, int] | None]:
        """(fence, failures so far) where the folder is due and free; else None."""
        claimed = {place: self._claim(tx, item) for place, item in sorted(enumerate(items), key=lambda one: one[1].id)}
        return [claimed[place] for place in range(len(items))]

    def _claim(self, tx: Connection, item: PollClaim) -> tuple[int, int] | None:
        tx.execute(_NEW_POLL, {"id": item.id, "partner": item.partner})
        row = tx.execute(_CLAIM, {"id": item.id, "node": item.node, "now": item.now, "until": item.until}).first()
        return None if row is None else (row.fence, row.failures)

    def end(self, tx: Connection, items: list[PollEnd]) -> list[bool]:
        """False where another node has it by now."""
        done = [False] * len(items)
        for place, item in sorted(enumerate(items), key=lambda one: one[1].id):
            statement = _RENEW if item.until else _END
            values = {"id": item.id, "fence": item.fence, "until": item.until} if item.until else _end(item)
            done[place] = tx.execute(statement, values).rowcount == 1
        return done

    @waits_for(lambda tx, items: Rows(incoming=lanes_of(item.incoming for item in items if item.incoming is not None)))
    def put(self, tx: Connection, items: list[PolledPut]) -> list[Kept | None]:
        """Files as they are from now on, and the messages that they become. None where the lease was lost: then nothing was changed."""
        ours = [self._holds(tx, item) for item in items]
        with_message = [item.incoming for item, mine in zip(items, ours, strict=True) if mine and item.incoming is not None]
        kept = {incoming.id: one for incoming, one in zip(with_message, self.intake.keep_messages(tx, with_message), strict=True)}
        results: list[Kept | None] = []
        for item, mine in zip(items, ours, strict=True):
            if not mine:
                results.append(None)
                continue
            one = kept[item.incoming.id] if item.incoming is not None else None
            row = item.row if one is None else replace(item.row, message=one.id)
            many(tx, _GONE if row.state == "done" else _PUT, [values_of(row)])
            results.append(one or Kept(row.message or "", row.listed_at, "new"))
        return results

    def _holds(self, tx: Connection, item: PolledPut) -> bool:
        row = tx.execute(held(tx, _FENCE), {"id": item.row.poll}).first()
        return row is not None and row.fence == item.fence and row.lease_until > 0


def seen(tx: Connection, items: list[list[PolledRow]]) -> list[None]:
    """Files that were listed: new ones, and those that are still as they were."""
    for item in items:
        many(tx, _SEEN, [values_of(row) for row in sorted(item, key=lambda row: row.key)])
    return [None] * len(items)


def forget(tx: Connection, items: list[tuple[str, Instant, Instant]]) -> list[None]:
    """(poll, now, before): what was only seen and is not listed any more, and what was fetched and has not been listed since `before`."""
    for poll, now, before in items:
        tx.execute(_FORGET_SEEN, {"poll": poll, "before": now})
        tx.execute(_FORGET, {"poll": poll, "before": before})
    return [None] * len(items)


def due_now(tx: Connection, items: list[str]) -> list[None]:
    many(tx, _DUE_NOW, [{"partner": item} for item in items])
    return [None] * len(items)


def known(tx: Connection, poll: str) -> dict[tuple[str, int, int], PolledRow]:
    """All that is known of a folder, by name, size and time."""
    rows = [PolledRow(**row._asdict()) for row in rows_of(tx, _ALL, {"poll": poll})]
    return {row.key: row for row in rows}


def polls(tx: Connection) -> list[Any]:
    return list(tx.execute(_POLLS))


def values_of(row: PolledRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ROW}


def _end(item: PollEnd) -> dict[str, Any]:
    return {"id": item.id, "fence": item.fence, "now": item.now, "next_due": item.next_due, "failures": item.failures, "told": item.told}
