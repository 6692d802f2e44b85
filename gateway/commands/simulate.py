"""`crossdock simulate`: the pretend ERP and pretend partners as processes of their own, for trying a profile and for compose files."""

import asyncio
import contextlib
import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from aiohttp import web

from gateway.errors import CrossdockError
from gateway.exits import FAILED, GOOD, USAGE
from gateway.keys import read_private, read_ssh
from gateway.simulators.as2 import PretendAs2Partner
from gateway.simulators.chaos import Chaos
from gateway.simulators.erp import PretendErp
from gateway.simulators.living import ByAs2, ByHttp, BySftp, Living, Way, served
from gateway.simulators.partner import PretendPartner
from gateway.simulators.sftp import PretendSftpPartner
from gateway.simulators.staged import Staging
from gateway.simulators.trade import FAULTS, IDENTITIES, ORDER_SETS, ROLES, OrderSet, Role, Sender, Sending, sendings
from translators.as2.cms.keys import KeyRefused, certificate, our_key


def erp(host: str, port: int, chaos: Chaos | None = None, staged: float | None = None) -> int:
    """Serves until it is stopped: POST /events, GET /events/{id}, GET /ledger, POST /behave; with `staged` (seconds) GET /jobs/{number}, too."""

    async def serve() -> None:
        runner = web.AppRunner(PretendErp(chaos, Staging(staged) if staged is not None else None).app(), access_log=None)
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


@dataclass(frozen=True, slots=True)
class Line:
    """How a living partner reaches the gateway: one of HTTP (token), SFTP (key, host_key), AS2 (key and certificate in one PEM, the gateway's certificate)."""

    url: str
    token: str = ""
    key: Path | None = None
    host_key: str = ""
    as2_name: str = ""
    certificate: Path | None = None
    listen: int = 0
    stale_key: Path | None = None
    """AS2, with the fault `stale-certificate`: its key and certificate of before in one PEM; one that has run out is made where there is none."""
    retired: Path | None = None
    """The same: the gateway's certificate of before."""


def trade(
    role: str,
    name: str,
    line: Line,
    *,
    isa: str | None,
    seed: int,
    orders: int,
    faults: list[str],
    often: float,
    bill: bool,
    order_set: str | None,
    at_once: int,
    pace: float,
    wait: float,
) -> int:
    """A partner of this role. 2 for a fault, a set or an identity that there is not."""
    chosen = next(one for one in ROLES if one == role)
    wanted = [one for one in FAULTS if one in faults]
    if unknown := sorted(set(faults) - set(FAULTS)):
        print(f"no fault is called {unknown[0]}; there are: " + "; ".join(f"{one}: {says}" for one, says in FAULTS.items()))
        return USAGE
    if "stale-certificate" in wanted and not line.as2_name:
        print("stale-certificate is a fault of AS2: it needs --as2 NAME; by HTTP and SFTP nothing is signed")
        return USAGE
    if order_set is not None and (chosen != "customer" or order_set not in ORDER_SETS):
        print(f"--with says by what a customer orders: {', '.join(f'{one}, {says}' for one, says in ORDER_SETS.items())}")
        return USAGE
    by: OrderSet = "850" if order_set == "850" else "940"
    qualifier, _, identity = (isa or ":".join(IDENTITIES[chosen])).partition(":")
    if len(qualifier) != 2 or not 1 <= len(identity) <= 15 or not identity.isascii():
        print(f"{isa} is no identity; one is a qualifier of two characters, a colon and up to fifteen more, such as ZZ:LAKE3PL")
        return USAGE
    who, today = Sender(qualifier, identity), datetime.now(UTC).date()
    files = sendings(chosen, seed=seed, orders=orders, day=today, faults=wanted, often=often, sender=who, bill=bill, order_set=by)
    return living(
        chosen, name, line, files, sender=who, seed=seed, pace=pace, wait=wait, silent=often if "no-997" in wanted else 0.0, at_once=at_once
    )


def living(
    role: Role,
    name: str,
    line: Line,
    files: list[Sending],
    *,
    sender: Sender,
    seed: int,
    pace: float,
    wait: float,
    silent: float,
    at_once: int,
) -> int:
    """Sends the role's files, answers what comes, for `wait` seconds after its last one. Exit 1 if something was not taken."""

    async def act() -> int:
        async with contextlib.AsyncExitStack() as stack:
            way = await _way(stack, name, line, at_once)
            who = Living(
                way, sender, datetime.now(UTC).date(), lambda text: print(text, flush=True), ships=role == "3pl", pace=pace, silent=silent,
                at_once=at_once, chance=random.Random(f"living {role} {seed}"),
            )  # fmt: skip
            listening = asyncio.create_task(who.listen(1e9))
            try:
                await who.tell(files)
                await asyncio.sleep(wait)
            finally:
                listening.cancel()
                (ended,) = await asyncio.gather(listening, return_exceptions=True)
            if isinstance(ended, Exception):
                raise ended
            print(f"{who.sent} files sent, {len(who.got)} documents got", flush=True)
        return GOOD

    try:
        return asyncio.run(act())
    except (ConnectionError, CrossdockError, KeyRefused, OSError) as error:
        print(error)
        return FAILED
    except KeyboardInterrupt:
        return GOOD


async def _way(stack: contextlib.AsyncExitStack, name: str, line: Line, at_once: int) -> Way:
    if line.url.startswith("sftp://"):
        key = read_ssh(line.key.read_bytes(), None) if line.key else None
        lines = [PretendSftpPartner(name, key) for _ in range(at_once)]
        for partner in lines:
            await asyncio.to_thread(partner.connect, line.url, [line.host_key])
            stack.callback(partner.close)
        return BySftp(*lines)
    session = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)))
    if not line.as2_name:
        return ByHttp(session, PretendPartner(name, line.token, line.url.rstrip("/")))
    if line.key is None or line.certificate is None:
        raise CrossdockError("by AS2 it needs --key, a PEM file with its key and certificate, and --certificate, the gateway's")
    made = read_private(line.key.read_bytes(), None)
    as2 = PretendAs2Partner(line.as2_name, our_key(made.private, made.certificate), certificate(line.certificate.read_bytes()))
    runner, address = await served(as2, "127.0.0.1", line.listen)
    stack.push_async_callback(runner.cleanup)
    print(f"takes messages at {address}", flush=True)
    before = read_private(line.stale_key.read_bytes(), None) if line.stale_key else None
    return ByAs2(
        session, as2, line.url, stale=our_key(before.private, before.certificate) if before else None,
        retired=certificate(line.retired.read_bytes()) if line.retired else None,
    )  # fmt: skip
