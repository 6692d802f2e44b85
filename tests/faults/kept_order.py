"""P9. What one partner says of one shipment reaches the ERP in the order it was said, whatever the ERP does meanwhile; nobody waits for another's trouble."""

import asyncio
import random
import time
from collections import defaultdict
from datetime import timedelta

from aiohttp import web
from sqlalchemy import text

from gateway.simulators.erp import PretendErp
from gateway.store.store import landed
from tests.faults.partners import FIRST, agree, interchange, status_set
from tests.faults.promise import Proof, Trial
from tests.faults.sabotage import sabotaged
from tests.running import Running, running

TROUBLES = (
    {"fail": 1, "status": 503},
    {"fail": 1, "status": 429, "retry_after": 0},
    {"fail": 1, "status": 409},
    {"fail_after_commit": 1},
    {"cut_after_commit": 1},
)
STANDINGS = text("SELECT s.subject, s.partner, e.time FROM standings s JOIN events e ON e.id = s.event")
SETS = 5
"""The most statuses in one interchange."""

Told = dict[tuple[str, str], list[int]]
"""(partner, shipment) -> its steps in the order that they were sent."""


class FickleErp(PretendErp):
    """Every fifth request or so goes wrong, before the effect or after it. About `stuck` it says for as long as they are there: not now."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance
        self.stuck: set[str] = set()

    async def take(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("ce-subject") in self.stuck:
            return web.json_response({"error": "not now"}, status=409)
        if self.chance.random() < 0.2:
            vars(self.behaviour).update(self.chance.choice(TROUBLES))
        return await super().take(request)


async def prove(trial: Trial, proof: Proof) -> None:
    chance = random.Random(trial.seed)
    erp = FickleErp(chance)
    runner = web.AppRunner(erp.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    target = {"fickle": {"url": f"http://127.0.0.1:{runner.addresses[0][1]}/events", "timeout": "5s"}}
    soon = timedelta(milliseconds=50)
    try:
        with sabotaged(trial.sabotage):
            async with running(trial.folder, targets=target, retries={"first": soon, "longest": soon}, breaker={"pause": soon}) as gateway:
                await _said(trial, proof, gateway, erp)
    finally:
        await runner.cleanup()


async def _said(trial: Trial, proof: Proof, gateway: Running, erp: FickleErp) -> None:
    partners = [f"carrier{number}" for number in range(trial.size("partners"))]
    for name in partners:
        await agree(gateway, name, target="fickle")
    stuck = {name: f"{name}-0".upper() for name in partners[:2]}
    erp.stuck = {f"shipment/{shipment}" for shipment in stuck.values()}
    told: Told = defaultdict(list)
    await asyncio.gather(*(_tell(trial, gateway, erp.chance, name, told) for name in partners))
    others = {key: steps for key, steps in told.items() if stuck.get(key[0]) != key[1]}
    await _drained(erp, sum(map(len, others.values())), trial)
    got = _got(erp)
    proof.count("partners", len(partners))
    proof.count("partners' shipments", len(told))
    proof.count("statuses", sum(map(len, told.values())))
    proof.none("held up by what another's shipment waits for", (key for key, steps in others.items() if len(got[key]) < len(steps)))
    proof.none("past the ERP's not now", (key for key in told if key not in others and got[key]))
    erp.stuck = set()
    await _drained(erp, sum(map(len, told.values())), trial)
    got = _got(erp)
    proof.count("requests", erp.requests)
    proof.none("lost", (key for key, steps in told.items() if set(steps) - set(got[key])))
    proof.none("effects doubled", (effect.event for effect in erp.effects.values() if effect.count > 1))
    proof.none("inversions", (key for key, steps in told.items() if got[key] != [step for step in steps if step in got[key]]))
    await _stand(proof, gateway, erp, told)


async def _tell(trial: Trial, gateway: Running, chance: random.Random, name: str, told: Told) -> None:
    """One partner: its shipments interleaved, some of what it says late, each file after the last one's 202."""
    shipments = [f"{name}-{number}".upper() for number in range(trial.size("shipments"))]
    to_say = [(shipment, step) for shipment in shipments for step in range(trial.size("steps"))]
    chance.shuffle(to_say)
    # In the order of their steps but for one in four, which come wherever chance has put them.
    waiting = {shipment: sorted(step for one, step in to_say if one == shipment) for shipment in shipments}
    queue = []
    for shipment, _ in to_say:
        queue.append((shipment, waiting[shipment].pop(0 if chance.random() < 0.75 else chance.randrange(len(waiting[shipment])))))
    control = 0
    while queue:
        control += 1
        count = chance.randint(1, SETS)
        now, queue = queue[:count], queue[count:]
        sets = [status_set(shipment, step, number=number) for number, (shipment, step) in enumerate(now, start=1)]
        answer, _ = await gateway.partner(name).send(gateway.session, "s", interchange(name, control, sets), tries=20)
        assert answer == 202
        for shipment, step in now:
            told[name, shipment].append(step)


async def _drained(erp: FickleErp, count: int, trial: Trial) -> None:
    """Until the ledger has so many effects, or none came for a while."""
    had, since = -1, time.monotonic()
    while len(erp.effects) < count and time.monotonic() - since < (3 if trial.sabotage else 20):
        if len(erp.effects) != had:
            had, since = len(erp.effects), time.monotonic()
        await asyncio.sleep(0.05)


def _got(erp: FickleErp) -> Told:
    """The same of what the ERP's ledger has, in the order of its effects."""
    got: Told = defaultdict(list)
    for event in erp.order:
        effect = erp.effects[event]
        got[effect.attributes["source"].removeprefix("/partners/"), effect.subject.removeprefix("shipment/")].append(_step(effect.attributes["time"]))
    return got


def _step(at: str) -> int:
    """The step whose time an event tells: the minutes of its local time."""
    return round((FIRST.fromisoformat(at).replace(tzinfo=None) - FIRST) / timedelta(minutes=1))


async def _stand(proof: Proof, gateway: Running, erp: FickleErp, told: Told) -> None:
    """The newest status stands, and what came after a newer one says so of itself."""
    rows = await landed(gateway.node.store.read(lambda tx: tx.execute(STANDINGS).all()))
    stands = {(row.partner, row.subject.removeprefix("shipment/")): _step(row.time) for row in rows}
    proof.none("a newer status overwritten by an older one", (key for key, steps in told.items() if stands.get(key) != max(steps)))
    late = {(*key, step) for key, steps in told.items() for at, step in enumerate(steps) if step < max(steps[: at + 1])}
    said = {
        (one.attributes["source"].removeprefix("/partners/"), one.subject.removeprefix("shipment/"), _step(one.attributes["time"]))
        for one in erp.effects.values()
        if one.data.get("quality", {}).get("late")
    }
    proof.count("late statuses", len(late))
    proof.none("late and not told so, or told so and not late", late ^ said)
