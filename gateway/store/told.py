"""Events as they were told: the attributes that a CloudEvent of ours has, and its data, read again from the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from gateway.clock import as_text
from gateway.store.payloads import PayloadDamaged, PayloadFiles
from gateway.store.sql import in_lists, one_of

MOST_BYTES = 8 * 2**20
"""Of the data of one answer; one event is always told, however large."""

_SIZES = one_of("SELECT e.id, p.size FROM events e JOIN payloads p ON p.id = e.payload WHERE e.id IN :keys")
_EVENTS = one_of(
    "SELECT e.id, e.revision, e.partner, e.stream, e.document, e.type, e.subject, e.time, e.correlation, e.supersedes, m.arrival, m.traceparent,"
    " p.size, p.sha256, p.data FROM events e JOIN messages m ON m.id = e.message JOIN payloads p ON p.id = e.payload WHERE e.id IN :keys"
)


class EventDamaged(PayloadDamaged):
    """The bytes of an event are not those that were told; it is handed on to nobody."""

    def __init__(self, event: str, partner: str, number: int, detail: str) -> None:
        super().__init__(f"event {event}: {detail}")
        self.event, self.partner, self.number = event, partner, number


@dataclass(frozen=True, slots=True)
class ToldEvent:
    id: str
    attributes: dict[str, str]
    data: bytes


def told(tx: Connection, files: PayloadFiles, ids: Sequence[str]) -> tuple[list[ToldEvent], int]:
    """(these events, in this order; how many of the ids were looked at until the answer was full). One that is gone is left out.

    Whoever is the first, and damaged, is raised as EventDamaged; before another one the answer ends. Only the data that is told is read.
    """
    looked = _until_full(tx, ids)
    rows = {row.id: row for row in in_lists(tx, _EVENTS, ids[:looked])}
    found: list[ToldEvent] = []
    for number, one in enumerate(ids[:looked]):
        row = rows.get(one)
        if row is None:
            continue
        try:
            data = files.bytes_of(row)
        except PayloadDamaged as error:
            if found:
                return found, number
            raise EventDamaged(row.id, row.partner, number, error.detail) from error
        found.append(ToldEvent(row.id, attributes_of(row), data))
    return found, looked


def _until_full(tx: Connection, ids: Sequence[str]) -> int:
    """How many of the events, from the first on, have MOST_BYTES of data together."""
    sizes = {row.id: row.size for row in in_lists(tx, _SIZES, ids)}
    whole = 0
    for number, one in enumerate(ids):
        whole += sizes.get(one, 0)
        if whole > MOST_BYTES and whole > sizes.get(one, 0):
            return number
    return len(ids)


def attributes_of(row: Any) -> dict[str, str]:
    """Those with which a target gets it (gateway.store.telling)."""
    attributes = {
        "id": row.id, "type": row.type, "subject": row.subject, "time": row.time, "source": f"/partners/{row.partner}",
        "correlationid": row.correlation, "causationid": row.document, "sequence": f"{row.revision:010d}", "recordedtime": as_text(row.arrival),
        "stream": row.stream,
    }  # fmt: skip
    if row.supersedes:
        attributes["supersedes"] = row.supersedes
    if row.traceparent:
        attributes["traceparent"] = row.traceparent
    return attributes
