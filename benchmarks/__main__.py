"""`make bench`: every figure beside a baseline of the same run, as a table. `python -m benchmarks reading gateway mapping` runs only those."""

import os
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.rows import table

PARTS = (
    "reading", "mapping", "writing", "files", "as2", "sftp", "streaming", "gateway", "latency", "backlog", "history", "fairness", "replaying", "searching", "asking",
    "nats", "nodes", "partners",
)  # fmt: skip


def machine() -> str:
    """Cores and memory, named with the figures."""
    with Path("/proc/meminfo").open() as file:
        kibibytes = int(file.readline().split()[1])
    return f"{os.cpu_count()} cores, {kibibytes / 2**20:.0f} GiB, Python {sys.version.split()[0]}"


def main() -> None:
    wanted = sys.argv[1:] or PARTS
    rows = [row for part in wanted for row in import_module(f"benchmarks.{part}").run()]
    print(f"{machine()}\n\n{table(rows)}")


if __name__ == "__main__":
    main()
