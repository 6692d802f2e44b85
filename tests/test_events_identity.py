"""Ids, keys and hashes: what they tell apart, and what they must not."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mapping_fixtures import FIXTURES, documents, mapping_of
from translators.events import content_hash, data_json, event_id, meaning_hash, normalise_reference
from translators.events.cloud import cloud_event
from translators.events.identity import hash_segments, subject_of

PARTS = st.tuples(st.text(max_size=8), st.text(max_size=8), st.text(max_size=3), st.text(max_size=8), st.text(max_size=8), st.integers(0, 9))


@given(PARTS, PARTS)
def test_an_id_is_as_good_as_its_parts(first: tuple[str, str, str, str, str, int], second: tuple[str, str, str, str, str, int]):
    assert (event_id(*first) == event_id(*second)) is (first == second)


def test_an_id_never_changes():
    """Stored events carry it: a change of the rule would tell every one of them again."""
    assert event_id("production", "acme", "856", "SHP0045871", "", 0) == "b2dhvz4kwzpazgtqxdeksaldqqxsp7ne"


def content_of(text: str, component: bytes = b":", repetition: bytes = b"^") -> str:
    separator = text[2]
    end = "~"
    envelope = f"ISA*00*          *00*          *ZZ*A              *ZZ*B              *261116*1405*{repetition.decode()}*00501*000000001*0*P*{component.decode()}~"
    file = (envelope + f"GS*SH*A*B*20261116*1405*1*X*005010~{text}GE*1*1~IEA*1*000000001~").replace("*", separator).replace("~", end)
    [(document, _)] = documents(file.encode())
    return content_hash(document)


BASE = "ST*856*0001~BSN*00*S1*20261116*1405~HL*1**S~REF*BM*B1***SI:X~SE*5*0001~"
SAME = [
    BASE.replace("0001", "0777"),
    BASE.replace("REF*BM*B1", "DTM*097*20261117~REF*BM*B1"),
    BASE.replace("1405~", "1405*~"),
    BASE.replace("*", "|"),
]
OTHER = [
    BASE.replace("S1", "S2"),
    BASE.replace("*00*", "*05*"),
    BASE.replace("20261116*1405", "20261116*1406"),  # BSN03/04 carry the ship date with some partners, see CREATION_STAMPS
    BASE.replace("REF*BM*B1", "DTM*011*20261117~REF*BM*B1"),
    BASE.replace("B1***", "B1**"),
]


@pytest.mark.parametrize("text", SAME)
def test_content_is_the_same_whatever_carries_it(text: str):
    assert content_of(text) == content_of(BASE)


@pytest.mark.parametrize("text", OTHER)
def test_content_is_other(text: str):
    assert content_of(text) != content_of(BASE)


def test_content_does_not_depend_on_the_separators_inside_elements():
    assert content_of(BASE.replace("SI:X", "SI>X"), component=b">") == content_of(BASE)


def test_a_status_report_made_again_is_the_same_content():
    file = next(file for file in FIXTURES if file.name == "delivered-005010.edi")
    [(document, _)] = documents(file.read_bytes())
    [(again, _)] = documents(file.read_bytes().replace(b"**20261118*1010~", b"**20261119*0700~"))
    assert content_hash(again) == content_hash(document)
    assert content_hash(document) == hash_segments((node.segment for node in document.root.walk()), b":", b"^")


def test_meaning_leaves_out_how_and_when_it_was_told():
    data = {"order_id": "1", "purpose": "original", "evidence": {"set": "940"}, "quality": {"late": True}, "written_at": {"local": "2026-11-16"}}
    assert meaning_hash(data) == meaning_hash({"order_id": "1"})
    assert meaning_hash(data) != meaning_hash({"order_id": "2"})
    assert meaning_hash({"order_id": "1", "cancelled": True}) != meaning_hash(data)


def test_a_cancellation_of_the_same_content_means_something_else():
    """Otherwise a cancellation that repeats the whole notice would pass for a duplicate of it and be dropped."""
    file = next(file for file in FIXTURES if "pick-and-pack" in file.name)
    [(document, around)] = documents(file.read_bytes())
    [(cancelling, _)] = documents(file.read_bytes().replace(b"BSN*00", b"BSN*01"))
    [(confirming, _)] = documents(file.read_bytes().replace(b"BSN*00", b"BSN*06").replace(b"*1405*0001~", b"*1500*0001~"))
    first, cancelled, confirmed = (mapping_of(file).read(one, around).events[0] for one in (document, cancelling, confirming))
    assert (cancelled.purpose, cancelled.meaning_hash != first.meaning_hash) == ("cancel", True)
    assert (confirmed.purpose, confirmed.meaning_hash == first.meaning_hash) == ("original", True)


@pytest.mark.parametrize(
    ("type_", "spellings"),
    [
        ("pro", ["123-456 789", "123456789", " 123456-789"]),
        ("sscc", ["00006141410734900015", "006141410734900015", "(00)006141410734900015", "00 0061414107 34900015"]),
        ("purchase_order", ["po-4401877", "PO4401877"]),
    ],
)
def test_spellings_of_a_reference_meet(type_: str, spellings: list[str]):
    assert len({normalise_reference(type_, spelling) for spelling in spellings}) == 1


@given(st.sampled_from(["pro", "sscc"]), st.text(max_size=100))
def test_a_normalised_reference_stays_as_it_is(type_: str, value: str):
    once = normalise_reference("pro", value)
    assert normalise_reference("pro", once) == once
    assert len(normalise_reference(type_, value)) <= 80


def test_long_subjects_stay_short_and_apart():
    first, second = (subject_of("shipment", "A" * 400 + end) for end in "XY")
    assert first != second
    assert len(first) < 200


def test_canonical_json():
    assert data_json({"b": 1, "a": ["ü", None]}) == '{"a":["ü",null],"b":1}'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        data_json({"a": float("nan")})


def test_quality_and_data_stay_one():
    file = FIXTURES[0]
    [(document, around)] = documents(file.read_bytes())
    draft = mapping_of(file).read(document, around).events[0]
    before = draft.meaning_hash
    draft.add_quality(late=True)
    assert draft.data["quality"]["late"] is True
    assert meaning_hash(draft.data) == before


def test_a_cloud_event_has_its_attributes():
    file = next(file for file in FIXTURES if "pick-and-pack" in file.name)
    [(document, around)] = documents(file.read_bytes())
    draft = mapping_of(file).read(document, around).events[0]
    event = cloud_event(
        copy.copy(draft), id="x", source="/partners/acme", recorded_time="2026-11-20T00:00:00Z", extensions={"causationid": "d1", "sequence": ""}
    )
    assert {name: value for name, value in event.items() if name != "data"} == {
        "specversion": "1.0",
        "id": "x",
        "source": "/partners/acme",
        "type": "org.crossdock.shipment.notified.v1",
        "subject": "shipment/SHP0045871",
        "time": "2026-11-16T09:30:00-06:00",
        "recordedtime": "2026-11-20T00:00:00Z",
        "partitionkey": "shipment/SHP0045871",
        "correlationid": "purchase_order/PO4401877",
        "datacontenttype": "application/json",
        "causationid": "d1",
    }
    assert event["data"] is draft.data
