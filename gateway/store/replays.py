"""A person's replay of a whole message that was held before anything of it was decided: it is read again from the start."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from gateway.clock import Instant
from gateway.store.intake import PUT_LIFE
from gateway.store.sql import many

_STATE = text("SELECT state, partner, channel FROM messages WHERE id = :id AND direction = 'in'")
_DOCUMENTS = text("SELECT count(*) FROM documents WHERE message = :id")
_INTERCHANGES = text("SELECT count(*) FROM interchanges WHERE message = :id AND state <> 'held'")
_FORGET = [text(f"DELETE FROM {table} WHERE message = :id") for table in ("interchanges", "groups", "findings")]  # noqa: S608 - names are ours
_AGAIN = text(
    "UPDATE messages SET state = 'received', reason = NULL, resume = NULL, losses = 0, decided_at = NULL, profile_revision = :revision,"
    " override = :override WHERE id = :id"
)
_WAKE = text("UPDATE translate_lanes SET next_due = :at WHERE partner = :partner AND channel = :channel")


@dataclass(frozen=True, slots=True)
class StartOver:
    message: str
    revision: int
    override: str | None
    who: str
    reason: str
    at: Instant


def start_over(tx: Connection, items: list[StartOver]) -> list[str]:
    """ "received" where the message is read again; else the state that forbids it ("" where there is no such message).

    Only a message whose interchanges are all held starts over: where a set was decided, its documents are replayed one by one.
    """
    results = []
    for item in items:
        row = tx.execute(_STATE, {"id": item.message}).first()
        decided = (
            row is None or tx.execute(_DOCUMENTS, {"id": item.message}).scalar_one() or tx.execute(_INTERCHANGES, {"id": item.message}).scalar_one()
        )
        if row is None or row.state != "held" or decided:
            results.append("" if row is None else str(row.state))
            continue
        for statement in _FORGET:
            tx.execute(statement, {"id": item.message})
        tx.execute(_AGAIN, {"id": item.message, "revision": item.revision, "override": item.override})
        tx.execute(_WAKE, {"partner": row.partner, "channel": row.channel, "at": item.at})
        step = {"message": item.message, "at": item.at, "partner": row.partner, "step": "replayed", "who": item.who, "text": item.reason}
        many(tx, PUT_LIFE, [step])
        results.append("received")
    return results
