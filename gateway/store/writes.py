"""What one COMMIT 2 is going to write: rows collected from all its chunks, and how rows of deliveries and alarms look.

Knows neither the past nor the database.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from gateway.clock import Instant
from gateway.records import Acknowledgment, Chunk
from gateway.store.lanes import lane_id


@dataclass
class Writes:
    """Rows collected from all chunks of one commit, written table by table in key order."""

    interchanges: list[dict[str, Any]] = field(default_factory=list)
    seen: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    groups: list[dict[str, Any]] = field(default_factory=list)
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)
    changed_documents: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    references: list[dict[str, Any]] = field(default_factory=list)
    contents: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    identities: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    payloads: list[dict[str, Any]] = field(default_factory=list)
    outgoing: list[dict[str, Any]] = field(default_factory=list)
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    superseded: list[tuple[str, str]] = field(default_factory=list)
    moved: list[dict[str, Any]] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    decided: list[dict[str, Any]] = field(default_factory=list)
    life: list[dict[str, Any]] = field(default_factory=list)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    composed: list[tuple[Chunk, Acknowledgment]] = field(default_factory=list)
    again: list[tuple[Chunk, str]] = field(default_factory=list)

    def tell(self, at: Instant, chunk: Chunk, step: str, what: str) -> None:
        self.life.append({"message": chunk.message, "at": at, "partner": chunk.partner, "step": step[:40], "who": chunk.who[:80], "text": what})


def alarm_row(kind: str, chunk: Chunk, what: str, subject: str = "") -> dict[str, Any]:
    key = hashlib.sha256(f"{kind} {subject or chunk.message}".encode()).hexdigest()
    return {"id": key, "kind": kind, "partner": chunk.partner, "message": chunk.message, "text": what, "at": chunk.at}


def delivery_row(
    delivery_id: str,
    chunk: Chunk,
    *,
    destination: str,
    subject: str,
    position: Instant,
    kind: str,
    payload: str,
    attributes: dict[str, Any],
    on_dead: str,
    document: str | None = None,
    event: str | None = None,
    outgoing: str | None = None,
) -> dict[str, Any]:
    return {
        "id": delivery_id[:120], "lane": lane_id(destination, chunk.partner, subject), "position": position, "partner": chunk.partner,
        "destination": destination, "kind": kind, "state": "due", "message": chunk.message, "document": document, "event": event,
        "outgoing": outgoing, "payload": payload, "attributes": json.dumps(attributes, separators=(",", ":")), "on_dead": on_dead,
        "created_at": chunk.at, "next_due": chunk.at, "subject": subject,
    }  # fmt: skip
