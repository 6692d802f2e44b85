"""Deliveries to a NATS stream: our target against the client library's own publish with acknowledgment, same server, same number in flight.

Twice: the library sends the very message, with the headers of its CloudEvent made beforehand; and the body with nothing but an id. The target alone: events of 2 KB as the deliver stage would hand them over, no store. `python -m benchmarks.nats`; needs the server of `make peers`.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.rows import Row
from gateway.clock import now
from gateway.records.deliveries import ToDeliver
from gateway.settings import Settings
from gateway.targets.cloudevents import binary_headers
from gateway.targets.kinds import make
from tests.peers import nats as peers

ROOT = Path(__file__).parent.parent
IN_FLIGHT = 64
EVENTS = 10_000
RUNS = 5
SUBJECT = "crossdock.production.shipment.notified.v1"
DATA = json.dumps({"notice_id": "ASN-1", "lines": [{"item": f"ITEM-{number:06}", "shipped": "12"} for number in range(45)]}).encode()


def attributes(number: int, run: str) -> dict[str, str]:
    return {
        "id": f"{run}{number:032}-r1", "type": "org.crossdock.shipment.notified.v1", "source": "/partners/acme", "subject": f"shipment/SHP{number}",
        "time": "2026-11-16T09:30:00-06:00", "recordedtime": "2026-11-16T15:31:00.000Z", "correlationid": f"purchase_order/PO{number}",
        "causationid": "01KABCDEFGHJKMNPQRSTVWXYZ0.1.1.1", "sequence": "0000000001", "stream": "production",
    }  # fmt: skip


async def timed(one: Callable[[int], Awaitable[object]]) -> float:
    """Events a second, so many in flight."""
    numbers = iter(range(EVENTS))

    async def sender() -> None:
        for number in numbers:
            await one(number)

    begun = time.perf_counter()
    await asyncio.gather(*(sender() for _ in range(IN_FLIGHT)))
    return EVENTS / (time.perf_counter() - begun)


async def bare(url: str, run: str) -> float:
    return await library(url, run, {})


async def same(url: str, run: str) -> float:
    return await library(
        url, run, {"Content-Type": "application/json", "ce-datacontenttype": "application/json"} | binary_headers(attributes(1, run))
    )


async def library(url: str, run: str, more: dict[str, str]) -> float:
    async with peers.client(url) as client:
        context = client.jetstream()

        async def publish(number: int) -> None:
            await context.publish(SUBJECT, DATA, timeout=30, headers={"Nats-Msg-Id": f"{run}{number:032}-r1", **more})

        await publish(-1)
        return await timed(publish)


async def target(url: str, run: str) -> float:
    settings = Settings.model_validate({"targets": {"bus": {"kind": "nats", "servers": url, "concurrency": IN_FLIGHT}}})
    one = make("bus", settings.targets["bus"])

    def delivery(number: int) -> ToDeliver:
        given = json.dumps(attributes(number, run))
        return ToDeliver("d", "l", 1, "acme", one.name, "event", "m", None, "e", "x", given, 0, False, "pass", now(), None, None, "", 0)

    ready = [delivery(number) for number in range(EVENTS)]  # the stage has them from its claim
    await one.deliver(delivery(-1), DATA)
    rate = await timed(lambda number: one.deliver(ready[number], DATA))
    await one.close()
    return rate


def measured(way: str, url: str, run: str) -> float:
    """In a process of its own, as the gateway runs."""
    command = [sys.executable, "-m", "benchmarks.nats", way, url, run]
    return float(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)


def run() -> list[Row]:
    if not peers.SERVER.exists():
        print(f"nats: {peers.MISSING}")
        return []
    with tempfile.TemporaryDirectory() as folder, peers.server(Path(folder)) as server:
        asyncio.run(_prepare(server.url))
        runs = [tuple(measured(way, server.url, f"{way}{number}") for way in ("target", "same", "bare")) for number in range(RUNS)]
    rows = []
    for place, what in ((1, "the very message"), (2, "the body and an id")):
        ours, theirs = sorted(((one[0], one[place]) for one in runs), key=lambda pair: pair[0] / pair[1])[RUNS // 2]
        name = f"NATS target alone, {IN_FLIGHT} in flight, {len(DATA) / 1000:.0f} KB"
        baseline = f"client library publishes {what} {theirs:,.0f}/s"
        rows.append(Row(name, f"{ours:,.0f}/s", baseline, f"{ours / theirs:.0%}", "≥ 70 %", ours / theirs >= 0.7))
    return rows


async def _prepare(url: str) -> None:
    async with peers.client(url) as client:
        await peers.make_stream(client)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        import uvloop

        print(uvloop.run({"target": target, "same": same, "bare": bare}[sys.argv[1]](*sys.argv[2:])))
    else:
        for row in run():
            print(row)
