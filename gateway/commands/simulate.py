"""`crossdock simulate`: the pretend ERP and pretend partners as processes of their own, for trying a profile and for compose files."""

import asyncio
import json
from pathlib import Path

import aiohttp
from aiohttp import web

from gateway.exits import FAILED, GOOD
from gateway.simulators.chaos import Chaos
from gateway.simulators.erp import PretendErp
from gateway.simulators.partner import PretendPartner


def erp(host: str, port: int, chaos: Chaos | None = None) -> int:
    """Serves until it is stopped: POST /events, GET /events/{id}, GET /ledger, POST /behave."""

    async def serve() -> None:
        runner = web.AppRunner(PretendErp(chaos).app(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        address, chosen = runner.addresses[0][:2]
        if chaos is not None:
            print(f"chaos {chaos.seed}: {chaos.often:.0%} of the requests meet a fault, the same ones at every run with this seed", flush=True)
        print(f"the pretend ERP takes events at http://{address}:{chosen}/events; its ledger is at /ledger, its moods at /behave", flush=True)
        await asyncio.Event().wait()

    try:
        asyncio.run(serve())
    except KeyboardInterrupt:
        pass
    return GOOD


def partner(name: str, token: str, url: str, files: list[Path], wait: float) -> int:
    """Sends files, then picks up what comes back for `wait` seconds. Exit 1 if a file was not taken."""

    async def act() -> int:
        one = PretendPartner(name, token, url.rstrip("/"))
        code = GOOD
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
            for file in files:
                status, answer = await one.send(session, file.name, file.read_bytes(), tries=30, pause=1)
                print(f"{file.name}: {status} {json.dumps(answer)}", flush=True)
                code = code if status == 202 else FAILED
            shown: set[str] = set()
            for _ in range(max(1, round(wait / 0.5))):
                await one.pick_up(session)
                for key in sorted(set(one.picked_up) - shown):
                    print(f"picked up {key}:\n{one.picked_up[key].decode('latin-1')}", flush=True)
                    shown.add(key)
                await asyncio.sleep(0.5)
        return code

    try:
        return asyncio.run(act())
    except ConnectionError as error:
        print(error)
        return FAILED
    except KeyboardInterrupt:
        return GOOD
