"""Gateways that are born grown up: a process that has imported all of ours, and forks one gateway after another.

A gateway's imports cost more than the life that a kill test gives it. Here they are paid once. Each child is a process of its own with its own
environment, and dies by SIGKILL like any other.
"""

import contextlib
import json
import os
import queue
import random
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent


class Born:
    """One gateway of the nursery's; what Popen has that the tests use."""

    def __init__(self, pid: int, ended: dict[int, int]) -> None:
        self.pid = pid
        self._ended = ended

    @property
    def returncode(self) -> int | None:
        return self._ended.get(self.pid)

    def poll(self) -> int | None:
        return self.returncode

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, timeout: float = 60) -> int:
        until = time.monotonic() + timeout
        while (code := self.returncode) is None:
            if time.monotonic() > until:
                raise TimeoutError(f"process {self.pid} did not end in {timeout} s")
            time.sleep(0.002)
        return code


class Nursery:
    """`bear` gives a gateway with these arguments and this environment; it lives until it is killed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-m", "tests.kill.nursery"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._born: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._ended: dict[int, int] = {}
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            word, pid, code = line.split()
            if word == b"born":
                self._born.put(int(pid))
            else:
                self._ended[int(pid)] = int(code)

    def bear(self, arguments: list[str], environment: dict[str, str], errors: Path) -> Born:
        assert self._process.stdin is not None
        order = {"arguments": arguments, "environment": environment, "errors": str(errors)}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return Born(self._born.get(timeout=60), self._ended)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)


def _live(order: dict[str, Any]) -> None:
    """The child's whole life."""
    from gateway import failpoints
    from tests.kill.gateway import run

    os.environ.clear()
    os.environ.update(order["environment"])
    nothing, errors = os.open(os.devnull, os.O_RDWR), os.open(order["errors"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for descriptor, becomes in ((nothing, 0), (nothing, 1), (errors, 2)):
        os.dup2(descriptor, becomes)
    random.seed()  # else each child would have the chances of its brothers
    failpoints._ARMED.update(failpoints._armed())
    run(order["arguments"])


def main() -> None:
    import tests.kill.gateway  # noqa: F401 - imported for the children

    with contextlib.suppress(ImportError):
        import uvloop  # noqa: F401 - imported for the children

    living: set[int] = set()
    while True:
        ready, _, _ = select.select([0], [], [], 0.01)
        if ready:
            line = sys.stdin.buffer.readline()
            if not line:
                break
            pid = os.fork()
            if pid == 0:
                with contextlib.suppress(SystemExit):
                    _live(json.loads(line))
                os._exit(0)
            living.add(pid)
            os.write(1, b"born %d 0\n" % pid)
        while living:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            living.discard(pid)
            os.write(1, b"ended %d %d\n" % (pid, os.waitstatus_to_exitcode(status)))
    for pid in living:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
