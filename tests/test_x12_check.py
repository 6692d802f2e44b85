"""`crossdock check`: what a person and a script are told, and the exit code."""

import io
import json
from pathlib import Path

import pytest

from gateway.commands.check import check
from partners.guides import shipped_dictionary, shipped_guides
from tests.x12 import FIXTURES, SHIP_NOTICE, group, interchange
from tests.x12_strategies import SHIPPED
from translators.document import TranslationError
from translators.x12.groups import SETS_OF
from translators.x12.guide import dictionary, guide

NO_CODES: dict[str, dict[str, str]] = {}


def told(path: Path, **options) -> tuple[int, str]:
    out = io.StringIO()
    return check(path, out=out, **options), out.getvalue()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("x12/856-pick-and-pack.edi", 0),
        ("x12/997-of-ours.edi", 0),
        ("x12/204-two-stops.edi", 0),
        ("x12/210-freight-bill.edi", 0),
        ("x12/753-routing-wanted.edi", 0),
        ("x12/754-routing-given.edi", 0),
        ("x12/810-invoice.edi", 0),
        ("x12/846-stock-on-hand.edi", 0),
        ("x12/850-order.edi", 0),
        ("x12/855-changed.edi", 0),
        ("x12/943-to-the-warehouse.edi", 0),
        ("x12/944-on-pallets-005010.edi", 0),
        ("x12/944-received-short.edi", 0),
        ("x12/947-damaged.edi", 0),
        ("x12/990-accepted.edi", 0),
        ("x12/990-declined-005010.edi", 0),
        ("torture/02-214-crlf-ta1-asked.edi", 0),
        ("torture/18-conditions-856.edi", 1),
        ("torture/08-se-count-wrong.edi", 1),
        ("torture/13-ge-missing.edi", 1),
        ("torture/14-truncated-in-an-element.edi", 1),
    ],
)
def test_the_exit_code_says_whether_it_is_clean(name: str, code: int):
    assert told(FIXTURES / name)[0] == code
    assert told(FIXTURES / name, as_json=True)[0] == code


def test_a_warning_alone_is_clean(tmp_path: Path):
    path = tmp_path / "cut.edi"
    path.write_bytes(interchange(group(SHIP_NOTICE))[:-1])
    code, text = told(path)
    assert (code, "the last segment terminator is missing" in text) == (0, True)


def test_a_file_without_an_interchange(tmp_path: Path):
    path = tmp_path / "hello.txt"
    path.write_bytes(b"hello")
    code, text = told(path)
    assert code == 65
    assert "does not look like X12" in text


def test_no_file_and_no_such_leniency_are_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert told(tmp_path / "none")[0] == 2
    assert told(FIXTURES / "x12" / "856-pick-and-pack.edi", allow=["kindness"])[0] == 2
    assert "no leniency is called kindness" in capsys.readouterr().err


def test_a_fault_is_told_with_its_bytes_underlined():
    lines = told(FIXTURES / "torture" / "18-conditions-856.edi")[1].splitlines()
    assert "1 rejected" in lines[0]
    at = next(number for number, line in enumerate(lines) if "N104 (party id) is missing" in line)
    assert "[AK3 8, AK4 2]" in lines[at]
    assert lines[at + 1].strip() == "N1*SF**92"
    assert lines[at + 2].index("^") == lines[at + 1].index("92") + 2
    assert "segment 10" in lines[at + 2]


@pytest.mark.parametrize("terminator", ["~", "\n"])
def test_the_marks_stand_below_the_faulty_bytes(terminator: str, tmp_path: Path):
    notice = [*SHIP_NOTICE]
    notice[1] = "BSN*00*A1*20260230*0905"
    path = tmp_path / "asn.edi"
    path.write_bytes(interchange(group(notice)).replace(b"~", terminator.encode()))
    lines = told(path)[1].splitlines()
    at = next(number for number, line in enumerate(lines) if "a day the calendar does not have" in line)
    start = lines[at + 1].index("20260230")
    assert lines[at + 2][start : start + 9] == "^^^^^^^^ "


def test_json_has_the_place_and_the_words_of_every_error():
    path = FIXTURES / "torture" / "17-codes-dates-times-characters.edi"
    data = path.read_bytes()
    report = json.loads(told(path, as_json=True)[1])
    errors = report["interchanges"][0]["groups"][0]["sets"][0]["errors"]
    assert [data[error["byte_start"] : error["byte_end"]].decode() for error in errors] == ["XX", "20260230", "2460", "4.5", "1,240.5", "2A", "Q?"]
    assert all(error["text"] and error["data_element"] for error in errors)


def test_colour_only_where_it_is_asked_for():
    path = FIXTURES / "torture" / "18-conditions-856.edi"
    assert "\x1b" not in told(path)[1]
    assert "\x1b" in told(path, colour=True)[1]


def test_security_information_is_not_told_in_words(tmp_path: Path):
    """ISA04 may be a password: it is in the file, not in our words for its fault."""
    path = tmp_path / "secret.edi"
    path.write_bytes(interchange(group(SHIP_NOTICE)).replace(b"*00*          *ZZ", b"*01*SECRET\x01   *ZZ"))
    report = json.loads(told(path, as_json=True)[1])
    assert report["interchanges"][0]["ta1"] == "013"
    assert "SECRET" not in json.dumps(report)


# Guides and dictionaries as data.


def test_every_guide_that_ships_loads_and_uses_segments_we_know():
    book = shipped_guides()
    for set_id, release in SHIPPED:
        found = book.guide(set_id, release)
        assert found is not None
        assert (found.set_id, found.release) == (set_id, release)
        assert found.functional == SETS_OF[set_id]
        assert found.layout.tags <= found.dictionary.known_ids
    assert not book.knows("832")
    assert book.guide("832", "004010") is None


def test_a_set_younger_than_004010_is_read_by_its_own_release():
    found = shipped_guides().guide("753", "004010VICS")
    assert found is not None
    assert (found.release, found.dictionary.release) == ("005010", "005010")


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (["ST M 1", "REF X 1"], "'REF X 1' is not of the form"),
        (["ST M 1", {"N1 O 1": ["N1 M 1"]}], "'N1 O 1' is not of the form"),
        (["ST M 1", {"N1 loop O 1": ["N2 M 1"]}], "the loop N1 must begin with its segment N1"),
    ],
)
def test_a_broken_guide_is_told_by_its_line(layout: list[object], words: str):
    value = {"set": "856", "release": "004010", "functional": "SH", "title": "x", "layout": layout}
    with pytest.raises(TranslationError, match=words):
        guide(value, shipped_dictionary("004010"))


@pytest.mark.parametrize(
    ("segment", "words"),
    [
        ({"title": "x", "elements": ["373 M DT 8 date"]}, "XX: '373 M DT 8 date' is not of the form"),
        ({"title": "x", "elements": ["C001 M unit"]}, "XX: 'C001 M unit' is not of the form"),
        ({"title": "x", "elements": ["373 M DT 8/8 date"], "conditions": "Q0102"}, "XX: 'Q0102' is no condition"),
        ({"title": "x", "elements": ["373 M DT 8/8 date"], "conditions": "P0102"}, "XX: condition P0102 names an element beyond the 1"),
    ],
)
def test_a_broken_dictionary_is_told_by_its_line(segment: object, words: str):
    with pytest.raises(TranslationError, match=words):
        dictionary("004010", segments={"XX": segment}, composites={}, codes=NO_CODES, known_ids=frozenset())
