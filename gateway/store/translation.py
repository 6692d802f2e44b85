"""COMMIT 2: what a chunk of a message came to.

Here, and only here, it is decided what was seen before: pure code brings keys and hashes, the rows know the past.
"""

import json
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import DAY, Ticks, as_datetime
from gateway.records.documents import DocumentRow, EventRow
from gateway.records.translation import Chunk, ChunkKept
from gateway.store.awaited import Settling
from gateway.store.hooks import tell_partners
from gateway.store.intake import PUT_LIFE
from gateway.store.lanes import lane_id
from gateway.store.owed import advice_row, ta1_row
from gateway.store.past import KnownEvent, Past, SeenContent, SeenInterchange, past_of
from gateway.store.payloads import PayloadFiles
from gateway.store.receipts import compose
from gateway.store.repeated import answer_again
from gateway.store.serial import DOCUMENTS, Rows, take_turns, waits_for
from gateway.store.sql import in_lists, many, one_of
from gateway.store.standings import rank_of
from gateway.store.telling import tell_event
from gateway.store.writes import DECIDE_MESSAGE, INTERCHANGE, Repeated, Writes, alarm_row
from translators.events.identity import told_late

_DECIDE_INTERCHANGES = text("UPDATE interchanges SET state = 'translated' WHERE message = :message AND state = 'open'")
_STANDING = one_of("SELECT message, state FROM interchanges WHERE message IN :keys ORDER BY message, ordinal")

REPEATS: dict[str, Any] = {"within": 90 * DAY, "same": "answer", "changed": "reject"}
"""What is done with a control number that was used before, where nothing else is agreed."""


@dataclass(frozen=True, slots=True)
class TranslationVerbs:
    ticks: Ticks
    files: PayloadFiles

    @waits_for(lambda tx, items: Rows(turns=[(DOCUMENTS, chunk.partner) for chunk in items], lanes=_lanes(items)))
    def keep_chunks(self, tx: Connection, items: list[Chunk]) -> list[ChunkKept]:
        """COMMIT 2: everything that these chunks came to, or nothing of it. A chunk that is committed already changes nothing."""
        take_turns(tx, [(DOCUMENTS, chunk.partner) for chunk in items])
        past = past_of(tx, items)
        writes = Writes()
        settling = Settling(tx, items, ticks=self.ticks, files=self.files)
        results = [self._decide(chunk, past, settling, writes) for chunk in items]
        compose(tx, writes, ticks=self.ticks, files=self.files)
        answer_again(tx, writes, ticks=self.ticks)
        writes.put(tx, self.ticks)
        past.standings.put(tx, self.files)
        self._finish(tx, [chunk for chunk in items if chunk.message in writes.finished], writes)
        held = {row["id"] for row in writes.held}
        tell_partners(tx, [(chunk, "held", chunk.held) for chunk in items if chunk.message in held], self.ticks)
        return results

    def _decide(self, chunk: Chunk, past: Past, settling: Settling, writes: Writes) -> ChunkKept:
        row = past.messages.get(chunk.message)
        if row is None or row.state != "received" or row.resume != chunk.expected_resume or not _is_asked_so(row, chunk):
            return ChunkKept(True, {}, {})
        if chunk.held is not None:
            self._hold_message(chunk, chunk.held, writes)
            return ChunkKept(False, {}, {})
        dropped = self._decide_interchanges(chunk, past, writes)
        writes.groups += [
            group | {"message": chunk.message, "partner": chunk.partner} for group in chunk.groups if group["interchange"] not in dropped
        ]
        states: dict[str, int] = defaultdict(int)
        for document in chunk.documents:
            if document.interchange not in dropped:
                states[self._decide_document(chunk, document, past, settling, writes)] += 1
        for told in chunk.ta1s:
            if told["interchange"] not in dropped:
                settling.interchange(chunk, told, writes)
        for number, finding in enumerate(chunk.envelope_findings, start=1):
            writes.findings.append(
                {"message": chunk.message, "partner": chunk.partner, "number": number}
                | {key: finding[key] for key in ("interchange", "grp", "ordinal", "finding")}
            )
        writes.composed += [(chunk, ack) for ack in chunk.acknowledgments if ack.interchange not in dropped]
        if chunk.resume is not None:
            writes.moved.append({"id": chunk.message, "resume": chunk.resume})
        else:
            writes.finished.append(chunk.message)
        past.messages[chunk.message] = _Moved("received" if chunk.resume is not None else "translated", chunk.resume)
        return ChunkKept(False, dropped, dict(states))

    def _hold_message(self, chunk: Chunk, reason: str, writes: Writes) -> None:
        writes.held.append({"id": chunk.message, "reason": reason, "at": chunk.at})
        writes.alarms.append(alarm_row("message.held", chunk, f"message {chunk.message} of {chunk.partner} is held: {reason}"))
        writes.tell(self.ticks(), chunk, "held", reason)

    def _decide_interchanges(self, chunk: Chunk, past: Past, writes: Writes) -> dict[int, str]:
        """Ordinals of interchanges whose content must not count, with the state they are in."""
        dropped: dict[int, str] = {}
        is_whole = chunk.expected_resume is None and chunk.resume is None
        for row in chunk.interchanges:
            kept: dict[str, Any] = dict.fromkeys(INTERCHANGE) | row | {"message": chunk.message, "partner": chunk.partner}
            repeats = kept.pop("repeats", None) or REPEATS
            if kept["state"] == "open" and chunk.edited_from is None:
                place = (chunk.partner, kept["stream"], kept["sender"], kept["receiver"], kept["control"])
                earlier = past.seen.get(place)
                if earlier and earlier.message != chunk.message and earlier.at + repeats["within"] > chunk.at:
                    self._repeat(chunk, kept, earlier, repeats, writes)
                if kept["state"] == "open":
                    past.seen[place] = SeenInterchange(chunk.message, kept["sha256"], chunk.at)
                    writes.seen[place] = dict(zip(("partner", "stream", "sender", "receiver", "control"), place, strict=True)) | {
                        "message": chunk.message,
                        "sha256": kept["sha256"],
                        "at": chunk.at,
                    }
            owes = kept.pop("ta1_if_rejected", False), kept.pop("ta1_if_accepted", False)
            if chunk.edited_from is not None:
                owes = False, False
            if (kept["state"] == "rejected" and owes[0]) or (kept["state"] == "open" and owes[1]):
                writes.owed.append(ta1_row(chunk, kept))
            if kept["state"] != "open":
                dropped[kept["ordinal"]] = kept["state"]
            if kept["state"] in ("rejected", "held"):
                text_ = f"interchange {kept['control']} of {chunk.partner} is {kept['state']}: {kept['reason']}"
                writes.alarms.append(alarm_row(f"interchange.{kept['state']}", chunk, text_))
                writes.tell(self.ticks(), chunk, f"interchange {kept['state']}", f"{kept['control']}: {kept['reason']}")
            if is_whole:
                # What begins and ends here is written as it is in the end: an update of each later would be a row written twice.
                kept["state"] = "translated" if kept["state"] == "open" else kept["state"]
                writes.standing.setdefault(chunk.message, set()).add(kept["state"])
            writes.interchanges.append(kept)
        return dropped

    def _repeat(self, chunk: Chunk, kept: dict[str, Any], earlier: SeenInterchange, repeats: dict[str, Any], writes: Writes) -> None:
        """A control number that stood before, as the profile's `duplicates.interchange` has it: by default the same bytes get the stored answer
        again, other bytes TA1 025 (X12 TA105). Where a person decides it is held; asked with the override `repeat`, other bytes stay open."""
        message, same = earlier.message, earlier.sha256 == kept["sha256"]
        decided = chunk.override == "repeat"
        if repeats["same" if same else "changed"] == "hold" and not decided:
            kept["state"], kept["duplicate_of"] = "held", message
            kept["reason"] = (
                f"ISA13 {kept['control']} came before, in message {message}, with {'the same' if same else 'other'} bytes, and the profile has a person"
                f" decide; replay it with the override 'repeat' to {'answer it as before' if same else 'read it all the same'}, or skip it with a reason"
            )
        elif same:
            kept["state"], kept["duplicate_of"] = "duplicate", message
            kept["reason"] = (
                f"the same interchange came in message {message} at {as_datetime(earlier.at):%Y-%m-%d %H:%M} UTC; answered as before, nothing is done twice"
            )
            writes.tell(self.ticks(), chunk, "duplicate", kept["reason"])
            writes.again.append(Repeated(chunk, message, kept, bool(kept.get("ta1_if_accepted"))))
        elif not decided:
            kept["state"], kept["ta1"], kept["duplicate_of"] = "rejected", "025", message
            kept["reason"] = (
                f"ISA13 {kept['control']} was used before, in message {message}, with other content (TA1 025); send it with a new control number"
            )

    def _decide_document(self, chunk: Chunk, document: DocumentRow, past: Past, settling: Settling, writes: Writes) -> str:
        document_id = f"{chunk.message}.{document.interchange}.{document.group}.{document.ordinal}"
        state: str = document.state
        reason, duplicate_of = document.reason, None
        if state == "mapped" and document.answer is not None:
            state, reason = settling.document(chunk, document, document_id, writes)
        elif state == "mapped":
            state, reason, duplicate_of = self._judge(chunk, document, document_id, past, writes)
        row = {
            "id": document_id, "message": chunk.message, "interchange": document.interchange, "grp": document.group, "ordinal": document.ordinal,
            "partner": chunk.partner, "stream": document.stream, "set_id": document.set_id, "control": document.control, "state": state,
            "reason": reason, "verdict": document.verdict, "codes": document.codes, "release": document.release, "byte_start": document.byte_start,
            "byte_end": document.byte_end, "mapping": document.mapping, "profile_revision": chunk.profile_revision,
            "content_hash": document.content_hash, "duplicate_of": duplicate_of, "unmapped": document.unmapped, "at": chunk.at,
        }  # fmt: skip
        if chunk.replay:
            writes.changed_documents.append(row)
            if document.first_reading:
                writes.first_readings.append(row)
            writes.tell(self.ticks(), chunk, f"replayed: {state}", reason or f"{document.set_id} {document.control}")
        else:
            writes.documents.append(row)
        if state in ("held", "rejected"):
            what = f"{document.set_id} {document.control} of {chunk.partner} is {state}: {reason or 'see its findings'}"
            writes.alarms.append(alarm_row(f"document.{state}", chunk, what, document_id))
        if (advice := advice_row(chunk, document, document_id, state)) is not None:
            writes.owed.append(advice)
        place = {"message": chunk.message, "interchange": document.interchange, "grp": document.group, "ordinal": document.ordinal}
        if not chunk.replay or document.first_reading:
            writes.findings += [
                place | {"number": number, "partner": chunk.partner, "finding": finding} for number, finding in enumerate(document.findings, start=1)
            ]
        writes.references += [
            {"value": value[:80], "type": kind, "document": document_id, "partner": chunk.partner, "at": chunk.arrival, "set_id": document.set_id}
            for kind, value in sorted(set(document.references))
        ]
        return state

    def _judge(self, chunk: Chunk, document: DocumentRow, document_id: str, past: Past, writes: Writes) -> tuple[str, str | None, str | None]:
        """Same or changed? First the content, whatever the mapping says today; then the meaning of each event."""
        place = (chunk.partner, document.stream, document.set_id, document.content_hash or "")
        earlier = past.contents.get(place)
        if earlier and earlier.message != chunk.message and earlier.at + document.within > chunk.at:
            return "duplicate", f"the same content came in document {earlier.document}; nothing is done twice", earlier.document
        judged = [(event, *self._revision(event, document, chunk, past)) for event in document.events]
        conflict = next((one for one in judged if one[1] == "conflict"), None)
        if conflict:
            event, _, previous = conflict
            assert previous is not None
            return (
                "held",
                f"{event.subject} was told before (event {previous.event}, document {previous.document}) with another meaning, and this one does not say"
                " that it corrects it; replay it with the override 'conflict', or ask the partner for a correcting purpose code",
                previous.document,
            )
        if document.content_hash:
            past.contents[place] = SeenContent(document_id, chunk.message, chunk.at)
            writes.contents[place] = {
                "partner": place[0], "stream": place[1], "set_id": place[2], "content_hash": place[3],
                "document": document_id, "message": chunk.message, "at": chunk.at,
            }  # fmt: skip
        fresh = [(event, previous) for event, verdict, previous in judged if verdict == "fresh"]
        if not fresh and judged:
            same = judged[0][2]
            assert same is not None
            if same.document == document_id:
                return "translated", None, None
            return "duplicate", f"nothing in it is new: the same meaning came in document {same.document}", same.document
        for event, previous in fresh:
            self._take_event(chunk, document, document_id, event, previous, past, writes)
        return "translated", None, None

    def _revision(self, event: EventRow, document: DocumentRow, chunk: Chunk, past: Past) -> tuple[str, KnownEvent | None]:
        previous = past.identities.get(event.identity)
        if previous is None or not previous.recent(chunk.at, document.within):
            return "fresh", previous
        if previous.meaning_hash == event.meaning_hash:
            return "same", previous
        if chunk.replay and past.edited.get(event.identity) == event.meaning_hash:
            return "same", previous  # a person has edited what this reading says again, and that stands
        mended = (chunk.replay and previous.document.startswith(f"{chunk.message}.")) or _is_of(chunk.edited_from, previous.document)
        if event.purpose in ("correct", "cancel") or document.on_conflict == "revise" or chunk.override == "conflict" or mended:
            return "fresh", previous
        return "conflict", previous

    def _take_event(
        self,
        chunk: Chunk,
        document: DocumentRow,
        document_id: str,
        event: EventRow,
        previous: KnownEvent | None,
        past: Past,
        writes: Writes,
    ) -> None:
        revision = previous.revision + 1 if previous else 1
        event_id = f"{event.identity}-r{revision}"
        supersedes = previous.event if previous and previous.recent(chunk.at, document.within) else None
        stream, subject = document.stream, event.subject[:200] if event.standing is not None else None
        past.identities[event.identity] = KnownEvent(revision, event.meaning_hash, event_id, document_id, chunk.at, subject)
        writes.identities[event.identity] = {
            "id": event.identity, "partner": chunk.partner, "revision": revision, "meaning_hash": event.meaning_hash, "event": event_id,
            "document": document_id, "at": chunk.at, "stream": stream, "subject": subject, "stands": rank_of(event, "state"),
            "expects": rank_of(event, "expected"),
        }  # fmt: skip
        if supersedes is None and past.standings.late(chunk.partner, stream, event):
            event = replace(event, data=told_late(event.data))
        past.standings.take(
            chunk.partner, stream, event, event_id=event_id, revision=revision, document=document_id,
            replaces=(previous.event, previous.subject) if previous else None, at=chunk.at,
        )  # fmt: skip
        writes.stock.take(chunk.partner, stream, event, event_id=event_id, document=document_id, revised=previous is not None, at=chunk.at)
        tell_event(
            writes, chunk, event, event_id=event_id, revision=revision, supersedes=supersedes, document=document_id, stream=document.stream,
            ticks=self.ticks, files=self.files,
        )  # fmt: skip

    def _finish(self, tx: Connection, chunks: list[Chunk], writes: Writes) -> None:
        """The messages whose last chunk this was: their interchanges are decided, and so are they."""
        if not chunks:
            return
        standing: dict[str, set[str]] = defaultdict(set, writes.standing)
        begun_before = {chunk.message for chunk in chunks} - writes.standing.keys()
        many(tx, _DECIDE_INTERCHANGES, [{"message": message} for message in sorted(begun_before)])
        for row in in_lists(tx, _STANDING, begun_before):
            standing[row.message].add(row.state)
        decided, life = [], []
        told: list[tuple[Chunk, str, str | None]] = []
        for chunk in chunks:
            states = standing[chunk.message]
            state = next(iter(states)) if len(states) == 1 and states <= {"duplicate", "held", "skipped"} else "translated"
            original = next((one.original for one in writes.again if one.chunk.message == chunk.message), None)
            reason = "every interchange in it is held" if state == "held" else None
            decided.append(
                {"id": chunk.message, "state": state, "reason": reason, "at": chunk.at, "duplicate_of": original if state == "duplicate" else None}
            )
            told.append((chunk, state, reason))
            life.append({"message": chunk.message, "at": self.ticks(), "partner": chunk.partner, "step": state, "who": chunk.who, "text": ""})
        many(tx, DECIDE_MESSAGE, decided)
        many(tx, PUT_LIFE, life)
        tell_partners(tx, told, self.ticks)


def _is_of(edited_from: str | None, document: str) -> bool:
    """Whether an edited document or message is this document, or holds it."""
    return edited_from is not None and (edited_from == document or document.startswith(f"{edited_from}."))


@dataclass(frozen=True, slots=True)
class _Moved:
    state: str
    resume: str | None


def _is_asked_so(row: Any, chunk: Chunk) -> bool:
    """Whether the message is to be read as this chunk was: a node that slept meanwhile knows nothing of a person's replay, under another revision or with an override."""
    asked = json.loads(row.override)["name"] if row.override else None
    return bool(row.profile_revision == chunk.profile_revision and (asked == chunk.override or chunk.edited_from is not None))


def _lanes(chunks: list[Chunk]) -> list[str]:
    """Where the events of these chunks will wait."""
    events = [(chunk.partner, event) for chunk in chunks for document in chunk.documents for event in document.events]
    return [lane_id(event.destination, partner, event.subject) for partner, event in events if event.destination is not None]
