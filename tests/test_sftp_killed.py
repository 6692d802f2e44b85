"""The gateway dies at each step of SFTP, and lines are cut: nothing is lost, nothing doubled, nothing partial. Judged at both ends of the wire."""

import asyncio
import contextlib
import io
import re
import threading
import time
from collections import Counter
from pathlib import Path

import paramiko
import pytest
from aiohttp import web
from paramiko.sftp import CMD_CLOSE, SFTP_PERMISSION_DENIED

from gateway import journal
from gateway.app import open_store
from gateway.operations import OPERATIONS
from gateway.settings import Settings, read_settings
from gateway.simulators.erp import PretendErp
from tests.lives import PATIENCE, Life
from tests.sftp_remote import HOST_KEY, RemoteServer
from tests.sftp_running import KEY, profile, x12

POINTS = (
    "sftp.parked", "sftp.picked-up", "receive.spooled", "receive.committed", "receive.answered", "sftp.listed", "sftp.fetched", "sftp.stored", "sftp.moved",
    "sftp.taken", "sftp.put", "sftp.renamed", "deliver.sent", "store.before_commit", "store.after_commit",
)  # fmt: skip
CHANCES = {"store.before_commit": 0.02, "store.after_commit": 0.02, "sftp.listed": 0.5}
POLLED = 5_000
"""From here on numbers are those of the partner that we poll."""
LARGE = b"\n" * 70_000
"""Blank lines behind an interchange, so that some files are large enough for a file of their own."""


class Stage:
    """One partner that comes to us, one whose server we poll and put 997s into, and an ERP; all of them outlive the gateway."""

    def __init__(self, folder: Path, files: int) -> None:
        self.folder, self.files = folder, files
        self.erp, self.server = PretendErp(), RemoteServer()
        self.sent: set[int] = set()
        self.mailbox: dict[str, bytes] = {}
        self.fetching: str | None = None
        """What the partner was fetching when its line broke: it asks for that again by its name."""
        self.kills: Counter[str] = Counter()
        self.log = folder / "hits"
        self.port = ""
        self.fed = 0
        self.over = False

    def body(self, number: int) -> bytes:
        return x12(number) + (LARGE if number % 4 == 0 else b"")

    def settle(self, erp_url: str) -> Settings:
        settings = read_settings(None, {"data_dir": str(self.folder / "var"), "targets": {"erp": {"url": f"{erp_url}/events"}}}, environment={})
        settings.data_dir.mkdir(parents=True)
        store = open_store(settings)
        made = OPERATIONS["sftp.key.generate"](store, {"name": "main"})
        self.server.key = type(HOST_KEY)("ssh-ed25519", b"", made["public"])
        agreements = "[{receive: '945', overlays: [demo-3pl], default_zone: America/New_York}]"
        OPERATIONS["partners.apply"](store, {"text": profile("comes", agreements=agreements, terms="sessions: 50")})
        ours = f"sftp_poll: [{{{self.server.terms()}, folder: /out, every: 1s, whole: stable, stable: 1s}}], sftp_push: {{{self.server.terms()}, folder: /in}}"
        OPERATIONS["partners.apply"](
            store, {"text": profile("polled", agreements=agreements).replace("channels: {sftp:", f"channels: {{{ours}, sftp:")}
        )
        store.close()
        return settings

    def feed(self, upto: int) -> None:
        """So many files are to be exchanged from now on; each life has some of its own."""
        for number in range(self.fed, min(upto, self.files)):
            self.server.put(f"/out/{POLLED + number}.edi", self.body(POLLED + number), 1000)
        self.fed = min(upto, self.files)

    # ---- the partner that comes

    def partner(self) -> None:
        """Uploads each file until it gets a yes, some under temporary names, and fetches what waits. A thread of its own, for all lives."""
        while not self.over:
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException, ValueError):
                self._session()
            time.sleep(0.05)

    def _session(self) -> None:
        transport = paramiko.Transport(("127.0.0.1", int(self.port)))
        try:
            transport.banner_timeout = 10
            transport.connect(username="comes", pkey=paramiko.Ed25519Key.from_private_key(io.StringIO(KEY.private.decode())))
            sftp = paramiko.SFTPClient.from_transport(transport)
            assert sftp is not None
            sftp.get_channel().settimeout(10)
            if self.fetching:
                self._fetch(sftp, self.fetching)
            while not self.over:
                left = sorted(set(range(1, self.fed + 1)) - self.sent)
                for number in left[:5]:
                    self._upload(sftp, number)
                for name in sftp.listdir("/out"):
                    self._fetch(sftp, name)
                if not left:
                    time.sleep(0.2)
        finally:
            transport.close()

    def _upload(self, sftp: paramiko.SFTPClient, number: int) -> None:
        last = f"/in/{number}.edi"
        first = f"{last}.tmp" if number % 2 else last
        file = sftp.open(first, "wb")
        file.write(self.body(number))
        _close(file)
        if first != last:
            sftp.posix_rename(first, last)
        self.sent.add(number)

    def _fetch(self, sftp: paramiko.SFTPClient, name: str) -> None:
        self.fetching = name
        with contextlib.suppress(FileNotFoundError):
            file = sftp.open(f"/out/{name}", "rb")
            data = file.read()
            _close(file)
            assert self.mailbox.setdefault(name, data) == data
        self.fetching = None

    # ---- the verdict

    @property
    def whole(self) -> bool:
        return len(self.sent) == self.files and len(self.erp.effects) >= 2 * self.files and len(self.answered) >= 2 * self.files

    @property
    def answered(self) -> list[int]:
        """Group numbers that the partners' 997s speak of."""
        received = [*self.mailbox.values(), *(data for path, data in self.server.files.items() if path.startswith("/in/") and path.endswith(".edi"))]
        return [int(found[1]) for data in received for found in [re.search(rb"AK1\*SW\*(\d+)", data)] if found]

    def judge(self) -> None:
        wanted = {*range(1, self.files + 1), *range(POLLED, POLLED + self.files)}
        effects = [int(effect.subject.removeprefix("order/H-")) for effect in self.erp.effects.values()]
        assert Counter(effects) == Counter(wanted), "orders that the ERP has, and should have"
        assert Counter(self.answered) == Counter(wanted), "997s that the partners have, and should have"
        assert not [path for path in self.server.files if path.startswith("/out/")], "what was fetched is taken away"


def _close(file: paramiko.SFTPFile) -> None:
    """CLOSE, and its answer: paramiko's own close() does not tell of a refused one."""
    file.flush()
    file._closed = True
    file.sftp._request(CMD_CLOSE, file.handle)


async def lives(stage: Stage, points: tuple[str, ...], capsys: pytest.CaptureFixture[str], *, longest: float) -> None:
    """One life for each point, until it kills or `longest` seconds are over; then one that ends all."""
    journal.silence()
    runner = web.AppRunner(stage.erp.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    settings = stage.settle(f"http://127.0.0.1:{runner.addresses[0][1]}")
    partner = threading.Thread(target=stage.partner, daemon=True)
    begun = False
    try:
        for turn, point in enumerate((*points, ""), start=1):
            stage.feed(stage.files * turn // len(points) if point else stage.files)
            life = Life(settings, f"{point}={CHANCES.get(point, 0.2)}" if point else "", CROSSDOCK_FAILPOINTS_LOG=str(stage.log))
            try:
                until = time.monotonic() + (longest if point else 4 * PATIENCE)
                with contextlib.suppress(AssertionError, TimeoutError):
                    stage.port = (await life.addresses())["sftp"].rpartition(":")[2]
                if not begun:
                    partner.start()
                    begun = True
                while life.process.poll() is None and time.monotonic() < until and not (stage.whole and not point):
                    await asyncio.sleep(0.05)
            finally:
                if point:
                    life.process.kill()
                else:
                    await asyncio.sleep(1.5)  # what would come twice has its time
                    life.end()
                life.process.wait(PATIENCE)
        stage.kills = Counter(stage.log.read_text().split() if stage.log.exists() else [])
        with capsys.disabled():
            print(f"\n{stage.files} files put, {stage.files} fetched; killed at {dict(stage.kills)}; {len(stage.answered)} 997s")
        stage.judge()
    finally:
        stage.over = True
        partner.join(PATIENCE)
        stage.server.close()
        await runner.cleanup()


@pytest.mark.timeout(240)
def test_kills_lose_and_double_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    stage = Stage(tmp_path, 12)
    asyncio.run(lives(stage, ("receive.committed", "sftp.stored", "sftp.renamed"), capsys, longest=10))
    assert stage.kills


@pytest.mark.big
@pytest.mark.timeout(1200)
def test_a_kill_at_every_step_loses_and_doubles_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    stage = Stage(tmp_path, 100)
    asyncio.run(lives(stage, POINTS * 2, capsys, longest=20))
    assert not [point for point in POINTS if not stage.kills[point]], "a point without a kill proves nothing"


MISDEEDS = ("delete refused", "grows", "replaced", "cut")


@pytest.mark.big
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_kills_beside_misdeeds_lose_and_double_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], misdeed: str):
    stage = Stage(tmp_path, 30)
    count = iter(range(10**9))

    def misdo(what: str, path: str) -> int | None:
        turn = next(count)
        if misdeed == "delete refused" and what in ("remove", "rename") and "/out" in path and turn % 3:
            return SFTP_PERMISSION_DENIED
        if misdeed in ("grows", "replaced") and what.startswith("read") and turn % 7 == 0 and path in stage.server.files:
            body = stage.server.files[path]
            stage.server.put(path, body + b"\n" if misdeed == "grows" else body[:-1] + b"\n", int(time.time()) + turn)
        if misdeed == "cut" and turn % 40 == 39:
            stage.server.cut()
        return None

    stage.server.before = misdo

    def relent() -> None:
        while not stage.over and stage.server.log.__len__() < 3000:
            time.sleep(0.5)
        stage.server.before = lambda what, path: None

    threading.Thread(target=relent, daemon=True).start()
    points = ("sftp.fetched", "sftp.stored", "sftp.moved", "sftp.taken", "sftp.put", "sftp.renamed")
    asyncio.run(lives(stage, points, capsys, longest=20))
    assert stage.kills
