"""The 997: written from verdicts and findings alone, read again by our own engine, and by another one."""

import dataclasses
import io
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partners.guides import shipped_guides
from tests.x12 import SAMPLES, SHIP_NOTICE, STRICT, TOLERANT, TORTURE, group, interchange, only_set, read_all
from translators.document import Delimiters, Finding
from translators.x12.acknowledge import DETAILS, Counts, SetVerdict, form_for, functional_ack, group_code, group_verdict, stamp
from translators.x12.answers import read_acknowledgment
from translators.x12.envelope import Group, Interchange
from translators.x12.options import Options
from translators.x12.own import faults_of_composed, faults_of_own

US = {"sender_qualifier": "ZZ", "sender": "CROSSDOCK", "sender_code": "CROSSDOCK"}
NOW = {"date6": "261116", "date8": "20261116", "time4": "1204"}


def verdict_of(reading) -> SetVerdict:
    return SetVerdict(reading.set_id, reading.control, reading.verdict, reading.codes, reading.findings, reading.implementation)


def answer(one: Interchange, group: Group, sets: list[SetVerdict], detail: str = "all", **changes) -> bytes:
    return stamp(functional_ack(one, group, sets, detail=detail, **US, **changes), interchange_control=42, group_control=7, **NOW)


def body(data: bytes) -> list[str]:
    """The segments between GS and GE."""
    return data.decode().split("~")[2:-3]


def answers(data: bytes, options: Options = STRICT, detail: str = "all") -> list[bytes]:
    return [answer(each.interchange, each.group, [verdict_of(one) for one in each.sets], detail) for each in read_all(data, options)[1]]


@pytest.mark.parametrize(
    ("codes", "counts", "expected"),
    [
        ([], Counts(2, 0, 0), "A"),
        ([], Counts(2, 1, 0), "E"),
        ([], Counts(1, 0, 1), "P"),
        ([], Counts(0, 0, 2), "R"),
        ([], Counts(0, 0, 0), "A"),
        (["4"], Counts(2, 0, 0), "R"),
    ],
)
def test_the_verdict_of_a_group(codes: list[str], counts: Counts, expected: str):
    assert group_code(codes, counts) == expected


def test_a_997_in_full():
    notice = [*SHIP_NOTICE]
    notice[3:4] = ["REF*BM", "W12*CC"]
    (data,) = answers(interchange(group(SHIP_NOTICE, notice)))
    assert data.decode() == (
        "ISA*00*          *00*          *ZZ*CROSSDOCK      *ZZ*ACMECARRIER    *261116*1204*U*00401*000000042*0*P*:~"
        "GS*FA*CROSSDOCK*ACME*20261116*1204*7*X*004010~ST*997*0001~AK1*SH*1~AK2*856*0001~AK5*A~AK2*856*0002~"
        "AK3*REF*4**8~AK4*2*127*2~AK3*W12*5**6~AK5*R*5~AK9*P*2*2*1~SE*11*0001~GE*1*7~IEA*1*000000042~"
    )


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ("all", ["AK2*856*0001", "AK5*A", "AK2*856*0002", "AK3*REF*4**8", "AK4*2*127*2", "AK5*E*5"]),
        ("errors", ["AK2*856*0002", "AK3*REF*4**8", "AK4*2*127*2", "AK5*E*5"]),
        ("none", []),
    ],
)
def test_the_detail_is_a_choice(detail: str, expected: list[str]):
    notice = [*SHIP_NOTICE]
    notice[3] = "REF*BM"
    (data,) = answers(interchange(group(SHIP_NOTICE, notice)), TOLERANT, detail)
    assert body(data)[2:-2] == expected
    assert body(data)[-2] == "AK9*E*2*2*2"


def test_005010_says_its_version_and_004010_has_no_later_codes():
    notice = [*SHIP_NOTICE]
    notice[3] = "REF*BM*1^2"
    for version, codes in [
        ("004010", ("AK1*SH*1", "AK4*2*127*3", "AK9*R*1*1*0*6")),
        ("005010X1", ("AK1*SH*1*005010X1", "AK4*2::2*127*12", "AK9*R*1*1*0*19")),
    ]:
        _, (each,) = read_all(interchange(group(notice, version=version)).replace(b"*U*00401", b"*^*00501"))
        twice = dataclasses.replace(each.group, codes=["19"])
        segments = body(answer(each.interchange, twice, [verdict_of(one) for one in each.sets]))
        assert [segments[1], next(one for one in segments if one.startswith("AK4")), segments[-2]] == list(codes)


def finding(level: str, code: str, **changes) -> Finding:
    return Finding(level, code, "", 0, 0, **{"segment": "REF", "position": 3, **changes})


@pytest.mark.parametrize(
    ("findings", "codes", "expected"),
    [
        ([finding("segment", "3", segment="N1")], [], ["AK3*N1*3**3", "AK5*R*5"]),
        ([finding("segment", "1", segment="Z")], [], ["AK3*ZZ*3**1", "AK5*R*5"]),
        ([finding("segment", "1", segment="REFU")], [], ["AK3*REF*3**1", "AK5*R*5"]),
        ([finding("segment", "5"), finding("element", "2", element=2)], ["4"], ["AK3*REF*3**5", "AK3*REF*3**8", "AK4*2**2", "AK5*R*4*5"]),
        ([finding("element", "1", element=1, loop="0330")], [], ["AK3*REF*3*0330*8", "AK4*1**1", "AK5*R*5"]),
        ([finding("element", "6", element=4, component=2, value="A")], [], ["AK3*REF*3**8", "AK4*4:2**6*A", "AK5*R*5"]),
        ([finding("element", "5", element=2, data_element=127, value="A*B")], [], ["AK3*REF*3**8", "AK4*2*127*5", "AK5*R*5"]),
        ([finding("element", "2", element=1, severity="warning")], [], ["AK5*R"]),
        ([], ["4", "3", "2", "7", "23", "1"], ["AK5*R*4*3*2*7*23"]),
        ([finding("segment", "2")], ["4", "3", "2", "7", "23", "1"], ["AK3*REF*3**2", "AK5*R*4*3*2*7*5"]),
        ([finding("set", "4", segment="", position=0)], ["4"], ["AK5*R*4"]),
    ],
)
def test_findings_become_notes(findings: list[Finding], codes: list[str], expected: list[str]):
    _, (each,) = read_all(interchange(group(SHIP_NOTICE)))
    segments = body(answer(each.interchange, each.group, [SetVerdict("856", "0001", "R", codes, findings)]))
    assert segments[3:-2] == expected


def test_at_most_99_element_notes_for_a_segment():
    _, (each,) = read_all(interchange(group(SHIP_NOTICE)))
    many = [finding("element", "1", element=number) for number in range(1, 150)]
    segments = body(answer(each.interchange, each.group, [SetVerdict("856", "0001", "R", [], many)]))
    assert sum(segment.startswith("AK4") for segment in segments) == 99


def test_the_counts_are_those_of_the_group():
    _, (each,) = read_all(interchange([*group(SHIP_NOTICE)[:-1], "GE*5*1"]))
    segments = body(answer(each.interchange, each.group, [verdict_of(one) for one in each.sets]))
    assert segments[-2] == "AK9*R*5*1*0*5"


def test_a_verdict_from_rows_is_as_good():
    _, (each,) = read_all(interchange(group(SHIP_NOTICE)))
    sets = [verdict_of(one) for one in each.sets]
    rows = [SetVerdict(one.id, one.control, str(one.verdict)) for one in sets]
    assert answer(each.interchange, each.group, rows) == answer(each.interchange, each.group, sets)
    assert group_verdict(rows, []) == "A"


def test_what_is_composed_is_json_and_stamping_fills_every_slot():
    _, (each,) = read_all(interchange(group(SHIP_NOTICE)))
    parts = functional_ack(each.interchange, each.group, [verdict_of(one) for one in each.sets], **US)
    assert json.loads(json.dumps(parts)) == parts
    data = stamp(parts, interchange_control=999_999_999, group_control=1, **NOW)
    assert data.count(b"999999999") == 2
    for number in (0, 1_000_000_000):
        with pytest.raises(ValueError, match="one to nine digits"):
            stamp(parts, interchange_control=number, group_control=1, **NOW)


def test_other_delimiters_and_a_tail():
    _, (each,) = read_all(interchange(group(SHIP_NOTICE)))
    sets = [SetVerdict("856", "0001", "R", [], [finding("element", "5", element=2, value="A|B>C")])]
    data = answer(each.interchange, each.group, sets, delimiters=Delimiters(b"|", b">", b"", b"'"), tail=b"\n")
    assert b"AK4|2||5'\n" in data
    assert [one.verdict for one in read_all(data)[1][0].sets] == ["A"]


@pytest.mark.parametrize("options", [STRICT, TOLERANT], ids=["strict", "tolerant"])
@pytest.mark.parametrize("path", [*TORTURE, *SAMPLES], ids=lambda path: path.stem)
def test_our_997_is_clean_to_our_own_engine(path, options: Options):
    for data in answers(path.read_bytes(), options):
        assert faults_of_own(data, shipped_guides()) == []
        assert only_set(data).set_id == "997"


FINDINGS = st.builds(
    Finding,
    st.sampled_from(["segment", "element", "set"]),
    st.sampled_from(["1", "2", "5", "8", "12"]),
    st.just(""),
    st.just(0),
    st.just(0),
    st.sampled_from(["REF", "N1", "", "x*", "LONGER"]),
    st.integers(1, 2_000_000),
    st.integers(1, 1_000),
    st.none() | st.integers(1, 99),
    data_element=st.none() | st.integers(1, 1705),
    repetition=st.none() | st.just(2),
    loop=st.none() | st.text(max_size=9),
    value=st.none() | st.text(max_size=120),
)
SETS = st.lists(
    st.builds(
        SetVerdict,
        st.sampled_from(["856", "", "9*", "8561"]),
        st.sampled_from(["0001", "000000009", "1", "", "A~B*C", "12345678901"]),
        st.sampled_from(["A", "E", "R"]),
        st.lists(st.sampled_from(["1", "2", "3", "4", "23", "18"]), max_size=7),
        st.lists(FINDINGS, max_size=5),
    ),
    max_size=4,
)
WORDS_OF = {"A": "accepted", "E": "accepted with errors", "P": "partly accepted", "R": "rejected"}


@given(
    SETS,
    st.sampled_from(["004010", "005010X1"]),
    st.sampled_from(["997", "999"]),
    st.sampled_from(DETAILS),
    st.lists(st.sampled_from(["3", "5", "19"])),
)
@settings(max_examples=300, deadline=None)
def test_what_we_write_of_any_verdicts_is_right_and_says_the_same_when_read(
    sets: list[SetVerdict], version: str, form: str, detail: str, codes: list[str]
):
    """Whatever is stored: valid under its guide at our strictest, and read back to the verdicts that it was made of."""
    _, (each,) = read_all(interchange(group(SHIP_NOTICE, version=version)))
    judged = dataclasses.replace(each.group, codes=codes)
    data = answer(each.interchange, judged, sets, detail, form=form)
    assert faults_of_own(data, shipped_guides()) == []
    reading = only_set(data)
    assert reading.set_id == form_for(form, version)
    told = read_acknowledgment(reading.document())
    assert not told.trouble
    assert (told.functional, told.control, told.letter) == ("SH", "1", group_verdict(sets, codes))
    assert told.verdict == WORDS_OF[told.letter]
    listed = [] if detail == "none" else [one for one in sets if detail == "all" or one.verdict != "A"]
    assert [one.letter for one in told.sets] == [one.verdict for one in listed]
    assert all(
        one.control.lstrip("0") == wrote.control.lstrip("0")
        for one, wrote in zip(told.sets, listed, strict=True)
        if wrote.control.isdigit() and len(wrote.control) <= 9
    )


@pytest.mark.parametrize("options", [STRICT, TOLERANT], ids=["strict", "tolerant"])
@pytest.mark.parametrize("path", [*TORTURE, *SAMPLES], ids=lambda path: path.stem)
def test_a_999_says_what_the_997_says(path, options: Options):
    for each in read_all(path.read_bytes(), options)[1]:
        sets = [verdict_of(one) for one in each.sets]
        data = answer(each.interchange, each.group, sets, form="999")
        assert faults_of_own(data, shipped_guides()) == []
        old, new = (read_acknowledgment(only_set(one).document()) for one in (answer(each.interchange, each.group, sets), data))
        assert (new.form == "999") == (each.group.version >= "005010")
        assert [(one.verdict, one.codes, one.errors) for one in old.sets] == [(one.verdict, one.codes, one.errors) for one in new.sets]


def test_a_999_in_full():
    notice = [*SHIP_NOTICE]
    notice[3:4] = ["REF*BM", "W12*CC"]
    data = interchange(group(SHIP_NOTICE, notice, version="005010X231")).replace(b"*U*00401", b"*^*00501")
    _, (each,) = read_all(data)
    assert body(answer(each.interchange, each.group, [verdict_of(one) for one in each.sets], form="999")) == [
        "ST*999*0001", "AK1*SH*1*005010X231", "AK2*856*0001", "IK5*A", "AK2*856*0002", "IK3*REF*4**8", "IK4*2*127*2", "CTX*SITUATIONAL TRIGGER*REF*4",
        "IK3*W12*5**6", "IK5*R*5", "AK9*P*2*2*1", "SE*12*0001",
    ]  # fmt: skip


def test_a_999_was_not_there_before_005010():
    assert [form_for("999", version) for version in ("004010", "004060VICS", "005010", "005010X231")] == ["997", "997", "999", "999"]
    assert form_for("997", "005010") == "997"


def test_another_engine_accepts_our_997():
    """pyx12 has a map of the 997, for health care: it knows fewer groups, sets and ISA qualifiers, so these are put in."""
    params = pytest.importorskip("pyx12.params")
    from pyx12.x12n_document import x12n_document

    judged = 0
    for path in TORTURE:
        for data in answers(path.read_bytes()):
            text = re.sub(r"~AK2\*...", "~AK2*837", re.sub(r"~AK1\*..", "~AK1*HC", data.decode("ascii", errors="replace"))).replace(
                "*02*NWFX", "*ZZ*NWFX"
            )
            if "*X*004010~" in text:
                errors = io.StringIO()
                assert x12n_document(params.params(), io.StringIO(text), errors, None, None), (path.stem, text)
                judged += 1
    assert judged > 30


@given(
    st.sampled_from(["1", "12", "009", "0", "999999999", "1234567890", "1A", "-5", ""]),
    st.sampled_from(["0001", "1", "000000009", "X001", "12345678901", "A~B"]),
    st.integers(0, 200),
    st.sampled_from(["", "*", "~", "9", "X", "0", "AK1*SH*12~"]),
)
@settings(max_examples=300, deadline=None)
def test_what_is_known_to_be_right_is_what_reading_finds_right(control: str, set_control: str, at: int, put: str):
    """Acknowledgments that differ in the numbers they repeat are read once; whatever stands in them, that says the same as reading each."""
    _, (each,) = read_all(interchange(group(SHIP_NOTICE)))
    named = dataclasses.replace(each.group, control=control)
    sets = [SetVerdict("856", set_control, "A", [], [])]
    composed = functional_ack(each.interchange, named, sets, sender_qualifier="ZZ", sender="US", sender_code="US")
    (place,) = [number for number, part in enumerate(composed) if isinstance(part, str) and "AK1" in part]
    body = composed[place]
    composed[place] = body[: at % len(body)] + put + body[at % len(body) + len(put) :]
    whole = stamp(composed, interchange_control=999_999_999, group_control=999_999_999, date6="991231", date8="20991231", time4="2359")
    assert faults_of_composed(composed, shipped_guides()) == faults_of_own(whole, shipped_guides())
