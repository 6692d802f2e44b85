"""P10. Nodes are killed and frozen while partners send: others take over, nothing is lost or done twice, and a node that wakes after its lease writes nothing."""

import asyncio
import time

from tests.faults.cluster import Cluster, Node, cluster
from tests.faults.promise import Proof, Trial
from tests.faults.senders import LONGER_THAN_A_LEASE, Senders, judged

LEASE = 15.0


async def prove(trial: Trial, proof: Proof) -> None:
    # An answer of the ERP takes its time, so that whoever is stopped is stopped within an attempt.
    async with cluster(trial, nodes=trial.size("nodes")) as found:
        senders = Senders(found.session, found.url, trial.size("rate"))
        senders.start()
        slow = asyncio.create_task(found.slow())
        await asyncio.sleep(trial.size("between"))
        for turn in range(0 if trial.sabotage else trial.size("deaths")):
            await _killed(found, found.nodes[turn % len(found.nodes)], senders, proof)
            await asyncio.sleep(trial.size("between"))
        for turn in range(trial.size("frozen")):
            await _frozen(found, found.nodes[turn % len(found.nodes)], trial.size("longer") + LEASE, proof)
            await asyncio.sleep(trial.size("between"))
        slow.cancel()
        await senders.stop()
        await judged(proof, senders.believed, found.erp, patience=5 if trial.sabotage else LONGER_THAN_A_LEASE)
        proof.none("deliveries that two holders wrote down", found.delivered_twice())
        proof.none("stale fences", _stale(found))


async def _killed(found: Cluster, node: Node, senders: Senders, proof: Proof) -> None:
    """By SIGKILL; how long until everything that had its yes by then is at the ERP."""
    promised, begun = set(senders.believed), time.monotonic()
    node.kill()
    proof.count("nodes killed")
    while promised - {effect.subject for effect in found.erp.effects.values()} and time.monotonic() - begun < 4 * LEASE:
        await asyncio.sleep(0.05)
    _longest(proof, "taken over within", time.monotonic() - begun)
    await node.start()


async def _frozen(found: Cluster, node: Node, seconds: float, proof: Proof) -> None:
    """By SIGSTOP, for longer than its leases, with its own attempts under way: it wakes in the middle of them."""
    held = f"SELECT id FROM lanes WHERE node = '{node.name}' AND lease_until > 0"
    lanes: list[str] = []
    for turn in range(200):
        node.freeze()
        lanes = [row[0] for row in await asyncio.to_thread(found.ask, held)]
        if lanes:
            break
        node.thaw()
        await asyncio.sleep(0.02 + 0.002 * turn)  # on a busy machine it needs more than a moment to get at something
    proof.count("nodes frozen")
    proof.count("lanes that they held when they froze", len(lanes))
    proof.holds(bool(lanes), "a node was frozen without an attempt under way: nothing was tried")
    await asyncio.sleep(seconds)
    still = {row[0] for row in found.ask(held)}
    proof.none("lanes that a frozen node still held", (lane for lane in lanes if lane in still))
    node.thaw()
    await asyncio.sleep(1)


def _stale(found: Cluster) -> list[str]:
    """Deliveries that are written as sent by a node after another had them: the attempts of one delivery are of one holder after the other."""
    query = (
        "SELECT a.delivery FROM attempts a JOIN attempts b ON b.delivery = a.delivery AND b.number > a.number"
        " WHERE a.outcome = 'delivered' GROUP BY a.delivery"
    )
    return [row[0] for row in found.ask(query)]


def _longest(proof: Proof, what: str, seconds: float) -> None:
    had = float(proof.figures.get(what, "0").split()[0])
    proof.figures[what] = f"{max(had, seconds):.1f} s"
