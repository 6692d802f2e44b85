"""Mapping sets to events against reading the same sets into trees, and a translation worker's whole work on one small message.

`python -m benchmarks.mapping`. Reading is the envelope pass, the check of every set and its tree; mapping begins with the tree.
"""

import gc
import io
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.generate import write
from benchmarks.peers import status_message
from benchmarks.rows import Row, table
from gateway.translate.telling import Job
from gateway.translate.work import MessageWork
from partners.guides import shipped_guides
from partners.mappings import shipped, zone_offset
from partners.profile import read_profile
from translators.document import Control, Document
from translators.mapping import Context
from translators.x12.envelope import outline
from translators.x12.options import Options
from translators.x12.reader import read_sets

MESSAGES = 400
LARGER_SETS = {"856": 150, "945": 150}
RUNS = 7
PROFILE = Path(__file__).parent.parent / "partners" / "profiles" / "northway.yaml"
RECEIVED = "2026-11-16T09:30:00Z"
AIM = 1.0
WORKER_AIM = 1.5


def run() -> list[Row]:
    """The rows of this benchmark."""
    small = [status_message(number) for number in range(1, MESSAGES + 1)]
    rows = [_against_reading("214", "a small 214, one a message", small)]
    for set_id, sets in LARGER_SETS.items():
        rows.append(_against_reading(set_id, f"one {set_id} of {len(_generated(set_id, sets)) / sets / 1e3:.1f} KB", [_generated(set_id, sets)]))
    return [*rows, _worker(small)]


def _generated(set_id: str, sets: int) -> bytes:
    out = io.BytesIO()
    write(out, set_id, sets)
    return out.getvalue()


def _against_reading(set_id: str, name: str, messages: Sequence[bytes]) -> Row:
    documents = [one for message in messages for one in read(message)]
    mapping = shipped().mapping(f"x12/{set_id}")

    def mapped() -> int:
        return sum(len(mapping.read(document, context).events) for document, context in documents)

    assert mapped() >= len(documents)
    mapping_took, reading_took = _paired(mapped, lambda: [_drained(message) for message in messages])
    ratio = mapping_took / reading_took
    each = 1e6 / len(documents)
    return Row(
        f"mapping {name}",
        f"{mapping_took * each:.0f} µs",
        f"reading into trees {reading_took * each:.0f} µs",
        f"{ratio:.2f}×",
        f"≤ {AIM:g}×",
        ratio <= AIM,
    )


def _worker(messages: Sequence[bytes]) -> Row:
    """All that a worker does with a small message: reading, mapping, hashes, rows as JSON values, the 997."""
    profile = read_profile(PROFILE.read_text(encoding="utf-8"))

    def worked() -> None:
        for number, data in enumerate(messages):
            job = Job(f"M{number}", len(data), RECEIVED, None)
            chunk = MessageWork(
                job, profile, lambda start, length, data=data: data[start : start + length], guides=shipped_guides(), mappings=shipped()
            ).chunk([])
            assert chunk["documents"][0]["events"]

    whole, reading_took = _paired(worked, lambda: [_drained(message) for message in messages])
    ratio = whole / reading_took
    return Row(
        "a worker on a small 214, all it does",
        f"{whole / len(messages) * 1e6:.0f} µs",
        f"reading into trees {reading_took / len(messages) * 1e6:.0f} µs",
        f"{ratio:.2f}×",
        f"≤ {WORKER_AIM:g}×",
        ratio <= WORKER_AIM,
    )


def read(data: bytes) -> list[tuple[Document, Context]]:
    """The sets of a message as trees, checked, each with the context its mapping needs."""
    return list(stream(data))


def _drained(data: bytes) -> None:
    for _ in stream(data):
        pass


def stream(data: bytes) -> Iterator[tuple[Document, Context]]:
    """The same, one at a time, as a worker has them."""
    options = Options("tolerant")

    def at(start: int, length: int) -> bytes:
        return data[start : start + length]

    for interchange in outline(at, len(data), options).interchanges:
        for group in interchange.groups:
            for reading in read_sets(at, interchange, group, shipped_guides(), options):
                document = reading.document()
                assert document is not None
                control = Control(interchange.control, group.control, reading.control, group.functional, group.version, "02:NWFX", "ZZ:US", "P")
                context = Context(control, "northway", RECEIVED, zone_offset, written=(group.date, group.time))
                yield document, context


def _timed(work: Callable[[], object]) -> float:
    gc.collect()
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _paired(ours: Callable[[], object], baseline: Callable[[], object]) -> tuple[float, float]:
    """Seconds of each, from the run in the middle by ratio: the two are taken in turn, so that a busy machine hits both."""
    ours(), baseline()
    pairs = sorted(((_timed(ours), _timed(baseline)) for _ in range(RUNS)), key=lambda pair: pair[0] / pair[1])
    return pairs[RUNS // 2]


if __name__ == "__main__":
    print(table(run()))
