"""The TA1: when one is owed, what it repeats, and that it is right whatever came."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partners.guides import shipped_guides
from tests.x12 import SHIP_NOTICE, TORTURE, group, interchange, isa, read_all
from translators.x12.answers import read_ta1
from translators.x12.envelope_write import stamp
from translators.x12.interchange import Interchange
from translators.x12.own import faults_of_own
from translators.x12.ta1 import DUTIES, NOTES, answers_only, interchange_ack, ta1_owed

NOW = {"date6": "261116", "date8": "20261116", "time4": "1204"}
US = {"sender_qualifier": "ZZ", "sender": "CROSSDOCK"}


def ta1(one: Interchange, verdict: str = "A", note: str = "000", **changes) -> bytes:
    return stamp(interchange_ack(one, verdict, note, **US, **changes), interchange_control=42, group_control=42, **NOW)


def test_a_ta1_in_full():
    found, _ = read_all(interchange(group(SHIP_NOTICE), header=isa(e14="1")))
    assert ta1(found.interchanges[0]).decode() == (
        "ISA*00*          *00*          *ZZ*CROSSDOCK      *ZZ*ACMECARRIER    *261116*1204*U*00401*000000042*0*P*:~"
        "TA1*000000001*261116*0905*A*000~IEA*0*000000042~"
    )


@pytest.mark.parametrize(
    ("duty", "owed"),
    [("asked", [True, True, True, False]), ("always", [True] * 4), ("errors", [True, True, False, False]), ("none", [False] * 4)],
)
def test_when_one_is_owed(duty: str, owed: list[bool]):
    cases = [(True, True), (True, False), (False, True), (False, False)]
    assert [ta1_owed(duty, rejected=rejected, asked=asked) for rejected, asked in cases] == owed
    assert duty in DUTIES


def test_a_ta1_is_never_answered():
    data = isa() + "~TA1*000000042*261116*1204*A*000~IEA*0*000000001~"
    with_group = data.replace("IEA*0", "~".join(group(SHIP_NOTICE)) + "~IEA*1")
    assert [answers_only(read_all(one.encode())[0].interchanges[0]) for one in (data, with_group)] == [True, False]


@pytest.mark.parametrize("path", TORTURE, ids=lambda path: path.stem)
def test_every_broken_envelope_gets_a_right_ta1(path):
    """Whatever the ISA says: the answer is right, and its note is the fault that was found."""
    for one in read_all(path.read_bytes())[0].interchanges:
        data = ta1(one, "R", one.ta1 or "000", receiver=("02", "NWFX"))
        assert faults_of_own(data, shipped_guides()) == []
        (told,) = (read_ta1(fields) for fields in read_all(data)[0].interchanges[0].acknowledgments)
        assert (told.verdict, told.codes, told.trouble) == ("rejected", [one.ta1 or "000"], [])
        assert told.control in (one.control, "000000000")


@given(st.text(max_size=15), st.text(max_size=9), st.text(max_size=6), st.text(max_size=5), st.sampled_from(sorted(NOTES)), st.sampled_from("AER"))
@settings(max_examples=200, deadline=None)
def test_any_envelope_gets_a_right_ta1(sender: str, control: str, date: str, version: str, note: str, verdict: str):
    found, _ = read_all(interchange(group(SHIP_NOTICE)))
    odd = {name: value.encode("latin-1", "replace").decode("latin-1") for name, value in locals().items() if name in ("control", "date", "version")}
    one = dataclasses.replace(found.interchanges[0], sender=sender.encode("latin-1", "replace").decode("latin-1").strip() or "X", **odd)
    data = ta1(one, verdict, note)
    faults = [fault for fault in faults_of_own(data, shipped_guides()) if not fault.startswith("ISA08")]
    assert faults == [], "only an id that no ISA can hold may be refused"
    assert faults_of_own(ta1(one, verdict, note, receiver=("ZZ", "ACME")), shipped_guides()) == []


@pytest.mark.parametrize(
    ("fields", "verdict", "trouble"),
    [
        (["000000001", "261116", "0905", "A", "000"], "accepted", False),
        (["000000001", "261116", "0905", "E", "014"], "accepted with errors", False),
        (["000000001", "261116", "0905", "R", "025"], "rejected", False),
        (["000000001", "261116", "0905", "P", "000"], "", True),
        (["000000001"], "", True),
        ([], "", True),
    ],
)
def test_reading_a_ta1(fields: list[str], verdict: str, trouble: bool):
    answer = read_ta1(fields)
    assert (answer.verdict, bool(answer.trouble)) == (verdict, trouble)
