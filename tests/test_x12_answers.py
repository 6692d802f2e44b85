"""Reading the partner's 997, 999, 824 and TA1: a table of what they say, and every acknowledgment of the corpus."""

import pytest

from partners.guides import shipped_guides
from tests.corpus import corpus_files
from tests.x12 import TOLERANT, group, interchange, isa, only_set, read_all
from translators.x12.answers import ANSWERS, Answer, as_json, read_acknowledgment, read_ta1
from translators.x12.options import LENIENCIES, Options
from translators.x12.reader import read_sets

ALL = Options("tolerant", frozenset(LENIENCIES) - {"wrapped-lines"})


def read(set_id: str, *body: str, version: str = "005010") -> Answer:
    functional = "AG" if set_id == "824" else "FA"
    data = interchange(group([set_id, *body], functional=functional, version=version), header=isa(e11="^", e12="00501"))
    return read_acknowledgment(only_set(data, TOLERANT).document())


def said(answer: Answer) -> list[tuple[str, str, str]]:
    return [(one.set_id, one.control, one.verdict) for one in answer.sets]


GROUPS = [
    ("accepted, nothing listed", ["AK1*OW*17", "AK9*A*2*2*2"], "accepted", []),
    ("accepted, each listed", ["AK1*OW*17", "AK2*940*0001", "AK5*A", "AK9*A*1*1*1"], "accepted", [("940", "0001", "accepted")]),
    ("partly", ["AK1*OW*17", "AK2*940*0002", "AK5*R*5", "AK9*P*2*2*1"], "partly accepted", [("940", "0002", "rejected")]),
    ("rejected", ["AK1*OW*17", "AK9*R*2*2*0*4"], "rejected", []),
    ("with errors", ["AK1*OW*17", "AK2*940*0001", "AK5*E*5", "AK9*E*1*1*1"], "accepted with errors", [("940", "0001", "accepted with errors")]),
    ("for the sake of security", ["AK1*OW*17", "AK2*940*0001", "AK5*M", "AK9*W*1*1*0"], "rejected", [("940", "0001", "rejected")]),
    ("without AK201", ["AK1*OW*17", "AK2**0001", "AK5*A", "AK9*A*1*1*1"], "accepted", [("", "0001", "accepted")]),
]


@pytest.mark.parametrize(("body", "verdict", "sets"), [case[1:] for case in GROUPS], ids=[case[0] for case in GROUPS])
@pytest.mark.parametrize("form", ["997", "999"])
def test_what_a_group_was_told(form: str, body: list[str], verdict: str, sets: list[tuple[str, str, str]]):
    answer = read(form, *[one.replace("AK5", "IK5") if form == "999" else one for one in body])
    assert (answer.functional, answer.control, answer.verdict, said(answer), answer.trouble) == ("OW", "17", verdict, sets, [])


def test_every_fault_is_told_with_its_place_and_in_words():
    notes = ["AK2*940*0001", "AK3*N1*4*LOOP*8", "AK4*4:1:2*67*2*BAD", "AK4*2**7", "AK3*W05*2**3", "AK5*R*4*5", "AK9*R*1*1*0*5"]
    answer = read("997", "AK1*OW*17*005010", *notes)
    (one,) = answer.sets
    assert [(error.level, error.code, error.text) for error in one.errors] == [
        ("element", "2", "N104: another element calls for it and it is missing ('BAD')"),
        ("element", "7", "N102: its code is not valid"),
        ("segment", "3", "W05: it is mandatory and missing"),
        ("set", "4", "SE01 is not the number of segments"),
    ]
    first = one.errors[0]
    assert (first.segment, first.position, first.element, first.component, first.repetition) == ("N1", 4, 4, 1, 2)
    assert (first.data_element, first.loop, first.value) == (67, "LOOP", "BAD")
    assert (answer.codes, answer.included, answer.received, answer.accepted) == (["5"], 1, 1, 0)


def test_what_cannot_be_read_is_told_and_not_guessed():
    answer = read("997", "AK1*OW*17", "AK2*940*0001", "AK5*Z", "AK2*940*0002", "AK9*Q*2*2*2")
    assert said(answer) == [("940", "0001", ""), ("940", "0002", "")]
    assert answer.verdict == ""
    assert [text.split(" ")[0] for text in answer.trouble] == ["AK501", "the", "AK901"]
    assert read("997", "AK2*940*0001", "AK5*A").trouble == [
        "AK1 with the number of our group is missing",
        "AK9, the verdict on the group, is missing",
    ]
    assert read("824", "BGN*11*X*20261116").trouble == ["there is no OTI in it, so it speaks of nothing that we sent"]


def test_one_forms_segments_in_the_other_are_read():
    answer = read("999", "AK1*OW*17", "AK2*940*0001", "AK3*N1*4**8", "AK4*2**7", "AK5*R*5", "AK9*R*1*1*0")
    assert said(answer) == [("940", "0001", "rejected")]
    assert [error.text for error in answer.sets[0].errors] == ["N102: its code is not valid"]


def test_an_824_speaks_of_sets_items_and_groups():
    answer = read(
        "824", "BGN*11*77*20261116", "OTI*TR*OQ*H-1*****17*0001*940", "TED*QTY*too many", "NTE**of item 4", "OTI*IE*PO*4711", "OTI*GA*TN*17*****17",
        "REF*BM*B1", version="004010",
    )  # fmt: skip
    assert [(one.level, one.verdict, one.set_id, one.control, one.group_control) for one in answer.sets] == [
        ("set", "rejected", "940", "0001", "17"), ("item", "accepted with errors", "", "", ""), ("group", "accepted", "", "", "17"),
    ]  # fmt: skip
    assert [(error.code, error.text) for error in answer.sets[0].errors] == [("QTY", "too many of item 4")]
    assert answer.sets[2].references == [("TN", "17"), ("BM", "B1")]


def test_only_acknowledgments_are_read_as_such():
    reading = only_set(interchange(group(["214", "B10*1**NWFX", "LX*1", "AT7*X6*NS***20261116*0905"], functional="QM")))
    with pytest.raises(ValueError, match="a 214 is no acknowledgment"):
        read_acknowledgment(reading.document())


@pytest.mark.corpus
def test_every_acknowledgment_of_the_corpus_is_read():
    """No crash, nothing dropped: each set gives a verdict, or says what is missing."""
    answers: list[Answer] = []
    for path in corpus_files("x12-ack"):
        data = path.read_bytes()

        def at(offset: int, length: int, data: bytes = data) -> bytes:
            return data[offset : offset + length]

        found, _ = read_all(data, ALL)
        for one in found.interchanges:
            answers += [read_ta1(fields) for fields in one.acknowledgments]
            for each in one.groups:
                readings = [one for one in read_sets(at, one, each, shipped_guides(), ALL) if one.set_id in ANSWERS]
                answers += [read_acknowledgment(reading.document()) for reading in readings]
    for answer in answers:
        assert answer.verdict or answer.trouble or answer.form == "824", answer
        assert all(one.verdict or answer.trouble for one in answer.sets), answer
        assert as_json(answer)["form"] == answer.form
    assert len(answers) >= 75
    assert sum(bool(answer.trouble) for answer in answers) <= 10
