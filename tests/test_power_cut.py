"""A power cut: the disk as it was when the plug was pulled, without what only the kernel's memory held. SIGKILL cannot show a missing fsync; this can.

A store writes on a small ext4 image and tells which messages it has promised; the image is copied in the middle of it and mounted again.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.big, pytest.mark.timeout(600)]
ROOT = Path(__file__).parent.parent
CUTS = 8

WRITER = """
import sys
from gateway.clock import DAY, now
from gateway.records import Incoming
from gateway.store import engine, payloads
from gateway.store.payloads import Payload, Spool
from gateway.store.store import Store

folder, promises, sabotage = sys.argv[1:]
if sabotage == "unsynced-commits":
    honest = engine._prepare_sqlite_writer
    def careless(connection, record):
        honest(connection, record)
        connection.execute("PRAGMA synchronous=OFF")
    engine._prepare_sqlite_writer = careless
if sabotage == "unsynced-files":
    payloads.os.fsync = lambda descriptor: None
from pathlib import Path
store = Store(f"sqlite:///{folder}/crossdock.db", Path(folder) / "payloads")
told = open(promises, "a", buffering=1)
number = 0
while True:
    number += 1
    message = f"{number:026d}"
    body = b"%d " % number * (20_000 if number % 5 == 0 else 50)
    spool = Spool(store.files)
    spool.write(body)
    digest, data = spool.finish()
    item = Incoming(message, "p", "http", Payload(f"message:{message}", "p", len(body), digest, data), "t", None, 1, None, DAY, now(), "p")
    store.keep_message(item).result()
    told.write(f"{message} {digest}\\n")
"""

READER = """
import sys
from pathlib import Path
from sqlalchemy import text
from gateway.store.payloads import PayloadDamaged, sound
from gateway.store.store import Store

folder, promises = sys.argv[1:]
store = Store(f"sqlite:///{folder}/crossdock.db", Path(folder) / "payloads")
query = text("SELECT m.id, p.sha256, p.data, p.location FROM messages m JOIN payloads p ON p.id = m.payload")
there = {row.id: row for row in store.read(lambda tx: tx.execute(query).all()).result()}
promised = [line.split() for line in Path(promises).read_text().splitlines()]
lost = 0
for message, digest in promised:
    row = there.get(message)
    try:
        good = row is not None and (sound(row.data, digest) if row.data is not None else bool(store.files.read(row.location)))
    except PayloadDamaged:
        good = False
    lost += not good
print(len(promised), lost)
store.close()
"""


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def may_mount(folder: Path) -> bool:
    if os.geteuid() != 0 or not shutil.which("mkfs.ext4"):
        return False
    image, place = folder / "probe.img", folder / "probe"
    try:
        make_image(image, place)
        run("umount", str(place))
    except (subprocess.CalledProcessError, OSError):
        return False
    return True


def make_image(image: Path, place: Path) -> None:
    with image.open("wb") as file:
        file.truncate(96 * 2**20)
    run("mkfs.ext4", "-q", "-F", str(image))
    place.mkdir()
    # A long commit interval: what the program does not sync itself is not on the disk by luck.
    run("mount", "-o", "loop,commit=300", str(image), str(place))


def cut(folder: Path, sabotage: str, seconds: float) -> tuple[int, int]:
    """(messages promised before the cut, of these lost after it)."""
    folder.mkdir()
    image, place, promises, after = folder / "disk.img", folder / "disk", folder / "promises", folder / "after"
    make_image(image, place)
    try:
        command = [sys.executable, "-c", WRITER, str(place), str(promises), sabotage]
        writer = subprocess.Popen(command, cwd=ROOT)
        until = time.monotonic() + 30
        while not promises.exists() or promises.stat().st_size == 0:
            assert time.monotonic() < until, "the writer promised nothing"
            assert writer.poll() is None, "the writer ended"
            time.sleep(0.02)
        time.sleep(seconds)
        writer.send_signal(signal.SIGSTOP)
        told = promises.read_bytes()
        shutil.copyfile(image, folder / "cut.img")
        writer.kill()
        writer.wait()
    finally:
        run("umount", str(place))
    (folder / "told").write_bytes(told[: told.rindex(b"\n") + 1])
    after.mkdir()
    run("mount", "-o", "loop", str(folder / "cut.img"), str(after))
    try:
        done = subprocess.run([sys.executable, "-c", READER, str(after), str(folder / "told")], cwd=ROOT, capture_output=True, text=True, check=False)
    finally:
        run("umount", str(after))
    if done.returncode != 0:
        # A database that cannot even be opened has lost all that was promised.
        return told.count(b"\n"), told.count(b"\n")
    promised, lost = map(int, done.stdout.split())
    return promised, lost


@pytest.fixture
def disks(tmp_path: Path) -> Path:
    if not may_mount(tmp_path):
        pytest.skip("no loop-mounted ext4 here (it needs root, mkfs.ext4 and mount): the power-cut run is left out")
    return tmp_path


def test_a_power_cut_loses_nothing_that_was_promised(disks: Path, capsys: pytest.CaptureFixture[str]):
    results = [cut(disks / f"cut-{number}", "none", 0.3 + number * 0.17) for number in range(CUTS)]
    with capsys.disabled():
        print(f"\n{CUTS} power cuts, {sum(promised for promised, _ in results)} messages promised, {sum(lost for _, lost in results)} lost")
    assert sum(promised for promised, _ in results) > 100
    assert [lost for _, lost in results] == [0] * CUTS


@pytest.mark.parametrize("sabotage", ["unsynced-commits", "unsynced-files"])
def test_the_power_cut_notices_a_missing_sync(disks: Path, sabotage: str, capsys: pytest.CaptureFixture[str]):
    """`unsynced-commits`: SQLite no longer syncs its commits. `unsynced-files`: payload files are no longer synced."""
    for number in range(5):
        promised, lost = cut(disks / f"{sabotage}-{number}", sabotage, 0.5 + number * 0.3)
        if lost:
            break
    with capsys.disabled():
        print(f"\nwithout syncing ({sabotage}) a power cut lost {lost} of {promised}")
    assert lost
