"""Sets against their guides: what stands where, how often, and what is told when it does not."""

import pytest

from partners.guides import shipped_guides
from tests.x12 import FIXTURES, SHIP_NOTICE, STRICT, group, interchange, only_set, read_all, read_at, short
from tests.x12_strategies import SHIPPED
from translators.document import Node
from translators.x12.groups import SETS_OF
from translators.x12.layout import places
from translators.x12.options import Limits, Options
from translators.x12.reader import read_sets

HEAD_940 = ["W05*N*D1", "N1*ST*X", "N3*A", "N4*TACOMA*WA"]
ITEM_940 = ["LX*1", "W01*1*EA**VN*X"]
HEAD_214 = ["B10*1*2*ABCD"]
STOP_214 = ["LX*1", "AT7*X6*NS***20261116*0905*CT"]


def findings(set_id: str, body: list[str], options: Options = STRICT, version: str = "004010") -> list[tuple[str, int, str, int | None]]:
    data = interchange(group([set_id, *body], functional=SETS_OF[set_id], version=version))
    return [short(finding) for finding in only_set(data, options).findings]


@pytest.mark.parametrize(
    ("set_id", "body", "expected"),
    [
        ("940", [*HEAD_940, *ITEM_940], []),
        ("940", [*HEAD_940, "W05*N*D2", *ITEM_940], [("W05", 6, "5", None)]),
        ("940", ["W05*N*D1", "W05*N*D2", *ITEM_940], [("W05", 3, "5", None)]),
        ("940", ["N1*ST*X", *ITEM_940], [("W05", 2, "3", None)]),
        ("940", [*HEAD_940, "LX*1", "N3*STREET", "W01*1*EA**VN*X"], [("N3", 7, "2", None)]),
        ("940", ["W05*N*D1", "N3*STREET"], [("N3", 3, "2", None)]),
        ("940", [*HEAD_940, "W01*1*EA**VN*X", "G69*ITEM"], [("W01", 6, "2", None)]),
        ("940", [*HEAD_940, *ITEM_940, "LM*AB", "LX*2", "W01*1*EA**VN*X"], [("LQ", 9, "3", None)]),
        ("940", [*HEAD_940, *ITEM_940, *["G69*X"] * 6], [("G69", 13, "5", None)]),
        ("940", ["W05*N*D1", *["N1*ST*X"] * 12], [("N1", 13, "4", None), ("N1", 14, "4", None)]),
        ("940", [*HEAD_940, "XX*1"], [("XX", 6, "1", None)]),
        ("214", [*HEAD_214, "LX*1", "AT7*X6*NS***20261116*0905*CT", "MS1", "MS2"], [("MS1", 5, "8", None), ("MS2", 6, "8", None)]),
        ("214", [*HEAD_214, "LX*1", "AT7*X6*NS***20261116*0905*CT", "MS1**"], [("MS1", 5, "8", None)]),
        ("940", [*HEAD_940, "BSN*1"], [("BSN", 6, "6", None)]),
        ("940", [*HEAD_940, "REFUGEE*1"], [("REF", 6, "1", None)]),
        ("940", [*HEAD_940, *ITEM_940, "LS*01", "LX*1", "N9*SE*1", "LX*2", "LE*01", "LX*2", "W01*1*EA**VN*X"], []),
        ("940", [*HEAD_940, *ITEM_940, "LS*01", "LX*1", "LE*02", "LX*2"], [("LE", 10, "7", 1)]),
        ("945", ["W06*F", "N9*BM*1"], [("N1", 3, "3", None)]),
        ("214", [*HEAD_214, *STOP_214, "MS1*OMAHA*NE", "L11*1*BM", "AT8*G*L*1"], []),
        ("214", [*HEAD_214, *STOP_214, "AT8*G*L*1", "L11*1*BM"], [("L11", 6, "7", None)]),
        ("856", ["BSN*00*A1*20261116*0905", "DTM*011*20261116"], [("HL", 4, "3", None)]),
        ("856", ["BSN*00*A1*20261116*0905", "HL*1**S", "CTT*1", "HL*2*1*I"], [("HL", 5, "7", None)]),
        ("997", ["AK1*SH*1", "AK2*856*0001", "AK9*A*1*1*1"], [("AK5", 4, "3", None)]),
    ],
)
def test_order_and_repetition(set_id: str, body: list[str], expected: list[tuple[str, int, str, int | None]]):
    assert findings(set_id, body) == expected


def test_findings_between_ls_and_le_bear_the_loop():
    body = ["940", *HEAD_940, *ITEM_940, "LS*0330", "LX*1", "N9*SE", "LE*0330", "LX*2", "W01*1*EA**VN*X", "N9*LT"]
    found = only_set(interchange(group(body, functional="OW"))).findings
    assert [(finding.segment, finding.loop) for finding in found if finding.segment == "N9"] == [("N9", "0330"), ("N9", None)]


@pytest.mark.parametrize(
    ("trailer", "codes"),
    [("SE*3*0001", []), ("SE*4*0001", ["4"]), ("SE**0001", ["4"]), ("SE*3*1", ["3"]), ("SE*9*2", ["4", "3"]), ("SE*3", ["3"])],
)
def test_the_trailer_is_counted_and_compared(trailer: str, codes: list[str]):
    segments = ["GS*OW*A*B*20261116*0905*1*X*004010", "ST*940*0001", "W05*N*D1", trailer, "GE*1*1"]
    assert only_set(interchange(segments)).codes == codes


@pytest.mark.parametrize(
    ("header", "codes"),
    [("ST*940*1", ["7"]), ("ST*940", ["7"]), ("ST*94*0001", ["6"]), ("ST*869*0001", ["1"]), ("ST*856*0001", ["18"]), ("ST*940*1234567890", ["7"])],
)
def test_the_header_of_a_set_has_its_codes(header: str, codes: list[str]):
    control = [*header.split("*"), ""][2]
    segments = ["GS*OW*A*B*20261116*0905*1*X*004010", header, "W05*N*D1", f"SE*3*{control}", "GE*1*1"]
    assert only_set(interchange(segments)).codes == codes


def test_a_set_without_an_agreement_is_rejected_and_not_looked_into():
    data = interchange(group(["940", "W05*?", "ZZ*1"], ["940", "W05*N*D1"], functional="OW"))
    _, (first,) = read_all(data)
    sets = list(read_sets(read_at(data), first.interchange, first.group, shipped_guides(), STRICT, agreed=frozenset({"856"})))
    assert [(one.codes, [finding.position for finding in one.findings], one.document()) for one in sets] == [(["1"], [0], None)] * 2


@pytest.mark.parametrize(
    ("leniency", "body", "verdicts"),
    [
        ("loose-order", [*HEAD_214, *STOP_214, "AT8*G*L*1", "L11*1*BM"], ("R", "E")),
        ("foreign-segment", [*HEAD_214, "ZZ*1", *STOP_214], ("R", "E")),
        ("implicit-loop", [*HEAD_214, "AT7*X6*NS***20261116*0905*CT"], ("R", "E")),
        ("extra-elements", ["B10*1*2*ABCD*****X", *STOP_214], ("A", "A")),
        ("long-text", [f"B10*{'1' * 31}*2*ABCD", *STOP_214], ("A", "A")),
    ],
)
def test_a_leniency_lowers_a_fault_or_silences_it(leniency: str, body: list[str], verdicts: tuple[str, str]):
    data = interchange(group(["214", *body], functional="QM"))
    assert only_set(data, Options("strict")).verdict == "R"
    reading = only_set(data, Options("strict", frozenset({leniency})))
    assert (reading.verdict_strict, reading.verdict_tolerant) == verdicts
    assert leniency in reading.warnings


@pytest.mark.parametrize(
    ("leniency", "change"),
    [
        ("count-off", ("SE*7*0001", "SE*6*0001")),
        ("number-padding", ("SE*7*0001", "SE*7*1")),
        ("short-set-control", ("*0001", "*1")),
        ("empty-segment", ("REF*BM*B1~", "REF*BM*B1~~")),
        ("wrapped-lines", ("A1*2026", "A1*20\r\n26")),
        ("mixed-tails", ("~REF", "~ \tREF")),
        ("version-mismatch", ("X*004010", "X*00401")),
        ("hl-loose", ("HL*2*1*I", "HL*2*9*I")),
        ("latin-1-fallback", ("REF*BM*B1", "REF*BM*B\xd61")),
        ("date-six", ("DTM*011*20261116", "DTM*011*261116")),
    ],
)
def test_a_leniency_for_reading_is_off_until_named(leniency: str, change: tuple[str, str]):
    notice = ["856", "BSN*00*A1*20261116*0905", "DTM*011*20261116", "HL*1**S", "REF*BM*B1", "HL*2*1*I"]
    data = interchange(group(notice)).decode("latin-1")
    changed = data.replace(*change).encode("latin-1")
    assert changed != data.encode("latin-1")

    def verdict(*allow: str) -> list[str]:
        _, groups = read_all(changed, Options("strict", frozenset(allow)))
        return [str(one.verdict) for each in groups for one in each.sets]

    assert only_set(data.encode("latin-1")).verdict == "A"
    assert verdict() != ["A"]
    assert verdict(leniency) == ["A"]


def test_an_older_shape_under_a_newer_version_is_read_if_allowed():
    data = (FIXTURES / "x12" / "214-old-shape-under-005010.edi").read_bytes()
    assert only_set(data).verdict == "R"
    reading = only_set(data, Options("strict", frozenset({"loose-order"})))
    assert (reading.verdict, reading.release, reading.warnings) == ("A", "004010", ["loose-order"])
    assert "shape of 004010" in reading.note
    document = reading.document()
    assert document is not None
    assert [node.tag for node in document.root.children] == ["B10", "L11", "N1", "LX", "SE"]


def test_other_releases_are_read_with_the_nearest_and_say_so():
    for version, release in [("003060", "004010"), ("004030", "004010"), ("004010VICS", "004010"), ("005030", "005010"), ("008010", "005010")]:
        reading = only_set(interchange(group(SHIP_NOTICE, version=version)))
        assert (reading.release, bool(reading.note)) == (release, version[:6] != release)


def test_a_set_cut_by_the_end_of_its_group_is_told():
    segments = ["GS*SH*A*B*20261116*0905*1*X*004010", "ST*856*0001", *SHIP_NOTICE[1:], "GE*1*1"]
    reading = only_set(interchange(segments))
    assert (reading.codes, reading.segments, reading.verdict_tolerant) == (["2"], 7, "R")


def test_a_segment_over_the_limit_is_refused_and_the_next_is_read():
    options = Options("strict", limits=Limits(segment_bytes=2000))
    notice = [*SHIP_NOTICE]
    notice[3] = "REF*BM*" + "X" * 5_000_000
    _, (first,) = read_all(interchange(group(notice, SHIP_NOTICE)), options)
    assert [one.verdict_tolerant for one in first.sets] == ["R", "A"]
    (finding,) = first.sets[0].findings
    assert (finding.segment, finding.position, finding.byte_end - finding.byte_start) == ("REF", 4, 5_000_007)


def test_an_element_without_a_definition_is_limited_all_the_same():
    for size, faults in [(300, []), (33_000, [("GF", 8, "5", 2)])]:
        assert [short(one) for one in only_set(interchange(group([*SHIP_NOTICE, f"GF*A*{'X' * size}"]))).findings] == faults


def test_findings_are_limited_and_the_rest_counted():
    options = Options("strict", limits=Limits(findings=10))
    reading = only_set(interchange(group([*SHIP_NOTICE, *["REF*BM"] * 25])), options)
    assert (len(reading.findings), reading.findings[-1].text) == (11, "15 more findings are not listed")


def test_a_set_over_the_limit_is_checked_but_has_no_document():
    options = Options("strict", limits=Limits(set_bytes=50))
    reading = only_set(interchange(group(SHIP_NOTICE)), options)
    assert (reading.oversize, reading.verdict, reading.document()) == (True, "A", None)


# The tree.


def outline_of(node: Node) -> object:
    return [node.tag, *map(outline_of, node.children)] if node.children else node.tag


def test_loops_hang_below_the_segment_that_opens_them():
    reading = only_set((FIXTURES / "x12" / "940-bounded-loop.edi").read_bytes())
    document = reading.document()
    assert document is not None
    lx = [node for node in document.root.children if node.tag == "LX"]
    inner = ["LS", ["LX", "N9"], ["LX", "N9"], "LE"]
    assert outline_of(lx[0]) == ["LX", ["W01", "G69", "N9", inner]]
    assert outline_of(lx[1]) == ["LX", ["W01", "G69"]]


def test_hl_loops_hang_below_their_parent():
    document = only_set((FIXTURES / "x12" / "856-pick-and-pack.edi").read_bytes()).document()
    assert document is not None

    def levels(node: Node) -> object:
        return (node.level, [levels(child) for child in node.children if child.tag == "HL"])

    (shipment,) = [node for node in document.root.children if node.tag == "HL"]
    assert levels(shipment) == ("S", [("O", [("P", [("I", []), ("I", [])]), ("P", [("I", [])])])])
    assert [node.tag for node in document.root.children] == ["BSN", "DTM", "HL", "CTT", "SE"]


def test_every_place_of_every_guide_can_be_reached():
    """A place that no step reaches is an error in a guide."""
    for which in SHIPPED:
        guide = shipped_guides().guide(*which)
        assert guide is not None
        reached = {guide.layout.root.first}
        waiting = [guide.layout.root.first]
        while waiting:
            at = waiting.pop()
            for tag in guide.layout.tags:
                step = guide.layout.forward(at, tag)
                if step and not step.code and step.place not in reached:
                    reached.add(step.place)
                    waiting.append(step.place)
        assert reached == set(places(guide.layout.root)), which
