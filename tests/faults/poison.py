"""P22. Documents that crash, hang or bloat a translation worker: each is parked after three losses, its siblings and other partners go on, and files made to hurt do not."""

import asyncio
import random
import sys
import time
from collections import Counter
from contextlib import ExitStack
from typing import Any

from sqlalchemy import text

from gateway.store.store import landed
from gateway.translate import pool
from gateway.translate.pool import _Process, environment
from tests.faults.partners import agree, interchange, status, status_set
from tests.faults.poisoned_worker import ENDING, POISONS, control_of
from tests.faults.promise import Proof, Trial
from tests.faults.sabotage import replaced, sabotaged
from tests.kennel import KennelPool
from tests.running import Running, running

MEMORY = 400 << 20
WALL = 15
"""Seconds that a call may take without burning CPU; sixty in service."""
ALLOWED = 3
"""Workers that a set may cost at its resume point."""


async def spawn(self: KennelPool, number: int) -> _Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.poisoned_worker", str(MEMORY),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**20, env=environment(),
    )  # fmt: skip
    one = _Process(number, process)
    self._all[number] = one
    return one


async def prove(trial: Trial, proof: Proof) -> None:
    with ExitStack() as stack:
        stack.enter_context(sabotaged(trial.sabotage))
        stack.enter_context(replaced(KennelPool, "_spawn", spawn))
        stack.enter_context(replaced(pool, "WALL_SECONDS", WALL))
        async with running(trial.folder, workers=2, limits={"body_time": "10m"}) as gateway:
            await agree(gateway, "poisoner", "healthy", "hostile")
            kinds = POISONS if trial.size("kinds") >= len(POISONS) else [*list(ENDING)[: trial.size("kinds")], *POISONS[len(ENDING) :][:2]]
            if trial.sabotage is not None:
                kinds = list(ENDING)[:1]
            await _poisoned(trial, proof, gateway, kinds)
            if trial.sabotage is None:
                await _hostile(trial, proof, gateway)


async def _poisoned(trial: Trial, proof: Proof, gateway: Running, kinds: list[str]) -> None:
    """Each kind in a message of its own, between two siblings; and one message with two poisons in it."""
    hurt = Hurt(gateway.node.pool)
    losses: Counter[str] = Counter()
    count_loss = gateway.node.store.count_loss

    def counted(message: str) -> Any:
        losses[message] += 1
        return count_loss(message)

    gateway.node.store.count_loss = counted  # type: ignore[method-assign]
    messages: dict[str, list[str]] = {}
    two = ["SIGABRT in C", "a null pointer"]
    for number, names in enumerate([*([kind] for kind in kinds), two]):
        sets = [status_set(f"P{number}-FIRST", 1)]
        for place, name in enumerate(names, start=2):
            sets.append(status_set(f"P{number}-POISON{place}", place).replace("*0001", f"*{control_of(name)}"))
        sets.append(status_set(f"P{number}-LAST", 9, number=9))
        answer, value = await gateway.partner("poisoner").send(gateway.session, "p", interchange("poisoner", number + 1, sets), tries=20)
        assert answer == 202
        messages[value["id"]] = names
    end = time.monotonic() + (8 if trial.sabotage else 60 + 30 * len(kinds))
    healthy = asyncio.create_task(_healthy(gateway, messages, end))
    while await _undecided(gateway, messages) and time.monotonic() < end:
        await asyncio.sleep(0.1)
    proof.none("not decided", (f"{one} ({messages[one]})" for one in await _undecided(gateway, messages)))
    sent, late = await healthy
    documents = await _rows(gateway, "SELECT message, control, state, reason FROM documents")
    states = {row.id: row for row in await _rows(gateway, "SELECT id, state, reason FROM messages WHERE direction = 'in'")}
    effects = {effect.subject for effect in gateway.effects()}
    siblings, parked, told, cost = [], [], [], []
    for number, (message, names) in enumerate(messages.items()):
        if names[0] not in ENDING:
            is_parked = any(row.message == message and row.state == "held" for row in documents)  # its CPU time was over sooner
            if not is_parked and (states[message].state != "held" or not states[message].reason):
                told.append(f"{names[0]}: {states[message].state}")
            continue
        held = {row.control for row in documents if row.message == message and row.state == "held" and "three worker processes" in row.reason}
        parked += [f"{name}: {states[message].state} {states[message].reason}" for name in names if control_of(name) not in held]
        siblings += [f"{names} {which}" for which in ("FIRST", "LAST") if f"shipment/P{number}-{which}" not in effects]
        # One more: the first loss in the middle of a chunk, from whose beginning it is then read set by set.
        if not ALLOWED <= losses[message] <= (ALLOWED + 1) * len(names):
            cost.append(f"{names} {losses[message]}")
    proof.count("kinds of poison", len(kinds))
    proof.count("workers lost", gateway.node.pool.lost)
    proof.none("poison that was not parked", parked)
    proof.none("siblings of poison that did not go on", siblings)
    proof.none("poison that cost more or fewer workers than it may", cost)
    proof.none("what a worker survives and does not tell", told)
    proof.count("documents of another partner's meanwhile", sent)
    proof.none("of these not delivered", late)
    proof.counts["most workers hurt at once by messages read alone"] = hurt.most
    proof.none("more than one worker hurt at once by messages read alone", range(max(0, hurt.most - 1)))
    proof.figures["most workers hurt at once before that"] = str(hurt.together)


class Hurt:
    """How many workers were in a call at once of which each was to be lost: once the first is lost, over messages read alone; and before, over several in one call."""

    def __init__(self, workers: Any) -> None:
        self.most = self.together = 0
        honest = workers._call
        spans: dict[bool, list[tuple[float, float]]] = {True: [], False: []}

        async def call(worker: _Process, jobs: list[dict[str, Any]], *more: Any) -> Any:
            begun = time.monotonic()
            try:
                return await honest(worker, jobs, *more)
            except pool.WorkerLost:
                now, alone = time.monotonic(), len(jobs) == 1
                spans[alone].append((begun, now))
                at_once = sum(other[0] < now and begun < other[1] for other in spans[alone])
                self.most, self.together = (max(self.most, at_once), self.together) if alone else (self.most, max(self.together, at_once))
                raise

        workers._call = call


async def _healthy(gateway: Running, poisoned: dict[str, list[str]], end: float) -> tuple[int, list[str]]:
    """Another partner sends until the poison is dealt with: how many documents, and which of them did not come to the ERP."""
    number = 0
    while number < 5 or (await _undecided(gateway, poisoned) and number < 500 and time.monotonic() < end):
        number += 1
        answer, _ = await gateway.partner("healthy").send(gateway.session, "h", status("healthy", f"WELL{number}", number, number), tries=20)
        assert answer == 202
        await asyncio.sleep(0.1)
    wanted = {f"shipment/WELL{one}" for one in range(1, number + 1)}
    end = time.monotonic() + 20
    while wanted - {effect.subject for effect in gateway.effects()} and time.monotonic() < end:
        await asyncio.sleep(0.05)
    return number, sorted(wanted - {effect.subject for effect in gateway.effects()})


# ---- files made to hurt


def _hl(depth: int) -> str:
    lines = ["ST*214*0001", "B10*PRO1*DEEP*NWFX", *(f"HL*{level}*{level - 1 or ''}*I*1" for level in range(1, depth)), f"SE*{depth + 2}*0001"]
    return "~".join(lines)


def hostile(chance: random.Random, scale: int) -> dict[str, bytes]:
    """Name -> bytes. `scale` is 1 in CI, and the size of each grows with it."""
    many = 2_000 * scale
    head = interchange("hostile", 1, [status_set("H", 1)])
    noise = bytes(chance.randrange(256) for _ in range(20_000))
    return {
        "a deep HL tree": interchange("hostile", 101, [_hl(many)]),
        "a segment of megabytes": interchange("hostile", 102, [status_set("H2", 1).replace("LX*1", "LX*" + "9" * (1_000_000 * scale))]),
        "a segment of many elements": interchange("hostile", 103, [status_set("H3", 1).replace("LX*1", "LX" + "*1" * (100_000 * scale))]),
        "an element of many components": interchange("hostile", 104, [status_set("H4", 1).replace("LX*1", "LX*1" + ":1" * (100_000 * scale))]),
        "many empty segments": interchange("hostile", 105, [status_set("H5", 1).replace("LX*1", "LX*1" + "~" * (50_000 * scale))]),
        "many segments": interchange("hostile", 106, [status_set("H6", 1).replace("LX*1", "~".join(f"LX*{one}" for one in range(20_000 * scale)))]),
        "many groups": interchange("hostile", 107, [status_set("H7", 1)]).replace(
            b"GE*1*107~", b"GE*1*107~" + b"GS*QM*HOSTILE*CROSSDOCK*20261116*0930*1*X*004010~GE*0*1~" * many
        ),
        "many interchanges": b"".join(interchange("hostile", 10_000 + one, []) for one in range(many // 4)),
        "an ISA and nothing": head[:106] * many,
        "many STs": interchange("hostile", 108, ["ST*214*0001"] * many),
        "binary that ends nowhere": interchange("hostile", 109, [status_set("H9", 1).replace("LX*1", "BIN*99999999999*x")]),
        "noise": noise,
        "noise behind an ISA": head[:106] + noise,
        "zeros": bytes(1_000_000 * scale),
        "delimiters alone": head[:106] + b"~*:" * (100_000 * scale),
        "a line of CSV without an end": b"shipment,status,at\n" + b"x," * (500_000 * scale),
        "a quote that nobody closes": b'shipment,status,at\n"' + b"x\n" * (500_000 * scale),
        "quotes": b"shipment,status,at\n" + b'"' * (1_000_000 * scale),
        "many columns": b"a," * (100_000 * scale) + b"\n" + b"1," * (100_000 * scale),
        "a billion laughs": b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">'
        + b"".join(b'<!ENTITY %c "%s">' % (97 + one, b"&%c;" % (96 + one) * 10) for one in range(1, 12))
        + b"]><DespatchAdvice>&l;</DespatchAdvice>",
        "deep XML": b"<a>" * (100_000 * scale) + b"</a>" * (100_000 * scale),
        "many attributes": b"<a " + b" ".join(b'b%d="1"' % one for one in range(20_000 * scale)) + b"/>",
        "a text of megabytes": b"<a>" + b"x" * (11_000_000) + b"</a>",
        "many namespaces": b"<a" + b"".join(b' xmlns:n%d="urn:%d"' % (one, one) for one in range(5_000 * scale)) + b"/>",
        "XML in another encoding": b'<?xml version="1.0" encoding="UTF-7"?><a/>',
    }


async def _hostile(trial: Trial, proof: Proof, gateway: Running) -> None:
    """Each is decided, whatever it comes to; its partner's next document is delivered like any other."""
    files = hostile(random.Random(trial.seed), trial.size("scale"))
    lost = gateway.node.pool.lost
    slowest = ("", 0.0)
    undecided = []
    for number, (name, body) in enumerate(files.items()):
        begun = time.monotonic()
        answer, value = await gateway.partner("hostile").send(gateway.session, name.replace(" ", "-"), body, key=f"hostile-{number}", tries=20)
        assert answer == 202, (name, value)
        end = begun + 60 * trial.size("scale")
        while await _undecided(gateway, [value["id"]]) and time.monotonic() < end:
            await asyncio.sleep(0.02)
        if await _undecided(gateway, [value["id"]]):
            undecided.append(name)
        slowest = max(slowest, (name, time.monotonic() - begun), key=lambda one: one[1])
    answer, _ = await gateway.partner("hostile").send(gateway.session, "after", status("hostile", "AFTER", 1, 900), tries=20)
    await gateway.settle(lambda: "shipment/AFTER" in {effect.subject for effect in gateway.effects()})
    rows = await _rows(gateway, "SELECT state FROM messages WHERE partner = 'hostile' AND direction = 'in'")
    proof.count("files made to hurt", len(files))
    for state, number in sorted(Counter(row.state for row in rows).items()):
        proof.count(f"of the hostile partner's messages {state}", number)
    proof.none("files that were not decided", undecided)
    proof.count("workers that they cost", gateway.node.pool.lost - lost)
    proof.figures["the slowest of them"] = f"{slowest[0]} {slowest[1]:.1f} s"


async def _undecided(gateway: Running, messages: Any) -> list[str]:
    return [row.id for row in await _rows(gateway, "SELECT id FROM messages WHERE state = 'received'") if row.id in messages]


async def _rows(gateway: Running, query: str) -> list[Any]:
    return list(await landed(gateway.node.store.read(lambda tx: tx.execute(text(query)).all())))
