"""A large body over HTTP: against a handler that only writes and syncs it, and what memory it takes.

`python -m benchmarks.streaming`
"""

import os
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.gateway import TOKEN, gateway, peer
from benchmarks.rows import Row, table

SIZE = 200 * 2**20
PIECE = 1 << 20
ROUNDS = 5


def run() -> list[Row]:
    """The row of this benchmark. The body is no document of anybody's, so that nothing is translated meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "body"
        _fill(file)
        with gateway(None) as (ours, pid), peer("stream") as bare:
            _post(ours, file, 0)
            times: dict[str, list[float]] = {"ours": [], "bare": []}
            more = 0
            for number in range(1, ROUNDS + 1):
                before = _begin_watching(pid)
                times["ours"].append(_post(ours, file, number))
                more = max(more, _most(pid) - before)
                times["bare"].append(_post(bare, file, number))
    here, there = median(times["ours"]), median(times["bare"])
    good = here <= 1.5 * there and more <= 5 * 1024
    figure = f"{SIZE / 2**20 / here:,.0f} MiB/s, {more / 1024:.1f} MiB extra"
    return [Row("HTTP, 200 MiB up", figure, f"write and sync {SIZE / 2**20 / there:,.0f} MiB/s", f"{here / there:.2f}×", "≤ 1.5×, ≤ 5 MiB", good)]


def _fill(file: Path) -> None:
    with file.open("wb") as out:
        for _ in range(SIZE // PIECE):
            out.write(os.urandom(PIECE))


def _post(url: str, file: Path, number: int) -> float:
    """Seconds from the first byte to the answer. Each body is another one: the same would be known."""

    def pieces() -> Iterator[bytes]:
        with file.open("rb") as body:
            first = b"%016d" % number + body.read(PIECE)[16:]
            yield first
            while piece := body.read(PIECE):
                yield piece

    request = urllib.request.Request(f"{url}/v1/inbox", data=pieces(), method="POST")
    for header, value in (("Authorization", f"Bearer {TOKEN}"), ("Content-Length", str(SIZE)), ("Content-Type", "application/octet-stream")):
        request.add_header(header, value)
    begun = time.perf_counter()
    with urllib.request.urlopen(request, timeout=300) as response:
        response.read()
    return time.perf_counter() - begun


def _begin_watching(pid: int) -> int:
    """KiB that the process holds now; its peak counts anew from here."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return _status(pid, "VmRSS")


def _most(pid: int) -> int:
    return _status(pid, "VmHWM")


def _status(pid: int, name: str) -> int:
    return int(next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(f"{name}:")).split()[1])


if __name__ == "__main__":
    print(table(run()))
