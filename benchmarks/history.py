"""What a past costs: small 214s from the first send to the ERP's last confirmation, in a store that has decided a great many before, in turns with an empty one.

The past is made by plain inserts into every table that a new message is looked up in: keys of requests, interchanges and contents seen, identities, messages,
standings, and deliveries that were taken with their lanes. `python -m benchmarks.history [MESSAGES]`, or BENCH_HISTORY=MESSAGES.
"""

import hashlib
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from benchmarks.gateway import confirmed, gateway, peer, send
from benchmarks.rows import Row
from gateway.clock import now
from gateway.store.intake import PUT_ANSWER
from gateway.store.lanes import lane_id
from gateway.store.sql import insert, many
from gateway.store.store import Store

MESSAGES = 300_000
PARTNER = "northway"
BATCH = 10_000
SENT = 3_000
RUNS = 5
SLOWER = 1.2

_PUTS = (
    insert("messages", "id", "partner", "direction", "channel", "state", "payload", "size", "sha256", "media_type", "profile_revision", "arrival", "decided_at"),
    PUT_ANSWER,
    insert("interchanges_seen", "partner", "stream", "sender", "receiver", "control", "message", "sha256", "at"),
    insert("contents", "partner", "stream", "set_id", "content_hash", "document", "message", "at"),
    insert("identities", "id", "partner", "revision", "meaning_hash", "event", "document", "at", "stream", "subject"),
    insert("standings", "subject", "partner", "stream", "actuals", "refs", "changed_at"),
    insert("deliveries", "id", "lane", "position", "partner", "destination", "kind", "state", "message", "event", "payload", "attributes", "on_dead", "created_at", "next_due", "done_at"),
    insert("lanes", "id", "destination", "partner", "subject", "priority"),
)  # fmt: skip


def fill(folder: Path, messages: int) -> None:
    """A store in `folder` with so many messages behind it, all over."""
    store = Store(f"sqlite:///{folder}/crossdock.db", folder / "payloads")
    at = now() - 40 * 86_400 * 1_000_000
    try:
        for start in range(0, messages, BATCH):
            store.writer.submit(_put, [list(_past(number, at)) for number in range(start, min(start + BATCH, messages))]).result()
    finally:
        store.close()


def _past(number: int, at: int) -> Iterator[dict[str, Any]]:
    """One message's rows, in the order of _PUTS."""
    key = hashlib.sha256(f"past {number}".encode()).hexdigest()
    message, subject, event = key[:26].upper(), f"shipment/PAST{number}", f"{key[:32]}-r1"
    document, lane, common = (
        f"{message}.1.1.1",
        lane_id("target:erp", PARTNER, subject),
        {"partner": PARTNER, "stream": "production", "at": at + number},
    )
    yield {
        "id": message, "partner": PARTNER, "direction": "in", "channel": "http", "state": "translated", "payload": f"message:{message}", "size": 400,
        "sha256": key, "media_type": "application/edi-x12", "profile_revision": 1, "arrival": at + number, "decided_at": at + number,
    }  # fmt: skip
    yield {"partner": PARTNER, "channel": "http", "key": f"sha256:{key}", "sha256": key, "message": message, "at": at + number}
    yield common | {"sender": "ZZ/NWFX", "receiver": "ZZ/CROSSDOCK", "control": f"P{number:08}", "message": message, "sha256": key}
    yield common | {"set_id": "214", "content_hash": key, "document": document, "message": message}
    yield common | {"id": key, "revision": 1, "meaning_hash": key, "event": event, "document": document, "subject": subject}
    yield {"subject": subject, "partner": PARTNER, "stream": "production", "actuals": "{}", "refs": "[]", "changed_at": at + number}
    yield {
        "id": f"{event}@erp", "lane": lane, "position": at + number, "partner": PARTNER, "destination": "target:erp", "kind": "event", "state": "delivered",
        "message": message, "event": event, "payload": f"event:{event}", "attributes": "{}", "on_dead": "pass", "created_at": at, "next_due": at,
        "done_at": at + number,
    }  # fmt: skip
    yield {"id": lane, "destination": "target:erp", "partner": PARTNER, "subject": subject, "priority": 2}


def _put(tx: Connection, items: list[list[list[dict[str, Any]]]]) -> list[None]:
    for rows in items:
        for statement, values in zip(_PUTS, zip(*rows, strict=True), strict=True):
            many(tx, statement, values)
    return [None] * len(items)


def end_to_end(folder: Path | None, first: int) -> float:
    """214s a second."""
    with peer("erp") as erp, gateway(erp, folder=folder) as (url, _):
        sent = send(url, SENT, first=first)
        rate: float = SENT / (confirmed(erp, SENT, ended=sent["ended"]) - sent["begun"])
    return rate


def run() -> list[Row]:
    messages = int(os.environ.get("BENCH_HISTORY", MESSAGES))
    folder = Path(tempfile.mkdtemp())
    try:
        fill(folder, messages)
        pairs = [(end_to_end(None, 1), end_to_end(folder, 1 + number * SENT)) for number in range(RUNS)]
    finally:
        shutil.rmtree(folder)
    empty, behind = (statistics.median(rates) for rates in zip(*pairs, strict=True))
    slower = statistics.median(one / other for one, other in pairs)
    return [
        Row(
            f"end to end with {messages:,} messages behind it, median of {RUNS}",
            f"{behind:,.0f}/s",
            f"none behind it {empty:,.0f}/s",
            f"{slower:.2f}× the time by the median of the pairs; the rates are medians of each side",
            f"≤ {SLOWER}×",
            slower <= SLOWER,
        )
    ]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        os.environ["BENCH_HISTORY"] = sys.argv[1]
    for row in run():
        print(row)
