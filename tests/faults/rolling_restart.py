"""P14. Every node is stopped in order and started again, one after another, under load: no request is cut or refused, nothing is lost or done twice, and none takes long to end."""

import asyncio
import time

from tests.faults.cluster import Cluster, Node, cluster
from tests.faults.promise import Proof, Trial
from tests.faults.senders import LONGER_THAN_A_LEASE, Senders, judged

DRAIN = "2s"
"""Longer than the balancer takes to see that a node is about to stop."""
LONGEST_END = 30.0


async def prove(trial: Trial, proof: Proof) -> None:
    async with cluster(trial, nodes=trial.size("nodes"), environment={"CROSSDOCK_DRAIN": DRAIN}) as found:
        await asyncio.sleep(1)
        senders = Senders(found.session, found.url, trial.size("rate"))
        senders.start()
        for turn in range(trial.size("restarts")):
            await _restarted(found, found.nodes[turn % len(found.nodes)], proof)
            await asyncio.sleep(1)
        await senders.stop()
        await judged(proof, senders.believed, found.erp, patience=5 if trial.sabotage else LONGER_THAN_A_LEASE)
        proof.count("requests", len(senders.answers))
        proof.none("requests that were cut or refused", (answer.status for answer in senders.answers if answer.status not in (202, 429)))
        # A partner's own bound, where the machine takes in more slowly for a moment: it says so, and when to come again.
        proof.count("documents that were put off", len(senders.put_off))
        proof.none("documents that were put off more than once", (subject for subject, times in senders.put_off.items() if times > 1))
        proof.none("deliveries that two holders wrote down", found.delivered_twice())
        held = found.ask("SELECT count(*) FROM lanes WHERE lease_until > 0 AND node NOT IN (SELECT name FROM nodes WHERE state = 'serving')")
        proof.holds(held[0][0] == 0, f"{held[0][0]} lanes are still held by nodes that have stopped")


async def _restarted(found: Cluster, node: Node, proof: Proof) -> None:
    begun = time.monotonic()
    code = await node.end()
    seconds = time.monotonic() - begun
    proof.count("nodes restarted")
    proof.holds(code == 0, f"a node ended with exit code {code}")
    had = float(proof.figures.get("slowest end", "0").split()[0])
    proof.figures["slowest end"] = f"{max(had, seconds):.1f} s"
    proof.holds(seconds <= LONGEST_END, f"a node took {seconds:.0f} s to end")
    await node.start()
    while not node.is_open:
        await asyncio.sleep(0.05)
