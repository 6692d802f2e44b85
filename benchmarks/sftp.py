"""Our SFTP server against OpenSSH's sshd: the same client, the same files, the same run. Needs `make peers` for sshd.

`python -m benchmarks.sftp`.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.rows import Row, table

ROOT = Path(__file__).parent.parent
DEBIAN = ROOT / ".venv-peer" / "debian" / "root"
SMALL_FILES, SMALL, LARGE = 200, 2_000, 100 << 20
ROUNDS = 5
SESSIONS = 100


def run() -> list[Row]:
    """The rows of this benchmark."""
    sshd = DEBIAN / "usr" / "sbin" / "sshd"
    if not sshd.exists() or shutil.which("sftp") is None:
        return [Row("SFTP against sshd", "not measured", "`make peers` gets sshd; OpenSSH's sftp must be here", "", "", False)]
    with tempfile.TemporaryDirectory(prefix="crossdock-sftp-") as name:
        folder = Path(name)
        _prepare(folder)
        with _sshd(folder, sshd) as theirs, _gateway(folder) as (ours, process):
            return [*_uploads(folder, ours, theirs), *_idle(folder, ours, process)]


_IS_ROOT = os.getuid() == 0
_OWN_ACCOUNTS = (
    'mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/shadow" /etc/shadow && mount -t tmpfs none /run && mkdir -m 755 /run/sshd && exec "$@"'
)
"""As root, sshd wants a user for its unprivileged half, and an account that is not locked: it gets both in a mount namespace of its own."""


def _prepare(folder: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"], check=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host"], check=True)
    for one in ("small", "in"):
        (folder / one).mkdir()
    for number in range(SMALL_FILES):
        (folder / "small" / f"{number:04}.csv").write_bytes(os.urandom(SMALL))
    (folder / "large.csv").write_bytes(os.urandom(LARGE))
    (folder / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\nsshd:x:65533:65534::/run/sshd:/bin/sh\n")
    (folder / "shadow").write_text("root:NP:19000:0:99999:7:::\nsshd:NP:19000:0:99999:7:::\n")


@contextmanager
def _sshd(folder: Path, sshd: Path) -> Iterator[int]:
    """OpenSSH's server on a port of its own."""
    port = _free_port()
    (folder / "authorized").write_bytes((folder / "key.pub").read_bytes())
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n"
        "PidFile none\nSubsystem sftp internal-sftp\nForceCommand internal-sftp\nMaxStartups 200\nPermitRootLogin yes\n"
    )
    libraries = os.pathsep.join(str(path) for path in (DEBIAN / "usr" / "lib").glob("*-linux-gnu"))
    environment = os.environ | {"LD_LIBRARY_PATH": libraries}
    within = ["unshare", "-m", "sh", "-c", _OWN_ACCOUNTS, str(folder)] if _IS_ROOT else []
    with (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen([*within, sshd, "-D", "-e", "-f", folder / "sshd_config"], env=environment, stderr=log)
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def _gateway(folder: Path) -> Iterator[tuple[int, int]]:
    """A gateway as a process of its own, with one partner: (port, process id)."""
    port = _free_port()
    public = (folder / "key.pub").read_text().strip()
    profile = (
        f"partner: bench\nname: Bench\nidentities: {{}}\nchannels: {{sftp: {{keys: [{{key: '{public}'}}], sessions: 100, max_body: 1 GiB}}}}\n"
        "agreements: [{receive: csv/status}]\n"
    )
    (folder / "bench.yaml").write_text(profile)
    environment = os.environ | {
        "CROSSDOCK_DATA_DIR": str(folder / "var"), "CROSSDOCK_SFTP_LISTENER__PORT": str(port), "CROSSDOCK_SFTP_LISTENER__CONNECTIONS_OF_ADDRESS": "200",
        "CROSSDOCK_PARTNER_LISTENER__PORT": "0", "CROSSDOCK_ADMIN_LISTENER__PORT": "0", "CROSSDOCK_WORKERS": "1",
    }  # fmt: skip
    subprocess.run(
        [sys.executable, "-m", "gateway", "partners", "apply", folder / "bench.yaml"], check=True, env=environment, stdout=subprocess.DEVNULL
    )
    with (folder / "gateway.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "gateway", "serve"], env=environment, stderr=log, stdout=log)
    try:
        _wait_for(port)
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _uploads(folder: Path, ours: int, theirs: int) -> list[Row]:
    """Turn by turn, so that all meet the same machine. sshd's user has the whole disk, so it is told where. Ours is durable when it says OK; sshd's is
    where its client asks for it (put -f).
    """
    here, there = ("bench", ours, "/in"), (_me(), theirs, str(folder / "in"))
    tries = {("ours", ""): here, ("sshd", ""): there, ("sshd, synced", " -f"): there}
    times: dict[tuple[str, str], list[float]] = {}
    for round_number in range(ROUNDS + 1):
        for (whose, option), (user, port, place) in tries.items():
            _fresh(folder, round_number * len(tries) + len(option))
            for kind, files in (("small", f"{folder}/small/*.csv"), ("large", f"{folder}/large.csv")):
                seconds = _timed(folder, port, user, f"cd {place}\nput{option} {files}\n")
                if round_number:
                    times.setdefault((kind, whose), []).append(seconds)
    login = {whose: median(_timed(folder, port, user, "pwd\n") for _ in range(5)) for whose, (user, port, _) in (("ours", here), ("sshd", there))}
    rows = []
    for kind, amount, unit, aim in (("small", SMALL_FILES, "files/s", 0.6), ("large", LARGE / 2**20, "MiB/s", 0.5)):
        rate = {whose: amount / (median(times[kind, whose]) - login[whose.partition(",")[0]]) for whose in ("ours", "sshd", "sshd, synced")}
        name = f"SFTP, {SMALL_FILES} files of 2 KB, each durable and translated" if kind == "small" else f"SFTP, {LARGE >> 20} MiB up"
        for whose in ("sshd", "sshd, synced"):
            ratio = rate["ours"] / rate[whose]
            rows.append(Row(name, f"{rate['ours']:,.0f} {unit}", f"{whose}: {rate[whose]:,.0f} {unit}", f"{ratio:.2f}", f"≥ {aim}", ratio >= aim))
    rows.append(
        Row(
            "SFTP login",
            f"{login['ours'] * 1000:.0f} ms",
            f"sshd: {login['sshd'] * 1000:.0f} ms",
            f"{login['sshd'] / login['ours']:.2f}",
            "none",
            True,
        )
    )
    return rows


def _fresh(folder: Path, number: int) -> None:
    """Other bytes each round: the same ones would be known, and not kept again."""
    for path in (folder / "small").iterdir():
        with path.open("r+b") as file:
            file.write(b"%08d" % number)
    with (folder / "large.csv").open("r+b") as file:
        file.write(b"%08d" % number)


def _timed(folder: Path, port: int, user: str, batch: str) -> float:
    call = [
        "sftp", "-q", "-P", str(port), "-i", str(folder / "key"), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
        "LogLevel=ERROR", "-o", "IdentitiesOnly=yes", "-b", "-", f"{user}@127.0.0.1",
    ]  # fmt: skip
    begun = time.perf_counter()
    done = subprocess.run(call, input=batch, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{call}: {done.stdout}{done.stderr}")
    return time.perf_counter() - begun


def _idle(folder: Path, port: int, process: int) -> list[Row]:
    """Memory of sessions that only wait."""
    import paramiko

    before = _resident(process)
    key = paramiko.Ed25519Key(filename=str(folder / "key"))
    opened = []
    for _ in range(SESSIONS):
        transport = paramiko.Transport(("127.0.0.1", port))
        transport.connect(username="bench", pkey=key)
        session = paramiko.SFTPClient.from_transport(transport)
        assert session is not None
        session.listdir("/in")
        opened.append(transport)
    time.sleep(1)
    more = _resident(process) - before
    for transport in opened:
        transport.close()
    return [Row(f"SFTP, {SESSIONS} idle sessions", f"{more / 1024:.1f} MiB more", "", "", "≤ 20 MiB", more <= 20 * 1024)]


def _resident(process: int) -> int:
    """KiB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as line:
        return int(line.getsockname()[1])


def _wait_for(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"nothing listens on port {port}")


def _me() -> str:
    import getpass

    return "root" if _IS_ROOT else getpass.getuser()


if __name__ == "__main__":
    print(table(run()))
