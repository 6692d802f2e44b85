"""P6. The ERP is away for a day, by a clock that leaps: nothing dies of it, nothing is dropped, it is asked twice a minute at most, and afterwards all of it comes in order."""

import asyncio
import time
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from sqlalchemy import text

from gateway.clock import MINUTE, SECOND, Instant, now
from gateway.simulators.erp import PretendErp
from gateway.store.store import landed
from tests.faults.partners import FIRST, agree, interchange, status_set
from tests.faults.promise import Proof, Trial
from tests.faults.sabotage import sabotaged
from tests.running import Running, running

PARTNERS = tuple(f"carrier{number}" for number in range(1, 5))
SETS = 20
SHIPMENTS = 50
"""Of each partner, told of in turn."""
TARGET = "target:away"
MOST_BEFORE = 10 + 32
"""Failures that a breaker waits for, and what is in flight meanwhile."""
GROWTH = 512 * 2**20


class Leaping:
    """A clock that goes on by itself, and leaps when it is told to."""

    def __init__(self) -> None:
        self.ahead: Instant = 0

    def __call__(self) -> Instant:
        return now() + self.ahead

    def leap(self, by: Instant) -> None:
        self.ahead += by


class AwayErp(PretendErp):
    def __init__(self, clock: Leaping) -> None:
        super().__init__()
        self.clock = clock
        self.asked_at: list[Instant] = []

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.asked_at.append(self.clock())
        return await super().take(request)


async def prove(trial: Trial, proof: Proof) -> None:
    clock = Leaping()
    erp = AwayErp(clock)
    runner = web.AppRunner(erp.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    target = {"away": {"url": f"http://127.0.0.1:{runner.addresses[0][1]}/events", "timeout": "5s"}}
    # A schedule that is over long before the ERP is back: time in which it rests must not count.
    retries = {"first": timedelta(seconds=1), "longest": timedelta(seconds=1), "give_up": timedelta(hours=2)}
    try:
        with sabotaged(trial.sabotage):
            async with running(trial.folder, clock=clock, targets=target, retries=retries) as gateway:
                await agree(gateway, *PARTNERS, target="away")
                await Day(trial, proof, gateway, erp, clock).goes_by()
    finally:
        await runner.cleanup()


class Day:
    def __init__(self, trial: Trial, proof: Proof, gateway: Running, erp: AwayErp, clock: Leaping) -> None:
        self.trial, self.proof, self.gateway, self.erp, self.clock = trial, proof, gateway, erp, clock
        self.messages = -(-trial.size("backlog") // SETS)
        self.sent = 0
        self.told: dict[tuple[str, str], list[int]] = defaultdict(list)
        """(partner, shipment) -> its steps in the order that they were sent."""
        self.claims: list[Any] = []
        honest = gateway.node.store.claim_lanes

        def claim(asked: Any) -> Any:
            self.claims = [one for one in self.claims if not one.done()] + [(claimed := honest(asked))]
            return claimed

        gateway.node.store.claim_lanes = claim  # type: ignore[method-assign]

    async def goes_by(self) -> None:
        hours = 3 if self.trial.sabotage else self.trial.size("hours")
        memory = _resident()
        self.erp.behaviour.dead = True
        # Half an hour in steps that are shorter than a breaker's pause, the rest in long ones.
        steps = [10 * SECOND] * 180 + [10 * MINUTE] * (6 * hours - 3)
        if self.trial.sabotage == "breaker-stays-closed":
            steps = steps[:10]
        for number, step in enumerate(steps):
            while self.sent * len(steps) < self.messages * (number + 1):
                await self._send()
            await self._calm()
            self.clock.leap(step)
            self.gateway.node.deliver.wake()
            await asyncio.sleep(0.001)
        await self._calm()
        self.proof.count("hours away", hours)
        await self._judged_while_away()
        self.erp.behaviour.dead = False
        await self._drained()
        self.proof.holds(_resident() - memory < GROWTH, f"the process grew by {(_resident() - memory) >> 20} MiB")
        self.proof.figures["the process grew by"] = f"{max(0, _resident() - memory) >> 20} MiB"

    async def _send(self) -> None:
        """One interchange: twenty statuses, of the shipments in turn."""
        name = PARTNERS[self.sent % len(PARTNERS)]
        first = self.sent // len(PARTNERS) * SETS
        sets = []
        for number in range(SETS):
            shipment, step = f"{name}-{(first + number) % SHIPMENTS}".upper(), (first + number) // SHIPMENTS
            sets.append(status_set(shipment, step, number=number + 1))
            self.told[name, shipment].append(step)
        self.sent += 1
        answer, _ = await self.gateway.partner(name).send(self.gateway.session, "s", interchange(name, self.sent, sets), tries=20)
        assert answer == 202

    async def _calm(self) -> None:
        """Nothing is under way, no claim either: a lease must not run out because the clock leaps."""
        while await self._rows("SELECT id FROM messages WHERE state = 'received' LIMIT 1"):
            await asyncio.sleep(0.002)
        calm = 0
        while calm < 3:
            is_calm = all(one.done() for one in self.claims) and not self.gateway.node.deliver.in_flight[TARGET]
            calm = calm + 1 if is_calm else 0
            await asyncio.sleep(0 if is_calm else 0.001)

    async def _judged_while_away(self) -> None:
        rested = [row.opened_at for row in await self._rows("SELECT opened_at FROM outages ORDER BY opened_at")]
        opened = rested[0] if rested else sorted(self.erp.asked_at)[MOST_BEFORE]
        probes = sorted(at for at in self.erp.asked_at if at > opened)
        states = {
            row.state: row.number
            for row in await self._rows("SELECT state, count(*) AS number FROM deliveries WHERE event IS NOT NULL GROUP BY state")
        }
        self.proof.count("events that wait at its end", states.get("due", 0))
        self.proof.count("requests before it was given a rest", len(self.erp.asked_at) - len(probes))
        self.proof.count("requests afterwards", len(probes))
        self.proof.none("too many requests before it was given a rest", range(max(0, len(self.erp.asked_at) - len(probes) - MOST_BEFORE)))
        self.proof.none(
            "a third request within a minute", (later for first, later in zip(probes, probes[2:], strict=False) if later - first < MINUTE - SECOND)
        )
        self.proof.holds(bool(self.trial.sabotage) or len(probes) > 100, f"{len(probes)} probes in a day: nobody looked whether it is back")
        self.proof.none("dead, skipped or lost", range(self.sent * SETS - states.get("due", 0)))
        self.proof.none("effects while it was away", self.erp.effects)

    async def _drained(self) -> None:
        begun, had, since = time.monotonic(), -1, time.monotonic()
        while len(self.erp.effects) < self.sent * SETS and time.monotonic() - since < (3 if self.trial.sabotage else 20):
            if len(self.erp.effects) > had:
                had, since = len(self.erp.effects), time.monotonic()
            if len(self.erp.effects) == had:
                await self._calm()
                self.clock.leap(SECOND)  # towards the next probe
            self.gateway.node.deliver.wake()
            await asyncio.sleep(0.05)
        got: dict[tuple[str, str], list[int]] = defaultdict(list)
        for event in self.erp.order:
            effect = self.erp.effects[event]
            at = FIRST.fromisoformat(effect.attributes["time"]).replace(tzinfo=None)
            key = effect.attributes["source"].removeprefix("/partners/"), effect.subject.removeprefix("shipment/")
            got[key].append(round((at - FIRST) / timedelta(minutes=1)))
        self.proof.count("events delivered when it was back", len(self.erp.effects))
        self.proof.none("not delivered", (key for key, steps in self.told.items() if set(steps) - set(got[key])))
        self.proof.none("doubled", (effect.event for effect in self.erp.effects.values() if effect.count > 1))
        self.proof.none("out of order", (key for key, steps in self.told.items() if got[key] != [step for step in steps if step in got[key]]))
        self.proof.figures["drained at"] = f"{len(self.erp.effects) / (time.monotonic() - begun):.0f} a second"

    async def _rows(self, query: str) -> list[Any]:
        return list(await landed(self.gateway.node.store.read(lambda tx: tx.execute(text(query)).all())))


def _resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096
