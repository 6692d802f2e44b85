"""Elements and conditions: one table for the fast pattern and the exact checker, and the law that binds the two."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partners.guides import shipped_dictionary
from tests.x12 import CLOSED, full, plausible
from translators.document import Delimiters
from translators.x12.check import Checker
from translators.x12.guide import Dictionary, Element, Rules
from translators.x12.options import LENIENCIES, Options
from translators.x12.patterns import segment_pattern

MARKS = Delimiters(b"*", b":", b"^", b"~")
RELEASES = ("004010", "005010")


def codes_of(rules: Rules, segment: str, *allow: str, release: str = "004010") -> list[tuple[int, str]]:
    checker = Checker(shipped_dictionary(release), MARKS, Options("strict", frozenset(allow)))
    return [(fault.element, fault.code) for fault in checker.segment(rules, segment.encode("latin-1").split(b"*"))]


def matches(rules: Rules, segment: str, release: str = "004010") -> bool:
    return segment_pattern(rules, shipped_dictionary(release), MARKS, CLOSED)(segment.encode("latin-1")) is not None


VALUES = [
    # kind, minimum, maximum, value, code of the fault or None
    ("AN", 2, 5, "AB", None),
    ("AN", 2, 5, "A", "4"),
    ("AN", 2, 5, "ABCDEF", "5"),
    ("AN", 2, 5, "A:B", None),
    ("AN", 2, 5, "A\x07B", "6"),
    ("AN", 2, 5, "  A", None),
    ("ID", 2, 3, "A1", None),
    ("ID", 2, 3, "A", "4"),
    ("ID", 2, 3, "ABCD", "5"),
    ("ID", 2, 3, "A?", "7"),
    ("ID", 2, 3, "A ", "7"),
    ("ID", 2, 3, "A\x01", "6"),
    ("DT", 8, 8, "20240229", None),
    ("DT", 8, 8, "20230229", "8"),
    ("DT", 8, 8, "20000229", None),
    ("DT", 8, 8, "19000229", "8"),
    ("DT", 8, 8, "20260431", "8"),
    ("DT", 8, 8, "20261301", "8"),
    ("DT", 8, 8, "00000101", "8"),
    ("DT", 8, 8, "2026113A", "8"),
    ("DT", 8, 8, "261116", "4"),
    ("DT", 8, 8, "202611160", "5"),
    ("DT", 8, 8, "00000000", "8"),
    ("TM", 4, 8, "0000", None),
    ("TM", 4, 8, "2359", None),
    ("TM", 4, 8, "235959", None),
    ("TM", 4, 8, "2359599", None),
    ("TM", 4, 8, "23595999", None),
    ("TM", 4, 8, "2400", "9"),
    ("TM", 4, 8, "1260", "9"),
    ("TM", 4, 8, "12345", "9"),
    ("TM", 4, 8, "125960", "9"),
    ("TM", 4, 8, "930", "4"),
    ("TM", 4, 8, "123456789", "5"),
    ("N0", 1, 6, "12", None),
    ("N0", 1, 6, "-12", None),
    ("N0", 1, 6, "000012", None),
    ("N0", 1, 6, "-123456", None),
    ("N0", 1, 6, "1234567", "5"),
    ("N0", 1, 6, "4.0", "6"),
    ("N0", 1, 6, "+4", "6"),
    ("N0", 2, 6, "4", "4"),
    ("N2", 1, 6, "1250", None),
    ("N2", 1, 6, "12.50", "6"),
    ("R", 1, 5, "12345", None),
    ("R", 1, 5, "123.45", None),
    ("R", 1, 5, "-123.45", None),
    ("R", 1, 5, "1234.56", "5"),
    ("R", 1, 5, "123456", "5"),
    ("R", 1, 5, ".5", None),
    ("R", 1, 5, "-.5", None),
    ("R", 1, 5, "12.", None),
    ("R", 1, 5, "1.2E-3", None),
    ("R", 1, 5, ".", "6"),
    ("R", 1, 5, "+5", "6"),
    ("R", 1, 5, "1,5", "6"),
    ("R", 1, 5, "1 000", "6"),
    ("R", 1, 5, "--1", "6"),
    ("R", 1, 5, "1.2.3", "6"),
    ("R", 4, 10, "12.50", None),
    ("R", 4, 10, "1.5", "4"),
]


def single(kind: str, minimum: int, maximum: int, number: str = "9999") -> Rules:
    return Rules("XX", "a segment", (Element(number, "M", kind, minimum, maximum, "an element"),), ())


@pytest.mark.parametrize(("kind", "minimum", "maximum", "value", "code"), VALUES)
def test_a_value_has_its_fault(kind: str, minimum: int, maximum: int, value: str, code: str | None):
    rules = single(kind, minimum, maximum)
    assert codes_of(rules, f"XX*{value}") == ([(1, code)] if code else [])
    assert not (code and matches(rules, f"XX*{value}"))


ORDINARY = ["XX*AB", "XX*A:B"], ["XX*20260228"], ["XX*0905", "XX*235959"], ["XX*12", "XX*-7"], ["XX*12.5", "XX*-12"]


@pytest.mark.parametrize(
    ("rules", "segments"),
    list(zip([single("AN", 2, 5), single("DT", 8, 8), single("TM", 4, 8), single("N0", 1, 6), single("R", 1, 5)], ORDINARY, strict=True)),
)
def test_ordinary_values_pass_the_fast_way(rules: Rules, segments: list[str]):
    assert all(matches(rules, segment) for segment in segments)


@pytest.mark.parametrize(
    ("segment", "faults"),
    [
        ("N1*ST**92", [(4, "2")]),
        ("REF*BM", [(2, "2")]),
        ("TD5*B*2", [(3, "2")]),
        ("AT7*X3*NS*AA*NA*20261116", [(3, "10")]),
        ("MS1**IL", [(1, "2")]),
        ("MS1*JOLIET", [(2, "2")]),
        ("W20****31.5*G", [(6, "2")]),
        ("PO4*************IN", [(10, "2")]),
        ("N1*ST", [(2, "2")]),
        ("HL*1**S*1*EXTRA", [(5, "3")]),
        ("HL*1**S*1***", []),
        ("HL*1", [(3, "1")]),
        ("BSN*XX*A*20260230*2460", [(1, "7"), (2, "4"), (3, "8"), (4, "9")]),
        ("REF*BM*1^2", [(2, "12")]),
        ("REF*BM*1**BM:1:PO:2", []),
        ("REF*BM*1**BM", [(4, "1")]),
        ("REF*BM*1**BM:1:PO", [(4, "2")]),
        ("REF*BM*1**BM:1:PO:2:IV:3:CN", [(4, "13")]),
        ("MEA*PD*G*10*LB", []),
        ("MEA*PD*G*10*LB:1:1", []),
        ("LIN**UP*1*UP", [(5, "2")]),
    ],
)
def test_worked_examples(segment: str, faults: list[tuple[int, str]]):
    rules = shipped_dictionary("004010").segments[segment.split("*")[0]]
    assert codes_of(rules, segment) == faults
    assert matches(rules, segment) == (not faults and not segment.endswith("*") and segment.count(":") != 3)


def test_a_condition_without_public_confirmation_is_told_as_not_sure():
    checker = Checker(shipped_dictionary("004010"), MARKS, Options("strict"))
    (fault,) = checker.segment(shipped_dictionary("004010").segments["DTM"], [b"DTM", b"011"])
    assert (fault.code, fault.element, fault.sure) == ("2", 2, False)


@pytest.mark.parametrize(
    ("segment", "leniency"),
    [
        ("REF*BM*" + "1" * 31, "long-text"),
        ("HL*1**s", "lower-case"),
        ("HL*1**XY", "unknown-code"),
        ("N4*TORONTO*O/*M5V 2T6", "unknown-code"),
        ("BSN*00*A1*261116*0905", "date-six"),
        ("TD1*CTN25*1****G*1,5*LB", "comma-decimal"),
        ("HL*1**S**9", "extra-elements"),
        ("N1*ST*M\xdcLLER", "latin-1-fallback"),
        ("N1*ST*ACME\nLTD", "wrapped-lines"),
    ],
)
def test_a_fault_names_the_leniency_that_lets_it_pass(segment: str, leniency: str):
    rules = shipped_dictionary("004010").segments[segment.split("*")[0]]
    checker = Checker(shipped_dictionary("004010"), MARKS, Options("strict"))
    (fault,) = checker.segment(rules, segment.encode("latin-1").split(b"*"))
    assert fault.leniency == leniency in LENIENCIES


def test_lengths_count_characters():
    rules = single("AN", 2, 5)
    checker = Checker(shipped_dictionary("004010"), MARKS, Options("strict"))
    assert checker.segment(rules, [b"XX", "ÄÖÜÄÖ".encode()]) == []
    assert [fault.code for fault in checker.segment(rules, [b"XX", "ÄÖÜÄÖÄ".encode()])] == ["5"]


# The law: what the pattern passes, the checker passes, for every segment of both releases.

PIECES = [
    "",
    "A",
    "BM",
    "00",
    "S",
    "12",
    "12.5",
    "-3",
    ".5",
    "1234567890123",
    "20261116",
    "20260230",
    "0905",
    "2460",
    "A B",
    "A:B",
    "1^2",
    "é",
    "\x07",
    "LB",
]


@st.composite
def segments(draw: st.DrawFn) -> tuple[str, Rules, str]:
    release = draw(st.sampled_from(RELEASES))
    dictionary: Dictionary = shipped_dictionary(release)
    rules = dictionary.segments[draw(st.sampled_from(sorted(dictionary.segments.keys() - {"BIN"})))]
    values = []
    for element in rules.elements:
        likely = st.just(plausible(element)) if element.kind else st.sampled_from(["", "BM:1", "LB", "LB:1:2"])
        values.append(draw(st.one_of(st.just(""), likely, likely, st.sampled_from(PIECES))))
    extra = draw(st.lists(st.sampled_from(["", "X"]), max_size=2))
    cut = draw(st.integers(0, len(values)))
    return release, rules, "*".join([rules.tag, *values[:cut], *(extra if cut == len(values) else [])])


@given(segments())
@settings(max_examples=700, deadline=None)
def test_the_pattern_passes_nothing_that_the_checker_faults(case: tuple[str, Rules, str]):
    release, rules, segment = case
    if matches(rules, segment, release):
        assert codes_of(rules, segment, release=release) == []


@given(segments())
@settings(max_examples=300, deadline=None)
def test_the_checker_gives_each_element_one_report_in_order(case: tuple[str, Rules, str]):
    release, rules, segment = case
    checker = Checker(shipped_dictionary(release), MARKS, Options("strict"))
    places = [(fault.element, fault.component or 0) for fault in checker.segment(rules, segment.encode("latin-1").split(b"*"))]
    assert places == sorted(set(places))


@pytest.mark.parametrize("release", RELEASES)
def test_every_segment_has_a_form_that_passes_both(release: str):
    """A pattern that never matches would only be slow, and nobody would see; so each must match once."""
    for rules in shipped_dictionary(release).segments.values():
        segment = full(rules)
        assert codes_of(rules, segment, release=release) == [], segment
        assert matches(rules, segment, release), segment


def test_descriptions_in_our_dictionaries_are_short():
    """They are our own words; a long one would be somebody else's."""
    for release in RELEASES:
        for rules in shipped_dictionary(release).segments.values():
            assert all(len(re.findall(r"\w+", element.title)) <= 6 for element in rules.elements)


@pytest.mark.parametrize(("code", "fault"), [("K1A 0B6", None), ("12345-6789", None), ("98421", None), (" 9842", "7"), ("98_21", "7"), ("12", "4")])
def test_postal_codes_are_what_the_post_offices_write(code: str, fault: str | None):
    rules = shipped_dictionary("004010").segments["N4"]
    segment = f"N4*OTTAWA*ON*{code}"
    assert codes_of(rules, segment) == ([(3, fault)] if fault else [])
    assert matches(rules, segment) == (fault is None)
