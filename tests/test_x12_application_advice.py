"""The 824: right whatever was refused, and read back to the same verdict."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partners.guides import shipped_guides
from tests.x12 import only_set
from translators.x12.answers import read_acknowledgment
from translators.x12.application_advice import Advised, Refusal, application_advice
from translators.x12.envelope_write import stamp
from translators.x12.own import faults_of_own

NOW = {"interchange_control": 42, "group_control": 42, "date6": "261116", "date8": "20261116", "time4": "1204"}
SIDES = {
    "reference": "01M855NG9QRRRRG5ZM7E95KG2M", "sender_qualifier": "ZZ", "sender": "CROSSDOCK", "sender_code": "CROSSDOCK", "receiver_qualifier": "02",
    "receiver": "NWFX", "envelope_version": "00401", "usage": "P",
}  # fmt: skip


def advised(*refusals: Refusal, verdict: str = "R", **changes) -> Advised:
    values = {
        "set_id": "856", "set_control": "0001", "group_control": "17", "version": "004010", "date": "20261116", "time": "0905", "sender_code": "NWFX",
        "references": [("control", "17"), ("bill_of_lading", "B1"), ("shipment", "ASN1")],
    }  # fmt: skip
    return Advised(**values | changes, verdict=verdict, refusals=refusals)


def written(one: Advised, **changes) -> bytes:
    return stamp(application_advice(one, **SIDES | changes), **NOW)


def test_an_824_in_full():
    refusal = Refusal(
        "848",
        "the ship notice names no goods that we know: item 614141007349 is in none of our lists, and the order has no such line either",
        "LIN",
        9,
    )
    assert written(advised(refusal)).decode().split("~")[1:-3] == [
        "GS*AG*CROSSDOCK*NWFX*20261116*1204*42*X*004010",
        "ST*824*0001",
        "BGN*11*01M855NG9QRRRRG5ZM7E95KG2M*20261116*1204",
        "OTI*TR*SI*ASN1***20261116*0905*17*0001*856*004010",
        "TED*848*the ship notice names no goods that we know item*LIN*9",
        "NTE**614141007349 is in none of our lists, and the order has no such line either",
        "SE*6*0001",
    ]


@pytest.mark.parametrize("verdict", ["A", "E", "R"])
@pytest.mark.parametrize("version", ["004010", "005010"])
def test_its_verdict_reads_back(verdict: str, version: str):
    data = written(advised(Refusal("ZZZ", "no", "N1", 8, 2, 93, "X:Y"), verdict=verdict, version=version))
    assert faults_of_own(data, shipped_guides()) == []
    (one,) = read_acknowledgment(only_set(data).document()).sets
    assert one.verdict == {"A": "accepted", "E": "accepted with errors", "R": "rejected"}[verdict]
    assert (one.set_id, one.control, one.group_control, one.references, one.level) == ("856", "0001", "17", [("SI", "ASN1")], "set")
    (error,) = one.errors
    assert (error.code, error.text, error.segment, error.position, error.element, error.data_element) == ("ZZZ", "no", "N1", 8, 2, 93)


def test_a_set_without_a_number_is_named_by_its_control_number():
    (one,) = read_acknowledgment(only_set(written(advised(references=[("control", "17")]))).document()).sets
    assert one.references == [("TN", "0001")]


TEXTS = st.text(max_size=40)
REFUSALS = st.builds(
    Refusal,
    st.sampled_from(["848", "006", "ZZZ"]),
    st.text(max_size=900),
    TEXTS,
    st.integers(0, 2_000_000),
    st.integers(0, 200),
    st.integers(0, 1705),
    TEXTS,
)


@given(
    TEXTS,
    TEXTS,
    TEXTS,
    TEXTS,
    TEXTS,
    TEXTS,
    st.lists(st.tuples(st.sampled_from(["shipment", "order", "x"]), TEXTS), max_size=3),
    st.lists(REFUSALS, max_size=3),
)
@settings(max_examples=200, deadline=None)
def test_whatever_is_refused_the_824_is_right(set_id, set_control, group_control, version, date, time, references, refusals):
    one = advised(
        *refusals, set_id=set_id, set_control=set_control, group_control=group_control, version=version, date=date, time=time, references=references
    )  # fmt: skip
    data = written(one)
    assert faults_of_own(data, shipped_guides()) == []
    (told,) = read_acknowledgment(only_set(data).document()).sets
    assert (told.verdict, len(told.errors)) == ("rejected", len(refusals))
