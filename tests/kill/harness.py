"""Runs a gateway as a process of its own, kills it, starts it again, and holds what partners believe against what the ERP has."""

import asyncio
import collections
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from gateway.failpoints import POINTS
from gateway.simulators.erp import PretendErp
from gateway.simulators.partner import PretendPartner
from tests.kill.documents import PARTNERS, Sent, document, order_data
from tests.nursery import Born, nursery

ROOT = Path(__file__).parent.parent.parent
CHANCES = {"store.before_commit": 0.08, "store.after_commit": 0.08, "worker.reading": 0.02}
"""How likely a point kills when it is reached; others 0.3. A worker that always died would hold its documents, as it must."""
LONGEST_LIFE = 1.0
"""Seconds after which an armed gateway that nothing killed is killed from outside, at a random moment of its work."""
LONGEST_FIRST = 20.0
"""So long where no kill has reached the point yet: with a backlog and a busy machine, one chunk's translation outlives a short life every time."""
FRESH = 10
"""Of so many lives one begins with a process from its very beginning, imports and all."""
DRAIN = 40.0
PICK_UP_LEASE = 2
ERP_TOKEN = "the-erp-of-the-kill-test"
WAREHOUSE = "lake3pl"
QUIET = 35
"""Looks into an empty outbox, a tenth of a second apart, after which a partner believes it has all: longer than a lease."""


POINTS_HERE = tuple(point for point in POINTS if not point.startswith(("as2.", "sftp.", "replay.")))
"""Those that documents over HTTP reach. The others have tests of their own: test_as2_killed.py, test_sftp_killed.py, test_replay_killed.py."""


@dataclass
class Verdict:
    """What the judge found. `lost`, `doubled` and `strange` must be empty."""

    delivered: int
    kills: collections.Counter[str]
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    released: int = 0
    astray: list[str] = field(default_factory=list)
    """Orders that the ERP has a 202 for and the warehouse does not have exactly once, and control numbers that came twice."""
    unread: list[str] = field(default_factory=list)
    """What a consumer that reads the stream by its cursor never got."""
    unchained: bool = False
    """Whether the audit log is not whole."""

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.strange or self.unanswered or self.astray or self.unread or self.unchained)

    def table(self) -> str:
        lines = [f"  {point:<24} {self.kills[point]:>5}   {POINTS.get(point, 'killed from outside')}" for point in [*POINTS, "at random"]]
        return "\n".join(
            [
                f"{sum(self.kills.values())} kills, {self.delivered} documents that partners believe delivered:",
                *lines,
                f"  lost {len(self.lost)}, doubled {len(self.doubled)}, strange {len(self.strange)}, without exactly one 997 {len(self.unanswered)}",
                f"  {self.released} orders that the ERP believes released, astray {len(self.astray)}",
                f"  never read by who reads the stream {len(self.unread)}, the audit log is {'not ' if self.unchained else ''}whole",
            ]
        )


def profile_of(partner: str, code: Path = ROOT) -> str:
    """A profile that ships with this code, with the partner's name as its token."""
    text = (code / "partners" / "profiles" / f"{partner}.yaml").read_text(encoding="utf-8")
    return text.replace("tokens: []", f"tokens: [{{sha256: {hashlib.sha256(partner.encode()).hexdigest()}}}]")


class Gateway:
    """One gateway process after another on one data directory."""

    def __init__(self, folder: Path, erp_url: str, *, database: str | None = None, sabotage: str | None = None) -> None:
        self.folder = folder
        self.data = folder / "var"
        self.log = folder / "failpoints.log"
        self.process: subprocess.Popen[bytes] | Born | None = None
        self.url = self.erp_door = ""
        self.within: list[str] = []
        """A command that runs a fresh process, such as in a network of its own."""
        self._sabotage = ["--sabotage", sabotage] if sabotage else []
        self._errors = folder / "gateway.log"
        self._environment = {key: value for key, value in os.environ.items() if not key.startswith("CROSSDOCK_")} | {
            "CROSSDOCK_TARGETS__ERP__URL": f"{erp_url}/events", "CROSSDOCK_RETRIES__FIRST": "1s", "CROSSDOCK_FAILPOINTS_LOG": str(self.log),
            "CROSSDOCK_WORKERS": "1", "CROSSDOCK_BREAKER__PAUSE": "1s", "CROSSDOCK_LIMITS__DISK_FREE": "1 MiB", "CROSSDOCK_ERP_LISTENER__TOKEN": ERP_TOKEN, "CROSSDOCK_ERP_LISTENER__PORT": "0", "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        if database:
            self._environment["CROSSDOCK_DATABASE"] = database

    def apply(self, partner: str) -> None:
        profile = self.folder / f"{partner}.yaml"
        profile.write_text(profile_of(partner), encoding="utf-8")
        applying = nursery().bear(["partners", "apply", str(profile), "--data-dir", str(self.data)], self._environment, errors=self._errors)
        if applying.wait():
            raise RuntimeError(f"{partner} could not be applied; see {self._errors}")

    async def start(self, armed: str | None = None, *, chance: float | None = None, fresh: bool = False) -> None:
        """Up, with one failpoint armed. A start that a failpoint kills counts as a kill and is tried again without it. `fresh`: not of the nursery."""
        node_file = self.data / "node.json"
        node_file.unlink(missing_ok=True)
        environment = dict(self._environment)
        if armed:
            environment["CROSSDOCK_FAILPOINTS"] = f"{armed}={chance or CHANCES.get(armed, 0.3)}"
        arguments = [*self._sabotage, "serve", "--data-dir", str(self.data), "--partner-port", "0", "--admin-port", "0"]
        if not fresh:
            self.process = nursery().bear(arguments, environment, errors=self._errors)
        else:
            command = [*self.within, sys.executable, "-m", "tests.kill.gateway", *arguments]
            with self._errors.open("ab") as errors:
                self.process = subprocess.Popen(command, cwd=environment["PYTHONPATH"], env=environment, stderr=errors)
        deadline = time.monotonic() + 30
        while not node_file.exists():
            if self.process.poll() is not None:
                if armed and self.process.returncode == -signal.SIGKILL:
                    await self.start()
                    return
                raise RuntimeError(f"the gateway did not start ({self.process.returncode}); see {self.folder / 'gateway.log'}")
            if time.monotonic() > deadline:
                raise RuntimeError("the gateway did not start in 30 s")
            await asyncio.sleep(0.02)
        addresses = json.loads(node_file.read_text(encoding="utf-8"))
        self.url, self.erp_door = addresses["partners"], addresses["erp"]

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def audit_is_whole(self) -> bool:
        """What `crossdock audit verify` says, of what the kills have left."""
        verifying = nursery().bear(["audit", "verify", "--data-dir", str(self.data)], self._environment, errors=self._errors)
        return verifying.wait() == 0

    def kill(self) -> bool:
        """True if it was alive until now."""
        assert self.process is not None
        was = self.alive
        if was:
            self.process.kill()
        self.process.wait()
        return was

    def stop(self) -> None:
        if self.alive:
            assert self.process is not None
            self.process.terminate()
            self.process.wait(20)

    def hits(self) -> collections.Counter[str]:
        return collections.Counter(self.log.read_text(encoding="utf-8").split("\n")[:-1]) if self.log.exists() else collections.Counter()


class Run:
    """One kill test: `kills` deaths while partners send, then a quiet end and the judge."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        kills: int,
        database: str | None = None,
        sabotage: str | None = None,
        points: tuple[str, ...] = POINTS_HERE,
    ) -> None:
        self._folder = folder
        self._points = points
        self._chance = random.Random(seed)
        self._kills = kills
        self._database = database
        self._sabotage = sabotage
        self._erp = PretendErp()
        self._sent: dict[str, Sent] = {}
        self._number = 0
        self._stopping = False
        self._drained = False
        self._outside = 0
        self._erp_door = ""
        self._released: dict[str, str] = {}
        """Order number by the id that the 202 gave."""
        self._read: dict[str, str] = {}
        """Subject by the id of each event that was read by cursor, and booked before the cursor was committed."""

    async def __call__(self) -> Verdict:
        runner = web.AppRunner(self._erp.app(), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]
        gateway = Gateway(self._folder, f"http://127.0.0.1:{port}", database=self._database, sabotage=self._sabotage)
        try:
            for partner in PARTNERS:
                await asyncio.to_thread(gateway.apply, partner)
            self.partners = {name: PretendPartner(name, name, "http://127.0.0.1:1") for name in PARTNERS}
            await gateway.start()
            await self._live(gateway)
        finally:
            gateway.stop()
            await runner.cleanup()
        return self._judge(gateway)

    async def _live(self, gateway: Gateway) -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=5)) as session:
            self._point(gateway)
            people = [asyncio.create_task(self._send(session)) for _ in range(8)]
            people += [asyncio.create_task(self._release(session)), asyncio.create_task(self._follow(session))]
            people += [asyncio.create_task(self._pick_up(session, partner)) for partner in self.partners.values()]
            mischief = asyncio.create_task(self._mischief())
            try:
                await self._kill_again_and_again(gateway)
            finally:
                mischief.cancel()
            gateway.kill()
            self._erp.behaviour.__init__()  # type: ignore[misc]
            await gateway.start()
            self._point(gateway)
            self._stopping = True
            await self._drain()
            self._drained = True
            await self._at_home(people)

    async def _at_home(self, people: "list[asyncio.Task[None]]") -> None:
        """Waits until everybody has done what is theirs to do, or nobody has fetched anything for DRAIN seconds."""
        had, moved = -1, time.monotonic()
        while not all(task.done() for task in people) and time.monotonic() - moved < DRAIN:
            await asyncio.wait(people, timeout=0.5)
            fetched = sum(len(partner.picked_up) for partner in self.partners.values())
            if fetched > had:
                had, moved = fetched, time.monotonic()
        for task in people:
            if task.done():
                task.result()
            task.cancel()
        await asyncio.gather(*people, return_exceptions=True)

    async def _kill_again_and_again(self, gateway: Gateway) -> None:
        points = list(self._points)
        turn = 0
        while sum(gateway.hits().values()) + self._outside < self._kills:
            gateway.kill()
            # Points that no kill has reached yet come first; every fifth life ends from outside instead.
            reached = gateway.hits()
            missing = [point for point in points if not reached[point]]
            armed = None if turn % 5 == 4 else (missing or points)[turn % len(missing or points)]
            turn += 1
            await gateway.start(armed, fresh=turn % FRESH == 0)
            self._point(gateway)
            longest = LONGEST_FIRST if armed in missing else LONGEST_LIFE if armed else self._chance.random()
            until = time.monotonic() + longest
            while gateway.alive and time.monotonic() < until:
                await asyncio.sleep(0.02)
            self._outside += gateway.kill()

    def _point(self, gateway: Gateway) -> None:
        for partner in self.partners.values():
            partner.url = gateway.url
        self._erp_door = gateway.erp_door

    async def _mischief(self) -> None:
        """The ERP, too, has bad moments: it cuts connections after its commit, fails, and asks to wait."""
        while True:
            await asyncio.sleep(self._chance.random() * 2)
            behaviour = self._erp.behaviour
            behaviour.cut_after_commit = self._chance.randrange(3)
            behaviour.fail = self._chance.randrange(3)
            behaviour.status = self._chance.choice([503, 429, 500])
            behaviour.retry_after = self._chance.choice([None, 1])

    async def _send(self, session: aiohttp.ClientSession) -> None:
        """One document after another, each until its 202; now and then the same one again, as people do."""
        while not self._stopping:
            self._number += 1
            sent = document(self._number)
            self._sent[sent.subject] = sent
            partner = self.partners[sent.partner]
            key = f"key-{self._number}" if self._number % 3 else None
            try:
                status, answer = await partner.send(session, sent.subject, sent.body, key=key, tries=2_000, pause=0.05)
                if status != 202:
                    raise AssertionError(f"{sent.subject} was answered {status}: {answer}")
                if self._chance.random() < 0.1:
                    again = f"{key}-again" if key else None
                    await partner.send(session, sent.subject, sent.body, key=again, tries=2_000, pause=0.05)
            except ConnectionError as error:
                raise AssertionError(str(error)) from error
            await asyncio.sleep(0.1)

    async def _release(self, session: aiohttp.ClientSession) -> None:
        """The ERP releases one order after another to the warehouse, each under its key until it has its 202."""
        number = 0
        while not self._stopping:
            number += 1
            body = {"partner": WAREHOUSE, "type": "fulfilment.requested", "data": order_data(number)}
            headers = {"Authorization": f"Bearer {ERP_TOKEN}", "Idempotency-Key": f"release-{number}"}
            for _ in range(2_000):
                try:
                    async with session.post(f"{self._erp_door}/v1/documents", json=body, headers=headers) as response:
                        answer = await response.json(content_type=None)
                    if response.status == 202:
                        self._released[answer["id"]] = f"REL{number}"
                        break
                    if response.status not in (409, 503):
                        raise AssertionError(f"order {number} was answered {response.status}: {answer}")
                except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
                    pass
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.1)

    async def _follow(self, session: aiohttp.ClientSession) -> None:
        """A consumer reads the event stream, books what it gets, and only then commits its cursor; now and then it forgets where it was."""
        headers, after = {"Authorization": f"Bearer {ERP_TOKEN}"}, ""
        while True:
            is_last, address = self._drained, f"{self._erp_door}/v1/events"
            try:
                async with session.get(f"{address}?wait=1&limit=20{after}", headers=headers) as response:
                    if response.status != 200:
                        raise ValueError(f"answered {response.status}")
                    batch, cursor = await response.json(content_type=None), response.headers["Crossdock-Cursor"]
                self._read |= {event["id"]: event["subject"] for event in batch}
                after = "" if self._chance.random() < 0.1 else f"&after={cursor}"
                async with session.put(f"{address}/cursor", headers=headers, json={"cursor": cursor}) as response:
                    if response.status not in (200, 503):
                        raise AssertionError(f"a cursor was answered {response.status}: {await response.text()}")
                if is_last and not batch:
                    return
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
                await asyncio.sleep(0.05)

    async def _pick_up(self, session: aiohttp.ClientSession, partner: PretendPartner) -> None:
        quiet = 0
        while not (self._drained and quiet > QUIET):
            try:
                quiet = 0 if await partner.pick_up(session, lease=PICK_UP_LEASE) else quiet + self._drained
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
                pass
            await asyncio.sleep(0.1)

    async def _drain(self) -> None:
        """Waits until the ERP has all that partners believe delivered, or nothing has moved for DRAIN seconds."""
        left, moved = len(self._missing()), time.monotonic()
        while left and time.monotonic() - moved < DRAIN:
            await asyncio.sleep(0.2)
            now = len(self._missing())
            if now < left:
                left, moved = now, time.monotonic()

    def _believed(self) -> dict[str, str]:
        """Subject by message id, for everything a partner has a 202 for."""
        return {one.message: one.name for partner in self.partners.values() for one in partner.delivered}

    def _missing(self) -> list[str]:
        there = {effect.subject for effect in self._erp.effects.values()}
        return sorted(set(self._believed().values()) - there)

    def _judge(self, gateway: Gateway) -> Verdict:
        kills = gateway.hits()
        kills["at random"] = self._outside
        verdict = Verdict(len(set(self._believed().values())), kills)
        verdict.lost = self._missing()
        effects = collections.Counter(effect.subject for effect in self._erp.effects.values() for _ in range(effect.count))
        verdict.doubled = sorted(subject for subject, count in effects.items() if count > 1)
        verdict.strange = sorted(set(effects) - set(self._sent))
        answered = collections.Counter(
            key.partition(":")[2].partition(".")[0] for partner in self.partners.values() for key in partner.picked_up if key.startswith("997:")
        )
        first = {one.name: one.message for partner in self.partners.values() for one in reversed(partner.delivered)}
        verdict.unanswered = sorted(name for name, message in first.items() if answered[message] != 1)
        verdict.released, verdict.astray = len(self._released), self._astray()
        verdict.unread = sorted(set(self._believed().values()) - set(self._read.values()))
        verdict.unchained = not gateway.audit_is_whole()
        return verdict

    def _astray(self) -> list[str]:
        box = self.partners[WAREHOUSE].picked_up
        orders = collections.Counter(body.split(b"W05*N*")[1].split(b"~")[0].decode() for key, body in box.items() if key.startswith("940:"))
        controls = collections.Counter(
            body.split(b"IEA*")[1].split(b"*")[1][:9].decode() for key, body in box.items() if not key.startswith("again:")
        )
        wrong = [f"{order} came {orders[order]} times" for order in self._released.values() if orders[order] != 1]
        wrong += [f"{order} was never released" for order in orders.keys() - set(self._released.values())]
        return sorted(wrong + [f"control number {control} came {count} times" for control, count in controls.items() if count > 1])
