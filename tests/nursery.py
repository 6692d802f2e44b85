"""Gateways and commands that are born grown up: a process that has imported all of ours, and forks one after another.

Our imports cost more than the life that a test gives a process. Here they are paid once. Each child is a process of its own with its own environment,
and dies by SIGKILL like any other. That a process can also begin from its beginning, other tests show (test_cli.py, test_wheel.py, every tenth kill).
"""

import atexit
import contextlib
import importlib
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
import traceback
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
HEAVY = ("gateway.app", "gateway.commands.serve", "gateway.commands.operate", "gateway.operations", "tests.kill.gateway", "uvloop", "alembic.command")
"""What children find imported."""


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
        self._process = subprocess.Popen([sys.executable, "-m", "tests.nursery"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
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

    def bear(self, arguments: list[str], environment: dict[str, str], *, errors: Path, output: Path | None = None) -> Born:
        """A child that runs `crossdock` with these arguments; what it says is appended to the files."""
        assert self._process.stdin is not None
        order = {"arguments": arguments, "environment": environment, "errors": str(errors), "output": str(output or os.devnull)}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return Born(self._born.get(timeout=60), self._ended)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)


@cache
def nursery() -> Nursery:
    """The one of this process."""
    one = Nursery()
    atexit.register(one.close)
    return one


def _live(order: dict[str, Any]) -> None:
    """The child's whole life."""
    from gateway import failpoints
    from tests.kill.gateway import run

    os.environ.clear()
    os.environ.update(order["environment"])
    given = {0: os.open(os.devnull, os.O_RDONLY)}
    for descriptor, name in ((1, "output"), (2, "errors")):
        given[descriptor] = os.open(order[name], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for descriptor, opened in given.items():
        os.dup2(opened, descriptor)
    random.seed()  # else each child would have the chances of its brothers
    failpoints._ARMED.update(failpoints._armed())
    run(order["arguments"])


def _code_of(order: dict[str, Any]) -> int:
    try:
        _live(order)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    for name in HEAVY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)

    living: set[int] = set()
    while True:
        ready, _, _ = select.select([0], [], [], 0.01)
        if ready:
            line = sys.stdin.buffer.readline()
            if not line:
                break
            pid = os.fork()
            if pid == 0:
                code = _code_of(json.loads(line))
                with contextlib.suppress(OSError):
                    sys.stdout.flush()
                    sys.stderr.flush()
                os._exit(code)
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
