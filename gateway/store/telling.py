"""One event on its way to a target: its row, its payload and its delivery.

Knows nothing of why it is told.
"""

from typing import Any

from gateway.clock import Ticks, as_text
from gateway.records.documents import EventRow
from gateway.records.translation import Chunk
from gateway.store.payloads import Payload, PayloadFiles
from gateway.store.writes import Writes, delivery_row


def tell_event(
    writes: Writes,
    chunk: Chunk,
    event: EventRow,
    *,
    event_id: str,
    revision: int,
    supersedes: str | None,
    document: str,
    stream: str,
    ticks: Ticks,
    files: PayloadFiles,
) -> None:
    """Keeps the event as this revision; where it has a destination, queues its delivery."""
    payload = files.keep_in_commit(Payload.inline(f"event:{event_id}", chunk.partner, event.data))
    writes.payloads.append(payload.row())
    writes.events.append(
        {
            "id": event_id, "identity": event.identity, "revision": revision, "partner": chunk.partner, "stream": stream,
            "document": document, "message": chunk.message, "type": event.type, "subject": event.subject[:200], "time": event.time,
            "correlation": (event.correlation or document)[:200], "supersedes": supersedes, "payload": payload.id, "at": chunk.at,
            "tick": ticks(),
        }
    )  # fmt: skip
    if supersedes:
        writes.superseded.append((supersedes, event_id))
    if event.destination is None:
        return
    attributes: dict[str, Any] = {
        "id": event_id, "type": event.type, "subject": event.subject, "time": event.time, "source": f"/partners/{chunk.partner}",
        "correlationid": event.correlation or document, "causationid": document, "sequence": f"{revision:010d}",
        "recordedtime": as_text(chunk.arrival), "stream": stream,
    }  # fmt: skip
    if supersedes:
        attributes["supersedes"] = supersedes
    if chunk.traceparent:
        attributes["traceparent"] = chunk.traceparent
    writes.deliveries.append(
        delivery_row(
            f"{event_id}@{event.destination.partition(':')[2]}",
            chunk,
            destination=event.destination,
            subject=event.subject,
            position=ticks(),
            kind="event",
            payload=payload.id,
            attributes=attributes,
            on_dead=event.on_dead,
            document=document,
            event=event_id,
            priority=event.priority,
            fallback=(event.fallback, event.fallback_after or 0) if event.fallback else None,
        )
    )
