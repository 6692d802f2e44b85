"""P1. The gateway dies by SIGKILL at every named point and at random, while partners, the ERP and a warehouse go on. The run is tests/kill/harness.py."""

import asyncio

from tests.faults.promise import Proof, Trial
from tests.kill.harness import POINTS_HERE, Run

BROKEN_AT = {
    "answer-before-commit": ("store.before_commit",),
    "drop-idempotency-key": ("deliver.sent",),
    "places-from-memory": ("translate.committed",),
}
"""Where a death shows it."""
ENOUGH = 10
"""Kills that show a sabotage."""


async def prove(trial: Trial, proof: Proof) -> None:
    if trial.sabotage:
        await _killed(trial, proof, "sabotaged", ENOUGH, sabotage=trial.sabotage, points=BROKEN_AT[trial.sabotage])
        return
    await _killed(trial, proof, "sqlite", trial.size("kills"))
    await _killed(trial, proof, "postgresql", trial.size("kills_on_postgresql"), database=trial.database())


async def _killed(trial: Trial, proof: Proof, where: str, kills: int, *, database: str | None = None, **terms: object) -> None:
    folder = trial.folder / where
    folder.mkdir()
    verdict = await Run(folder, seed=trial.seed, kills=kills, database=database, **terms)()
    await asyncio.to_thread(print, f"\n{where}: {verdict.table()}", flush=True)
    proof.count("kills", sum(verdict.kills.values()))
    proof.count("documents believed delivered", verdict.delivered)
    proof.count("orders believed released", verdict.released)
    proof.none("lost", verdict.lost)
    proof.none("doubled", verdict.doubled)
    proof.none("strange", verdict.strange)
    proof.none("without exactly one 997", verdict.unanswered)
    proof.none("orders astray", verdict.astray)
    proof.none("never read by who follows the stream", verdict.unread)
    proof.none("audit log not whole", ["see `crossdock audit verify`"] if verdict.unchained else [])
    if kills >= 200:
        proof.none("points without a kill", (point for point in POINTS_HERE if not verdict.kills[point]))
