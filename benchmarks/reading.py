"""Validated X12 reading against splitting the same bytes, and against pyx12 with an equivalent map.

`python -m benchmarks.reading`. Both readers must find the same planted faults before either is timed.
"""

import gc
import io
import json
import logging
import random
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.generate import write
from benchmarks.pyx12_map import write_maps
from benchmarks.rows import Row, table
from partners.guides import shipped_guides
from translators.document import Verdict
from translators.x12.envelope import outline
from translators.x12.options import Options
from translators.x12.reader import read_sets

CHUNK = 1 << 20
LARGE_SETS = {"856": 16_000, "214": 40_000, "940": 30_000, "945": 24_000}
"""About 12 MB each."""
SHARED_SETS = 400
"""856s that pyx12 reads, too: about 0.3 MB."""
RUNS = 5

Fault = tuple[str, str, int, str]
"""Set, segment, position, code; of a set itself the code alone."""


def run() -> list[Row]:
    """The rows of this benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [_against_splitting(set_id, Path(folder) / f"{set_id}.edi") for set_id in LARGE_SETS]
        return [*rows, _against_pyx12(Path(folder))]


def _against_splitting(set_id: str, path: Path) -> Row:
    with path.open("wb") as out:
        write(out, set_id, LARGE_SETS[set_id])
    megabytes = path.stat().st_size / 1e6
    ours, splitting = _paired(lambda: validate(path), lambda: split(path))
    ratio = ours / splitting
    return Row(
        f"reading {set_id}, {megabytes:.0f} MB",
        f"{megabytes / ours:.1f} MB/s",
        f"splitting {megabytes / splitting:.0f} MB/s",
        f"{ratio:.1f}×",
        "≤ 12×",
        ratio <= 12,
    )


def _against_pyx12(folder: Path) -> Row:
    maps = folder / "maps"
    maps.mkdir()
    guide = shipped_guides().guide("856", "004010")
    assert guide is not None
    write_maps(maps, guide)
    clean, faulty = folder / "clean.edi", folder / "faulty.edi"
    with clean.open("wb") as out:
        write(out, "856", SHARED_SETS)
    faulty.write_bytes(planted(clean.read_bytes()))
    found, found_by_pyx12 = faults_we_find(faulty), faults_pyx12_finds(faulty, maps)
    if not found or found != found_by_pyx12:
        raise AssertionError(f"the readers differ: only ours {sorted(found - found_by_pyx12)}, only pyx12 {sorted(found_by_pyx12 - found)}")
    assert not faults_pyx12_finds(clean, maps)
    ours = min(_timed(lambda: validate(clean)) for _ in range(RUNS))
    theirs = min(_timed(lambda: pyx12_reads(clean, maps, None)) for _ in range(2))
    kilobytes = clean.stat().st_size / 1e3
    return Row(
        f"reading 856 as pyx12 does, {len(found)} planted faults found by both",
        f"{kilobytes / ours / 1e3:.1f} MB/s",
        f"pyx12 {kilobytes / theirs / 1e3:.2f} MB/s",
        f"{theirs / ours:.0f}×",
        "≥ 60×",
        theirs / ours >= 60,
    )


# The readers.


def validate(path: Path) -> int:
    """Envelope pass and all sets checked; the number of sets that were accepted, which must be all."""
    options = Options("strict")
    with path.open("rb") as file:

        def read(offset: int, length: int) -> bytes:
            file.seek(offset)
            return file.read(length)

        accepted = 0
        for interchange in outline(read, path.stat().st_size, options).interchanges:
            for group in interchange.groups:
                for one in read_sets(read, interchange, group, shipped_guides(), options):
                    accepted += one.verdict == Verdict.ACCEPTED
    return accepted


def split(path: Path) -> int:
    """The same bytes split into segments and elements, a MiB at a time."""
    elements, carry = 0, b""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            segments = (carry + chunk).split(b"~")
            carry = segments.pop()
            for segment in segments:
                elements += len(segment.split(b"*"))
    return elements


def pyx12_reads(path: Path, maps: Path, report: io.StringIO | None) -> bool:
    """pyx12 on the same file with our map; its findings go to `report` as JSON."""
    import pyx12.params
    from pyx12.x12n_document import x12n_document

    logging.getLogger("pyx12").setLevel(logging.CRITICAL)
    return bool(x12n_document(pyx12.params.params(), str(path), None, None, None, report, map_path=str(maps)))


# The planted faults.

PLANTED: list[tuple[str, Callable[[str], str]]] = [
    ("BSN", lambda text: re.sub(r"\*2026....\*", "*20260230*", text)),
    ("BSN", lambda text: re.sub(r"\*(\d{4})\*0001$", "*2575*0001", text)),
    ("TD1", lambda text: text.replace("TD1*CTN25*", "TD1*CTN25*1.")),
    ("REF", lambda text: "REF*BM"),
    ("N1", lambda text: text.rsplit("*", 1)[0]),
    ("N1", lambda text: text + "X" * 90),
    ("PRF", lambda text: "PRF*" + "9" * 23),
    ("HL", lambda text: text + "*1"),
    ("LIN", lambda text: text.rsplit("*", 1)[0]),
    ("SN1", lambda text: text.rsplit("*", 1)[0] + "*E"),
    ("MAN", lambda text: "MAN*GM"),
    ("SE", lambda text: re.sub(r"SE\*\d+", "SE*3", text)),
]


def planted(data: bytes, seed: int = 7) -> bytes:
    """The interchange with one fault in every third set."""
    source = random.Random(seed)
    sets = re.split(r"(?=~ST\*)", data.decode("ascii"))
    for number in range(1, len(sets), 3):
        tag, spoil = PLANTED[number // 3 % len(PLANTED)]
        segments = sets[number].split("~")
        at = source.choice([n for n, segment in enumerate(segments) if segment.startswith(f"{tag}*")])
        segments[at] = spoil(segments[at])
        sets[number] = "~".join(segments)
    return "".join(sets).encode("ascii")


def faults_we_find(path: Path) -> set[Fault]:
    """What our reader says of the file's sets."""
    data = path.read_bytes()
    options = Options("strict")

    def read(offset: int, length: int) -> bytes:
        return data[offset : offset + length]

    found: set[Fault] = set()
    for interchange in outline(read, len(data), options).interchanges:
        for group in interchange.groups:
            for one in read_sets(read, interchange, group, shipped_guides(), options):
                found |= {(one.control, "", 0, code) for code in one.codes}
                found |= {(one.control, each.segment, each.position, each.code) for each in one.findings if each.position}
    return found


def faults_pyx12_finds(path: Path, maps: Path) -> set[Fault]:
    """What pyx12 says of them."""
    report = io.StringIO()
    pyx12_reads(path, maps, report)
    found: set[Fault] = set()
    for interchange in json.loads(report.getvalue())["interchanges"]:
        for one in (each for group in interchange["groups"] for each in group["transactions"]):
            name = one["trn_set_control_num"]
            found |= {(name, "", 0, error["err_cde"]) for error in one["errors"] if error["err_cde"] != "5"}
            for segment in one["segments"]:
                place = (name, segment["seg_id"], segment["seg_count"])
                found |= {(*place, _code(error)) for error in segment["errors"]}
                found |= {(*place, error["err_cde"]) for element in segment["elements"] for error in element["errors"]}
    return found


def _code(error: dict[str, str]) -> str:
    """pyx12 tells a broken condition and a surplus element of the segment, with code 8 and words; they are element codes 2 and 3."""
    words = {"Syntax Error": "2", "Too many elements": "3"}
    return next((code for begin, code in words.items() if error["err_str"].startswith(begin)), error["err_cde"])


# Time.


def _timed(work: Callable[[], object]) -> float:
    gc.collect()
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _paired(ours: Callable[[], object], baseline: Callable[[], object]) -> tuple[float, float]:
    """Seconds of each, from the run in the middle by ratio: the two are taken in turn, so that a busy machine hits both."""
    pairs = sorted(((_timed(ours), _timed(baseline)) for _ in range(RUNS)), key=lambda pair: pair[0] / pair[1])
    return pairs[RUNS // 2]


if __name__ == "__main__":
    print(table(run()))
