"""What is made of each X12 file of the shared corpus, a line each: a change of any verdict or code is seen.

`python -m tests.x12_snapshot > tests/x12_snapshot.txt` writes the table anew; read its diff as you would read code.

A line is the file, then what the strict profile says, then after a bar what all leniencies together say. An interchange is `ok`, its TA1 note, or
`!` and the notes that reject it; a group its kind, verdict and codes; a set its id, verdict, own codes, and in brackets the codes of its
findings: of segments bare, of elements with an e. `x3` repeats what stands before.
"""

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from partners.guides import shipped_guides
from tests.corpus import CORPUS, corpus_files
from tests.x12 import read_at
from translators.x12.options import LENIENCIES, Options
from translators.x12.report import check_report

FOLDERS = ("x12-856", "x12-214", "x12-940", "x12-945", "x12-943-944-947", "x12-ack", "x12-other", "x12-odd")
TABLE = Path(__file__).parent / "x12_snapshot.txt"
STRICT, LENIENT = Options("strict"), Options("tolerant", frozenset(LENIENCIES))


def lines() -> Iterator[str]:
    """The table, a line a file."""
    for path in corpus_files(*FOLDERS):
        data = path.read_bytes()
        told = [_message(check_report(read_at(data), len(data), shipped_guides(), options)) for options in (STRICT, LENIENT)]
        yield f"{path.relative_to(CORPUS).as_posix()}: {told[0]} | {'the same' if told[1] == told[0] else told[1]}"


def _message(report: dict[str, Any]) -> str:
    parts = [_interchange(one) for one in report["interchanges"]] or ["no interchange"]
    return "; ".join([*parts, f"{report['leftover_bytes']} bytes left"] if report["leftover_bytes"] else parts)


def _interchange(report: dict[str, Any]) -> str:
    if "ta1_ack" in report:
        return "!" + " ".join(_each(fault["code"] for fault in report["faults"] if fault["severity"] == "error"))
    return " ".join([report["ta1"] or "ok", *(_group(one) for one in report["groups"])])


def _group(report: dict[str, Any]) -> str:
    return " ".join([f"{report['functional']}={report['ack'] or 'read'}{','.join(report['codes'])}", *_each(_set(one) for one in report["sets"])])


def _set(report: dict[str, Any]) -> str:
    errors = sorted({f"e{one['code_element']}" if "code_element" in one else one["code997"] for one in report["errors"]})
    return f"{report['id']}={report['ack'] or 'read'}{','.join(report['codes'])}" + (f"({' '.join(errors)})" if errors else "")


def _each(words: Iterable[str]) -> list[str]:
    counted = [(word, len(list(same))) for word, same in groupby(words)]
    return [word if times == 1 else f"{word} x{times}" for word, times in counted]


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in lines())
