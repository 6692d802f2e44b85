"""P3. A system call fails once, the N-th time it is made: whatever follows, nothing was promised that the disk does not have.

strace makes the kernel refuse one call of a store that writes and promises. Whether the store goes on, refuses or ends is its own choice; what it has
promised must be there when it is opened again.
"""

import asyncio
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.faults.power_cut import READER, ROOT, WRITER
from tests.faults.promise import CannotBeTried, Proof, Trial

CALLS = {
    "fsync,fdatasync": ("EIO", "ENOSPC"),
    "pwrite64": ("EIO", "ENOSPC"),
    "write": ("ENOSPC", "EIO"),
    "rename": ("EIO",),
    "openat": ("EIO", "EMFILE"),
}
SPREAD = {"fsync,fdatasync": (1, 45), "pwrite64": (1, 1300), "write": (1, 45), "rename": (1, 8), "openat": (900, 1100)}
"""From which N to which: before 900 files are opened, Python itself is being loaded. N is counted in each thread, and the writer has its own."""
PROMISES = 40
"""After which the writer is content."""
UNPACKED = ROOT / ".venv-peer" / "debian" / "root" / "usr"


async def prove(trial: Trial, proof: Proof) -> None:
    strace = _strace()
    lost: list[str] = []
    for number, (call, error, nth) in enumerate(_faults(trial)):
        promised, gone, struck = await asyncio.to_thread(_one, strace, trial.folder / str(number), call, error, nth, trial.sabotage or "none")
        proof.count("faults that struck", struck)
        proof.count("tries")
        proof.count("messages promised", promised)
        lost += [f"{gone} of {promised} after {call} number {nth} was {error}"] * bool(gone)
        if lost and trial.sabotage:
            break
    proof.none("tries that lost what was promised", lost)
    proof.holds(proof.counts["faults that struck"] > proof.counts["tries"] // 2, "most of the faults struck nothing")


def _strace() -> list[str]:
    """The machine's own, or the one that `make peers` unpacked, with its libraries for itself alone."""
    ways = [["strace"]] if shutil.which("strace") else []
    libraries = next(iter(UNPACKED.glob("lib/*-linux-gnu")), None)
    if libraries is not None:
        ways.append(["env", f"LD_LIBRARY_PATH={libraries}", str(UNPACKED / "bin" / "strace"), "-E", "LD_LIBRARY_PATH"])
    for way in ways:
        if not subprocess.run([*way, "-qq", "-o", os.devnull, "true"], capture_output=True).returncode:
            return way
    raise CannotBeTried("strace is missing or may not trace here, so no system call can be made to fail")


def _faults(trial: Trial) -> Iterator[tuple[str, str, int]]:
    """The calls by turns, each a few times, at places by chance."""
    chance = random.Random(trial.seed)
    if trial.sabotage:
        # A promise before the commit loses what a failed write of the log takes with it. The schema takes the first three hundred.
        yield from (("pwrite64", "EIO", 340 + 25 * turn) for turn in range(8))
        return
    for turn in range(trial.size("tries")):
        call = list(CALLS)[turn % len(CALLS)]
        yield call, chance.choice(CALLS[call]), chance.randint(*SPREAD[call])


def _one(strace: list[str], folder: Path, call: str, error: str, nth: int, sabotage: str) -> tuple[int, int, int]:
    """(promised, of these lost, whether the fault struck) of one life of the writer."""
    data = folder / "data"
    data.mkdir(parents=True)
    promises, trace = folder / "promises", folder / "trace"
    inject = f"inject={call}:error={error}:when={nth}"
    command = [*strace, "-f", "-qq", "--seccomp-bpf", "-o", str(trace), "-e", f"trace={call}", "-e", inject]
    writer = [sys.executable, "-c", WRITER, str(data), str(promises), sabotage, str(PROMISES)]
    subprocess.run([*command, *writer], cwd=ROOT, capture_output=True, timeout=60, check=False)
    struck = trace.exists() and "(INJECTED)" in trace.read_text(errors="replace")
    if not struck or not promises.exists() or not promises.stat().st_size:
        shutil.rmtree(folder)
        return 0, 0, int(struck)
    whole = promises.read_bytes()
    promises.write_bytes(whole[: whole.rindex(b"\n") + 1])
    done = subprocess.run([sys.executable, "-c", READER, str(data), str(promises)], cwd=ROOT, capture_output=True, text=True, check=False)
    promised = whole.count(b"\n")
    lost = int(done.stdout.split()[1]) if done.returncode == 0 else promised
    shutil.rmtree(folder)
    return promised, lost, int(struck)
