"""The gateway as a whole on two cores: intake against a handler that only syncs, end to end against a relay that keeps nothing, memory on 200 MB.

`python -m benchmarks.gateway`
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.rows import Row

ROOT = Path(__file__).parent.parent
IN_FLIGHT = 64
INTAKE_MESSAGES = 8_000
ROUND_MESSAGES = 4_000
RUNS = 3
TOKEN = "bench"


@contextlib.contextmanager
def process(*arguments: str, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    one = subprocess.Popen([sys.executable, "-m", *arguments], cwd=ROOT, env={**os.environ, **(environment or {})}, stderr=subprocess.DEVNULL)
    try:
        yield one
    finally:
        one.terminate()
        one.wait(60)


@contextlib.contextmanager
def peer(role: str, *more: str) -> Iterator[str]:
    """The base URL of a peer that serves."""
    folder = Path(tempfile.mkdtemp())
    port = folder / "port"
    with process("benchmarks.peers", role, str(port), *more):
        yield f"http://127.0.0.1:{_wait(port)}"
    shutil.rmtree(folder)


def _wait(path: Path) -> str:
    for _ in range(1_000):
        if path.exists() and path.read_text():
            return path.read_text()
        time.sleep(0.02)
    raise RuntimeError(f"{path} did not come")


def profile_text(token: str = TOKEN) -> str:
    """The benchmark's partner, whose token is TOKEN, or one whose name and token this is."""
    text = (ROOT / "partners/profiles/northway.yaml").read_text()
    digest = hashlib.sha256(token.encode()).hexdigest()
    text = text.replace("tokens: []", f"tokens: [{{sha256: {digest}}}]").replace("rate: 500, burst: 500", "rate: 100000, burst: 100000")
    if token != TOKEN:
        text = text.replace("partner: northway", f"partner: {token}").replace("id: NWFX", f"id: {token.upper()}")
    return text + "channels: {http: {max_body: 1 GiB}}\n"


@contextlib.contextmanager
def gateway(erp: str | None, profiles: Sequence[str] = (), folder: Path | None = None, **settings: str) -> Iterator[tuple[str, int]]:
    """(URL of the partner listener, pid) of a gateway with the partner whose token is TOKEN, or with these: on a fresh data directory, or on `folder`."""
    fresh = Path(tempfile.mkdtemp())
    data = folder or fresh / "var"
    environment = {"CROSSDOCK_TARGETS__ERP__URL": f"{erp or 'http://127.0.0.1:1'}/events", "CROSSDOCK_TARGETS__ERP__RATE": "100000",
                   "CROSSDOCK_TARGETS__ERP__BURST": "100000", "CROSSDOCK_TARGETS__ERP__CONCURRENCY": str(IN_FLIGHT), "CROSSDOCK_DATA_DIR": str(data), "CROSSDOCK_LIMITS__DISK_FREE": "1 MiB"}  # fmt: skip
    environment |= settings
    for text in profiles or [profile_text()]:
        (fresh / "profile.yaml").write_text(text)
        command = [sys.executable, "-m", "gateway", "partners", "apply", str(fresh / "profile.yaml")]
        subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=True, stdout=subprocess.DEVNULL)
    with process("gateway", "serve", "--partner-port", "0", "--admin-port", "0", environment=environment) as one:
        node = json.loads(_wait(data / "node.json"))
        time.sleep(1.5)  # the workers' imports are not what is measured
        yield node["partners"], one.pid
    shutil.rmtree(fresh)


def send(url: str, count: int, in_flight: int = IN_FLIGHT, *, first: int = 1, path: str = "/v1/inbox") -> dict[str, Any]:
    """`count` documents, the first of this number."""
    command = [sys.executable, "-m", "benchmarks.peers", "send", f"{url}{path}", TOKEN, str(count), str(in_flight), str(first)]
    answer: dict[str, Any] = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    if answer["taken"] != count:
        raise RuntimeError(f"{answer['taken']} of {count} were taken")
    return answer


def ledger(erp: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{erp}/ledger", timeout=10) as response:
        value: dict[str, Any] = json.loads(response.read())
    return value


def confirmed(erp: str, count: int, *, ended: float, patience: float = 120) -> float:
    """When the ERP confirmed the last of so many effects, as its own clock says; `ended`: when the last was sent."""
    while (state := ledger(erp))["effects"] < count:
        if time.time() - ended > patience:
            raise RuntimeError(f"only {state['effects']} of {count} reached the ERP")
        time.sleep(0.2)
    last: float = state["last"]
    return last


def intake() -> tuple[float, float]:
    """(messages a second answered 202 by the gateway, bodies a second by the handler that only syncs)."""
    with gateway(None) as (url, _):
        ours = send(url, INTAKE_MESSAGES)["rate"]
    with peer("sync") as url:
        baseline = send(url, INTAKE_MESSAGES)["rate"]
    return ours, baseline


def end_to_end() -> tuple[float, float]:
    """(214s a second from the first send to the last ERP confirmation, POSTs a second through the relay)."""
    with peer("erp") as erp, gateway(erp) as (url, _):
        sent = send(url, ROUND_MESSAGES)
        ours = ROUND_MESSAGES / (confirmed(erp, ROUND_MESSAGES, ended=sent["ended"]) - sent["begun"])
    with peer("erp") as erp, peer("relay", f"{erp}/events") as url:
        baseline = send(url, ROUND_MESSAGES)["rate"]
    return ours, baseline


def memory(megabytes: int = 200) -> tuple[float, int, float]:
    """(peak MiB of all the gateway's processes while it takes and translates one interchange, its bytes, seconds)."""
    from benchmarks.generate import write_interchange

    folder = Path(tempfile.mkdtemp())
    file = folder / "large.edi"
    write_interchange(file, megabytes * 2**20, set_id="856")
    size = file.stat().st_size
    peak = [0.0]
    with peer("erp") as erp, gateway(erp) as (url, pid):
        done = threading.Event()
        watcher = threading.Thread(target=_watch, args=(pid, peak, done))
        watcher.start()
        begun = time.time()
        request = urllib.request.Request(f"{url}/v1/inbox", data=file.open("rb"), method="POST")
        request.add_header("Authorization", f"Bearer {TOKEN}")
        request.add_header("Content-Length", str(size))
        request.add_header("Content-Type", "application/edi-x12")
        with urllib.request.urlopen(request, timeout=300) as response:
            message = json.loads(response.read())["id"]
        while (state := _state(url, message)) == "received":
            if time.time() - begun > 900:
                raise RuntimeError("it was not translated in 15 minutes")
            time.sleep(1)
        seconds = time.time() - begun
        done.set()
        watcher.join()
    shutil.rmtree(folder)
    if state != "translated":
        raise RuntimeError(f"the message is {state}")
    return peak[0], size, seconds


def _state(url: str, message: str) -> str:
    request = urllib.request.Request(f"{url}/v1/messages/{message}", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return str(json.loads(response.read())["state"])


def _watch(pid: int, peak: list[float], done: threading.Event) -> None:
    """Sums what the gateway and its workers hold, several times a second (PSS: shared pages count once)."""
    while not done.wait(0.2):
        peak[0] = max(peak[0], process_memory([pid, *_children(pid)]))


def process_memory(pids: list[int]) -> float:
    """MiB that these processes hold together (PSS: shared pages count once)."""
    total = 0
    for one in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


def _children(pid: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += [int(one) for one in (task / "children").read_text().split()]
    return found


def run() -> list[Row]:
    pairs = sorted((intake() for _ in range(RUNS)), key=lambda pair: pair[0] / pair[1])
    ours, bare = pairs[RUNS // 2]
    rounds = sorted((end_to_end() for _ in range(RUNS)), key=lambda pair: pair[0] / pair[1])
    whole, relay = rounds[RUNS // 2]
    peak, size, seconds = memory()
    return [
        Row("intake, 64 in flight", f"{ours:,.0f}/s", f"sync-only handler {bare:,.0f}/s", f"{ours / bare:.0%}", "≥ 50 %", ours / bare >= 0.5),
        Row(
            "end to end, small 214s",
            f"{whole:,.0f}/s",
            f"bare relay {relay:,.0f}/s",
            f"{whole / relay:.0%}",
            "≥ 1,000/s, or ≥ 35 %",
            whole >= 1_000 or whole / relay >= 0.35,
        ),
        Row(f"one interchange of {size / 2**20:.0f} MiB", f"{peak:.0f} MiB at most", f"{seconds:.0f} s", "", "≤ 400 MiB", peak <= 400),
    ]


if __name__ == "__main__":
    for row in run():
        print(row)
