"""The other processes of the gateway's benchmarks: bare baselines, the pretend ERP, and a sender that keeps so many requests in flight.

`python -m benchmarks.peers sync|stream|relay|erp|ledger PORT_FILE [URL]` serves until it is ended; `… send URL TOKEN COUNT IN_FLIGHT FIRST` and `… pace URL SECONDS
PARTNER=RATE…` print one JSON line.
"""

import asyncio
import hashlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
from aiohttp import web


async def _serve(app: web.Application, port_file: Path) -> None:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=512)
    await site.start()
    assert site._server is not None
    port_file.write_text(str(site._server.sockets[0].getsockname()[1]))
    await asyncio.Event().wait()


def sync_app() -> web.Application:
    """What intake is held against: takes the body, appends it to a file, syncs, answers. No rows, no partners, no keys."""
    descriptor = os.open(Path(tempfile.mkdtemp()) / "bodies", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        await asyncio.to_thread(_append, descriptor, body)
        return web.json_response({"id": hashlib.sha256(body).hexdigest()}, status=202)

    app = web.Application()
    app.router.add_post("/v1/inbox", take)
    return app


def _append(descriptor: int, body: bytes) -> None:
    os.write(descriptor, body)
    os.fdatasync(descriptor)


def stream_app() -> web.Application:
    """What a large body is held against: each piece is written to a file as it comes, then synced."""
    folder = Path(tempfile.mkdtemp())

    async def take(request: web.Request) -> web.Response:
        path = folder / f"{time.monotonic_ns()}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        async for piece in request.content.iter_any():
            os.write(descriptor, piece)
        await asyncio.to_thread(os.fsync, descriptor)
        os.close(descriptor)
        asyncio.get_running_loop().call_later(0.2, path.unlink)  # after the answer: it is not what is measured
        return web.json_response({}, status=202)

    app = web.Application(client_max_size=1 << 30)
    app.router.add_post("/v1/inbox", take)
    return app


def relay_app(target: str) -> web.Application:
    """What end to end is held against: one POST in, one POST out, nothing kept, nothing read."""
    sessions: list[aiohttp.ClientSession] = []

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        if not sessions:
            sessions.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)))
        async with sessions[0].post(target, data=body) as response:
            await response.read()
        return web.json_response({"ok": True}, status=202)

    app = web.Application()
    app.router.add_post("/v1/inbox", take)
    return app


def counting_erp() -> web.Application:
    """A pretend ERP as light as can be: counts distinct keys, remembers when the last one came."""
    seen: set[str] = set()
    last = [0.0]

    async def take(request: web.Request) -> web.Response:
        await request.read()
        seen.add(request.headers.get("Idempotency-Key") or str(len(seen)))
        last[0] = time.time()
        return web.json_response({"confirmation": len(seen)})

    async def ledger(request: web.Request) -> web.Response:
        return web.json_response({"effects": len(seen), "last": last[0]})

    app = web.Application()
    app.router.add_post("/events", take)
    app.router.add_get("/ledger", ledger)
    return app


def ledger_erp() -> web.Application:
    """A pretend ERP that remembers when each partner's subject first came. It takes ten milliseconds for each, as one does."""
    first: dict[str, float] = {}

    async def take(request: web.Request) -> web.Response:
        await request.read()
        name = f"{request.headers['ce-source'].rpartition('/')[2]} {request.headers['ce-subject'].rpartition('/')[2]}"
        first.setdefault(name, time.time())
        await asyncio.sleep(0.01)
        return web.json_response({"confirmation": len(first)})

    async def ledger(request: web.Request) -> web.Response:
        return web.json_response(first)

    app = web.Application()
    app.router.add_post("/events", take)
    app.router.add_get("/ledger", ledger)
    return app


def status_message(number: int, sender: str = "NWFX") -> bytes:
    """A small valid 214 of its own interchange, about 400 bytes."""
    return (
        f"ISA*00*          *00*          *02*{sender:15}*ZZ*CROSSDOCK      *261116*0930*U*00401*{number:09}*0*P*:~"
        f"GS*QM*{sender}*CROSSDOCK*20261116*0930*{number}*X*004010~ST*214*0001~B10*PRO{number}*SHP{number}*NWFX~L11*PO{number}*PO~LX*1~"
        f"AT7*X6*NS***20261116*0930*CT~MS1*JOLIET*IL*US~MS2*NWFX*538841*TL~AT8*G*L*1200*4~SE*9*0001~GE*1*{number}~IEA*1*{number:09}~"
    ).encode()


async def send(url: str, token: str, count: int, in_flight: int, first: int) -> dict[str, float]:
    """`count` documents from number `first` on, `in_flight` at once: how many got their 2xx, and in how many seconds."""
    numbers = iter(range(first, first + count))
    taken = 0

    async def one(session: aiohttp.ClientSession) -> None:
        nonlocal taken
        for number in numbers:
            async with session.post(url, data=status_message(number), headers=headers) as response:
                await response.read()
                taken += response.status < 300

    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/edi-x12"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=in_flight)) as session:
        begun = time.time()
        await asyncio.gather(*[one(session) for _ in range(in_flight)])
        ended = time.time()
    return {"taken": taken, "begun": begun, "ended": ended, "rate": taken / (ended - begun)}


async def pace(url: str, seconds: float, rates: dict[str, float]) -> dict[str, float]:
    """Each partner, whose token is its name, at its own pace, whatever the answers take; when each document's request began, by partner and subject."""
    begun: dict[str, float] = {}
    running: set[asyncio.Task[None]] = set()

    async def one(session: aiohttp.ClientSession, partner: str, number: int) -> None:
        headers = {"Authorization": f"Bearer {partner}", "Content-Type": "application/edi-x12"}
        at = time.time()
        async with session.post(url, data=status_message(number, partner.upper()), headers=headers) as response:
            await response.read()
            if response.status < 300:
                begun[f"{partner} SHP{number}"] = at

    async def partner_of(session: aiohttp.ClientSession, partner: str, rate: float, offset: int) -> None:
        start = time.monotonic()
        for number in range(1, round(seconds * rate) + 1):
            await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
            task = asyncio.create_task(one(session, partner, offset + number))
            running.add(task)
            task.add_done_callback(running.discard)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256)) as session:
        await asyncio.gather(*[partner_of(session, name, rate, place * 1_000_000) for place, (name, rate) in enumerate(rates.items(), start=1)])
        await asyncio.gather(*running)
    return begun


def main() -> None:
    import uvloop

    role, *rest = sys.argv[1:]
    if role == "send":
        url, token, *numbers = rest
        count, in_flight, first = map(int, numbers)
        print(json.dumps(uvloop.run(send(url, token, count, in_flight, first))))
        return
    if role == "pace":
        url, seconds, *pairs = rest
        rates = {name: float(rate) for name, _, rate in (pair.partition("=") for pair in pairs)}
        print(json.dumps(uvloop.run(pace(url, float(seconds), rates))))
        return
    apps = {"sync": sync_app, "stream": stream_app, "erp": counting_erp, "ledger": ledger_erp}
    app = apps[role]() if role != "relay" else relay_app(rest[1])
    uvloop.run(_serve(app, Path(rest[0])))


if __name__ == "__main__":
    main()
