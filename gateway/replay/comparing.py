"""What documents tell when they are read again, beside what was told of them.

Knows neither workers nor jobs; payloads come by a function.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from gateway.records.documents import DocumentRow, document_row
from gateway.replay.reading import Reading
from gateway.replay.records import Stored, Told, Trial
from gateway.replay.summary import Summary

Row = dict[str, Any]
Bytes = Callable[[list[Told]], dict[str, bytes]]
"""Told events -> their data, by event."""


def compare(readings: list[Reading], told: list[Told], bytes_of: Bytes, summary: Summary) -> None:
    """Adds to the summary what differs. Documents that were duplicates are counted alone: their events were told by another one."""
    before: dict[str, dict[str, Told]] = defaultdict(dict)
    for one in told:
        before[one.document][one.identity] = one
    changed: list[tuple[Told, Row]] = []
    for reading in readings:
        rows = {_id(reading, row): row for row in reading.rows}
        summary.count("documents", len(reading.portion.documents) or len(rows))
        if not reading.portion.documents:
            _new_message(reading, rows, summary)
        for document in reading.portion.documents:
            if document.id in reading.unread:
                summary.unread(document.id, reading.unread[document.id])
            elif document.given_up:
                summary.count("left")
            elif document.state == "duplicate":
                summary.count("duplicates")
            else:
                changed += _document(document, rows.get(document.id), before[document.id], reading.held, summary)
    old = bytes_of([one for one, _ in changed])
    for one, event in changed:
        summary.event(one.id, one.type, old[one.id], event["data"].encode())


def _document(one: Stored, row: Row | None, before: dict[str, Told], held: str | None, summary: Summary) -> list[tuple[Told, Row]]:
    """Counts what came and went; the pairs of events whose bytes differ."""
    after = {event["identity"]: event for event in row["events"]} if row else {}
    state = "held" if row is None else "translated" if row["state"] == "mapped" else row["state"]
    summary.document(one.id, one.state, state, (held or "it is not found in its message any more") if row is None else row["reason"])
    if row is not None and state == one.state:
        summary.verdict(one.id, one.verdict, row["verdict"])
    for identity in before.keys() - after.keys():
        gone = before[identity]
        summary.vanished(gone.id, gone.type, gone.subject)
    for identity in after.keys() - before.keys():
        came = after[identity]
        summary.appeared(identity, came["type"], came["subject"])
    both = [(before[identity], after[identity]) for identity in sorted(before.keys() & after.keys())]
    differ = [(old, event) for old, event in both if hashlib.sha256(event["data"].encode()).hexdigest() != old.payload.sha256]
    summary.count("same", len(both) - len(differ))
    return differ


def _new_message(reading: Reading, rows: dict[str, Row], summary: Summary) -> None:
    """A message that is held: what there would be, were it read under this profile."""
    for name, why in reading.unread.items():
        summary.unread(name, why)
    for document, row in rows.items():
        summary.document(document, "message held", "translated" if row["state"] == "mapped" else row["state"], row["reason"])
        for event in row["events"]:
            summary.appeared(event["identity"], event["type"], event["subject"])


def trials(readings: list[Reading], revision_of: Callable[[Any, Any], int], summary: Summary) -> list[Trial]:
    """The documents that have events to tell to a test target."""
    found = []
    for reading in readings:
        stored = {one.id: one for one in reading.portion.documents}
        documents: list[tuple[str, DocumentRow]] = []
        summary.count("documents", len(stored))
        for name, why in reading.unread.items():
            summary.unread(name, why)
        for row in reading.rows:
            one = stored.get(_id(reading, row))
            if one is None or one.given_up or row["state"] != "mapped" or not row["events"]:
                summary.count("left")
                if one is not None:
                    summary.document(one.id, one.state, row["state"], row["reason"])
                continue
            documents.append((one.id, document_row(row)))
        if documents:
            portion = reading.portion
            revision = revision_of(portion, portion.documents[0])
            found.append(Trial(portion.message, portion.partner, portion.channel, revision, portion.arrival, documents))
    return found


def _id(reading: Reading, row: Row) -> str:
    return f"{reading.portion.message}.{row['interchange']}.{row['group']}.{row['ordinal']}"
