"""A million deliveries that wait for an ERP: how fast they drain once it answers, and what they cost the intake while it does not.

The backlog is made by plain inserts: for each delivery a lane of its own, its payload, and keys as random as the gateway's. Its database is then given to
a gateway, run after run; intake into an empty one takes turns with it. `python -m benchmarks.backlog [DELIVERIES]`, or BENCH_BACKLOG=DELIVERIES.
"""

import contextlib
import hashlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from benchmarks.gateway import gateway, ledger, peer, send
from benchmarks.rows import Row
from gateway.clock import now
from gateway.store.engine import sqlite_driver
from gateway.store.intake import PUT_PAYLOAD
from gateway.store.lanes import PUT_DELIVERY, PUT_LANE, lane_id
from gateway.store.payloads import Payload
from gateway.store.sql import many
from gateway.store.store import Store

DELIVERIES = 1_000_000
TARGET = "target:erp"
PARTNER = "northway"
BATCH = 10_000
INTAKE = 6_000
RUNS = 5
DRAIN_SECONDS = 20
SLOWER = 1.2
DRAIN_AIM = 500


def fill(folder: Path, deliveries: int) -> None:
    """A store in `folder` with so many statuses that are due, each in a lane of its own."""
    store = Store(f"sqlite:///{folder}/crossdock.db", folder / "payloads")
    at = now()
    body = {"type": "shipment.status", "subject": "", "evidence": {"message": "m" * 26}, "text": "as long as the event of a small 214 is. " * 15}
    try:
        for start in range(0, deliveries, BATCH):
            rows = [_delivery(number, at, body) for number in range(start, min(start + BATCH, deliveries))]
            store.writer.submit(_put, rows).result()
    finally:
        store.close()


def _delivery(number: int, at: int, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Its payload, itself and its lane, as rows."""
    event = f"{hashlib.sha256(str(number).encode()).hexdigest()[:32]}-r1"
    subject = f"shipment/WAITS{number}"
    payload = Payload.inline(f"event:{event}", PARTNER, json.dumps(body | {"subject": subject}).encode())
    attributes = {
        "id": event, "type": "shipment.status", "subject": subject, "time": "2026-11-16T09:30:00Z", "source": f"/partners/{PARTNER}",
        "correlationid": subject, "causationid": "m.1.1.1", "sequence": "0000000001", "stream": "production",
    }  # fmt: skip
    lane = lane_id(TARGET, PARTNER, subject)
    common = {"destination": TARGET, "partner": PARTNER, "next_due": at}
    delivery = common | {
        "id": f"{event}@erp", "lane": lane, "position": at + number, "kind": "event", "state": "due", "message": "m" * 26, "document": None,
        "event": event, "outgoing": None, "payload": payload.id, "attributes": json.dumps(attributes), "on_dead": "pass", "created_at": at,
        "fallback": None, "fallback_after": None,
    }  # fmt: skip
    return payload.row(), delivery, common | {"id": lane, "subject": subject, "head": delivery["id"], "priority": 2}


def _put(tx: Connection, items: list[list[tuple[dict[str, Any], ...]]]) -> list[None]:
    for rows in items:
        for statement, values in zip((PUT_PAYLOAD, PUT_DELIVERY, PUT_LANE), zip(*rows, strict=True), strict=True):
            many(tx, statement, values)
    return [None] * len(items)


def drained(folder: Path) -> tuple[float, float]:
    """(deliveries a second that the ERP took, POSTs a second that it takes from a client that keeps nothing)."""
    with peer("erp") as erp:
        bare = send(erp, INTAKE, path="/events")["rate"]
    with peer("erp") as erp, gateway(erp, folder=folder):
        begun, before = time.time(), ledger(erp)["effects"]
        time.sleep(DRAIN_SECONDS)
        state = ledger(erp)
        return (state["effects"] - before) / (state["last"] - begun), bare


def intake(folder: Path | None, first: int) -> float:
    """Messages a second answered 202 while the ERP is away; a folder is left with nothing that is still to be translated."""
    with gateway(None, folder=folder) as (url, _):
        rate: float = send(url, INTAKE, first=first)["rate"]
        while folder is not None and _untranslated(folder):
            time.sleep(0.5)
    return rate


def _untranslated(folder: Path) -> int:
    with contextlib.closing(sqlite_driver().connect(f"file:{folder}/crossdock.db?mode=ro", uri=True)) as connection:
        number: int = connection.execute("SELECT count(*) FROM messages WHERE state = 'received'").fetchone()[0]
    return number


def run() -> list[Row]:
    deliveries = int(os.environ.get("BENCH_BACKLOG", DELIVERIES))
    folder = Path(tempfile.mkdtemp())
    try:
        fill(folder, deliveries)
        drain, bare = drained(folder)
        pairs = [(intake(None, 1), intake(folder, 1 + number * INTAKE)) for number in range(RUNS)]
    finally:
        shutil.rmtree(folder)
    empty, beside = (statistics.median(rates) for rates in zip(*pairs, strict=True))
    slower = statistics.median(one / other for one, other in pairs)
    return [
        Row(
            f"intake beside {deliveries:,} waiting deliveries, median of {RUNS}",
            f"{beside:,.0f}/s",
            f"none waiting {empty:,.0f}/s",
            f"{slower:.2f}× the time",
            f"≤ {SLOWER}×",
            slower <= SLOWER,
        ),
        Row(
            f"draining {deliveries:,} once the ERP answers",
            f"{drain:,.0f}/s",
            f"bare client {bare:,.0f}/s",
            f"{drain / bare:.0%}",
            f"≥ {DRAIN_AIM}/s",
            drain >= DRAIN_AIM,
        ),
    ]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        os.environ["BENCH_BACKLOG"] = sys.argv[1]
    for row in run():
        print(row)
