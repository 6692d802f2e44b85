"""Word for partners' webhooks and people, queued in the commit that decides a message, or finds that an acknowledgment is overdue.

Knows rows.
"""

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from gateway.clock import Instant, Ticks, as_text
from gateway.records.translation import Chunk
from gateway.store.payload_rows import put_payloads
from gateway.store.payloads import Payload
from gateway.store.sql import in_lists, one_of
from gateway.store.writes import delivery_row, queue
from gateway.ways import HOOK

_COUNTS = one_of("SELECT message, set_id, state, count(*) AS number FROM documents WHERE message IN :keys GROUP BY message, set_id, state")
_FACTS = one_of("SELECT id, file_name, channel, arrival FROM messages WHERE id IN :keys")


def tell_partners(tx: Connection, decided: list[tuple[Chunk, str, str | None]], ticks: Ticks) -> None:
    """(chunk, state, reason) of messages that are decided; those whose partner has a webhook are told of."""
    wanted = {chunk.message: (chunk, state, reason) for chunk, state, reason in decided if chunk.hook}
    if not wanted:
        return
    counts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in in_lists(tx, _COUNTS, wanted):
        counts[row.message].append({"set": row.set_id, "state": row.state, "count": row.number})
    facts = {row.id: row for row in in_lists(tx, _FACTS, wanted)}
    payloads: list[dict[str, Any]] = []
    deliveries: list[dict[str, Any]] = []
    for message, (chunk, state, reason) in sorted(wanted.items()):
        body = {
            "type": "message.decided",
            "timestamp": as_text(chunk.at),
            "data": {
                "id": message, "state": state, "reason": reason, "file_name": facts[message].file_name, "channel": facts[message].channel,
                "received_at": as_text(facts[message].arrival), "documents": sorted(counts[message], key=lambda one: (one["set"], one["state"])),
                "status_url": f"/v1/messages/{message}",
            },
        }  # fmt: skip
        at = ticks()
        _queue(f"{HOOK}:{message}.{at}", chunk, body, at, f"{message}.json", payloads, deliveries)
    _put(tx, payloads, deliveries)


def remind(tx: Connection, rows: list[Any], ticks: Ticks, now: Instant, *, by: str = HOOK) -> None:
    """Partners are told of acknowledgments that they owe us, by webhook or by mail: rows of awaited, one for each of our messages."""
    payloads: list[dict[str, Any]] = []
    deliveries: list[dict[str, Any]] = []
    for row in rows:
        body = {
            "type": "acknowledgment.overdue",
            "timestamp": as_text(now),
            "data": {
                "kind": row.kind, "message": row.message, "set": row.set_id or None, "interchange_control": row.interchange_control, "sent_at": as_text(row.opened_at),
                "due_at": as_text(row.due_at),
            },
        }  # fmt: skip
        at = ticks()
        cause = _Reminded(row.partner, row.message, at)
        _queue(f"{by}:{row.message}.{at}", cause, body, at, f"{row.message}.json", payloads, deliveries, by=by)
    _put(tx, payloads, deliveries)


@dataclass(frozen=True, slots=True)
class _Reminded:
    """Whose message a reminder is about."""

    partner: str
    message: str
    at: Instant


def _queue(
    identity: str,
    cause: Any,
    body: dict[str, Any],
    at: Instant,
    file_name: str,
    payloads: list[dict[str, Any]],
    deliveries: list[dict[str, Any]],
    *,
    by: str = HOOK,
) -> None:
    payload = Payload.inline(identity, cause.partner, json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode())
    payloads.append(payload.row())
    attributes = {"media_type": "application/json", "file_name": file_name}
    deliveries.append(
        delivery_row(
            identity, cause, destination=f"{by}:{cause.partner}", subject=identity, position=at, kind="webhook", payload=identity, attributes=attributes,
            on_dead="pass",
        )
    )  # fmt: skip


def _put(tx: Connection, payloads: list[dict[str, Any]], deliveries: list[dict[str, Any]]) -> None:
    put_payloads(tx, payloads)
    queue(tx, deliveries)
