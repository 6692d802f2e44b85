"""Laws of reading: whatever arrives, there is a report; every changed count is found; a set may be read from where it begins."""

import json
import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from partners.guides import shipped_guides
from tests import x12_snapshot
from tests.corpus import corpus_files
from tests.x12 import SAMPLES, SHIP_NOTICE, STRICT, TORTURE, Read, group, interchange, read_all, read_at
from translators.document import Node
from translators.x12.acknowledge import SetVerdict, functional_ack, stamp
from translators.x12.envelope import outline
from translators.x12.explain import explain_report
from translators.x12.options import LENIENCIES, Options
from translators.x12.reader import SetReading, read_sets
from translators.x12.report import check_report

BYTES = [path.read_bytes() for path in (*SAMPLES, *(path for path in TORTURE if path.stat().st_size < 4000))]
LENIENT = Options("tolerant", frozenset(LENIENCIES))


def everything(data: bytes, options: Options) -> None:
    """All that is ever made of a message: report, explanation, trees, 997."""
    report = check_report(read_at(data), len(data), shipped_guides(), options)
    json.dumps(report)
    explain_report(report, read_at(data), colour=False)
    for each in read_all(data, options)[1]:
        verdicts = []
        for reading in each.sets:
            assert 0 <= each.group.byte_start <= reading.byte_start < reading.byte_end <= each.group.byte_end <= len(data)
            if document := reading.document():
                assert tiles(document.root, reading)
            verdicts.append(SetVerdict(reading.set_id, reading.control, reading.verdict, reading.codes, reading.findings))
            for finding in reading.findings:
                assert 0 <= finding.byte_start <= finding.byte_end <= len(data)
        parts = functional_ack(each.interchange, each.group, verdicts, sender_qualifier="ZZ", sender="US", sender_code="US")
        stamp(parts, interchange_control=1, group_control=1, date6="261116", date8="20261116", time4="1200")


def tiles(root: Node, reading: SetReading) -> bool:
    """The segments of the tree follow each other within the set, each once; empty ones may stand at the end of a set without SE."""
    segments = [node.segment for node in root.walk()]
    ordered = sorted(segments, key=lambda segment: segment.byte_start)
    return (
        [one.position for one in ordered] == list(range(1, len(ordered) + 1))
        and ordered[0].byte_start == reading.byte_start
        and (ordered[-1].byte_end == reading.byte_end or ("2" in reading.codes and ordered[-1].byte_end < reading.byte_end))
        and all(left.byte_end <= right.byte_start for left, right in pairwise(ordered))
    )


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A fixture with pieces changed, cut out, doubled, moved or put in."""
    data = draw(st.sampled_from(BYTES))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.sampled_from([0, 1, 2, 3, 10, 50, 300])))
        piece = draw(
            st.one_of(
                st.just(b""),
                st.sampled_from(
                    [b"~", b"*", b":", b"~~", b"\n", b"\r\n", b"\x00", b"\xff", b"ISA*", b"ST*", b"SE*", b"~SE*1*1~", b"~GE*1*1~", b"BIN*99*"]
                ),
                st.binary(max_size=8),
                st.just(data[at:end] * 2),
            )
        )
        data = data[:at] + piece + data[end:]
    return data


@given(damaged(), st.sampled_from([STRICT, LENIENT]))
@settings(max_examples=600, deadline=None)
def test_a_damaged_file_gives_a_report(data: bytes, options: Options):
    everything(data, options)


@given(st.binary(max_size=400), st.sampled_from([STRICT, LENIENT]))
@example(b"ISA" + b"*" * 103, STRICT)
@example(b"ISA" * 60, LENIENT)
@settings(max_examples=200, deadline=None)
def test_any_bytes_give_a_report(data: bytes, options: Options):
    everything(data, options)


@given(st.sampled_from([path.read_bytes() for path in SAMPLES]), st.data())
@settings(max_examples=150, deadline=None)
def test_a_changed_count_or_number_is_found(data: bytes, draws: st.DataObject):
    """SE01, SE02, GE01, GE02, IEA01 or IEA02 with one digit changed."""
    digits = [
        at for found in re.finditer(rb"(?:^|[~\r\n])(?:SE|GE|IEA)[*|]([0-9]+)[*|]([0-9]+)", data) for n in (1, 2) for at in range(*found.span(n))
    ]
    at = draws.draw(st.sampled_from(digits))
    digit = draws.draw(st.sampled_from([one for one in b"0123456789" if one != data[at]]))
    changed = data[:at] + bytes([digit]) + data[at + 1 :]

    def verdicts(data: bytes) -> list[object]:
        found, groups = read_all(data)
        return [*(one.ta1 for one in found.interchanges), *((each.group.codes, [one.codes for one in each.sets]) for each in groups)]

    assert verdicts(changed) != verdicts(data)


def facts(reading: SetReading) -> tuple[object, ...]:
    return reading.ordinal, reading.set_id, reading.control, reading.byte_start, reading.byte_end, reading.verdict, reading.codes, reading.findings


@pytest.mark.parametrize("path", [*TORTURE, *SAMPLES], ids=lambda path: path.stem)
def test_reading_resumes_where_a_set_begins(path):
    data = path.read_bytes()
    groups: list[Read] = read_all(data)[1]
    for each in groups:
        for done in range(1, len(each.sets)):
            offset = each.sets[done - 1].byte_end
            rest = read_sets(read_at(data), each.interchange, each.group, shipped_guides(), STRICT, offset=offset, ordinal=done)
            assert [facts(one) for one in rest] == [facts(one) for one in each.sets[done:]]


def test_a_large_message_is_never_read_at_once():
    """No call asks for more than a chunk, and the envelope's facts do not grow with the sets."""
    data = interchange(group(*[SHIP_NOTICE] * 30_000))
    asked: list[int] = []

    def read(offset: int, length: int) -> bytes:
        asked.append(length)
        return data[offset : offset + length]

    report = check_report(read, len(data), shipped_guides(), STRICT)
    assert len(data) > 2 << 20
    assert max(asked) <= 1 << 20
    assert [one["ack"] for one in report["interchanges"][0]["groups"]] == ["A"]


class Searched(bytes):
    """Bytes that count how far they were searched."""

    total = 0

    def find(self, *wanted) -> int:
        at = super().find(*wanted)
        Searched.total += (len(self) if at < 0 else at) - (wanted[1] if len(wanted) > 1 else 0)
        return at


def test_a_chunk_is_not_searched_again_for_each_binary_segment():
    """Binary segments by the thousand once cost 45 s a MiB: each looked for the next ISA through the whole chunk."""
    data = interchange(group(["214", "B10*1*2*ABCD", "LX*1", *["EFI*ZZ", "BIN*5*abcde"] * 5_000], functional="QM"))
    Searched.total = 0
    outline(lambda offset, length: Searched(data[offset : offset + length]), len(data), STRICT)
    assert 0 < Searched.total < 30 * len(data)


def test_many_small_interchanges_are_not_read_a_mebibyte_each():
    data = b"".join(interchange(control=f"{number:09}") for number in range(2_000))
    asked = 0

    def read(offset: int, length: int) -> bytes:
        nonlocal asked
        asked += len(data[offset : offset + length])
        return data[offset : offset + length]

    assert len(outline(read, len(data), STRICT).interchanges) == 2_000
    assert asked < 2_000 * 50_000


@pytest.mark.corpus
def test_every_file_of_the_corpus_gives_a_report():
    for path in corpus_files("."):
        data = path.read_bytes()
        for options in (STRICT, LENIENT):
            everything(data, options)


@pytest.mark.corpus
def test_the_corpus_has_files_that_are_accepted():
    """A reader that rejected all would pass the test above."""
    accepted = 0
    for path in corpus_files("x12-856", "x12-214", "x12-940", "x12-945"):
        accepted += any(one.verdict == "A" for each in read_all(path.read_bytes(), LENIENT)[1] for one in each.sets)
    assert accepted > 25


@pytest.mark.corpus
def test_every_file_of_the_corpus_is_judged_as_before():
    """Where a change is meant: python -m tests.x12_snapshot > tests/x12_snapshot.txt, and read the diff."""
    assert list(x12_snapshot.lines()) == x12_snapshot.TABLE.read_text(encoding="utf-8").splitlines()
