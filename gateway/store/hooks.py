"""Word for partners' webhooks, queued in the commit that decides a message.

Knows rows.
"""

import json
from collections import defaultdict
from typing import Any

from sqlalchemy import Connection

from gateway.clock import Ticks, as_text
from gateway.records import Chunk
from gateway.store.intake import PUT_PAYLOAD
from gateway.store.payloads import Payload
from gateway.store.sql import in_lists, many, one_of
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
    payloads, deliveries = [], []
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
        identity = f"{HOOK}:{message}.{at}"
        payload = Payload.inline(identity, chunk.partner, json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode())
        payloads.append(payload.row())
        attributes = {"media_type": "application/json", "file_name": f"{message}.json"}
        deliveries.append(
            delivery_row(
                identity, chunk, destination=f"{HOOK}:{chunk.partner}", subject=identity, position=at, kind="webhook", payload=identity,
                attributes=attributes, on_dead="pass",
            )
        )  # fmt: skip
    many(tx, PUT_PAYLOAD, payloads)
    queue(tx, deliveries)
