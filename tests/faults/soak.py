"""P18. Under steady load nothing grows: memory, open files, threads, the log of the database."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil
from aiohttp import web

from gateway.simulators.erp import PretendErp
from gateway.simulators.partner import PretendPartner
from tests.faults.promise import Proof, Trial
from tests.faults.senders import Senders, judged
from tests.kill.documents import PARTNERS
from tests.kill.harness import Gateway

MIB = 2**20
MOST_WAL = 64 * MIB
MOST_SOCKETS = 300
"""Two ends with a pool of a hundred connections each, and a few."""


@dataclass(frozen=True)
class Look:
    memory: float
    files: int
    sockets: int
    threads: int
    wal: int


async def prove(trial: Trial, proof: Proof) -> None:
    erp = PretendErp()
    runner = web.AppRunner(erp.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    gateway = Gateway(trial.folder, f"http://127.0.0.1:{runner.addresses[0][1]}", sabotage=trial.sabotage)
    try:
        for partner in PARTNERS:
            await asyncio.to_thread(gateway.apply, partner)
        await gateway.start()
        async with aiohttp.ClientSession() as session:
            senders = Senders(session, lambda: gateway.url, trial.size("rate"))
            senders.start()
            mailboxes = asyncio.create_task(_empty_mailboxes(session, gateway))
            await asyncio.sleep(trial.size("warm_up"))
            looks = [_look(gateway)]
            for _ in range(trial.size("looks")):
                await asyncio.sleep(trial.size("between"))
                looks.append(_look(gateway))
            await senders.stop()
            await judged(proof, senders.believed, erp)
            mailboxes.cancel()
    finally:
        gateway.stop()
        await runner.cleanup()
    _steady(proof, looks, growth=trial.size("growth"))


def _steady(proof: Proof, looks: list[Look], *, growth: int) -> None:
    """Halves are compared by their medians: one look may meet a worker that has just begun something large."""
    half = len(looks) // 2

    def grown(what: str) -> float:
        first, last = sorted(getattr(one, what) for one in looks[:half]), sorted(getattr(one, what) for one in looks[-half:])
        return float(last[half // 2] - first[half // 2])

    proof.count("looks", len(looks))
    proof.figures["memory grew by"] = f"{grown('memory') / MIB:+.1f} MiB, to {looks[-1].memory / MIB:.0f} MiB"
    proof.figures["open files"] = f"{looks[0].files} then {looks[-1].files}"
    proof.figures["sockets at most"] = str(max(one.sockets for one in looks))
    proof.figures["threads"] = f"{looks[0].threads} then {looks[-1].threads}"
    proof.figures["largest log"] = f"{max(one.wal for one in looks) / MIB:.0f} MiB"
    proof.holds(grown("memory") <= growth * MIB, f"memory grew by {grown('memory') / MIB:.1f} MiB; {growth} are allowed")
    proof.holds(grown("files") <= 5, f"{grown('files'):.0f} more files are open")
    proof.holds(grown("threads") <= 3, f"there are {grown('threads'):.0f} more threads")
    proof.holds(max(one.sockets for one in looks) <= MOST_SOCKETS, f"more than {MOST_SOCKETS} sockets are open")
    proof.holds(max(one.wal for one in looks) <= MOST_WAL, "the database's log is larger than 64 MiB")


def _look(gateway: Gateway) -> Look:
    assert gateway.process is not None
    whole = [psutil.Process(gateway.process.pid), *psutil.Process(gateway.process.pid).children(recursive=True)]
    wal = Path(f"{gateway.data / 'crossdock.db'}-wal")
    return Look(
        sum(one.memory_info().rss for one in whole),
        sum(one.num_fds() - len(one.net_connections()) for one in whole),
        sum(len(one.net_connections()) for one in whole),
        sum(one.num_threads() for one in whole),
        wal.stat().st_size if wal.exists() else 0,
    )


async def _empty_mailboxes(session: aiohttp.ClientSession, gateway: Gateway) -> None:
    """Partners fetch their 997s, as they would."""
    partners = [PretendPartner(name, name, gateway.url) for name in PARTNERS]
    while True:
        for partner in partners:
            await partner.pick_up(session)
            partner.picked_up.clear()
        await asyncio.sleep(0.5)
