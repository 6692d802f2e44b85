"""P21. One partner floods, fifty documents for each one of the others: these wait as if it were not there, and it gets what it may have and no more.

Judged by counts and order alone: the ERP answers one request at a time, when the trial lets it.
"""

import asyncio
import time
from collections import Counter
from typing import Any

from aiohttp import web
from sqlalchemy import text

from gateway.clock import SECOND
from gateway.simulators.erp import PretendErp
from gateway.store.store import landed
from gateway.translate.pool import Pool
from tests.faults.partners import agree, status
from tests.faults.promise import Proof, Trial
from tests.faults.sabotage import sabotaged
from tests.running import Running, running

FLOOD = "flood"
STEADY = tuple(f"steady{number}" for number in range(1, 5))
CONCURRENCY = 8
UNDER_WAY = 10
"""Requests that the flooding partner may have under way."""
RATE, BURST = 25, 10
"""What it may send to its own target."""
AHEAD_FOR_A_WORKER = 2
"""Calls of the flood's that may be begun while another waits for a worker: the turn that was the flood's already, and one that comes between two others."""
AHEAD_AT_THE_ERP = CONCURRENCY + 1 + len(STEADY)
"""Those in flight already, and one turn of each."""


class GatedErp(PretendErp):
    """Takes a request when the gate lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Semaphore(0)
        self.waiting = 0

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.waiting += 1
        await self.gate.acquire()
        self.waiting -= 1
        return await super().take(request)


class Calls:
    """Counts, for each call of another's that had to wait for a worker, how many of the flood's were begun meanwhile."""

    def __init__(self, pool: Pool) -> None:
        self.ahead: list[int] = []
        self.honest = honest = pool.take
        begun = 0

        async def take(partner: str) -> Any:
            nonlocal begun
            before = begun
            worker = await honest(partner)
            if partner == FLOOD:
                begun += 1
            else:
                self.ahead.append(begun - before)
            return worker

        pool.take = take  # type: ignore[method-assign]


async def prove(trial: Trial, proof: Proof) -> None:
    erp = GatedErp()
    runner = web.AppRunner(erp.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
    targets = {
        "gated": {"url": url, "timeout": "10m", "concurrency": CONCURRENCY},
    }
    try:
        with sabotaged(trial.sabotage):
            async with running(trial.folder, targets=targets) as gateway:
                await agree(gateway, *STEADY, target="gated")
                await agree(gateway, FLOOD, target="gated", more=f"channels: {{http: {{in_flight: {UNDER_WAY}}}}}\n")
                calls = Calls(gateway.node.pool)
                for round_ in range(trial.size("rounds")):
                    await _one_round(trial, proof, gateway, erp, calls, round_)
                if trial.sabotage is None:
                    await _at_the_door(trial, proof, gateway)
                    await _at_its_quota(trial, proof, gateway)
                erp.gate = asyncio.Semaphore(1_000_000)
    finally:
        await runner.cleanup()


async def _standing_in_line(pool: Pool, least: int) -> int:
    """How many calls wait for a worker, once there are so many and no more come."""
    seen = -1
    async with asyncio.timeout(30):
        while (count := sum(len(calls) for calls in pool._waiting.values())) < least or count != seen:
            seen = count
            await asyncio.sleep(0.2)
    return count


async def _one_round(trial: Trial, proof: Proof, gateway: Running, erp: GatedErp, calls: Calls, round_: int) -> None:
    stage, flood = gateway.node.translate, trial.size("flood")
    erp.gate = asyncio.Semaphore(0)
    await stage.stop()
    sent = [await _send(gateway, FLOOD, f"F{round_}-{number}", round_ * flood + number) for number in range(flood)]
    # All workers are away until the flood's calls stand in line, and behind them the others'.
    pool = gateway.node.pool
    away = [await calls.honest(FLOOD) for _ in range(pool.size)]
    stage.start()
    in_line = await _standing_in_line(pool, 2)
    steady = {name: await _send(gateway, name, f"{name}-{round_}".upper(), round_) for name in STEADY}
    await _standing_in_line(pool, in_line + len(STEADY))
    for worker in away:
        pool.give_back(worker)
    times = await _decided(gateway, [*sent, *steady.values()])
    proof.count("documents of the flood", flood)
    proof.count("documents of the others", len(steady))
    came = {row.id: row.arrival for row in await _rows(gateway, "SELECT id, arrival FROM messages")}
    between = max(sum(came[message] < times[one] < times[message] for one in sent) for message in steady.values())
    proof.figures["documents of the flood translated while one of the others waited"] = str(between)
    _most(proof, "most worker calls of the flood's while one of the others waited for a worker", calls.ahead)
    proof.none("behind too many worker calls of the flood's", (count for count in calls.ahead if count > AHEAD_FOR_A_WORKER))
    proof.holds(len(calls.ahead) >= len(STEADY), "nobody waited for a worker: it proves nothing")
    # A queue stands before the ERP. The others' documents are behind it; then they come anew.
    await gateway.settle(lambda: erp.waiting == CONCURRENCY)
    before = await _drain(gateway, erp, {f"shipment/{name.upper()}-{round_}" for name in STEADY}, most=flood)
    late = {name: f"{name.upper()}-{round_}-LATE" for name in STEADY}
    await _decided(gateway, [await _send(gateway, name, shipment, 10_000 + round_) for name, shipment in late.items()])
    before |= await _drain(gateway, erp, {f"shipment/{shipment}" for shipment in late.values()}, most=flood)
    _most(proof, "most of the flood's that the ERP got before one of the others", before.values())
    proof.none("at the ERP behind too much of the flood", (f"{one} behind {count}" for one, count in before.items() if count > AHEAD_AT_THE_ERP))
    left = flood * (round_ + 1) - sum(effect.subject.startswith("shipment/F") for effect in erp.effects.values())
    proof.holds(left > 0, "the flood was over before the others were through: it proves nothing")
    for _ in range(10 * flood):
        erp.gate.release()
    had, since = -1, time.monotonic()
    while len(erp.order) > had or time.monotonic() - since < 1:
        if len(erp.order) > had:
            had, since = len(erp.order), time.monotonic()
        await asyncio.sleep(0.05)
    proof.none("lost", {f"shipment/F{round_}-{number}" for number in range(flood)} - {effect.subject for effect in erp.effects.values()})


def _most(proof: Proof, what: str, found: Any) -> None:
    proof.counts[what] = max(proof.counts[what], *found)


async def _drain(gateway: Running, erp: GatedErp, wanted: set[str], *, most: int) -> dict[str, int]:
    """Lets one request after another through until the ERP has all of these; by subject, how many of the flood's it got before."""
    begun, before = len(erp.order), {}
    for _ in range(most):
        await _step(gateway, erp)
        got = [erp.effects[event].subject for event in erp.order[begun:]]
        before = {one: sum(other.startswith("shipment/F") for other in got[: got.index(one)]) for one in wanted if one in got}
        if len(before) == len(wanted):
            return before
    return before | dict.fromkeys(wanted - set(before), most)


async def _step(gateway: Running, erp: GatedErp) -> None:
    """One request through, and the next one there in its place, if there is one."""
    had = len(erp.order)
    erp.gate.release()
    await gateway.settle(lambda: len(erp.order) > had)
    until = time.monotonic() + 0.5
    while erp.waiting < CONCURRENCY and time.monotonic() < until:
        await asyncio.sleep(0.005)


async def _at_the_door(trial: Trial, proof: Proof, gateway: Running) -> None:
    """It begins many uploads at once and ends none of them; the others' are taken meanwhile."""
    uploads = 5 * UNDER_WAY
    ends = asyncio.Event()

    async def body(number: int) -> Any:
        yield b"ISA*%d" % number
        await ends.wait()
        yield b"no more"

    async def upload(number: int) -> int:
        async with gateway.session.post(f"{gateway.url}/v1/inbox", data=body(number), headers=gateway.partner(FLOOD).headers()) as response:
            await response.read()
            return response.status

    tasks = [asyncio.create_task(upload(number)) for number in range(uploads)]
    await gateway.settle(lambda: sum(task.done() for task in tasks) >= uploads - UNDER_WAY)
    refused = Counter(task.result() for task in tasks if task.done())
    for name in STEADY:
        await _send(gateway, name, f"DOOR-{name}".upper(), 1)
    ends.set()
    taken = Counter(await asyncio.gather(*tasks))
    proof.count("uploads of the flood's at once", uploads)
    proof.count("of them refused (429)", refused[429])
    proof.holds(refused == {429: uploads - UNDER_WAY}, f"with {UNDER_WAY} uploads agreed, {uploads} at once were answered {dict(refused)}")
    proof.holds(taken[202] == UNDER_WAY, f"those within the bound were answered {dict(taken)}")


async def _at_its_quota(trial: Trial, proof: Proof, gateway: Running) -> None:
    """What it may send to the ERP in a second is given to it, within five in a hundred, and no more."""
    await agree(gateway, FLOOD, target="erp", more=f"throttle: {{rate: {RATE}, burst: {BURST}}}\n")
    number = trial.size("quota")
    for one in range(number):
        await _send(gateway, FLOOD, f"QUOTA-{one}", 100_000 + one)
    end = time.monotonic() + 20 + 2 * number / RATE
    while len(gateway.erp.effects) < number and time.monotonic() < end:
        await asyncio.sleep(0.05)
    query = "SELECT a.started_at FROM attempts a JOIN deliveries d ON d.id = a.delivery WHERE d.destination = 'target:erp' AND d.partner = :partner ORDER BY 1"
    times = [row.started_at for row in await _rows(gateway, query, partner=FLOOD)]
    seconds = (times[-1] - times[0]) / SECOND
    given = BURST + RATE * seconds
    proof.count("events under a quota", len(times))
    proof.holds(len(times) <= 1.05 * given + 1, f"{len(times)} events in {seconds:.2f} s, and the quota gives {given:.1f}")
    proof.figures["of its quota it got"] = f"{100 * len(times) / given:.0f} %"


async def _send(gateway: Running, name: str, shipment: str, control: int) -> str:
    answer, value = await gateway.partner(name).send(gateway.session, "s", status(name, shipment, control % 1000, control + 1), tries=50)
    assert answer == 202, value
    return str(value["id"])


async def _rows(gateway: Running, query: str, **given: Any) -> list[Any]:
    return list(await landed(gateway.node.store.read(lambda tx: tx.execute(text(query), given).all())))


async def _translated(gateway: Running, messages: list[str]) -> dict[str, int]:
    """Of these messages when each was translated, by the clock that gives the order of commits."""
    wanted = set(messages)
    return {row.message: row.at for row in await _rows(gateway, "SELECT message, at FROM life WHERE step = 'translated'") if row.message in wanted}


async def _decided(gateway: Running, messages: list[str]) -> dict[str, int]:
    """The same, once all of them are."""
    end = time.monotonic() + 30 + len(messages) / 20
    while len(times := await _translated(gateway, messages)) < len(set(messages)):
        assert time.monotonic() < end, "messages were not decided"
        await asyncio.sleep(0.1)
    return times
