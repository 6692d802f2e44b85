"""The envelope pass: delimiters proven by place, one TA1 note for each fault, groups judged alone."""

import pytest

from tests.x12 import SHIP_NOTICE, STRICT, group, interchange, isa, read_all, read_at
from translators.x12 import blocks, envelope, envelope_scan
from translators.x12.envelope import outline
from translators.x12.options import LENIENCIES, Limits, Options

PLAIN = group(SHIP_NOTICE)


def one(data: bytes, options: Options = STRICT) -> envelope.Interchange:
    found = outline(read_at(data), len(data), options)
    assert len(found.interchanges) == 1
    return found.interchanges[0]


@pytest.mark.parametrize(
    ("element", "value", "note"),
    [
        ("e1", "9X", "010"),
        ("e2", "\x01" * 10, "011"),
        ("e3", "02", "012"),
        ("e4", "\x01" * 10, "013"),
        ("e5", "A1", "005"),
        ("e6", " " * 15, "006"),
        ("e7", "00", "007"),
        ("e8", " " * 15, "008"),
        ("e9", "260230", "014"),
        ("e10", "2400", "015"),
        ("e11", "^", "016"),
        ("e12", "00900", "017"),
        ("e13", "00000001 ", "018"),
        ("e14", "2", "019"),
        ("e15", "X", "020"),
        ("e16", "A", "027"),
        ("e16", "*", "027"),
    ],
)
def test_an_isa_fault_has_its_note(element: str, value: str, note: str):
    found = one(interchange(PLAIN, header=isa(**{element: value})))
    assert (found.ta1, found.rejected, found.groups) == (note, True, [])


def test_the_first_fault_from_the_left_decides():
    assert one(interchange(PLAIN, header=isa(e15="X", e9="999999"))).ta1 == "014"


@pytest.mark.parametrize(
    ("ending", "note"),
    [
        (["IEA*1*000000002"], "001"),
        (["IEA*2*000000001"], "021"),
        (["IEA*x*000000001"], "021"),
        ([], "023"),
        (["REF*BM*1", "IEA*1*000000001"], "022"),
        (["SE*3*0001", "IEA*1*000000001"], "022"),
        (["ST*856*0001", "IEA*1*000000001"], "022"),
        (["GE*1*1", "IEA*1*000000001"], "022"),
    ],
)
def test_a_fault_of_structure_has_its_note(ending: list[str], note: str):
    data = "".join(f"{segment}~" for segment in [isa(), *PLAIN, *ending]).encode()
    assert one(data).ta1 == note


@pytest.mark.parametrize(
    ("header", "codes"),
    [
        ("GS*QX*A*B*20261116*0905*1*X*004010", ["1"]),
        ("GS*SH*A*B*20261116*0905*1*X*99", ["2"]),
        ("GS*SH*A*B*20261116*0905*A1*X*004010", ["6", "4"]),
    ],
)
def test_a_group_header_has_its_codes(header: str, codes: list[str]):
    assert one(interchange([header, *PLAIN[1:]])).groups[0].codes == codes


def test_a_gs_with_elements_missing_rejects_the_interchange():
    assert one(interchange(["GS*SH*A*B*20261116*0905*1*X", *PLAIN[1:]])).ta1 == "024"


def test_an_empty_segment_in_the_envelope_is_told():
    found = one(interchange(PLAIN).replace(b"~GE", b"~\n~~GE"))
    assert (found.ta1, found.warnings) == (None, ["empty-segment"])


def test_groups_are_judged_alone():
    groups = [group(SHIP_NOTICE, control="1"), group(SHIP_NOTICE, control="01"), [*group(SHIP_NOTICE, control="3")[:-1], "GE*2*3"]]
    assert [each.codes for each in one(interchange(*groups)).groups] == [[], ["19"], ["5"]]


@pytest.mark.parametrize("terminator", ["~", "'", "\n", "\r", "\x1c", "\x85", "…", "Ö"])
@pytest.mark.parametrize("separator", ["*", "|", "\t", "\x1d", "^"])
@pytest.mark.parametrize("component", [":", ">", "¦"])
def test_any_delimiters_are_read_by_their_place(terminator: str, separator: str, component: str):
    data = interchange(PLAIN).decode("latin-1").replace("~", "\0").replace("*", separator).replace(":", component).replace("\0", terminator)
    found, groups = read_all(data.encode("latin-1" if terminator == "\x85" and component != "¦" else "utf-8"))
    assert [(each.group.codes, [reading.verdict for reading in each.sets]) for each in groups] == [([], ["A"])]
    assert found.interchanges[0].delimiters.segment.decode("latin-1" if terminator == "\x85" and component != "¦" else "utf-8") == terminator


@pytest.mark.parametrize("tail", ["", "\n", "\r\n", "\n\n"])
def test_line_ends_after_terminators_are_no_data(tail: str):
    found, groups = read_all(interchange(PLAIN, tail=tail))
    assert found.leftover_bytes == 0
    assert groups[0].sets[0].verdict == "A"


def test_an_unpadded_isa_is_found_by_counting():
    header = isa(e6="ACME", e2="", e4="")
    assert one(interchange(PLAIN, header=header)).ta1 == "011"
    lenient = one(interchange(PLAIN, header=header), Options("strict", frozenset({"unpadded-isa"})))
    assert (lenient.ta1, lenient.sender, lenient.warnings) == (None, "ACME", ["unpadded-isa"])


def test_a_missing_isa16_is_told_and_not_misread():
    data = (isa(e16="").removesuffix("*") + "*~\n").encode() + "".join(f"{segment}~\n" for segment in [*PLAIN, "IEA*1*000000001"]).encode()
    found = one(data)
    assert (found.ta1, found.delimiters.segment) == ("027", b"~")


UNPADDED, WRAPPED, BLANKS = (Options("strict", frozenset({name})) for name in ("unpadded-isa", "wrapped-lines", "mixed-tails"))
REST = "".join(f"{segment}~\n" for segment in [*PLAIN, "IEA*1*000000001"])


@pytest.mark.parametrize(
    ("head", "note"),
    [
        (isa(e16="").removesuffix("*") + "*~\n", "027"),
        (isa(e16="").removesuffix("*") + "~\n", "027"),
        (isa(e6="ACME", e16="").removesuffix("*") + "*~\n", "027"),
        (isa(e13="1") + "~\n", "018"),
    ],
)
def test_what_an_isa_lacks_is_told_and_read_where_allowed(head: str, note: str):
    data = (head + (REST.replace("*000000001", "*1") if note == "018" else REST)).encode()
    assert one(data).findings[0].leniency == "unpadded-isa"
    assert (one(data).ta1, one(data).delimiters.segment) == (note, b"~")
    found, groups = read_all(data, UNPADDED)
    assert (found.interchanges[0].ta1, found.interchanges[0].warnings) == (None, ["unpadded-isa"])
    assert [each.sets[0].verdict for each in groups] == ["A"]


def test_an_id_that_is_empty_is_refused_with_or_without_its_padding():
    assert one((isa(e6="") + "~" + REST).encode(), UNPADDED).ta1 == "006"


@pytest.mark.parametrize("width", [80, 72, 40])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_wrapped_at_a_width_are_read_where_allowed(width: int, end: str):
    text = interchange(group(*[SHIP_NOTICE] * 3)).decode()
    data = end.join(text[at : at + width] for at in range(0, len(text), width)).encode()
    assert one(data).rejected
    assert "wrapped-lines" in {finding.leniency for finding in one(data).findings}
    found, groups = read_all(data, WRAPPED)
    assert (found.interchanges[0].ta1, found.interchanges[0].warnings, found.leftover_bytes) == (None, ["wrapped-lines"], 0)
    assert [(each.group.codes, [one.verdict for one in each.sets]) for each in groups] == [([], ["A"] * 3)]
    assert {len(one.document().root.children) for each in groups for one in each.sets} == {3}  # type: ignore[union-attr]


def test_blanks_before_segments_are_told_once_and_read_where_allowed():
    data = interchange(PLAIN).replace(b"~", b"~\n   ").rstrip()
    assert [(finding.code, finding.leniency) for finding in one(data).findings] == [("022", "mixed-tails")]
    found, groups = read_all(data, BLANKS)
    assert (found.interchanges[0].warnings, groups[0].sets[0].verdict) == (["mixed-tails"], "A")


def test_what_is_for_the_network_is_read_past():
    data = interchange(["ISB*1", "ISE*200601*0515*04", "TA3*1", *PLAIN])
    assert (one(data).ta1, [finding.severity for finding in one(data).findings]) == (None, ["warning"] * 3)
    assert one(interchange([*PLAIN, "ISB*1"])).ta1 == "022"


def test_segments_that_run_into_each_other_are_refused():
    data = "".join([isa(), *PLAIN, "IEA*1*000000001"]).encode()
    assert "segment terminator is missing" in one(data).findings[0].text


def test_a_last_control_number_that_is_wrong_is_no_cut():
    data = interchange(PLAIN).replace(b"IEA*1*000000001~", b"IEA*1*000000049")
    assert one(data).ta1 == "001"


def test_a_separator_inside_an_id_of_gs_is_told():
    found = one(interchange(["GS*SH*AC*ME*CROSSDOCK*20261116*0905*1*X*004010", *PLAIN[1:]]))
    assert "GS has 9 elements" in found.findings[0].text
    assert found.groups[0].codes


def test_bare_letters_are_no_header():
    data = b"PAY BY VISA*00*1 OR ISA CARD\r\n" + interchange(PLAIN)
    found = outline(read_at(data), len(data), STRICT)
    assert len(found.interchanges) == 1
    assert found.leftover_bytes == len(b"PAYBYVISA*00*1ORISACARD")
    assert found.warnings == ["leftover-bytes"]


def test_an_interchange_cut_short_does_not_cost_the_next():
    whole = interchange(PLAIN, control="000000002")
    for cut in range(110, len(whole) - 1, 7):
        data = interchange(PLAIN)[:cut] + whole
        found = outline(read_at(data), len(data), STRICT)
        assert [(each.ta1 is None, each.byte_start) for each in found.interchanges] == [(False, 0), (True, cut)], cut


def test_every_cut_of_an_interchange_is_noticed():
    data = interchange(PLAIN)
    for cut in range(106, len(data) - 1):
        assert outline(read_at(data[:cut]), cut, STRICT).interchanges[0].ta1 == "023", cut


def test_the_last_terminator_may_be_missing_and_is_told():
    found = one(interchange(PLAIN)[:-1])
    assert (found.ta1, [(finding.severity, finding.text) for finding in found.findings]) == (
        None,
        [("warning", "the last segment terminator is missing")],
    )


def test_the_same_control_number_again_in_one_message():
    again = interchange(PLAIN) * 2
    found = outline(read_at(again), len(again), STRICT)
    assert [each.ta1 for each in found.interchanges] == [None, "025"]
    allowed = outline(read_at(again), len(again), Options("strict", frozenset({"same-again"})))
    assert [(each.ta1, each.repeats) for each in allowed.interchanges] == [(None, None), (None, 0)]


def test_what_was_rejected_was_not_seen():
    data = interchange(PLAIN, header=isa(e15="X")) + interchange(PLAIN)
    assert [each.ta1 for each in outline(read_at(data), len(data), STRICT).interchanges] == ["020", None]


def test_duplicate_sets_are_told_by_their_ordinal():
    body = [f"ST*856*{number}" for number in ("0001", "0002", "0001", "0004", "A", "A", "1", "0003", "0004")]
    segments = [PLAIN[0], *(segment for header in body for segment in (header, "SE*2*x")), "GE*9*1"]
    assert one(interchange(segments)).groups[0].duplicate_sets == {2, 5, 8}


def test_a_million_sets_take_no_memory_of_their_own():
    numbers = envelope.Controls()
    for number in range(100_000):
        numbers.take(number, b"%09d" % number)
    assert numbers.duplicates == []
    assert sum(len(ranges) for ranges in numbers._ranges.values()) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\xc9\xe2\xc1\x5c", "EBCDIC"),
        (b"UNB+UNOA:1", "EDIFACT"),
        (b"<?xml version='1.0'?>", "XML"),
        (b"GS*SH*A*B~", "begins with a group"),
        (b"ISA*00*          *00*          *08*A~\nGS*OW*A", "has 6 elements"),
        (b"ISA00          00          ZZACME", "separates the elements"),
        (b"isa*00*", "small letters"),
        (isa().encode()[:104], "cannot be told from what follows"),
        (b"hello", "does not look like X12"),
    ],
)
def test_what_is_no_interchange_is_refused_in_words(data: bytes, words: str):
    (finding,) = outline(read_at(data), len(data), STRICT).findings
    assert words in finding.text


@pytest.mark.parametrize("size", [107, 113, 150, 211, 400])
def test_chunks_change_nothing(size: int, monkeypatch: pytest.MonkeyPatch):
    binary = ["214", "B10*1*2*ABCD", "LX*1", "EFI*ZZ", "BIN*30*~SE*1*0001~GE*1*1~IEA*1*0000~", "EFI*ZZ", "BIN*3*ISA"]
    data = b"junk" + interchange(PLAIN, group(binary, functional="QM", control="2"), tail="\r\n") + b"more" + interchange(PLAIN, control="000000009")
    whole = outline(read_at(data), len(data), STRICT), [each.sets for each in read_all(data)[1]]
    for module in (blocks, envelope, envelope_scan):
        monkeypatch.setattr(module, "CHUNK", size)
    found = outline(read_at(data), len(data), STRICT)
    assert found == whole[0]
    assert [each.byte_start for each in found.interchanges] == [4, data.index(b"more") + 4]
    for left, right in zip(whole[1], [each.sets for each in read_all(data)[1]], strict=True):
        assert [(a.byte_start, a.byte_end, a.verdict, a.segments, a.findings) for a in left] == [
            (b.byte_start, b.byte_end, b.verdict, b.segments, b.findings) for b in right
        ]
        assert all(a.verdict == "A" for a in left)


@pytest.mark.parametrize(
    ("segment", "note"),
    [("BIN*4*ABC", "022"), ("BIN*X*ABC", "022"), ("BIN*999999*ABC", "023"), ("BIN*99999999999*ABC", "023")],
)
def test_a_wrong_length_of_binary_data_rejects_the_interchange(segment: str, note: str):
    data = interchange(group(["214", "B10*1*2*ABCD", "LX*1", "EFI*ZZ", segment], functional="QM"))
    assert one(data).ta1 == note


def test_binary_data_over_the_limit_is_refused_before_it_is_read():
    data = interchange(group(["214", "B10*1*2*ABCD", "LX*1", "EFI*ZZ", f"BIN*2000*{'x' * 2000}"], functional="QM"))
    assert one(data).ta1 is None
    assert one(data, Options("strict", limits=Limits(binary_bytes=1000))).ta1 == "024"


def test_a_leniency_that_is_none_is_refused_by_name():
    with pytest.raises(ValueError, match="no leniency is called kindness"):
        Options("strict", frozenset({"kindness"}))
    assert Options("strict", frozenset(LENIENCIES)).allow == LENIENCIES.keys()
