"""A translation worker in which some documents do what they should not: `python -m tests.faults.poisoned_worker MEMORY`.

A set whose ST02 is a poison's number really crashes the process, hangs it, bloats it, or has it say nonsense, in the place where its mapping runs.
"""

import ctypes
import fcntl
import os
import re
import resource
import signal
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

from gateway.translate import worker
from gateway.translate.frames import pack
from gateway.translate.work import MessageWork

SIGNALS = ("ABRT", "SEGV", "KILL", "BUS", "FPE", "ILL", "TERM", "HUP", "QUIT", "ALRM", "USR1", "USR2", "XFSZ", "SYS", "TRAP", "VTALRM", "PROF", "IO")
EXITS = (0, 1, 2, 3, 42, 126, 127, 255)


def by_signal(name: str) -> Callable[[], Any]:
    def end() -> None:
        number = getattr(signal, f"SIG{name}")
        if name not in ("KILL", "STOP"):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    return end


def by_exit(code: int) -> Callable[[], Any]:
    return lambda: os._exit(code)


def answers() -> int:
    """The descriptor of the line to the parent: the one that is the same pipe or socket as standard input's other side, which is the last opened."""
    return max(int(name) for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}") and is_line(int(name)))


def is_line(descriptor: int) -> bool:
    return os.readlink(f"/proc/self/fd/{descriptor}").startswith(("pipe:", "socket:")) and descriptor > 2


def says(data: bytes) -> Callable[[], Any]:
    """Something else in the place of an answer, and then the answer."""
    return lambda: os.write(answers(), data)


def waits_for_a_lock() -> None:
    with tempfile.TemporaryFile() as one:
        fcntl.flock(one, fcntl.LOCK_EX)
        with open(f"/proc/self/fd/{one.fileno()}", "wb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)


def deadlocks() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def spins() -> None:
    while True:
        pass


def recurses_in_c() -> None:
    sys.setrecursionlimit(10**8)
    nested: Any = []
    for _ in range(10**6):
        nested = [nested]
    repr(nested)
    os.abort()


def bloats() -> None:
    kept = []
    while True:
        kept.append(bytes(1 << 24))


def bloats_slowly() -> None:
    kept: list[Any] = []
    while True:
        kept.append([kept, {}])


def recurses() -> None:
    recurses()


def raises() -> None:
    raise KeyError("of ours")


ENDING: dict[str, Callable[[], Any]] = {
    "SIGABRT in C": os.abort,
    "an endless loop": spins,
    "a null pointer": lambda: ctypes.string_at(0),
    "a sleep": lambda: time.sleep(10**6),
    "an answer that is no JSON": says(struct.pack("!II", 4, 0) + b"\xff{]x"),
    "an exit in the middle": lambda: sys.exit(7),
    "an answer about something else": says(pack({"results": [{"message": "another", "chunk": {}}]})),
    "an answer without results": says(pack({"nothing": 1})),
    "an answer without end": says(b"\xff" * 64),
    "half an answer": lambda: (os.write(answers(), struct.pack("!II", 1000, 0) + b"{"), os._exit(0)),
    "a closed line": lambda: (os.close(answers()), time.sleep(10**6)),
    "a stopped process": by_signal("STOP"),
    "a regular expression that goes back": lambda: re.match(r"(a+)+$", "a" * 64 + "!"),
    "a power without end": lambda: 10 ** (10**9) % 7,
    "a lock that nobody gives back": waits_for_a_lock,
    "a deadlock": deadlocks,
    "too deep for the stack": recurses_in_c,
    **{f"SIG{name}": by_signal(name) for name in SIGNALS},
    **{f"exit {code}": by_exit(code) for code in EXITS},
}
"""What costs a worker."""
TOLD: dict[str, Callable[[], Any]] = {
    "more memory than a worker has": bloats,
    "an exception of ours": raises,
    "a recursion without end": recurses,
    "more memory in small pieces": bloats_slowly,
}
"""What a worker survives: it says so, and the message is held at once."""
POISONS = [*ENDING, *TOLD]


def control_of(name: str) -> str:
    """The ST02 of the set that holds this poison."""
    return f"9{POISONS.index(name):05}"


def main() -> None:
    honest = MessageWork._map
    by_control = {control_of(name): (ENDING | TOLD)[name] for name in POISONS}

    def map_(self: MessageWork, interchange: Any, group: Any, reading: Any, agreement: Any, row: Any) -> None:
        if reading.control in by_control:
            # The kernel's limit, as in service, only nearer.
            used = resource.getrusage(resource.RUSAGE_SELF)
            resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1, resource.RLIM_INFINITY))
            by_control[reading.control]()
        honest(self, interchange, group, reading, agreement, row)

    MessageWork._map = map_  # type: ignore[method-assign]
    worker.main()


if __name__ == "__main__":
    main()
