"""A person's replay of a message: it goes back into its lane and is read again, whole or only the documents that were asked for.

What was answered stays answered: only a message of which nothing was decided is read from its envelope on.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import Instant, Ticks
from gateway.store.intake import PUT_LIFE
from gateway.store.serial import Key, Rows, waits_for
from gateway.store.sql import in_lists, many, one_of

MOST_DOCUMENTS = 1_000
BEING_READ = "it is being read already"

_STATE = text("SELECT state, partner, channel, resume FROM messages WHERE id = :id AND direction = 'in'")
_LANES = one_of("SELECT partner, channel FROM messages WHERE id IN :keys AND direction = 'in'")
_DOCUMENTS = text(
    "SELECT id, interchange, grp, ordinal, byte_start, verdict, release, state, reason FROM documents WHERE message = :id ORDER BY interchange, grp, ordinal"
)
_INTERCHANGES = text("SELECT count(*) FROM interchanges WHERE message = :id AND state <> 'held'")
_FORGET = [text(f"DELETE FROM {table} WHERE message = :id") for table in ("interchanges", "groups", "findings")]  # noqa: S608 - names are ours
_AGAIN = text(
    "UPDATE messages SET state = 'received', reason = NULL, resume = :resume, losses = 0, decided_at = NULL, profile_revision = :revision,"
    " override = :override WHERE id = :id"
)
_WAKE = text("UPDATE translate_lanes SET next_due = :at WHERE partner = :partner AND channel = :channel")


@dataclass(frozen=True, slots=True)
class Replay:
    message: str
    document: str | None
    """Only this one; None: all of the message's."""
    revision: int
    """The profile revision to read it under."""
    override: str | None
    who: str
    reason: str
    at: Instant
    documents: tuple[str, ...] = ()
    """Only these, where there are any."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A person gives a held or rejected document, or a held message, up."""

    id: str
    who: str
    reason: str
    at: Instant


_SKIP_DOCUMENT = text(
    "UPDATE documents SET state = 'skipped', reason = :reason, at = CASE WHEN at < :at THEN :at ELSE at END"
    " WHERE id = :id AND state IN ('held', 'rejected') RETURNING partner, message"
)
_SKIP_MESSAGE = text("UPDATE messages SET state = 'skipped', reason = :reason WHERE id = :id AND state = 'held' RETURNING partner, id AS message")
_SKIP_INTERCHANGES = text(
    "UPDATE interchanges SET state = 'skipped', reason = :reason WHERE message = :id AND state IN ('held', 'rejected') RETURNING partner, message"
)


def lanes_of(tx: Connection, messages: Iterable[str]) -> list[Key]:
    """Where these wait again, once they are replayed."""
    return [(row.partner, row.channel) for row in in_lists(tx, _LANES, messages)]


@dataclass(frozen=True, slots=True)
class ReplayVerbs:
    ticks: Ticks

    @waits_for(lambda tx, items: Rows(incoming=lanes_of(tx, [item.message for item in items])))
    def replay(self, tx: Connection, items: list[Replay]) -> list[str]:
        """ "received" where it is read again; else in words why not."""
        return [self._replay(tx, item) for item in items]

    def _replay(self, tx: Connection, item: Replay) -> str:
        row = tx.execute(_STATE, {"id": item.message}).first()
        if row is None:
            return "there is no such message"
        if row.state == "received":
            return BEING_READ
        if row.state == "held" and row.resume and "replay" not in json.loads(row.resume):
            if item.document is not None or item.documents:
                return "it is held in the middle; replay the message, so that the rest of it is read, and then its documents"
            return self._again(tx, item, row, row.resume, "the rest of it")
        documents = tx.execute(_DOCUMENTS, {"id": item.message}).all()
        wanted = [one for one in documents if item.document in (None, one.id) and (not item.documents or one.id in item.documents)]
        resume = None
        if wanted:
            if len(wanted) > MOST_DOCUMENTS:
                return f"it holds {len(wanted)} documents; at most {MOST_DOCUMENTS} are replayed at once, so name single documents"
            refused = [one for one in wanted if one.verdict == "R" and one.state != "held"]
            if refused and item.override != "rejected":
                return f"{refused[0].id} was rejected, and its 997 said so: only the override 'rejected', with a reason, delivers it in spite of that"
            places = [{"i": one.interchange - 1, "g": one.grp - 1, "s": one.ordinal - 1, "o": one.byte_start} for one in wanted]
            resume = json.dumps({"replay": places}, separators=(",", ":"), sort_keys=True)
        elif item.document is not None or item.documents:
            return "there is no such document"
        elif tx.execute(_INTERCHANGES, {"id": item.message}).scalar_one():
            return f"it is {row.state} and holds no document to read again"
        else:
            for statement in _FORGET:
                tx.execute(statement, {"id": item.message})
        several = f"{len(wanted)} of its documents" if item.documents else "all of it"
        return self._again(tx, item, row, resume, item.document or several)

    def _again(self, tx: Connection, item: Replay, row: Any, resume: str | None, what: str) -> str:
        override = json.dumps({"name": item.override, "who": item.who, "reason": item.reason})
        tx.execute(_AGAIN, {"id": item.message, "resume": resume, "revision": item.revision, "override": override})
        tx.execute(_WAKE, {"partner": row.partner, "channel": row.channel, "at": item.at})
        words = f"{what} under profile revision {item.revision}" + (f", override {item.override}" if item.override else "")
        step = {
            "message": item.message,
            "at": self.ticks(),
            "partner": row.partner,
            "step": "replay asked",
            "who": item.who,
            "text": f"{words}: {item.reason}",
        }
        many(tx, PUT_LIFE, [step])
        return "received"

    def skip(self, tx: Connection, items: list[Skip]) -> list[bool]:
        """Whether anything by that id waited for a person and now does not; the reason stays with it and in the message's life."""
        return [self._skip(tx, item) for item in items]

    def _skip(self, tx: Connection, item: Skip) -> bool:
        given = {"id": item.id, "reason": f"skipped: {item.reason}", "at": item.at}
        touched = [row for statement in (_SKIP_DOCUMENT, _SKIP_MESSAGE, _SKIP_INTERCHANGES) for row in tx.execute(statement, given)]
        if touched:
            row = touched[0]
            many(
                tx,
                PUT_LIFE,
                [{"message": row.message, "at": self.ticks(), "partner": row.partner, "step": "skip", "who": item.who, "text": item.reason}],
            )
        return bool(touched)
