"""The words of the mapping language: what is read, and what a mistake is told."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translators.mapping import language
from translators.mapping.language import Call, Chain, Condition, Constant, Element, Expression, LanguageError, Path, Step
from translators.mapping.syntax import X12

ST = Step("N1", (), (Condition(1, (b"ST",)),))


def step(tag: str, *levels: str) -> Step:
    return Step(tag, levels, ())


PATHS = [
    ("TD5/03", Path("TD5/03", "", (step("TD5"),), (Element(3),), False)),
    ("03", Path("03", "", (), (Element(3),), False)),
    ("N1[01=ST]/02", Path("N1[01=ST]/02", "", (ST,), (Element(2),), False)),
    ("N1[01=ST] > N4/01", Path("N1[01=ST] > N4/01", "", (ST, step("N4")), (Element(1),), False)),
    ("MEA/04-1", Path("MEA/04-1", "", (step("MEA"),), (Element(4, component=1),), False)),
    ("LIN/02..", Path("LIN/02..", "", (step("LIN"),), (Element(2, last=language.LAST_ELEMENT),), False)),
    ("PER/03..08", Path("PER/03..08", "", (step("PER"),), (Element(3, last=8),), False)),
    ("AT7/05,06,07", Path("AT7/05,06,07", "", (step("AT7"),), (Element(5), Element(6), Element(7)), False)),
    ("nearest HL[O]@number", Path("nearest HL[O]@number", "nearest", (step("HL", "O"),), (), True)),
    ("outward HL[T,P]/01", Path("outward HL[T,P]/01", "outward", (step("HL", "T", "P"),), (Element(1),), False)),
    (
        "REF[01=BM, MB;03!=X;02]/02",
        Path(
            "REF[01=BM, MB;03!=X;02]/02",
            "",
            (
                Step(
                    "REF",
                    (),
                    (Condition(1, (b"BM", b"MB")), Condition(3, (b"X",), True), Condition(2, ())),
                ),
            ),
            (Element(2),),
            False,
        ),
    ),
]


@pytest.mark.parametrize(("text", "path"), PATHS, ids=[text for text, _ in PATHS])
def test_paths(text: str, path: Path):
    assert X12.expression(text) == Expression((Chain((path,), ()),))


def test_alternatives_constants_and_transforms():
    read = X12.expression("01 | code(party_role, word) | upper else ='two words' else =other")
    assert read.chains[0] == Chain((Path("01", "", (), (Element(1),), False),), (Call("code", ("party_role", "word")), Call("upper", ())))
    assert read.chains[1:] == (Chain((Constant("two words"),), ()), Chain((Constant("other"),), ()))


def test_sources_side_by_side():
    chain = X12.expression("DTM/02,03 nearest N1[01=SF] > N4/02 =US | moment").chains[0]
    assert [source.text for source in chain.sources] == ["DTM/02,03", "nearest N1[01=SF] > N4/02", "US"]


TESTS = [
    ("L11", None, False),
    ("not L11", None, True),
    ("AT7/03 = AB, XA", {"AB", "XA"}, False),
    ("AT7/03 != AB", {"AB"}, True),
    ("not 01 = AB", {"AB"}, True),
    ("not 01 != AB", {"AB"}, False),
    ("01 | code(x, classifier) = actual", {"actual"}, False),
]


@pytest.mark.parametrize(("text", "values", "negate"), TESTS, ids=[text for text, _, _ in TESTS])
def test_conditions(text: str, values: set[str] | None, negate: bool):
    read = X12.test(text)
    assert (read.values if read.values is None else set(read.values), read.negate) == (values, negate)


MISTAKES = [
    ("n1/02", "'/02'"),
    ("N1[01=ST/02", "cannot read"),
    ("N1[ST]/02", "no condition"),
    ("TD5/3", "cannot read"),
    ("TD5/00", "count from 1"),
    ("TD5/03 |", "transform is missing"),
    ("TD5/03 | else", "transform is missing"),
    ("TD5/03 > N4", "ends a path"),
    ("LX >", "segment is missing after '>'"),
    ("TD5/03 = 4", "cannot read"),
    ("TD5/03 code(x)", "not expected"),
    ("", "segment is missing"),
    ("date", "segment is missing"),
    ("X" * 3000, "longer than"),
]


@pytest.mark.parametrize(("text", "word"), MISTAKES, ids=[text[:20] for text, _ in MISTAKES])
def test_a_mistake_is_told_with_its_mend(text: str, word: str):
    with pytest.raises(LanguageError, match=r".") as caught:
        X12.expression(text)
    assert word in str(caught.value)


def test_a_path_to_segments_takes_no_element():
    with pytest.raises(LanguageError, match="only a segment"):
        X12.path("L11/02")
    assert [path.text for path in X12.paths("HL[S] else ST")] == ["HL[S]", "ST"]


@given(st.text(alphabet="ABHLNRST10279/[]=!>|(),.-@; 'nearstoudlph", max_size=60))
def test_any_text_is_an_expression_or_a_language_error(text: str):
    for read in (X12.expression, X12.test, X12.drop, X12.paths):
        with suppress(LanguageError):
            read(text)
