"""P15. A new version brings a full database up to date and is killed in the middle, again and again: it is the old or the new one, never between. And nodes of the version before work on beside new ones."""

import asyncio
import os
import random
import shutil
import subprocess
import tarfile
import time
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url, text

from gateway.store.engine import MIGRATIONS, Database
from tests.databases import empty_database
from tests.faults.cluster import cluster
from tests.faults.promise import CannotBeTried, Proof, Trial
from tests.faults.senders import LONGER_THAN_A_LEASE, Senders, judged
from tests.nursery import nursery

ROOT = Path(__file__).parent.parent.parent
TABLES = ("messages", "payloads", "deliveries", "lanes", "answers", "translate_lanes")


async def prove(trial: Trial, proof: Proof) -> None:
    await _killed(trial, proof, None)
    if trial.sabotage is None:
        with suppress(CannotBeTried):
            await _killed(trial, proof, trial.postgresql())
        await _beside_each_other(trial, proof)


def _revisions() -> tuple[str, str]:
    """(before the newest, the newest)."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    newest = scripts.get_revision("head")
    assert newest is not None
    assert isinstance(newest.down_revision, str)
    return newest.down_revision, newest.revision


# ---- killed in the middle


async def _killed(trial: Trial, proof: Proof, server: str | None) -> None:
    chance, (before, newest) = random.Random(trial.seed), _revisions()
    folder = trial.folder / ("postgresql" if server else "sqlite")
    folder.mkdir()
    full = empty_database(server) if server else f"sqlite:///{folder / 'full.db'}"
    await asyncio.to_thread(_filled, full, before, trial.size("rows"))
    had = _counts(full)
    proof.count("rows", sum(had.values()))
    longest = await asyncio.to_thread(_upgraded, _copy(full, server, folder, 0), folder / "0", trial.sabotage, None)
    between, lost, stuck = [], [], []
    for number in range(1, trial.size("kills") + 1):
        url = _copy(full, server, folder, number)
        await asyncio.to_thread(_upgraded, url, folder / str(number), trial.sabotage, chance.uniform(0, 0.7 * longest))
        proof.count("upgrades killed")
        revision = _revision(url)
        if revision not in (before, newest):
            between.append(f"{number}: {revision}")
        if _counts(url) != had:
            lost.append(str(number))
        try:
            await asyncio.to_thread(_upgraded, url, folder / str(number), None, None)
            if _revision(url) != newest or _counts(url) != had:
                stuck.append(f"{number}: not up to date afterwards")
        except RuntimeError as error:
            stuck.append(f"{number}: {error}")
        proof.count("found as they were", revision == before)
        proof.count("found up to date", revision == newest)
        _drop(url, server)
    proof.none("databases between two versions", between)
    proof.none("databases that lost rows", lost)
    proof.none("databases that could not be brought up to date any more", stuck)


def _filled(url: str, revision: str, rows: int) -> None:
    """A database of the version before, with so many messages."""
    database = Database(url)
    database.migrate(revision)
    with database.writing.connect() as tx, tx.begin():
        for start in range(0, rows, 1000):
            numbers = range(start, min(rows, start + 1000))
            tx.execute(
                text("INSERT INTO payloads (id, partner, size, sha256, data) VALUES (:id, 'p', 4, 'x', :data)"),
                [{"id": f"message:{n}", "data": b"ISA*"} for n in numbers],
            )
            tx.execute(
                text(
                    "INSERT INTO messages (id, partner, direction, channel, state, payload, size, sha256, media_type, profile_revision, arrival)"
                    " VALUES (:id, 'p', 'in', 'http', 'translated', :payload, 4, 'x', 'text/plain', 1, :at)"
                ),
                [{"id": f"{n:026}", "payload": f"message:{n}", "at": n} for n in numbers],
            )
            tx.execute(
                text("INSERT INTO answers (partner, channel, key, sha256, message, at) VALUES ('p', 'http', :key, 'x', :id, :at)"),
                [{"key": f"k{n}", "id": f"{n:026}", "at": n} for n in numbers],
            )
            tx.execute(
                text(
                    "INSERT INTO deliveries (id, lane, position, partner, destination, kind, state, message, payload, attributes, on_dead, created_at, next_due)"
                    " VALUES (:id, 'l', :at, 'p', 'target:erp', 'event', 'delivered', :message, :payload, '{}', 'pass', :at, :at)"
                ),
                [{"id": f"d{n}", "message": f"{n:026}", "payload": f"message:{n}", "at": n} for n in numbers],
            )
        tx.execute(text("INSERT INTO translate_lanes (partner, channel) VALUES ('p', 'http')"))
    database.close()


def _counts(url: str) -> dict[str, int]:
    with _asking(url) as tx:
        return {table: int(tx.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()) for table in TABLES}


def _revision(url: str) -> str:
    with _asking(url) as tx:
        return str(tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one())


class _asking:  # noqa: N801 - used as a function is
    def __init__(self, url: str) -> None:
        self._engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))

    def __enter__(self) -> Any:
        self._connection = self._engine.connect()
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._engine.dispose()


def _copy(full: str, server: str | None, folder: Path, number: int) -> str:
    if server is None:
        there = folder / str(number)
        there.mkdir()
        shutil.copy(folder / "full.db", there / "crossdock.db")
        return f"sqlite:///{there / 'crossdock.db'}"
    (folder / str(number)).mkdir()
    name = f"copy_{os.getpid()}_{number}"
    with _asking(server) as admin:
        admin.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {make_url(full).database}")
    return server.replace("/postgres?", f"/{name}?")


def _drop(url: str, server: str | None) -> None:
    if server is not None:
        with _asking(server) as admin:
            admin.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")


def _upgraded(url: str, folder: Path, sabotage: str | None, kill_after: float | None) -> float:
    """Seconds that a command took which opens the store; killed after so many, if they are given. Raises RuntimeError where one that was not killed failed."""
    said = folder / "command.log"
    said.touch()
    broken = ["--sabotage", sabotage] if sabotage else []
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CROSSDOCK_")} | {
        "CROSSDOCK_DATABASE": url,
        "CROSSDOCK_TEST_SLOW": "0.01",
    }
    begun = time.monotonic()
    command = nursery().bear([*broken, "nodes", "--data-dir", str(folder / "var")], environment, errors=said, output=said)
    if kill_after is not None:
        time.sleep(kill_after)
        command.kill()
    if command.wait(120) and kill_after is None:
        raise RuntimeError(said.read_text().strip().splitlines()[-1][:300])
    return time.monotonic() - begun


# ---- beside each other


async def _beside_each_other(trial: Trial, proof: Proof) -> None:
    """A node of the version before serves; a new one starts, brings the schema up to date, and both go on."""
    old = _version_before(trial.folder / "before")
    place = Trial(trial.folder / "beside", trial.seed, trial.sizes, trial.postgresql)
    async with cluster(place, nodes=2, made_by=[old, None]) as found:
        senders = Senders(found.session, found.url, trial.size("rate"))
        senders.start()
        await asyncio.sleep(trial.size("beside"))
        await senders.stop()
        await judged(proof, senders.believed, found.erp, patience=LONGER_THAN_A_LEASE)
        by = found.ask("SELECT node, count(*) FROM attempts GROUP BY node")
        proof.count("nodes of both versions that delivered", len(by))
        proof.holds(len(by) == 2, f"only one of the two versions delivered: {by}")
        proof.none("deliveries that two holders wrote down", found.delivered_twice())


def _version_before(folder: Path) -> Path:
    """The code as it was before the newest migration. Raises CannotBeTried without the history."""
    _, newest = _revisions()
    file = next(path for path in (MIGRATIONS / "versions").glob("*.py") if f'revision = "{newest}"' in path.read_text(encoding="utf-8"))
    git = ["git", "-C", str(ROOT)]
    found = subprocess.run(
        [*git, "log", "--diff-filter=A", "--format=%H", "--", str(file)], capture_output=True, text=True, check=False
    ).stdout.split()
    if not found:
        raise CannotBeTried("the history of the code is not here, so the version before is not")
    packed = subprocess.run([*git, "archive", f"{found[-1]}^"], capture_output=True, check=False)
    if packed.returncode:
        raise CannotBeTried("the commit before the newest migration is not in this clone")
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder
