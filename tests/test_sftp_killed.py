"""The gateway dies at each step of SFTP, and partners' servers misbehave: nothing is lost, nothing doubled, nothing partial. Judged at both ends of the wire."""

import asyncio
import contextlib
import io
import os
import re
import shutil
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import paramiko
import pytest
from aiohttp import web
from paramiko.sftp import CMD_CLOSE, SFTP_PERMISSION_DENIED
from sqlalchemy import create_engine

from gateway import journal
from gateway.operations import OPERATIONS
from gateway.settings import Settings, read_settings
from gateway.simulators.erp import PretendErp
from gateway.store_opening import open_store
from tests.lives import PATIENCE, Life
from tests.sftp_remote import RemoteServer
from tests.sftp_running import KEY, profile, x12

OF_POLLING = ("sftp.listed", "sftp.fetched", "sftp.stored", "sftp.moved", "sftp.taken")
OF_PUSHING = ("sftp.put", "sftp.renamed")
OF_TAKING = ("sftp.parked", "receive.spooled", "receive.committed", "receive.answered", "sftp.picked-up")
OF_ALL = ("deliver.sent", "store.before_commit", "store.after_commit")
POINTS = OF_TAKING + OF_POLLING + OF_PUSHING + OF_ALL
CHANCES = {"store.before_commit": 0.05, "store.after_commit": 0.05}
"""How likely a point kills when it is reached, if not for sure: at these a gateway that always died would never start."""
POLLED = 5_000
"""From here on numbers are those of the partner that we poll."""
LARGE = b"\n" * 70_000
"""Blank lines behind an interchange, so that some files are large enough for a file of their own."""


class Stage:
    """One partner that comes to us, one whose server we poll and put 997s into, and an ERP; all of them outlive the gateway."""

    def __init__(self, folder: Path, files: int, *, database: str | None = None, large: bool = True) -> None:
        self.folder, self.files, self.database, self.large = folder, files, database, large
        self.erp, self.server = PretendErp(), RemoteServer()
        self.sent: set[int] = set()
        self.mailbox: dict[str, bytes] = {}
        self.fetching: str | None = None
        """What the partner was fetching when its line broke: it asks for that again by its name."""
        self.refusals: Counter[str] = Counter()
        """What the partner was told in place of a yes."""
        self.kills: Counter[str] = Counter()
        self.log = folder / "hits"
        self.port = ""
        self.fed = 0
        self.over = False

    def body(self, number: int) -> bytes:
        return x12(number) + (LARGE if self.large and number % 3 == 0 else b"")

    def settle(self, erp_url: str) -> Settings:
        given: dict[str, object] = {"data_dir": str(self.folder / "var"), "targets": {"erp": {"url": f"{erp_url}/events"}}, "key_secret": "a" * 64}
        if self.database:
            given["database"] = self.database
        settings = read_settings(None, given, environment={})
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        store = open_store(settings)
        made = OPERATIONS["sftp.key.generate"](store, {"name": "main"})
        self.server.trust(made["public"])
        agreements = "[{receive: '945', overlays: [demo-3pl], default_zone: America/New_York}]"
        OPERATIONS["partners.apply"](store, {"text": profile("comes", agreements=agreements, terms="sessions: 50")})
        poll = f"{self.server.terms()}, folder: /out, every: 1s, whole: stable, stable: 1s, longest_wait: 2s"
        ours = f"sftp_poll: [{{{poll}}}], sftp_push: {{{self.server.terms()}, folder: /in}}"
        OPERATIONS["partners.apply"](
            store, {"text": profile("polled", agreements=agreements).replace("channels: {sftp:", f"channels: {{{ours}, sftp:")}
        )
        store.close()
        return settings

    def feed(self, upto: int) -> None:
        """So many files are to be exchanged from now on; each life has some of its own."""
        for number in range(self.fed + 1, min(upto, self.files) + 1):
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
        try:
            file = sftp.open(first, "wb")
            file.write(self.body(number))
            _close(file)
            if first != last:
                sftp.posix_rename(first, last)
        except OSError as error:
            self.refusals[str(error)] += 1
            raise
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
        return (
            len(self.sent) == self.files
            and len(self.erp.effects) >= 2 * self.files
            and len(self.answered) >= 2 * self.files
            and not any(path.startswith("/out/") for path in list(self.server.files))
        )

    @property
    def answered(self) -> list[int]:
        """Group numbers that the partners' 997s speak of."""
        received = [*self.mailbox.values(), *(data for path, data in list(self.server.files.items()) if re.fullmatch(r"/in/.*\.edi", path))]
        return [int(found[1]) for data in received for found in [re.search(rb"AK1\*SW\*(\d+)", data)] if found]

    def judge(self) -> None:
        wanted = {*range(1, self.files + 1), *range(POLLED + 1, POLLED + self.files + 1)}
        effects = [int(effect.subject.removeprefix("order/H-")) for effect in self.erp.effects.values()]
        assert Counter(effects) == Counter(wanted), "orders that the ERP has, and should have"
        assert all(effect.count == 1 for effect in self.erp.effects.values()), "done once"
        assert Counter(self.answered) == Counter(wanted), "997s that the partners have, and should have"
        assert not [path for path in self.server.files if path.startswith("/out/")], "what was fetched is taken away"


def _close(file: paramiko.SFTPFile) -> None:
    """CLOSE, and its answer: paramiko's own close() does not tell of a refused one."""
    file.flush()
    file._closed = True
    file.sftp._request(CMD_CLOSE, file.handle)


async def lives(stage: Stage, points: tuple[str, ...], capsys: pytest.CaptureFixture[str], *, longest: float, nodes: int = 1, what: str = "") -> None:
    """One life for each point, until it kills or `longest` seconds are over; then one that ends all."""
    journal.silence()
    runner = web.AppRunner(stage.erp.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    settings = stage.settle(f"http://127.0.0.1:{runner.addresses[0][1]}")
    partner = threading.Thread(target=stage.partner, daemon=True)
    others = [_other_node(settings, number) for number in range(1, nodes)]
    try:
        for turn, point in enumerate((*points, ""), start=1):
            # Three at a time: under both kinds of names, and both sizes.
            stage.feed(max(3 * turn, stage.files * turn // max(len(points), 1)) if point else stage.files)
            armed = {"CROSSDOCK_FAILPOINTS_LOG": str(stage.log), "CROSSDOCK_KEY_SECRET": "a" * 64}
            if stage.database:
                armed["CROSSDOCK_DATABASE"] = stage.database
            mine = [settings, *others]
            mine = [*mine[turn % nodes :], *mine[: turn % nodes]]  # the partner comes to another one each time
            # Every node is armed: whichever comes to the point first dies there.
            running = [Life(one, f"{point}={CHANCES.get(point, 1.0)}" if point else "", **armed) for one in mine]
            life = running[0]
            try:
                until = time.monotonic() + (longest if point else 4 * PATIENCE)
                with contextlib.suppress(AssertionError, TimeoutError):
                    stage.port = (await life.addresses())["sftp"].rpartition(":")[2]
                if not partner.is_alive():
                    partner.start()
                while time.monotonic() < until and not (stage.whole and not point):
                    if any(one.process.poll() is not None for one in running):
                        if point:
                            break
                        # The last life has somebody who looks after it: a start on a full disk fails, and is made again.
                        running = [one if one.process.poll() is None else Life(given, "", **armed) for one, given in zip(running, mine, strict=True)]
                        with contextlib.suppress(AssertionError, TimeoutError):
                            stage.port = (await running[0].addresses())["sftp"].rpartition(":")[2]
                    await asyncio.sleep(0.05)
            finally:
                if not point:
                    await asyncio.sleep(1.5)  # what would come twice has its time
                for one in running:
                    if point:
                        one.process.kill()
                    else:
                        one.end()
                    one.process.wait(PATIENCE)
        stage.kills = Counter(stage.log.read_text().split() if stage.log.exists() else [])
        with capsys.disabled():
            told = f"\n{what or 'SFTP'}: {stage.files} files put, {stage.files} fetched, {sum(stage.kills.values())} kills {dict(stage.kills)}"
            print(f"{told}; at the ERP {len(stage.erp.effects)}, 997s {len(stage.answered)}")
        stage.judge()
    finally:
        stage.over = True
        if partner.is_alive():
            partner.join(PATIENCE)
        stage.server.close()
        await runner.cleanup()


def _other_node(settings: Settings, number: int) -> Settings:
    """A node on the same database, with a data directory of its own."""
    folder = settings.data_dir.with_name(f"var{number}")
    folder.mkdir()
    return settings.model_copy(update={"data_dir": folder})


@pytest.mark.timeout(240)
def test_kills_lose_and_double_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    stage = Stage(tmp_path, 12)
    asyncio.run(lives(stage, ("receive.committed", "sftp.stored", "sftp.renamed"), capsys, longest=15))
    assert set(stage.kills) == {"receive.committed", "sftp.stored", "sftp.renamed"}


@pytest.mark.big
@pytest.mark.timeout(600)
def test_a_kill_at_every_step_loses_and_doubles_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    stage = Stage(tmp_path, 100)
    asyncio.run(lives(stage, POINTS, capsys, longest=20, what="each step"))
    assert not [point for point in POINTS if not stage.kills[point]], "a point without a kill proves nothing"


Misdeed = Callable[[str, str], int | None]


def _delete_refused(server: RemoteServer) -> Misdeed:
    asked: Counter[str] = Counter()

    def misdo(what: str, path: str) -> int | None:
        if what not in ("remove", "rename") or not path.startswith("/out"):
            return None
        asked[path] += 1
        return SFTP_PERMISSION_DENIED if asked[path] % 3 else None

    return misdo


def _altered(server: RemoteServer, how: Callable[[bytes], bytes]) -> Misdeed:
    """Each file is altered while we read it for the first time, and some for the second."""
    read: Counter[str] = Counter()

    def misdo(what: str, path: str) -> int | None:
        if what == "read 0" and path.startswith("/out/") and path in server.files:
            read[path] += 1
            if read[path] <= 1 + int(path[-5]) % 2:
                server.put(path, how(server.files[path]), 1000 + read[path])
        return None

    return misdo


def _cut(server: RemoteServer) -> Misdeed:
    """The line breaks again and again, a little later each time."""
    asked = [0, 4]

    def misdo(what: str, path: str) -> int | None:
        asked[0] += 1
        if asked[0] > asked[1] and asked[1] < 90:
            asked[:] = [0, asked[1] + 3]
            server.cut()
        return None

    return misdo


MISDEEDS: dict[str, Callable[[RemoteServer], Misdeed]] = {
    "delete refused": _delete_refused,
    "grows while read": lambda server: _altered(server, lambda body: body + b"\n"),
    "replaced while read": lambda server: _altered(server, lambda body: body.replace(b"LAKE 3PL RENO", b"LAKE 3PL REN0")),
    "connection cut": _cut,
}


@pytest.mark.big
@pytest.mark.timeout(600)
@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_kills_beside_misdeeds_lose_and_double_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], misdeed: str):
    stage = Stage(tmp_path, 24)
    stage.server.before = MISDEEDS[misdeed](stage.server)
    asyncio.run(lives(stage, OF_POLLING + OF_PUSHING, capsys, longest=20, what=misdeed))
    assert not [point for point in OF_POLLING + OF_PUSHING if not stage.kills[point]], "a point without a kill proves nothing"


@pytest.mark.big
@pytest.mark.timeout(600)
def test_two_nodes_that_poll_and_die_in_turn_lose_and_double_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], postgresql: str):
    name = f"nodes_{uuid.uuid4().hex[:12]}"
    admin = create_engine(postgresql.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    admin.dispose()
    # Large payloads lie in a node's own folder as yet, so these are small.
    stage = Stage(tmp_path, 24, database=postgresql.replace("/postgres?", f"/{name}?"), large=False)
    asyncio.run(lives(stage, OF_POLLING + OF_PUSHING, capsys, longest=20, nodes=2, what="two nodes"))
    assert not [point for point in OF_POLLING + OF_PUSHING if not stage.kills[point]], "a point without a kill proves nothing"


@pytest.mark.big
@pytest.mark.timeout(600)
def test_a_full_disk_takes_nothing_and_all_of_it_once_there_is_room(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The data directory lies on a small file system of its own, which fills up, is freed, and fills up again while the gateway dies."""
    place = tmp_path / "var"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "none", place], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a small file system, so no disk fills up")
    stage = Stage(tmp_path, 18)
    full = threading.Event()

    def fill() -> None:
        while not stage.port and not stage.over:
            time.sleep(0.1)  # a gateway has begun on a disk with room
        for turn in range(40):
            if stage.over:
                return
            with contextlib.suppress(OSError), (place / "ballast").open("wb", buffering=0) as ballast:
                left = shutil.disk_usage(place).free
                # At first to the last byte, so that writes fail in the middle; then to below what we keep free, so that nothing is begun.
                ballast.write(b"\0" * (left - 4096 * (turn % 3) if turn % 2 else max(0, left - (1 << 19))))
                full.set()
            time.sleep(0.7)
            with contextlib.suppress(OSError):
                (place / "ballast").unlink()
            time.sleep(0.7)

    filler = threading.Thread(target=fill, daemon=True)
    try:
        filler.start()
        asyncio.run(lives(stage, ("receive.committed", "sftp.stored", "sftp.renamed"), capsys, longest=15, what="disk full"))
        with capsys.disabled():
            print(f"  told in place of a yes: {dict(stage.refusals)}")
        assert full.is_set()
        assert stage.refusals, "nobody was told to come again"
        assert stage.kills
    finally:
        stage.over = True
        filler.join(PATIENCE)
        subprocess.run(["umount", place], capture_output=True)
