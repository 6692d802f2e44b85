"""Sets made from the guides: every place and element of every guide is reached, no right set has a finding, and what is changed is found.

How far the making reached is printed (pytest -rP).
"""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partners.guides import shipped_guides
from tests.test_x12_laws import LENIENT, everything
from tests.x12 import STRICT, only_set, read_all, read_at
from tests.x12_strategies import (
    SHIPPED,
    MadeSet,
    Terms,
    Value,
    by_chance,
    guide_of,
    made_set,
    path_of,
    reachable,
    rules_of,
    valid_interchanges,
    valid_sets,
    written,
)
from translators.document import Delimiters
from translators.x12.envelope import outline
from translators.x12.layout import Layout, places
from translators.x12.report import check_report

ODD = Terms(odd=True)
NAMES = [f"{set_id}-{release}" for set_id, release in SHIPPED]
EACH_GUIDE = pytest.mark.parametrize(("set_id", "release"), SHIPPED, ids=NAMES)
ANY_GUIDE = st.sampled_from(SHIPPED).map(lambda which: guide_of(*which))
ANY_SET = ANY_GUIDE.flatmap(lambda guide: valid_sets(guide, ODD))
TEXTS = ANY_GUIDE.flatmap(lambda guide: valid_sets(guide, Terms(without=frozenset({"EFI", "BIN", "BDS"}))))
"""Sets without binary data, whose bytes are told apart by their delimiters alone."""


@EACH_GUIDE
def test_every_place_and_element_is_reached_and_right(set_id: str, release: str):
    guide = guide_of(set_id, release)
    due, reached = reachable(guide), set[tuple[str, int]]()
    for place in places(guide.layout.root):
        here = {one for one in due if one[0] == path_of(place)}
        for turn in range(200):
            made = made_set(guide, by_chance((place.number, turn)), ODD, wanted=[place])
            reading = only_set(written([made]))
            assert [finding.text for finding in reading.findings] == []
            assert reading.verdict == "A"
            reached.update(made.reached())
            if turn > 1 and here <= reached:
                break
    print(f"{set_id} {release}: {len(reached & due)} of {len(due)} places and elements reached")
    assert reached == due


@EACH_GUIDE
@given(st.data())
@settings(max_examples=15, deadline=None)
def test_a_right_set_has_no_finding(set_id: str, release: str, data: st.DataObject):
    made = data.draw(valid_sets(guide_of(set_id, release), ODD))
    reading = only_set(written([made]))
    assert ([finding.text for finding in reading.findings], reading.codes, reading.verdict) == ([], [], "A")
    assert (reading.segments, reading.release) == (len(made.segments), release)
    document = reading.document()
    assert document is not None
    assert [node.segment.position for node in document.root.walk()] == list(range(1, len(made.segments) + 1))


def with_segments(made: MadeSet, keep: Sequence[int]) -> MadeSet:
    """The set of these segments of another, in this order, SE01 made right."""
    segments = [made.segments[at] for at in keep]
    segments[-1] = (segments[-1][0], str(len(keep)), *segments[-1][2:])
    return MadeSet(made.guide, tuple(segments), tuple(made.uses[at] for at in keep))


@given(ANY_SET, st.data())
@settings(max_examples=50, deadline=None)
def test_a_mandatory_segment_left_out_is_missed(made: MadeSet, data: st.DataObject):
    """Without LE the next LX counts as an inner one, so that one is left in."""
    gone = {place.number: place for place in made.uses if place.required and place.tag != "LE" and place is not place.loop.items[0]}
    gone.pop(made.uses[-1].number)
    if not gone:
        return
    place = data.draw(st.sampled_from(list(gone.values())))
    keep = [at for at, use in enumerate(made.uses) if use is not place]
    findings = only_set(written([with_segments(made, keep)])).findings
    assert (place.tag, "3") in [(finding.segment, finding.code) for finding in findings]
    assert {finding.code for finding in findings} <= {"3", "2"}


@given(ANY_SET, st.data())
@settings(max_examples=50, deadline=None)
def test_a_mandatory_element_left_out_is_missed(made: MadeSet, data: st.DataObject):
    """ST and SE, whose elements have codes of their own, are judged by another law; HL01 is missed by its children, too."""
    places_ = [
        (at, number)
        for at in range(1, len(made.segments) - 1)
        for number, element in enumerate(rules_of(made.guide, made.uses[at].tag).elements, start=1)
        if element.required == "M" and made.uses[at].tag in made.guide.dictionary.segments and element.kind != "B" and made.uses[at].tag != "BIN"
    ]
    at, number = data.draw(st.sampled_from(places_))
    values: list[Value] = list(made.segments[at])
    values[number] = ""
    while not values[-1]:
        values.pop()
    changed = MadeSet(made.guide, (*made.segments[:at], tuple(values), *made.segments[at + 1 :]), made.uses)
    found = [(one.position, one.element, one.code) for one in only_set(written([changed])).findings if one.kind != "hl"]
    assert (at + 1, number, "1") in found
    assert {(position, code) for position, _, code in found} <= {(at + 1, "1"), (at + 1, "2")} or made.uses[at].tag in ("LS", "LE")


@given(TEXTS, st.sampled_from(["delete", "double"]), st.data())
@settings(max_examples=50, deadline=None)
def test_a_lost_or_doubled_segment_is_counted(made: MadeSet, change: str, data: st.DataObject):
    """Every segment between ISA and IEA: the set's by SE01, the envelope's by their own counts and numbers."""
    segments = written([made, made]).split(b"~")[:-1]
    at = data.draw(st.integers(1, len(segments) - 1))
    changed = segments[:at] + segments[at : at + 1] * (2 if change == "double" else 0) + segments[at + 1 :]
    assert judged(b"~".join([*changed, b""])) != judged(b"~".join([*segments, b""]))


@given(ANY_GUIDE.flatmap(lambda guide: valid_interchanges(guide)), st.data())
@settings(max_examples=40, deadline=None)
def test_a_changed_count_or_number_is_found(interchange: bytes, data: st.DataObject):
    """SE, GE and IEA, ST02, GS06 and ISA13: another digit, a digit more, none, or no digit."""
    segments = interchange.split(b"~")
    counted = {b"SE": (1, 2), b"GE": (1, 2), b"IEA": (1, 2), b"ST": (2,), b"GS": (6,), b"ISA": (13,)}
    candidates = [(at, number) for at, segment in enumerate(segments) for number in counted.get(segment.split(b"*")[0], ())]
    at, number = data.draw(st.sampled_from(candidates))
    fields = segments[at].split(b"*")
    right = fields[number]
    digits = st.from_regex(rb"[0-9]{%d}" % len(right), fullmatch=True)
    others = st.one_of(digits, st.sampled_from([b"", right + b"1", b"1" + right, right[:-1] + b"x", right[1:]]))
    fields[number] = data.draw(others.filter(lambda value: value.lstrip(b"0") != right.lstrip(b"0")))
    segments[at] = b"*".join(fields)
    assert judged(b"~".join(segments)) != judged(interchange)


def judged(data: bytes) -> object:
    """TA1 notes, the groups' and the sets' codes and verdicts, and what is left over."""
    found, groups = read_all(data)
    return (
        found.leftover_bytes,
        [one.ta1 for one in found.interchanges],
        [(each.group.codes, [(one.codes, one.verdict) for one in each.sets]) for each in groups],
    )


@given(TEXTS, st.data())
@settings(max_examples=30, deadline=None)
def test_an_interchange_cut_anywhere_is_told(made: MadeSet, data: st.DataObject):
    whole = written([made])
    cut = data.draw(st.integers(1, len(whole) - 2))
    found = outline(read_at(whole[:cut]), cut, STRICT)
    assert [one.ta1 for one in found.interchanges] == ["023"] if found.interchanges else found.findings


OTHERS = [
    Delimiters(b"|", b"<", b"`", b"{"),
    Delimiters(b"\x1d", b"\x1f", b"\x1e", b"\x1c"),
    Delimiters(b"\x07", b">", b"\\", b"\x85"),
    Delimiters(b"\t", b">", b"\\", b"\n"),
    Delimiters(b"|", b">", b"\\", "…".encode()),
    Delimiters(b"|", "¦".encode(), b"\\", "Ö".encode()),
]


@given(TEXTS, st.sampled_from(OTHERS), st.sampled_from(["", "\r\n", "\n\n"]))
@settings(max_examples=30, deadline=None)
def test_other_delimiters_change_nothing(made: MadeSet, delimiters: Delimiters, tail: str):
    reading = only_set(written([made], delimiters=delimiters, tail=tail if delimiters.segment != b"\n" else ""))
    assert ([finding.text for finding in reading.findings], reading.codes, reading.verdict) == ([], [], "A")
    document = reading.document()
    assert document is not None
    plain = only_set(written([made])).document()
    assert plain is not None

    def text(value: bytes, marks: Delimiters) -> tuple[bytes, ...]:
        return tuple(value.split(marks.component))

    for one, other in zip(document.root.walk(), plain.root.walk(), strict=True):
        assert [text(value, delimiters) for value in one.segment.elements] == [text(value, plain.delimiters) for value in other.segment.elements]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A right interchange with segments lost, doubled, moved, elements changed, bytes flipped, cut short, or with other delimiters midway."""
    made = draw(ANY_SET)
    data = written([made] * draw(st.integers(1, 2)), tail=draw(st.sampled_from(["", "\n"])))
    for _ in range(draw(st.integers(1, 5))):
        segments = data.split(b"~")
        at, to = draw(st.integers(0, len(segments) - 1)), draw(st.integers(0, len(segments) - 1))
        match draw(st.sampled_from(["delete", "double", "move", "element", "flip", "cut", "delimiter", "blanks"])):
            case "delete":
                del segments[at]
            case "double":
                segments.insert(to, segments[at])
            case "move":
                segments.insert(to, segments.pop(at))
            case "element":
                fields = segments[at].split(b"*")
                fields[draw(st.integers(0, len(fields) - 1))] = draw(st.binary(max_size=6) | st.sampled_from([b"HL", b"ST", b"LX", b"99999999"]))
                segments[at] = b"*".join(fields)
            case "blanks":
                segments[at] = draw(st.sampled_from([b" ", b"\n", b"\t", b"\r\n  ", b"\xef\xbb\xbf"])) + segments[at]
            case "flip":
                place = draw(st.integers(0, max(len(data) - 1, 0)))
                segments = [data[:place] + bytes((draw(st.integers(0, 255)),)) + data[place + 1 :]]
            case "cut":
                segments = [data[: draw(st.integers(0, len(data)))]]
            case "delimiter":
                segments[at:] = [b"~".join(segments[at:]).replace(b"~", draw(st.sampled_from([b"~\n~", b"'", b"\n", b"*"])))]
        data = b"~".join(segments)
    return data


@given(mutated(), st.sampled_from([STRICT, LENIENT]))
@settings(max_examples=75, deadline=None)
def test_whatever_becomes_of_a_set_there_is_a_report(data: bytes, options):
    everything(data, options)


@given(mutated(), st.sampled_from([STRICT, LENIENT]))
@settings(max_examples=30, deadline=None)
def test_the_work_is_bounded_by_the_bytes(data: bytes, options):
    """Bytes asked for and steps of the loop machine, both counted: never more than a constant times what came."""
    asked = steps = 0

    def read(offset: int, length: int) -> bytes:
        nonlocal asked
        asked += len(data[offset : offset + length])
        return data[offset : offset + length]

    def counted(layout: Layout, *rest, **named):
        nonlocal steps
        steps += 1
        return forward(layout, *rest, **named)

    forward = Layout.forward
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Layout, "forward", counted)
        check_report(read, len(data), shipped_guides(), options)
    assert asked <= 10 * len(data) + 400 * (data.count(b"ISA") + 1) * 3
    assert steps <= 20 * (data.count(b"~") + data.count(b"\n") + 2)
