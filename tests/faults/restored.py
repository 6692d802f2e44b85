"""P16. A backup is made under load, the machine is lost, and the backup restored elsewhere: what had its yes before the backup is there, and nothing is done twice."""

import asyncio
import re
import time
from pathlib import Path

import aiohttp
from aiohttp import web

from gateway.simulators.erp import PretendErp
from gateway.simulators.partner import PretendPartner
from tests.faults.cluster import KEY_SECRET, Node
from tests.faults.promise import CannotBeTried, Proof, Trial
from tests.faults.senders import LONGER_THAN_A_LEASE, Senders, judged
from tests.kill.documents import PARTNERS, document, order_data
from tests.kill.harness import ERP_TOKEN, WAREHOUSE
from tests.nursery import nursery


async def prove(trial: Trial, proof: Proof) -> None:
    await _lost_and_restored(trial, proof, trial.folder / "sqlite", None, None)
    if trial.sabotage is None:
        try:
            await _lost_and_restored(trial, proof, trial.folder / "postgresql", trial.database(), trial.database())
        except CannotBeTried:
            proof.count("databases that are not here")


async def _lost_and_restored(trial: Trial, proof: Proof, folder: Path, database: str | None, other: str | None) -> None:
    """`other` is the database that it is restored into."""
    erp = PretendErp()
    runner = web.AppRunner(erp.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    lost, there = _node(folder / "lost", url, database), _node(folder / "there", url, other)
    async with aiohttp.ClientSession() as session:
        box = PretendPartner(WAREHOUSE, WAREHOUSE, "")
        try:
            for partner in PARTNERS:
                await asyncio.to_thread(lost.apply, partner)
            await lost.start()
            senders = Senders(session, lambda: lost.url, trial.size("rate"))
            senders.start()
            await asyncio.sleep(trial.size("before"))
            await _release(session, lost, 1)
            before, sent_before = set(senders.believed), senders.begun
            done = {effect.event for effect in erp.effects.values()}
            await _run(["backup", str(folder / "backup"), "--data-dir", str(lost.data)], lost)
            await asyncio.sleep(trial.size("after"))
            await _release(session, lost, 2)
            await _pick_up(session, lost, box, 2)
            await senders.stop()
            proof.count("documents sent after the backup began", senders.begun - sent_before)
            lost.kill()
            asked = dict(erp.asked)
            broken = ["--sabotage", trial.sabotage] if trial.sabotage else []
            await _run([*broken, "restore", str(folder / "backup"), "--data-dir", str(there.data)], there)
            await there.start()
            await _there(session, there, before, proof)
            await _sent_again(session, there, senders, sent_before)
            await _release(session, there, 3)
            await _pick_up(session, there, box, 3)
            await judged(proof, senders.believed, erp, patience=LONGER_THAN_A_LEASE)
            proof.none("events told again that had taken effect before the backup", (key for key in done if erp.asked[key] > asked.get(key, 0)))
            proof.none("control numbers given out twice", _doubled(box))
        finally:
            for node in (lost, there):
                if node.alive:
                    node.kill()
            await runner.cleanup()


def _node(folder: Path, erp_url: str, database: str | None) -> Node:
    folder.mkdir(parents=True)
    node = Node(folder, erp_url, database=database)
    node.also(CROSSDOCK_KEY_SECRET=KEY_SECRET)
    return node


async def _run(arguments: list[str], node: Node) -> None:
    """A command with the node's settings. Raises RuntimeError."""
    said = node.folder / "command.log"
    said.touch()
    command = nursery().bear(arguments, node._environment, errors=said, output=said)
    if await asyncio.to_thread(command.wait, 120):
        raise RuntimeError(f"{' '.join(arguments)}: {said.read_text()}")


async def _release(session: aiohttp.ClientSession, node: Node, number: int) -> None:
    body = {"partner": WAREHOUSE, "type": "fulfilment.requested", "data": order_data(number)}
    headers = {"Authorization": f"Bearer {ERP_TOKEN}", "Idempotency-Key": f"release-{number}"}
    async with session.post(f"{node.erp_door}/v1/documents", json=body, headers=headers) as response:
        assert response.status == 202, await response.text()


async def _pick_up(session: aiohttp.ClientSession, node: Node, box: PretendPartner, orders: int) -> None:
    """Until the warehouse has so many orders."""
    box.url, until = node.url, time.monotonic() + 30
    while sum(key.startswith("940:") for key in box.picked_up) < orders and time.monotonic() < until:
        await box.pick_up(session)
        await asyncio.sleep(0.05)


async def _there(session: aiohttp.ClientSession, node: Node, subjects: set[str], proof: Proof) -> None:
    """Every document that had its yes before the backup began is in the restored node."""
    missing = []
    for subject in sorted(subjects):
        number = int(re.sub(r"[^0-9]", "", subject))
        sent = document(number)
        headers = {"Authorization": f"Bearer {sent.partner}", "Idempotency-Key": f"key-{number}"}
        async with session.post(f"{node.url}/v1/inbox", data=sent.body, headers=headers) as response:
            if "Idempotent-Replayed" not in response.headers:
                missing.append(f"{subject}: {response.status}")
    proof.count("documents with their yes before the backup", len(subjects))
    proof.none("of them not in it", missing)


async def _sent_again(session: aiohttp.ClientSession, node: Node, senders: Senders, since: int) -> None:
    """Partners send what they have sent since, each under its own key, as they must after a restore."""
    again = Senders(session, lambda: node.url, senders.rate)
    for number in range(since, senders.begun + 1):
        await again._one(document(number), f"key-{number}")


def _doubled(box: PretendPartner) -> list[str]:
    """Control numbers that two different documents of ours have."""
    seen: dict[str, bytes] = {}
    wrong = []
    for body in box.picked_up.values():
        control = body.split(b"IEA*")[1].split(b"*")[1][:9].decode()
        if seen.setdefault(control, body) != body:
            wrong.append(control)
    return wrong
