"""Searching in a store of a million messages: find by reference, by its beginning and with time, messages by partner and time; median and worst of 50.

`python -m benchmarks.searching [MESSAGES]`
"""

import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.rows import Row
from gateway.clock import SECOND, as_text
from gateway.operations import OPERATIONS
from gateway.store.store import Store

MESSAGES = 1_000_000
PARTNERS = 40
BATCH = 20_000
ROUNDS = 50
AIM = 0.2
"""Seconds."""
BEGUN = 1_750_000_000 * SECOND
EVERY = 30 * SECOND

_MESSAGE = (
    "INSERT INTO messages (id, partner, direction, channel, state, payload, size, sha256, media_type, file_name, profile_revision, arrival)"
    " VALUES (?, ?, 'in', 'http', 'translated', ?, 900, 'x', 'application/edi-x12', ?, 1, ?)"
)
_INTERCHANGE = (
    "INSERT INTO interchanges (message, ordinal, partner, stream, state, sender, receiver, control, version, usage, date, time, byte_start, byte_end, sha256)"
    " VALUES (?, 1, ?, 'production', 'translated', '02:A', 'ZZ:B', ?, '00401', 'P', '', '', 0, 900, 'x')"
)
_DOCUMENT = (
    "INSERT INTO documents (id, message, interchange, grp, ordinal, partner, stream, set_id, control, state, verdict, codes, release, byte_start, byte_end,"
    " profile_revision, at) VALUES (?, ?, 1, 1, 1, ?, 'production', ?, '0001', 'translated', 'A', '', '004010', 0, 900, 1, ?)"
)
_REFERENCE = "INSERT INTO document_references (value, type, document, partner, at, set_id) VALUES (?, ?, ?, ?, ?, ?)"
SETS = ("214", "856", "945", "940")


def _rows(first: int, last: int) -> Iterator[tuple[Any, ...]]:
    """(message, interchange, document, references) for each number: five references, one of which a million documents share (ST02)."""
    for number in range(first, last):
        message, partner, at = f"{number:026d}", f"partner{number % PARTNERS:02}", BEGUN + number * EVERY
        document, set_id, order = f"{message}.1.1.1", SETS[number % len(SETS)], number // 4
        references = [
            ("purchase_order", f"PO{order:09}"), ("bill_of_lading", f"BOL{number:09}"), ("shipment", f"SHP{order:09}"),
            ("control", str(number % 1_000_000)), ("control", "0001"),
        ]  # fmt: skip
        yield (
            (message, partner, f"message:{message}", f"{set_id}-{number:09}.edi", at),
            (message, partner, f"{number % 1_000_000:09}"),
            (document, message, partner, set_id, at),
            [(value, kind, document, partner, at, set_id) for kind, value in references],
        )


def fill(store: Store, messages: int) -> float:
    """Seconds that it took."""
    begun = time.perf_counter()

    def put(tx: Any, items: list[int]) -> list[None]:
        for first in items:
            rows = list(_rows(first, min(first + BATCH, messages)))
            for statement, part in ((_MESSAGE, 0), (_INTERCHANGE, 1), (_DOCUMENT, 2)):
                tx.exec_driver_sql(statement, [row[part] for row in rows])
            tx.exec_driver_sql(_REFERENCE, [one for row in rows for one in row[3]])
        return [None] * len(items)

    for first in range(0, messages, BATCH):
        store.writer.submit(put, first).result()
    return time.perf_counter() - begun


def questions(messages: int, chance: random.Random) -> dict[str, Callable[[], tuple[str, dict[str, Any]]]]:
    """What is asked, each time of other numbers."""

    def number() -> int:
        return chance.randrange(messages)

    def span(days: int) -> dict[str, Any]:
        at = BEGUN + number() * EVERY
        return {"since": as_text(at), "until": as_text(at + days * 86_400 * SECOND)}

    return {
        "find, an order's number": lambda: ("find", {"value": f"PO{number() // 4:09}"}),
        "find, how one begins": lambda: ("find", {"value": f"BOL{number():09}"[:8] + "*"}),
        "find, how one begins, of a partner and set": lambda: (
            "find",
            {"value": "PO00*", "partner": f"partner{number() % PARTNERS:02}", "set": "856"},
        ),
        "find, an order's number and time": lambda: ("find", {"value": f"PO{number() // 4:09}"} | span(30)),
        "find, a number that all share, within a day": lambda: ("find", {"value": "0001"} | span(1)),
        "find, a number that all share, of nobody": lambda: ("find", {"value": "0001", "partner": "nobody"}),
        "messages, of a partner within a week": lambda: ("messages", {"partner": f"partner{number() % PARTNERS:02}"} | span(7)),
        "messages, by file name": lambda: ("messages", {"file_name": f"214-{number() // 4 * 4:09}.edi"}),
    }


def run(messages: int = MESSAGES) -> list[Row]:
    folder = Path(tempfile.mkdtemp())
    store = Store(f"sqlite:///{folder / 'crossdock.db'}", folder / "payloads")
    try:
        filled = fill(store, messages)
        size = (folder / "crossdock.db").stat().st_size / 2**30
        rows = []
        for name, ask in questions(messages, random.Random(7)).items():
            taken = []
            for _ in range(ROUNDS):
                operation, given = ask()
                begun = time.perf_counter()
                OPERATIONS[operation](store, given)
                taken.append(time.perf_counter() - begun)
            figure = f"{statistics.median(taken) * 1000:.1f} ms, at worst {max(taken) * 1000:.0f} ms"
            beside = f"{messages:,} messages, {size:.1f} GiB, filled in {filled:.0f} s"
            rows.append(Row(name, figure, beside, "", f"≤ {AIM * 1000:.0f} ms", max(taken) <= AIM))
        return rows
    finally:
        store.close()
        shutil.rmtree(folder)


if __name__ == "__main__":
    for row in run(int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES):
        print(row)
