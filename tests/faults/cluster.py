"""Several gateways, each a process of its own, on one PostgreSQL; a balancer that looks at their health; and one ERP."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
from aiohttp import web

from gateway.simulators.erp import PretendErp
from tests.faults.promise import Trial
from tests.kill.documents import PARTNERS
from tests.kill.harness import Gateway, profile_of

HEALTH_EVERY = 0.2
KEY_SECRET = "the secret that all nodes of the trial share"


class Node(Gateway):
    """One process after another with one data directory. `admin` is where its health is."""

    admin = ""
    code: Path | None = None
    """Another version's."""
    host = "127.0.0.1"
    """Where it is met that listens on all its addresses."""
    is_open = False
    """Whether the balancer sends anybody here."""

    def also(self, **environment: str) -> None:
        self._environment |= environment

    async def start(self, armed: str | None = None, *, chance: float | None = None, fresh: bool = False) -> None:
        if self.code is not None:
            self.also(PYTHONPATH=str(self.code))
        await super().start(armed, chance=chance, fresh=fresh or self.code is not None or bool(self.within))
        addresses = json.loads((self.data / "node.json").read_text(encoding="utf-8"))
        self.url, self.admin = (addresses[name].replace("0.0.0.0", self.host) for name in ("partners", "admin"))

    def apply(self, partner: str) -> None:
        """The profile of the same version, by its command."""
        if self.code is None:
            super().apply(partner)
            return
        profile = self.folder / f"{partner}.yaml"
        profile.write_text(profile_of(partner, self.code), encoding="utf-8")
        command = [sys.executable, "-m", "gateway", "partners", "apply", str(profile), "--data-dir", str(self.data)]
        subprocess.run(command, cwd=self.code, env=self._environment | {"PYTHONPATH": str(self.code)}, check=True, capture_output=True)

    @property
    def name(self) -> str:
        return (self.data / "node.name").read_text(encoding="utf-8")

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    async def end(self) -> int | None:
        """SIGTERM, as a deployment does; the exit code."""
        assert self.process is not None
        self.process.terminate()
        await asyncio.to_thread(self.process.wait, 60)
        return self.process.returncode


class Cluster:
    """`nodes` on one database. Senders ask `url()`: one node after another of those whose health the balancer believes."""

    def __init__(self, folder: Path, database: str, nodes: list[Node], erp: PretendErp, erp_url: str, session: aiohttp.ClientSession) -> None:
        self.folder, self.database, self.nodes, self.erp, self.erp_url, self.session = folder, database, nodes, erp, erp_url, session
        self._turn = itertools.count()

    def url(self) -> str:
        """Of a node that is open; where none is, of any: as a partner's request is refused by a balancer without nodes."""
        there = [node for node in self.nodes if node.is_open] or self.nodes
        return there[next(self._turn) % len(there)].url

    async def look(self) -> None:
        """What a balancer does, until it is cancelled."""
        await asyncio.gather(*(self._look_at(node) for node in self.nodes))

    async def _look_at(self, node: Node) -> None:
        """One node that answers slowly keeps nobody from seeing what another says."""
        while True:
            try:
                async with self.session.get(f"{node.admin}/readyz", timeout=aiohttp.ClientTimeout(1)) as response:
                    node.is_open = response.status == 200
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
                node.is_open = False
            await asyncio.sleep(HEALTH_EVERY)

    async def slow(self) -> None:
        """Every request of the ERP takes its time, until this is cancelled: whoever is stopped meanwhile is stopped within an attempt."""
        while True:
            self.erp.behaviour.stall, self.erp.behaviour.stall_seconds = 1_000, 0.4
            await asyncio.sleep(0.2)

    def ask(self, query: str) -> list[Any]:
        """All rows of a query."""
        with psycopg.connect(self.database.replace("postgresql+psycopg", "postgresql")) as connection:
            return connection.execute(query.encode()).fetchall()

    def delivered_twice(self) -> list[str]:
        """Deliveries that two holders called delivered: the second's write should have been refused."""
        return [
            f"{row[0]} {row[1]} times"
            for row in self.ask("SELECT delivery, count(*) FROM attempts WHERE outcome = 'delivered' GROUP BY delivery HAVING count(*) > 1")
        ]


@contextlib.asynccontextmanager
async def cluster(
    trial: Trial,
    *,
    nodes: int = 3,
    environment: dict[str, str] | None = None,
    database: str | None = None,
    made_by: Sequence[Path | None] = (),
    before_start: Callable[[Node, str], Awaitable[None]] | None = None,
) -> AsyncIterator[Cluster]:
    """Nodes that serve, with the three partners of the kill test; of the code in `made_by`, where that names a folder. Raises CannotBeTried without a PostgreSQL."""
    url = database or trial.database()
    erp = PretendErp()
    runner = web.AppRunner(erp.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    erp_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    made = []
    for number in range(nodes):
        folder = trial.folder / f"node{number}"
        folder.mkdir(parents=True)
        node = Node(folder, erp_url, database=url, sabotage=trial.sabotage)
        node.also(CROSSDOCK_KEY_SECRET=KEY_SECRET, **(environment or {}))
        node.code = made_by[number] if made_by else None
        made.append(node)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        found = Cluster(trial.folder, url, made, erp, erp_url, session)
        looking: asyncio.Task[None] | None = None
        try:
            for partner in PARTNERS:
                await asyncio.to_thread(made[0].apply, partner)
            for node in made:
                if before_start is not None:
                    await before_start(node, erp_url)
                await node.start()
            looking = asyncio.create_task(found.look())
            yield found
        finally:
            if looking is not None:
                looking.cancel()
            for node in made:
                if node.alive:
                    node.thaw()
                    node.kill()  # how one ends in order, P14 tries
            await runner.cleanup()
