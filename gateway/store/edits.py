"""What people edit: a document or message as a new message, an event as its next revision. The original stays as it is, and is told what took its place."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import Instant, Ticks, as_text
from gateway.records.deliveries import Action
from gateway.records.documents import EventRow
from gateway.records.incoming import Incoming
from gateway.records.translation import Chunk, ChunkKept
from gateway.store.delivery import DeliveryVerbs
from gateway.store.intake import PUT_LIFE, IntakeVerbs, lanes_of
from gateway.store.past import KnownEvent, known_events
from gateway.store.payloads import PayloadFiles
from gateway.store.replays import ReplayVerbs, Skip
from gateway.store.serial import DOCUMENTS, Key, Rows, take_turns, waits_for
from gateway.store.sql import in_lists, insert, many, one_of
from gateway.store.standings import Standings, rank_of
from gateway.store.telling import tell_event
from gateway.store.translation import TranslationVerbs
from gateway.store.writes import Writes
from translators.events.standing import standing_of, stock_of

_PUT_EDIT = insert("edits", "id", "partner", "edited_from", "identity", "meaning_before", "who", "reason", "at", or_nothing=True)
_DOCUMENT = text("SELECT id, state, reason FROM documents WHERE message = :message ORDER BY interchange, grp, ordinal LIMIT 1000")
_ORIGINAL = text("SELECT state FROM documents WHERE id = :id")
_MESSAGE = text("SELECT state, channel, arrival, traceparent, profile_revision FROM messages WHERE id = :id")
_DEAD_OF_DOCUMENT = text("SELECT id FROM deliveries WHERE document = :document AND message = :message AND state = 'dead' ORDER BY id")
_EVENT = text("SELECT * FROM events WHERE id = :id")
_PARTNERS = one_of("SELECT DISTINCT partner FROM events WHERE id IN :keys")
_DEAD_OF_EVENT = text("SELECT id, destination, on_dead FROM deliveries WHERE event = :id AND state = 'dead' ORDER BY id")
_OF = one_of("SELECT id, edited_from, who, reason, at FROM edits WHERE id IN :keys OR edited_from IN :keys ORDER BY at, id")


@dataclass(frozen=True, slots=True)
class Edited:
    """A document, or a message that is held, in other bytes: they are read already, and every document in them was mapped."""

    edited_from: str
    """The document or message."""
    document: str | None
    message: str
    """The message of the original."""
    incoming: Incoming
    chunk: Chunk
    who: str
    reason: str
    at: Instant


@dataclass(frozen=True, slots=True)
class EditedEvent:
    """An event's data in other words, valid under its schema."""

    event: str
    data: bytes
    meaning_hash: str
    who: str
    reason: str
    at: Instant


@dataclass(frozen=True, slots=True)
class Kept:
    id: str
    """The new document, message or event; "" where nothing was kept."""
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class EditVerbs:
    ticks: Ticks
    files: PayloadFiles
    intake: IntakeVerbs
    translation: TranslationVerbs
    replays: ReplayVerbs
    delivery: DeliveryVerbs

    # ---- documents and messages

    @waits_for(lambda tx, items: Rows(incoming=lanes_of(item.incoming for item in items), turns=_turns(items)))
    def keep(self, tx: Connection, items: list[Edited]) -> list[Kept]:
        """Each with all that follows from it, or nothing of it and why."""
        take_turns(tx, _turns(items))
        results = []
        for item in items:
            with tx.begin_nested() as together:
                kept = self._keep(tx, item)
                if kept.why_not:
                    together.rollback()
            results.append(kept)
        return results

    def _keep(self, tx: Connection, item: Edited) -> Kept:
        dead = self._dead_of(tx, item)
        if dead is None:
            return Kept("", f"{item.edited_from} waits for nobody any more; only what is held, rejected or dead is edited")
        self.intake.write_messages(tx, [(item.incoming, self.intake.take_places(tx, [item.incoming])[item.incoming.id])])
        kept: ChunkKept = self.translation.keep_chunks(tx, [item.chunk])[0]
        documents = tx.execute(_DOCUMENT, {"message": item.incoming.id}).all()
        wrong = [one for one in documents if one.state != "translated"]
        if kept.stale or wrong or not documents:
            return Kept("", f"it would be {wrong[0].state}: {wrong[0].reason}" if wrong else "nothing in it would be told")
        new = documents[0].id if item.document is not None else item.incoming.id
        self._put_away(tx, item, new, dead)
        return Kept(new)

    def _dead_of(self, tx: Connection, item: Edited) -> list[str] | None:
        """Deliveries of the original that are dead; None where neither they nor the original itself wait for a person."""
        if item.document is None:
            row = tx.execute(_MESSAGE, {"id": item.message}).first()
            return [] if row is not None and row.state == "held" else None
        state = tx.execute(_ORIGINAL, {"id": item.document}).scalar()
        dead = [row.id for row in tx.execute(_DEAD_OF_DOCUMENT, {"document": item.document, "message": item.message})]
        return dead if dead or state in ("held", "rejected") else None

    def _put_away(self, tx: Connection, item: Edited, new: str, dead: list[str]) -> None:
        """The original is skipped, and says what took its place; so does what of it was still dead."""
        words = f"edited as {new}: {item.reason}"
        self.replays.skip(tx, [Skip(item.edited_from, item.who, words, item.at)])
        # Those whose event the new document tells as its next revision are superseded already; the others are given up.
        self.delivery.act(tx, [Action("skip", one, item.who, words, item.at) for one in dead])
        partner = item.incoming.partner
        row = {
            "id": new, "partner": partner, "edited_from": item.edited_from, "identity": None, "meaning_before": None, "who": item.who[:80],
            "reason": item.reason, "at": item.at,
        }  # fmt: skip
        many(tx, _PUT_EDIT, [row])
        life = [(item.message, words), (item.incoming.id, f"made of {item.edited_from}: {item.reason}")]
        many(tx, PUT_LIFE, [self._step(message, partner, item.who, text_) for message, text_ in life])

    def _step(self, message: str, partner: str, who: str, text_: str) -> dict[str, Any]:
        return {"message": message, "at": self.ticks(), "partner": partner, "step": "edited", "who": who[:80], "text": text_}

    # ---- events

    @waits_for(lambda tx, items: Rows(turns=_turns_of_events(tx, items)))
    def keep_events(self, tx: Connection, items: list[EditedEvent]) -> list[Kept]:
        """In turn with COMMIT 2, which tells the next revision of an event, too."""
        take_turns(tx, _turns_of_events(tx, items))
        return [self._keep_event(tx, item) for item in items]

    def _keep_event(self, tx: Connection, item: EditedEvent) -> Kept:
        row = tx.execute(_EVENT, {"id": item.event}).first()
        dead = tx.execute(_DEAD_OF_EVENT, {"id": item.event}).first()
        if row is None or dead is None:
            return Kept("", f"{item.event} is no dead letter; only those are edited")
        known = known_events(tx, [row.identity]).get(row.identity)
        if known is None or known.event != item.event:
            return Kept("", f"{item.event} is superseded{f' by {known.event}' if known else ''}; edit that one, if it is dead")
        if known.meaning_hash == item.meaning_hash:
            return Kept("", "it says what it said before; retry it instead")
        event = EventRow(
            row.identity, row.type, row.subject, row.time, "correct", item.meaning_hash, row.correlation, item.data, dead.destination, dead.on_dead,
            standing=standing_of(row.type, row.subject, row.time, json.loads(item.data)), stock=stock_of(row.type, json.loads(item.data)),
        )  # fmt: skip
        self._tell(tx, item, row, event, known)
        return Kept(f"{row.identity}-r{known.revision + 1}")

    def _tell(self, tx: Connection, item: EditedEvent, row: Any, event: EventRow, known: KnownEvent) -> None:
        message = tx.execute(_MESSAGE, {"id": row.message}).one()
        chunk = Chunk(
            message=row.message, partner=row.partner, channel=message.channel, profile_revision=message.profile_revision, arrival=message.arrival,
            expected_resume=None, resume=None, at=item.at, node="", traceparent=message.traceparent, who=item.who,
        )  # fmt: skip
        revision, writes = known.revision + 1, Writes()
        new = f"{row.identity}-r{revision}"
        writes.identities[row.identity] = {
            "id": row.identity, "partner": row.partner, "revision": revision, "meaning_hash": item.meaning_hash, "event": new,
            "document": row.document, "at": item.at, "stream": row.stream, "subject": row.subject[:200] if event.standing is not None else None,
            "stands": rank_of(event, "state"), "expects": rank_of(event, "expected"),
        }  # fmt: skip
        standings = Standings(tx, [])
        standings.know(tx, [row.subject])
        standings.take(
            row.partner, row.stream, event, event_id=new, revision=revision, document=row.document, replaces=(item.event, known.subject), at=item.at
        )
        writes.stock.take(row.partner, row.stream, event, event_id=new, document=row.document, revised=True, at=item.at)
        tell_event(
            writes, chunk, event, event_id=new, revision=revision, supersedes=item.event, document=row.document, stream=row.stream,
            ticks=self.ticks, files=self.files,
        )  # fmt: skip
        writes.tell(self.ticks(), chunk, "edited", f"event {item.event} as {new}: {item.reason}")
        writes.put(tx, self.ticks)
        standings.put(tx, self.files)
        edit = {
            "id": new, "partner": row.partner, "edited_from": item.event, "identity": row.identity, "meaning_before": known.meaning_hash,
            "who": item.who[:80], "reason": item.reason, "at": item.at,
        }  # fmt: skip
        many(tx, _PUT_EDIT, [edit])


def edits_of(tx: Connection, ids: list[str]) -> list[dict[str, Any]]:
    """What people made of these documents, messages or events, and of what these were made."""
    if not ids:
        return []
    return [
        {"id": row.id, "edited_from": row.edited_from, "who": row.who, "reason": row.reason, "at": as_text(row.at)}
        for row in tx.execute(_OF, {"keys": ids})
    ]


def _turns(items: list[Edited]) -> list[Key]:
    return [(DOCUMENTS, item.incoming.partner) for item in items]


def _turns_of_events(tx: Connection, items: list[EditedEvent]) -> list[Key]:
    return [(DOCUMENTS, row.partner) for row in in_lists(tx, _PARTNERS, [item.event for item in items])]
