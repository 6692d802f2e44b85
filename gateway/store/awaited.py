"""The rows of acknowledgments that we are owed: what an answer settles in COMMIT 2, what is overdue, and what people ask of them.

Which row is meant, and what it comes to, is decided by settling.py; the event that tells the ERP is worded by translators.events.exchange.
"""

import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import Instant, Ticks, as_datetime, as_text
from gateway.records.alarms import AlarmClosed
from gateway.records.documents import DocumentRow, EventRow
from gateway.records.translation import Chunk
from gateway.store.alarms import raise_alarms
from gateway.store.delivery import LANE_AGAIN, REDELIVER
from gateway.store.hooks import remind
from gateway.store.intake import PUT_LIFE
from gateway.store.lanes import NEXT_HEAD_UNLESS_HELD
from gateway.store.payloads import PayloadFiles
from gateway.store.settling import (
    ANSWER_WINDOW,
    DISPUTED,
    LATE,
    LATEST,
    WAITING,
    Awaited,
    Decision,
    Word,
    decide_advice,
    decide_group,
    decide_interchange,
    number_of,
    same_control,
    unless_too_late,
)
from gateway.store.sql import free, in_lists, many, one_of
from gateway.store.telling import tell_event
from gateway.store.writes import AWAITED, Writes, alarm_row
from gateway.ways import MAIL
from partners.priority import priority_of
from translators.events import event_id
from translators.events.exchange import FAMILY, settled
from translators.events.identity import data_json, meaning_hash, normalise_reference

_NAMES = ", ".join(AWAITED)
_BY_GROUP = one_of(f"SELECT {_NAMES} FROM awaited WHERE group_control IN :keys AND kind = '997'")  # noqa: S608 - names are ours
_BY_MESSAGE = one_of(f"SELECT {_NAMES} FROM awaited WHERE message IN :keys AND kind <> 'MDN'")  # noqa: S608 - names are ours
_SENT = one_of("SELECT id, partner, control, decided_at FROM messages WHERE control IN :keys AND direction = 'out'")
_SENT_DOCUMENTS = one_of(
    "SELECT d.id, d.message, d.partner, d.stream, d.set_id, d.control, m.control AS interchange_control, m.decided_at, x.attributes FROM documents d"
    " JOIN messages m ON m.id = d.message LEFT JOIN deliveries x ON x.message = d.message AND x.kind = 'document'"
    " WHERE d.message IN :keys AND m.direction = 'out'"
)
_BY_REFERENCE = one_of(
    "SELECT r.value, d.message FROM document_references r JOIN documents d ON d.id = r.document"
    " JOIN messages m ON m.id = d.message WHERE r.value IN :keys AND m.direction = 'out'"
)
_LATE = "SELECT id, partner, kind, message, set_id, set_control, opened_at, due_at, interchange_control, steps, step_every FROM awaited"
_OVERDUE = text(
    f"{_LATE} WHERE state = 'waiting' AND overdue_at IS NULL AND due_at <= :now"  # noqa: S608 - names are ours
    " AND NOT (kind = 'MDN' AND EXISTS (SELECT 1 FROM as2_messages x WHERE x.id = substr(awaited.id, 5) AND x.resends_left > 0 AND x.state = 'awaiting'))"
    " ORDER BY due_at LIMIT :limit"
)
_FLAG = text("UPDATE awaited SET overdue_at = :now WHERE id = :id")
_STEPS = text(f"{_LATE} WHERE step_at <= :now AND state = 'waiting' ORDER BY step_at LIMIT :limit")
REFUSED = json.dumps({"late": "refused"})
_REFUSE = text("UPDATE awaited SET detail = :detail WHERE message = :message AND kind = :kind AND state = 'waiting' AND detail IS NULL")
_NEXT_STEP = text("UPDATE awaited SET steps = :steps, step_at = :step_at WHERE id = :id")
_SENT_BY = one_of("SELECT id, lane, partner, message FROM deliveries WHERE message IN :keys AND outgoing = message AND state = 'delivered'")
_LIST = text(
    f"SELECT {_NAMES} FROM awaited WHERE (CAST(:partner AS VARCHAR) IS NULL OR partner = :partner)"  # noqa: S608 - names are ours
    " AND (CAST(:state AS VARCHAR) IS NULL OR state = :state OR (:state = 'overdue' AND overdue_at IS NOT NULL AND state = 'waiting')"
    " OR (:state = 'late' AND late_at IS NOT NULL) OR (:state = 'disputed' AND disputed_at IS NOT NULL)) ORDER BY opened_at DESC, id LIMIT :limit"
)
_OF_MESSAGE = text(f"SELECT {_NAMES} FROM awaited WHERE message = :message ORDER BY id LIMIT 1000")  # noqa: S608 - names are ours

MOST_OVERDUE = 1_000
MOST_FAULTS = 1_000
STATES = ("waiting", "accepted", "accepted with errors", "partly accepted", "rejected", "disputed", "overdue", "late")
"""What people may ask for: states, and the flags overdue, late and disputed."""


class Settling:
    """The answers of one commit, decided one after another; rows that one settles are settled for the next."""

    def __init__(self, tx: Connection, chunks: list[Chunk], *, ticks: Ticks, files: PayloadFiles) -> None:
        self._ticks, self._files = ticks, files
        self._rows: dict[str, Awaited] = {}
        self._sent: list[Any] = []
        self._documents: dict[str, list[Any]] = defaultdict(list)
        self._referred: dict[str, set[str]] = defaultdict(set)
        answers = [document.answer for chunk in chunks for document in chunk.documents if document.answer is not None]
        ta1s = [told for chunk in chunks for told in chunk.ta1s]
        if answers or ta1s:
            self._load(tx, answers, ta1s)

    def _load(self, tx: Connection, answers: list[dict[str, Any]], ta1s: list[dict[str, Any]]) -> None:
        parts = [one for answer in answers if answer["form"] == "824" for one in answer["sets"]]
        groups = {number_of(answer["control"]) for answer in answers if answer["form"] != "824"}
        named = {number_of(one["group_control"]) for one in parts}
        self._keep(in_lists(tx, _BY_GROUP, groups - {None}))
        controls = {f"{number:09}" for number in (groups | named) - {None}} | {told["control"] for told in ta1s}
        self._sent = in_lists(tx, _SENT, controls)
        for row in in_lists(tx, _BY_REFERENCE, {value for one in parts for value in _spellings(one)}):
            self._referred[row.value].add(row.message)
        messages = {row.id for row in self._sent} | {message for found in self._referred.values() for message in found}
        self._keep(in_lists(tx, _BY_MESSAGE, messages))
        for row in in_lists(tx, _SENT_DOCUMENTS, messages if parts else ()):
            self._documents[row.message].append(row)

    def _keep(self, rows: list[Any]) -> None:
        for row in rows:
            self._rows.setdefault(row.id, Awaited(*row))

    # ---- answers

    def document(self, chunk: Chunk, document: DocumentRow, document_id: str, writes: Writes) -> tuple[str, str]:
        """State and reason of a 997, 999 or 824 of the partner's; what it settles goes into `writes`."""
        answer = document.answer
        assert answer is not None
        if answer["form"] == "824":
            decision = decide_advice(answer, [(one, self._meant_by(chunk, document, one)) for one in answer["sets"]])
        else:
            decision = self._group(chunk, document, answer)
        decision.alarms += [("acknowledgment.unclear", f"{answer['form']} {document.control}: {text_}") for text_ in answer["trouble"]]
        if chunk.override != LATE:
            decision = unless_too_late(decision, {row.id for row in self._rows.values() if row.detail == REFUSED})
        self._take(chunk, decision, answer["form"], document_id, document.stream, writes)
        return decision.state, decision.reason

    def interchange(self, chunk: Chunk, told: dict[str, Any], writes: Writes) -> None:
        """A TA1 of the partner's."""
        sent = [row for row in self._sent if (row.partner, row.control) == (chunk.partner, told["control"])]
        message = next(
            (row.id for row in sorted(sent, key=lambda row: -row.decided_at) if _stamped(row.decided_at) == (told["date"], told["time"])), None
        )
        rows = [row for row in self._rows.values() if row.message == message]
        decision = decide_interchange(told, sorted(rows, key=lambda row: row.id), message)
        place = f"{chunk.message}.{told['interchange']}"
        writes.tell(self._ticks(), chunk, "TA1 read", decision.reason)
        self._take(chunk, decision, "TA1", place, rows[0].stream if rows else "production", writes)

    def _group(self, chunk: Chunk, document: DocumentRow, answer: dict[str, Any]) -> Decision:
        number = number_of(answer["control"])
        rows = [
            row
            for row in self._rows.values()
            if (row.kind, row.partner, row.stream, row.functional, row.group_control)
            == ("997", chunk.partner, document.stream, answer["functional"], number)
            and row.opened_at + ANSWER_WINDOW > chunk.at
        ]
        if not rows and number is not None:
            own = next((row for row in self._sent if (row.partner, row.control) == (chunk.partner, f"{number:09}")), None)
            if own is not None and answer["functional"] in ("FA", "AG"):
                return _of_our_answers(answer, own.id)
        return decide_group(answer, sorted(rows, key=lambda row: row.id), latest=chunk.override == LATEST)

    def _meant_by(self, chunk: Chunk, document: DocumentRow, one: dict[str, Any]) -> list[Awaited]:
        """The rows of kind 824 that a part of an 824 speaks of: by our control numbers, else by a reference; the latest that fits."""
        number = number_of(one["group_control"])
        if number is not None:
            messages = {row.id for row in self._sent if (row.partner, row.control) == (chunk.partner, f"{number:09}")}
        else:
            messages = {message for value in _spellings(one) for message in self._referred[value]}
        found = [row for message in messages for row in self._documents[message] if row.partner == chunk.partner and row.stream == document.stream]
        found = [row for row in found if _fits(one, row)]
        if not found:
            return []
        newest = max(found, key=lambda row: (row.decided_at, row.message)).message
        return [self._row_of(row, chunk.at) for row in found if row.message == newest]

    def _row_of(self, document: Any, at: Instant) -> Awaited:
        """The row of kind 824 of a document of ours; one that nobody awaited is opened now."""
        key = f"824:{document.id}"
        if key not in self._rows:
            other = next((row for row in self._rows.values() if row.document == document.id), None)
            sent = json.loads(document.attributes or "{}")
            tell, correlation = (other.destination, other.correlation) if other else (sent.get("tell"), sent.get("correlation"))
            self._rows[key] = Awaited(
                key, document.partner, document.stream, "824", document.message, document.id, document.interchange_control,
                other.functional if other else "", int(document.interchange_control), document.set_id, document.control,
                tell, correlation or document.id, WAITING, at, at,
            )  # fmt: skip
        return self._rows[key]

    # ---- what comes of them

    def _take(self, chunk: Chunk, decision: Decision, form: str, place: str, stream: str, writes: Writes) -> None:
        for number, (kind, text_) in enumerate(decision.alarms):
            writes.alarms.append(alarm_row(kind, chunk, text_, f"{place} {number}"))
        for word in decision.words:
            self._settle(chunk, word, form, place, stream, writes)
        # Whether or not it was overdue when we looked: another node may be raising the alarm at this moment, and is through when these rows are written.
        answered = {(word.row.kind, word.row.message) for word in decision.words if not word.contradiction}
        writes.over += [AlarmClosed(overdue_key(*one), chunk.at, "crossdock", f"the {form} came late") for one in sorted(answered)]

    def _settle(self, chunk: Chunk, word: Word, form: str, place: str, stream: str, writes: Writes) -> None:
        row = word.row
        detail = json.loads(row.detail) if row.detail else {}
        told = {"by": chunk.message, "form": form, "at": as_text(chunk.at), "faults": word.faults[:MOST_FAULTS]}
        if word.contradiction:
            row.disputed_at = row.disputed_at or chunk.at
            detail.setdefault("others", []).append(told | {"says": word.contradiction})
        else:
            row.state, row.settled_at, row.settled_by = word.state, chunk.at, chunk.message
            row.late_at = chunk.at if chunk.at > row.due_at and row.due_at > row.opened_at else None
            row.disputed_at = chunk.at if word.state == DISPUTED else None
            row.step_at = None
            detail |= told
            self._tell(chunk, row, word, form, place, stream, writes)
        row.detail = json.dumps(detail, ensure_ascii=False, separators=(",", ":"))
        writes.awaited[row.id] = asdict(row)
        said = f"{form} of {chunk.partner} (message {chunk.message}) on {row.set_id or 'the interchange'} {row.set_control}".rstrip()
        step = f"{said}: {word.contradiction or word.state}" + (f", after {row.state} before" if word.contradiction else "")
        writes.life.append(
            {"message": row.message, "at": self._ticks(), "partner": row.partner, "step": "answered", "who": chunk.who[:80], "text": step}
        )

    def _tell(self, chunk: Chunk, row: Awaited, word: Word, form: str, place: str, stream: str, writes: Writes) -> None:
        acknowledged = {
            "kind": row.kind, "document": row.document, "message": row.message, "set": row.set_id, "interchange": row.interchange_control,
            "group": str(row.group_control) if row.document else "", "control": row.set_control,
        }  # fmt: skip
        evidence = {"form": form, "message": chunk.message, "document": place if form != "TA1" else "", "partner": chunk.partner}
        data = settled(acknowledged, word.state, word.faults, late=row.late_at is not None, evidence=evidence)
        identity = event_id(stream, chunk.partner, form, row.id, "", 0)
        event = EventRow(
            identity, FAMILY.type, f"document/{row.document}" if row.document else f"message/{row.message}", as_text(chunk.arrival), "original",
            meaning_hash(data), row.correlation, data_json(data), row.destination, "pass", priority_of(FAMILY.type),
        )  # fmt: skip
        tell_event(
            writes, chunk, event, event_id=f"{identity}-r1", revision=1, supersedes=None, document=place, stream=stream, ticks=self._ticks,
            files=self._files,
        )  # fmt: skip


def _of_our_answers(answer: dict[str, Any], message: str) -> Decision:
    """A 997 that answers a 997 or 824 of ours, which no partner owes; that one of them was refused is worth an alarm."""
    decision = Decision(reason=f"answers our own acknowledgment (message {message}), for which nothing was owed")
    if answer["verdict"] == "rejected":
        decision.alarms.append(("acknowledgment.rejected", f"our own acknowledgment in message {message} was rejected"))
    return decision


def _fits(one: dict[str, Any], document: Any) -> bool:
    """Whether a part of an 824 may mean this document: by what it names of it."""
    if one["set_id"] and one["set_id"] != document.set_id:
        return False
    return one["level"] == "group" or not one["control"] or same_control(document.control, one["control"])


def _spellings(one: dict[str, Any]) -> list[str]:
    return sorted({normalise_reference("", value)[:80] for _, value in one["references"] if value} - {""})


def _stamped(at: Instant) -> tuple[str, str]:
    """ISA09 and ISA10 as we stamped them at that time."""
    when = as_datetime(at)
    return f"{when:%y%m%d}", f"{when:%H%M}"


@dataclass(frozen=True, slots=True)
class AwaitedVerbs:
    ticks: Ticks

    def mark_overdue(self, tx: Connection, items: list[Instant]) -> list[int]:
        """Flags what waits past its time and takes the step that is agreed for it: an alarm, a reminder, the document again. How many were flagged."""
        counts = []
        for now in items:
            rows = tx.execute(free(tx, _OVERDUE), {"now": now, "limit": MOST_OVERDUE}).all()
            many(tx, _FLAG, [{"id": row.id, "now": now} for row in rows])
            self._take_steps(tx, [*rows, *tx.execute(free(tx, _STEPS), {"now": now, "limit": MOST_OVERDUE})], now)
            counts.append(len(rows))
        return counts

    def _take_steps(self, tx: Connection, rows: list[Any], now: Instant) -> None:
        """The next step of each row; of a message's sets, one step for all of them."""
        steps = {row.id: json.loads(row.steps) if row.steps else ["alarm"] for row in rows}
        by_step: dict[str, dict[tuple[str, str], Any]] = defaultdict(dict)
        for row in rows:
            if steps[row.id]:
                by_step[steps[row.id][0]][row.message, row.kind] = row
        raise_alarms(tx, [_overdue_alarm(row, now) for row in by_step["alarm"].values()])
        remind(tx, list(by_step["remind"].values()), self.ticks, now)
        remind(tx, list(by_step["mail"].values()), self.ticks, now, by=MAIL)
        many(tx, _REFUSE, [{"message": row.message, "kind": row.kind, "detail": REFUSED} for row in by_step["refuse"].values()])
        self._send_again(tx, list(by_step["resend"].values()))
        left = [(row, steps[row.id][1:]) for row in rows]
        many(
            tx,
            _NEXT_STEP,
            [{"id": row.id, "steps": json.dumps(rest), "step_at": now + row.step_every if rest and row.step_every else None} for row, rest in left],
        )

    def _send_again(self, tx: Connection, rows: list[Any]) -> None:
        """The document once more, under its own number; one that was not delivered yet goes by itself."""
        why = {row.message: row for row in rows}
        life = []
        for sent in in_lists(tx, _SENT_BY, why):
            tx.execute(LANE_AGAIN, {"id": sent.id})
            at = self.ticks()
            tx.execute(REDELIVER, {"id": sent.id, "at": at, "position": at})
            tx.execute(NEXT_HEAD_UNLESS_HELD, {"lane": sent.lane, "at": at})
            what = f"{sent.id} goes again: its {why[sent.message].kind} is overdue since {as_text(why[sent.message].due_at)[:16]}"
            life.append({"message": sent.message, "at": self.ticks(), "partner": sent.partner, "step": "resent", "who": "crossdock", "text": what})
        many(tx, PUT_LIFE, life)


def overdue_key(kind: str, message: str) -> str:
    """The alarm's id."""
    return f"acknowledgment.overdue:{kind}:{message}"[:120]


def _overdue_alarm(row: Any, now: Instant) -> dict[str, Any]:
    what = f"{row.set_id} {row.set_control}".strip() or "the interchange"
    text_ = f"{row.partner} owes us a {row.kind} on {what} of message {row.message}, sent {as_datetime(row.opened_at):%Y-%m-%d %H:%M} UTC"
    key = overdue_key(row.kind, row.message)
    return {"id": key, "kind": "acknowledgment.overdue", "partner": row.partner, "message": row.message, "text": text_, "at": now}


def listed(tx: Connection, *, partner: str | None, state: str | None, limit: int) -> list[dict[str, Any]]:
    """What we are owed and what came of it, the latest first."""
    return [_shown(row) for row in tx.execute(_LIST, {"partner": partner, "state": state, "limit": limit})]


def of_message(tx: Connection, message: str) -> list[dict[str, Any]]:
    return [_shown(row) for row in tx.execute(_OF_MESSAGE, {"message": message})]


def _shown(row: Any) -> dict[str, Any]:
    value = {key: as_text(one) if key.endswith("_at") and one is not None else one for key, one in row._mapping.items()}
    return value | {"detail": json.loads(row.detail) if row.detail else None}
