"""P12. Clocks are set: the database's by an hour, a day, back; each node's own is minutes off; a year ends. No lease is stolen, no retry comes early, nothing is called overdue."""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.databases import empty_database, own_postgresql
from tests.faults.cluster import Cluster, cluster
from tests.faults.promise import CannotBeTried, Proof, Trial
from tests.faults.senders import LONGER_THAN_A_LEASE, Senders, judged
from tests.kill.documents import order_data
from tests.kill.harness import ERP_TOKEN, WAREHOUSE

LIBRARY = Path(__file__).parent.parent.parent / ".venv-peer/debian/root/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
JUMPS = (3600, -86_400, 86_400, 0, -3600, 0)
"""Seconds by which the database's clock is off, one after another."""
MOMENTS = (
    datetime(2027, 1, 1, tzinfo=UTC),
    datetime(2027, 3, 14, 7, tzinfo=UTC),
    datetime(2027, 11, 7, 6, tzinfo=UTC),
)
"""The year ends; New York's clocks go an hour on, and an hour back."""
SKEW = 300
BEFORE = 8
STORM = 1.1


async def prove(trial: Trial, proof: Proof) -> None:
    if not LIBRARY.exists():
        raise CannotBeTried("libfaketime is not here; `make peers` fetches it where there is a Debian")
    # PostgreSQL is another user's process, where root runs the trial: what it reads lies where everybody may.
    with tempfile.TemporaryDirectory(prefix="crossdock-clock-") as place:
        Path(place).chmod(0o755)
        shutil.copy(LIBRARY, place)
        await _tried(trial, proof, Path(place) / "off")


async def _tried(trial: Trial, proof: Proof, off: Path) -> None:
    with _postgresql(off) as server:
        await _set_while_they_work(trial, proof, empty_database(server.get_uri()), off)
        for number in range(0 if trial.sabotage else trial.size("moments")):
            await _across(trial, proof, empty_database(server.get_uri()), off, number)


@contextlib.contextmanager
def _postgresql(off: Path) -> Iterator[Any]:
    """One whose clock is so many seconds off as the file says."""
    set_off(off, 0)
    given = {
        "LD_PRELOAD": str(off.parent / LIBRARY.name), "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_TIMESTAMP_FILE": str(off), "FAKETIME_NO_CACHE": "1",
    }  # fmt: skip
    os.environ.update(given)
    try:
        stack = contextlib.ExitStack()
        try:
            server = stack.enter_context(own_postgresql())
        except ImportError as error:
            raise CannotBeTried("no PostgreSQL package for this platform") from error
    finally:
        for name in given:
            os.environ.pop(name)
    with stack:
        yield server


def set_off(file: Path, seconds: float) -> None:
    """Whole at once: a reader finds the old or the new."""
    new = file.with_suffix(".new")
    new.write_text(f"{seconds:+.0f}\n")
    new.chmod(0o644)
    new.replace(file)


async def _set_while_they_work(trial: Trial, proof: Proof, database: str, off: Path) -> None:
    set_off(off, 0)
    async with cluster(trial, nodes=trial.size("nodes"), database=database) as found:
        for number, node in enumerate(found.nodes):
            await node.end()
            # Its own machine's clock is minutes ahead, or behind; its zone is another.
            node.also(CROSSDOCK_TEST_SKEW=f"{(number - 1) * SKEW:+d}", TZ=("UTC", "America/New_York", "Asia/Tokyo")[number % 3])
            await node.start()
        await _released(found)
        senders = Senders(found.session, found.url, trial.size("rate"))
        senders.start()
        await asyncio.sleep(trial.size("between"))
        for seconds in JUMPS[: trial.size("jumps")]:
            set_off(off, seconds)
            proof.count("times that a clock was set")
            await asyncio.sleep(trial.size("between"))
        await senders.stop()
        set_off(off, 0)
        await judged(proof, senders.believed, found.erp, patience=5 if trial.sabotage else LONGER_THAN_A_LEASE)
        _calm(found, proof)
        proof.none("acknowledgments that were called overdue", (row[0] for row in found.ask("SELECT id FROM awaited WHERE overdue_at IS NOT NULL")))
        told = found.ask("SELECT count(*) FROM alarms WHERE kind = 'clock.jumped'")[0][0]
        proof.holds(bool(told) or trial.sabotage is not None, "nobody was told that a clock was set")


def _calm(found: Cluster, proof: Proof) -> None:
    """No retry storm, no lease stolen."""
    asked, keys = sum(found.erp.asked.values()), max(1, len(found.erp.asked))
    proof.count("calls of the ERP", asked)
    proof.holds(asked <= STORM * keys, f"{asked} calls of the ERP for {keys} events: a storm")
    proof.none("deliveries that two holders wrote down", found.delivered_twice())
    stolen = found.ask("SELECT delivery FROM attempts GROUP BY delivery HAVING count(DISTINCT node) > 1")
    proof.none("deliveries that a second node tried", (row[0] for row in stolen))


async def _released(found: Cluster) -> None:
    """An order whose 997 is owed within a day, and never comes."""
    body = {"partner": WAREHOUSE, "type": "fulfilment.requested", "data": order_data(1)}
    headers = {"Authorization": f"Bearer {ERP_TOKEN}", "Idempotency-Key": "owed"}
    async with found.session.post(f"{found.nodes[0].erp_door}/v1/documents", json=body, headers=headers) as response:
        assert response.status == 202, await response.text()


async def _across(trial: Trial, proof: Proof, database: str, off: Path, number: int) -> None:
    """All nodes begin some seconds before a moment, and work across it."""
    moment = MOMENTS[number % len(MOMENTS)]
    set_off(off, (moment - datetime.now(UTC)).total_seconds())
    place = Trial(trial.folder / f"moment{number}", trial.seed, trial.sizes, trial.postgresql, trial.sabotage)
    async with cluster(place, nodes=2, database=database) as found:
        for node in found.nodes:
            await node.end()
        set_off(off, (moment - datetime.now(UTC)).total_seconds() - BEFORE)
        for node in found.nodes:
            await node.start()
        senders = Senders(found.session, found.url, trial.size("rate"))
        senders.start()
        await asyncio.sleep(1.5 * BEFORE)
        await senders.stop()
        await judged(proof, senders.believed, found.erp, patience=LONGER_THAN_A_LEASE)
        _calm(found, proof)
        proof.count("moments crossed")
        first, last = found.ask("SELECT min(arrival), max(arrival) FROM messages")[0]
        at = moment.timestamp() * 1e6
        proof.holds(first < at < last + 10_000_000, f"messages came between {first} and {last}, and the moment is {at:.0f}")
