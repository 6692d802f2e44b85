"""P2. A power cut: the disk as it was when the plug was pulled, without what only the kernel's memory held. SIGKILL cannot show a missing fsync; this can.

A store writes on a small ext4 image and tells which messages it has promised; the image is copied in the middle of it and mounted again.
"""

import asyncio
import filecmp
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.faults.promise import CannotBeTried, Proof, Trial

ROOT = Path(__file__).parent.parent.parent
ENOUGH = 5
"""Cuts within which a missing sync shows."""

WRITER = """
import os
import sys
import time
from gateway.clock import DAY, now
from gateway.errors import StoreUnavailable
from gateway.records.incoming import Incoming
from gateway.store import engine
from gateway.store.payloads import Payload
from gateway.store.spool import Spool
from gateway.store.store import Store

folder, promises, sabotage, most = sys.argv[1:]
if sabotage == "unsynced-commits":
    honest = engine._prepare_sqlite_writer
    def careless(connection, record):
        honest(connection, record)
        connection.execute("PRAGMA synchronous=OFF")
    engine._prepare_sqlite_writer = careless
if sabotage == "unsynced-files":
    os.fsync = lambda descriptor: None
from pathlib import Path
store = Store(f"sqlite:///{folder}/crossdock.db", Path(folder) / "payloads")
told = open(promises, "a", buffering=1)
number = 0
while not most or number < int(most):
    number += 1
    message = f"{number:026d}"
    body = b"%d " % number * (40_000 if number % 5 == 0 else 50)
    spool = Spool(store.files)
    spool.write(body)
    digest, data = spool.finish()
    item = Incoming(message, "p", "http", Payload(f"message:{message}", "p", len(body), digest, data), "t", None, 1, None, DAY, now(), "p")
    kept = store.keep_message(item)
    if sabotage == "answer-before-commit":
        time.sleep(0.005)
    else:
        try:
            kept.result()
        except StoreUnavailable:
            continue  # refused: nothing is promised
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
    if not good:
        what = "no row" if row is None else "its bytes in its row" if row.data is not None else "its file " + row.location
        print(f"lost {message}, of {len(promised)} promised, {len(there)} rows: {what}", file=sys.stderr)
print(len(promised), lost)
store.close()
"""


async def prove(trial: Trial, proof: Proof) -> None:
    if not may_mount(trial.folder):
        raise CannotBeTried("no loop-mounted ext4 here (it needs root, mkfs.ext4 and mount)")
    chance = random.Random(trial.seed)
    lost = 0
    for number in range(ENOUGH if trial.sabotage else trial.size("cuts")):
        promised, gone = await asyncio.to_thread(cut, trial.folder / f"cut-{number}", trial.sabotage or "none", 0.3 + chance.random() * 1.3)
        shutil.rmtree(trial.folder / f"cut-{number}")
        proof.count("power cuts")
        proof.count("messages promised", promised)
        lost += gone
        if gone and trial.sabotage:
            break
    proof.count("lost", lost)
    proof.holds(not lost, f"{lost} promised messages were lost")
    proof.holds(proof.counts["messages promised"] > 100 or lost > 0, "too few were promised to prove anything")


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


def _stands_still(pid: int) -> None:
    """Until each thread is stopped. The signal stops who computes at once, and who is within a sync only behind it: a copy made meanwhile has blocks of before and of after, a disk that never was."""
    while any(state(thread) not in "TtZX" for thread in Path(f"/proc/{pid}/task").iterdir()):
        time.sleep(0.002)


def state(thread: Path) -> str:
    """One letter of proc(5): T is stopped."""
    return thread.joinpath("stat").read_text().rpartition(")")[2].split()[0]


def cut(folder: Path, sabotage: str, seconds: float) -> tuple[int, int]:
    """(messages promised before the cut, of these lost after it)."""
    folder.mkdir()
    image, place, promises, after = folder / "disk.img", folder / "disk", folder / "promises", folder / "after"
    make_image(image, place)
    try:
        command = [sys.executable, "-c", WRITER, str(place), str(promises), sabotage, ""]
        writer = subprocess.Popen(command, cwd=ROOT)
        until = time.monotonic() + 30
        while not promises.exists() or promises.stat().st_size == 0:
            assert time.monotonic() < until, "the writer promised nothing"
            assert writer.poll() is None, "the writer ended"
            time.sleep(0.02)
        time.sleep(seconds)
        writer.send_signal(signal.SIGSTOP)
        _stands_still(writer.pid)
        told = promises.read_bytes()
        shutil.copyfile(image, folder / "cut.img")
        while not filecmp.cmp(image, folder / "cut.img", shallow=False):
            shutil.copyfile(image, folder / "cut.img")  # the kernel wrote on meanwhile: a copy of no moment that ever was
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
    sys.stderr.write(done.stderr)
    return promised, lost
