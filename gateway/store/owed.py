"""TA1s and 824s that we still owe: opened by the commits that find it, written once by reconcile.

Knows nothing of how they are worded.
"""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import Instant, Ticks
from gateway.records.answers import OwedAnswer, WrittenAnswer
from gateway.records.deliveries import Settled
from gateway.records.documents import DocumentRow
from gateway.records.translation import Chunk
from gateway.store.payloads import PayloadFiles
from gateway.store.receipts import send_receipt, take_controls
from gateway.store.serial import DOCUMENTS, Rows, take_turns, waits_for
from gateway.store.sql import held, in_lists, many, one_of
from gateway.store.writes import OWED, Writes, alarm_row
from translators.x12.application_advice import AGREED, DUPLICATE, WRONG_DATA

MOST_WORDS = 400
SAID = ("detail", "message", "error", "title")
"""Fields of an ERP's answer whose words may go to a partner; nothing else of it does."""

_WAITING = one_of(
    "SELECT o.id, o.mode, d.id AS delivery FROM deliveries d JOIN owed o ON o.id = '824:' || d.document WHERE d.id IN :keys AND o.state = 'waiting'"
    " ORDER BY o.id"
)
_REFUSED = text("UPDATE owed SET state = 'due', verdict = 'R', note = :note, text = :text, at = :at WHERE id = :id AND state = 'waiting'")
_NOTHING_OPEN = (
    " WHERE id = :id AND state = 'waiting' AND NOT EXISTS (SELECT 1 FROM deliveries d"
    " WHERE d.message = owed.message AND d.document = owed.document AND d.kind = 'event' AND d.state NOT IN ('delivered', 'skipped'))"
)
_SOME_DELIVERED = " AND EXISTS (SELECT 1 FROM deliveries d WHERE d.message = owed.message AND d.document = owed.document AND d.state = 'delivered')"
_ACCEPT = "UPDATE owed SET state = 'due', verdict = 'A', at = :at"
_TAKEN, _TAKEN_IN_PART = text(_ACCEPT + _NOTHING_OPEN), text(_ACCEPT + _NOTHING_OPEN + _SOME_DELIVERED)
_UNSAID = text("UPDATE owed SET state = 'withheld', at = :at" + _NOTHING_OPEN)  # noqa: S608 - names are ours
"""Nobody has taken any of it, and nobody will."""
_DUE = text(
    "SELECT o.id, o.kind, o.partner, o.message, m.channel, o.profile_revision, o.verdict, o.note, o.text, o.interchange, o.document FROM owed o"
    " JOIN messages m ON m.id = o.message WHERE o.state = 'due' ORDER BY o.at LIMIT :limit"
)
_INTERCHANGE = text("SELECT * FROM interchanges WHERE message = :message AND ordinal = :ordinal")
_DOCUMENT = text("SELECT * FROM documents WHERE id = :id")
_GROUP = text("SELECT * FROM groups WHERE message = :message AND interchange = :interchange AND ordinal = :ordinal")
_SUBJECT = text("SELECT subject FROM events WHERE document = :id OR document = :original ORDER BY at, id LIMIT 1")
_REFERENCES = text("SELECT type, value FROM document_references WHERE document = :id ORDER BY type, value LIMIT 100")
_STATES = one_of("SELECT id FROM owed WHERE id IN :keys AND state = 'due' ORDER BY id")
_WRITTEN = text("UPDATE owed SET state = :state, answer = :answer WHERE id = :id")


def ta1_row(chunk: Chunk, interchange: dict[str, Any]) -> dict[str, Any]:
    """A TA1 that is due for an interchange as it was decided."""
    rejected = interchange["state"] == "rejected"
    return _row(
        chunk, f"TA1:{chunk.message}.{interchange['ordinal']}", kind="TA1", interchange=interchange["ordinal"], state="due",
        verdict="R" if rejected else "A", note=interchange["ta1"] if rejected else "000",
    )  # fmt: skip


def advice_row(chunk: Chunk, document: DocumentRow, document_id: str, state: str) -> dict[str, Any] | None:
    """The 824 that the agreement wants about a document as it was decided: due now, or waiting for the ERP's word; None where none is owed."""
    if document.advice == "none":
        return None
    told: dict[str, Any] = {"state": "waiting"}
    if document.refusal is not None:
        told = {"state": "due", "verdict": "R", "note": WRONG_DATA, "text": document.refusal[:MOST_WORDS]}
    elif state == "duplicate":
        if document.advice != "all":
            return None
        told = {"state": "due", "verdict": "E", "note": DUPLICATE, "text": "it came before; nothing is done twice"}
    elif state not in ("translated", "held"):
        return None
    return _row(chunk, f"824:{document_id}", kind="824", interchange=document.interchange, document=document_id, mode=document.advice, **told)


def _row(chunk: Chunk, key: str, **values: Any) -> dict[str, Any]:
    base: dict[str, Any] = dict.fromkeys(OWED)
    return base | {"id": key, "partner": chunk.partner, "message": chunk.message, "profile_revision": chunk.profile_revision, "at": chunk.at} | values


def told_by_erp(tx: Connection, settled: list[Settled], at: Instant) -> None:
    """What the ERP said of events decides the 824s that wait for it: one refusal refuses the set, all taken accept it.

    Of two nodes that settle deliveries of one set at once the second waits here, and then sees what the first has settled.
    """
    said = {item.delivery: item for item in settled if item.outcome in ("delivered", "permanent")}
    waiting = in_lists(tx, held(tx, _WAITING), said)
    refused = [row for row in waiting if said[row.delivery].outcome == "permanent"]
    many(tx, _REFUSED, [{"id": row.id, "note": AGREED, "text": _words(said[row.delivery]), "at": at} for row in refused])
    taken = {row.id for row in waiting if row.mode == "all"} - {row.id for row in refused}
    many(tx, _TAKEN, [{"id": key, "at": at} for key in sorted(taken)])


def given_up(tx: Connection, deliveries: list[str], at: Instant) -> None:
    """A person has skipped these. What nobody else is asked about any more is accepted, if some of the set was taken; else nothing is said of it."""
    waiting = in_lists(tx, held(tx, _WAITING), deliveries)
    for row in waiting:
        if row.mode == "all":
            tx.execute(_TAKEN_IN_PART, {"id": row.id, "at": at})
        tx.execute(_UNSAID, {"id": row.id, "at": at})


def _words(item: Settled) -> str:
    """What an ERP's answer says to a person: where its target's settings say, or in a field that is usual for that; never its other insides."""
    if item.words:
        return item.words[:MOST_WORDS]
    try:
        value = json.loads(item.answer)
    except ValueError:
        value = None
    if isinstance(value, dict):
        for name in SAID:
            if isinstance(value.get(name), str) and value[name].strip():
                return " ".join(value[name].split())[:MOST_WORDS]
    return "the receiving system will not take it"


@dataclass(frozen=True, slots=True)
class OwedVerbs:
    ticks: Ticks
    files: PayloadFiles

    @waits_for(lambda tx, items: Rows(turns=[(DOCUMENTS, item.origin.partner) for item in items]))
    def write_answers(self, tx: Connection, items: list[WrittenAnswer]) -> list[bool]:
        """Queues each answer once; False where another commit has written it already."""
        take_turns(tx, [(DOCUMENTS, item.origin.partner) for item in items])
        due = {row.id for row in in_lists(tx, held(tx, _STATES), [item.id for item in items])}
        writes = Writes()
        marks, results = [], [False] * len(items)
        for place, item in sorted(enumerate(items), key=lambda one: _counter(one[1])):
            if item.id in due:
                due.discard(item.id)
                results[place] = True
                marks.append(self._write(tx, item, writes))
        writes.put(tx, self.ticks)
        many(tx, _WRITTEN, marks)
        return results

    def _write(self, tx: Connection, item: WrittenAnswer, writes: Writes) -> dict[str, Any]:
        if item.receipt is None:
            what = f"{item.id} is withheld, for it is not right itself: {item.fault}"
            writes.alarms.append(alarm_row("acknowledgment.withheld", item.origin, what, item.id))
            writes.tell(self.ticks(), item.origin, "acknowledgment withheld", what)
            return {"id": item.id, "state": "withheld", "answer": None}
        (control,) = take_controls(tx, item.origin.partner, item.receipt.scope, 1)
        outgoing = send_receipt(writes, item.origin, item.receipt, item.answers, control, ticks=self.ticks, files=self.files)
        writes.tell(self.ticks(), item.origin, f"{item.receipt.form} written", f"about {item.answers}, control number {control}")
        return {"id": item.id, "state": "written", "answer": outgoing}


def _counter(item: WrittenAnswer) -> tuple[str, str]:
    """Which counter gives its control number. All nodes take them in this order."""
    return item.origin.partner, item.receipt.scope if item.receipt else ""


def due_answers(tx: Connection, *, limit: int) -> list[OwedAnswer]:
    """What is to be written now, the oldest first, with the rows that it speaks of."""
    return [_due(tx, row) for row in tx.execute(_DUE, {"limit": limit}).all()]


def _due(tx: Connection, row: Any) -> OwedAnswer:
    interchange = dict(tx.execute(_INTERCHANGE, {"message": row.message, "ordinal": row.interchange}).one()._mapping)
    group = document = None
    references: list[tuple[str, str]] = []
    if row.document:
        document = dict(tx.execute(_DOCUMENT, {"id": row.document}).one()._mapping)
        place = {"message": row.message, "interchange": row.interchange, "ordinal": document["grp"]}
        group = dict(tx.execute(_GROUP, place).one()._mapping)
        subject = tx.execute(_SUBJECT, {"id": row.document, "original": document["duplicate_of"]}).scalar()
        # A subject holds the number as it was written; references are normalised for finding.
        references = [tuple(subject.split("/", 1))] if subject else []
        references += [(one.type, one.value) for one in tx.execute(_REFERENCES, {"id": row.document})]
    return OwedAnswer(
        row.id, row.kind, row.partner, row.message, row.channel, row.profile_revision, row.verdict, row.note or "", row.text or "", interchange, group,
        document, references,
    )  # fmt: skip
