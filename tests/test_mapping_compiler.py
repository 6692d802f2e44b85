"""Compiling mappings: every mistake with its place and mend; overlays; and what a compiled mapping does with small documents."""

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partners.mappings import MappingLibrary, shipped, words_of
from partners.positioned import load
from tests.mapping_fixtures import context
from translators.document import Delimiters, Document, Node, Segment
from translators.mapping import CompiledMapping, MappingError, MappingProblem, Written, compile_mapping, effective_text, lay_over

SOUND = """\
title: a trial
event: shipment.status
each: LX > AT7
identity:
  business: [B10/03, B10/02]
  event: AT7/01
  subject: {shipment: B10/02}
  time: [occurred_at]
fields:
  shipment_id: B10/02
  carrier:
    scac: B10/03
  event: AT7/01 | code(shipment_status)
  milestone: AT7/01 | code(shipment_status, milestone)
  classifier: AT7/01 | code(shipment_status, classifier)
  status:
    code: AT7/01
    element: AT7/01 | means(1650)
  occurred_at: AT7/05,06,07 | moment
  references[]:
    each: L11
    type: 02 | code(reference_type)
    value: 01
drops:
  ST: the header
"""


def written(text: str, file: str = "trial.yaml") -> Written:
    return Written.of(*load(text), file)


def compiled(text: str, *overlays: str) -> CompiledMapping:
    whole = written(text)
    for number, overlay in enumerate(overlays):
        whole = lay_over(whole, written(overlay, f"overlay{number}.yaml"))
    return compile_mapping(
        whole, tables=shipped().tables(), shapes=shipped().shapes("x12/214"), words=words_of("x12/214", Written({}))[0], name="trial"
    )


def document(text: str) -> Document:
    """A tree in which AT7, L11 and N1 hang in the LX before them, N4 in its N1; enough for these trials."""
    nodes: dict[str, Node] = {}
    for position, line in enumerate(text.split("~"), start=1):
        elements = line.encode().split(b"*")
        tag = elements[0].decode()
        node = Node(tag, Segment(tag, elements, position, position * 100, position * 100 + len(line) + 1), [])
        parent = nodes.get({"N4": "N1", "MS1": "AT7"}.get(tag, "LX" if tag in ("AT7", "L11", "N1") else "ST"), nodes.get("ST"))
        node.parent = parent
        if parent is not None:
            parent.children.append(node)
        nodes[tag] = node
    return Document("214", "004010", nodes["ST"], Delimiters(b"*", b":", b"^", b"~"))


SMALL = "ST*214*0001~B10*55*SHP1*NWFX~L11*BOL1*BM~LX*1~AT7*X3*NS***20261116*0915*CT~L11*3*QN~AT7*AF*NS***20261116*1000*CT"


def test_the_sound_one_compiles_and_reads():
    mapped = compiled(SOUND).read(document(SMALL), context())
    assert [event.data["event"] for event in mapped.events] == ["pickup.arrived", "pickup.departed"]
    assert [event.time for event in mapped.events] == ["2026-11-16T09:15:00-06:00", "2026-11-16T10:00:00-06:00"]
    assert mapped.events[0].data["references"] == [{"type": "stop", "value": "3"}]
    assert mapped.events[0].data["evidence"]["segments"] == [5, 5]
    assert [entry.path for entry in mapped.unmapped] == ["B10/01", "L11/01", "L11/02", "LX/01", "LX > AT7/02"]
    assert mapped.unmapped[-1].values == 2


# what is changed, to what, the line it is told at, a word of the telling
MISTAKES = [
    ("event: shipment.status", "event: shipment.gone", 2, "there is no event 'shipment.gone'"),
    ("each: LX > AT7", "each: LX > AT7/01", 3, "only a segment"),
    ("each: LX > AT7", "eech: LX > AT7", 3, "did you mean 'each'"),
    ("  time: [occurred_at]", "  time: [happened_at]", 8, "no field 'happened_at'"),
    ("  time: [occurred_at]", "  time: [shipment_id]", 8, "that is a moment"),
    ("  event: AT7/01\n", "  event: AT7/05 | date\n", 6, "must give a text"),
    ("  subject: {shipment: B10/02}", "  subject: B10/02", 7, "what the event is about"),
    ("  business: [B10/03, B10/02]", "  business: [B10/03, B10]", 5, "must name one element"),
    ("  shipment_id: B10/02", "  shipmentid: B10/02", 10, "did you mean 'shipment_id'"),
    ("  shipment_id: B10/02\n", "", 10, "must give 'shipment_id'"),
    ("    scac: B10/03", "    scac: B10/3", 12, "cannot read"),
    ("    scac: B10/03", "    scac: B10/19", 12, "B10 has 9 elements"),
    ("    scac: B10/03", "    scac: B11/03", 12, "no segment B11"),
    ("    scac: B10/03", "    scac: N1[07=X]/02", 12, "N1 has 6 elements"),
    ("each: LX > AT7", "each: LX > AT17", 3, "cannot read"),
    ("each: LX > AT7", "each: LX > AQ7", 3, "no segment AQ7"),
    ("    scac: B10/03", "    scac: B10/03,04", 12, "must name one element"),
    ("    scac: B10/03", "    scac:", 12, "must be an expression"),
    ("    scac: B10/03", "    scac: B10/03 | date", 12, "wants a text"),
    ("    scac: B10/03", "    scac: B10/03 B10/04", 12, "several sources"),
    ("    scac: B10/03", "    scac: B10/03 | decimal(4)", 12, "takes 0 arguments"),
    ("    scac: B10/03", "    scac: B10/03 else B10/03,04,05 | moment", 12, "different things"),
    ("    scac: B10/03", "    scac: B10/03 | trim | moment", 12, "cannot follow trim"),
    ("code(shipment_status)", "code(shipment_state)", 13, "no code table 'shipment_state'"),
    ("code(shipment_status, milestone)", "code(shipment_status, stone)", 14, "no column 'stone'"),
    ("| code(shipment_status, classifier)", "| kode(shipment_status)", 15, "no transform 'kode'"),
    ("    element: AT7/01 | means(1650)\n", "", 17, "must give 'element'"),
    ("  occurred_at: AT7/05,06,07 | moment", "  occurred_at: AT7/05", 19, "add | moment or | date"),
    ("  references[]:", "  references:", 21, "is a list: write references[]"),
    ("  shipment_id: B10/02", "  shipment_id[]: B10/02", 10, "is no list"),
    ("    each: L11\n", "", 21, "block of a list and needs `each:`"),
    ("    value: 01", "    value: 01\n    purpose: 02", 24, "no field 'purpose'"),
    ("    value: 01", "    value: 01\n    when: 02 =", 24, "not expected"),
    ("  ST: the header", "  ST:", 25, "needs a reason"),
    ("  ST: the header", "  LX > AT7: no", 25, "one segment is wanted"),
    ("    each: L11", "    use: partee", 21, "no shape 'partee'"),
]


@pytest.mark.parametrize(("old", "new", "line", "word"), MISTAKES, ids=[f"{line} {word}" for _, _, line, word in MISTAKES])
def test_a_mistake_is_told_with_line_column_path_and_mend(old: str, new: str, line: int, word: str):
    assert old in SOUND
    with pytest.raises(MappingError) as caught:
        compiled(SOUND.replace(old, new, 1))
    told = [text for text in str(caught.value).splitlines() if word in text]
    assert told, str(caught.value)
    assert any(text.startswith(f"trial.yaml: line {line}, column ") for text in told), told


def test_all_mistakes_are_told_at_once():
    with pytest.raises(MappingError) as caught:
        compiled(SOUND.replace("B10/03", "B10/3").replace("each: L11", "each: L11/02"))
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert "identity.business.0" in lines[2]
    assert "fields.references[].each" in lines[1]


def test_a_mistake_in_an_overlay_is_told_in_its_file():
    with pytest.raises(MappingError, match=r"^overlay0\.yaml: line 3, column 11: fields\.carrier\.scac: "):
        compiled(SOUND, "fields:\n  carrier:\n    scac: B10/3\n")


def test_an_overlay_adds_replaces_and_removes():
    mapping = compiled(
        SOUND,
        "fields:\n  carrier_reference: B10/01\n  references[]:\n    value: 02\ncodes:\n  shipment_status:\n    X3: [pickup.seen, pickup, actual]\n"
        "remove:\n  - fields.occurred_at\n  - drops.ST\n",
    )
    mapped = mapping.read(document(SMALL), context())
    first = mapped.events[0].data
    assert first["carrier_reference"] == "55"
    assert first["event"] == "pickup.seen"
    assert first["references"] == [{"type": "stop", "value": "QN"}]
    assert "occurred_at" not in first
    assert "ST/01" in [entry.path for entry in mapped.unmapped]
    assert shipped().tables()["shipment_status"].rows["X3"][0] == "pickup.arrived"


def test_removing_what_is_not_there_is_told():
    with pytest.raises(MappingError, match=r"overlay0\.yaml: line 2, column 5: remove\.0: 'fields\.colour' is not in the base"):
        compiled(SOUND, "remove:\n  - fields.colour\n")


@pytest.mark.parametrize("name", shipped().names())
def test_the_effective_mapping_reads_back_as_itself(name: str):
    for overlay in [(), *((one,) for one in shipped().overlays(name))]:
        whole = shipped().written(name, overlay)
        assert load(effective_text(whole, "x"))[0] == whole.value


def test_the_effective_mapping_says_which_lines_are_the_partners():
    text = shipped().effective("x12/945", ("demo-3pl",))
    [line] = [line for line in text.splitlines() if "purchase_order:" in line]
    assert line == "  purchase_order: N9[01=CO]/02 else W06/06  # mappings/x12/945/overlays/demo-3pl.yaml:6"
    assert "  order_id: W06/02" in text.splitlines()


def test_unknown_names_are_told():
    with pytest.raises(MappingError, match="there is no mapping 'x12/999'"):
        shipped().mapping("x12/999")
    with pytest.raises(MappingError, match="has no overlay 'nobody'; there are demo-3pl"):
        shipped().mapping("x12/945", ("nobody",))


def test_a_broken_file_is_told_with_its_name(tmp_path: Any):
    (tmp_path / "x12" / "214").mkdir(parents=True)
    (tmp_path / "x12" / "214" / "mapping.yaml").write_text("a: [")
    with pytest.raises(MappingError, match=r"x12/214/mapping\.yaml: line 2, column"):
        MappingLibrary(tmp_path).mapping("x12/214")


# ---- what a document meets


def test_no_event_is_a_problem_in_words():
    with pytest.raises(MappingProblem, match="the 214 has no LX > AT7"):
        compiled(SOUND).read(document("ST*214*1~B10*55*SHP1*NWFX"), context())


def test_a_missing_field_names_the_element_that_would_give_it():
    with pytest.raises(MappingProblem) as caught:
        compiled(SOUND).read(document(SMALL.replace("SHP1", "").replace("*X3", "*")), context())
    assert "shipment_id is missing; B10/02 would give it" in caught.value.problems
    assert "status is missing; AT7/01 would give it" in caught.value.problems


def test_the_budget_holds():
    many = SMALL + "".join(f"~L11*{number}*QN" for number in range(2_000))
    with pytest.raises(MappingProblem, match="more than 10,000 steps"):
        compiled(SOUND.replace("each: L11", "each: outward LX > L11")).read(document(many), context(max_steps=10_000))


def test_lists_do_not_look_outward_for_their_items():
    """A carton without a mark must not get its pallet's: inside a list, paths stay with the item."""
    text = SOUND.replace("    value: 01\n", "    value: 01\n    description: B10/02\n")
    assert "description" not in compiled(text).read(document(SMALL), context()).events[0].data["references"][0]
    text = text.replace("description: B10/02", "description: outward B10/02")
    assert compiled(text).read(document(SMALL), context()).events[0].data["references"][0]["description"] == "SHP1"


def test_an_incomplete_part_is_left_out_and_listed():
    mapped = compiled(SOUND).read(document(SMALL.replace("L11*3*QN", "L11**QN")), context())
    assert mapped.events[0].data.get("references") != [{"type": "stop"}]
    assert "LX > L11/02" in [entry.path for entry in mapped.unmapped]


def test_an_unreadable_value_is_told_and_listed():
    mapped = compiled(SOUND).read(document(SMALL.replace("20261116*0915", "20261350*0915")), context())
    assert "occurred_at" not in mapped.events[0].data
    assert mapped.events[0].quality["unreadable"] == [{"path": "AT7/05", "text": "'20261350' is no day of the calendar"}]
    assert [(finding.segment, finding.element, finding.severity) for finding in mapped.findings] == [("AT7", 5, "warning")]
    assert {"LX > AT7/05", "LX > AT7/06", "LX > AT7/07"} <= {entry.path for entry in mapped.unmapped}
    assert mapped.events[1].quality == {}


def test_equal_keys_count_up():
    events = compiled(SOUND).read(document(SMALL.replace("*AF*", "*X3*")), context()).events
    assert [(event.business_key, event.event_key, event.ordinal) for event in events] == [("NWFX|SHP1", "X3", 0), ("NWFX|SHP1", "X3", 1)]


def test_components_are_listed_one_by_one():
    text = SOUND.replace("    value: 01\n", "    value: 01-2\n")
    mapped = compiled(text).read(document(SMALL.replace("L11*3*QN", "L11*A:B:C*QN")), context())
    assert mapped.events[0].data["references"] == [{"type": "stop", "value": "B"}]
    assert [entry.path for entry in mapped.unmapped if "L11" in entry.path] == ["L11/01", "L11/02", "LX > L11/01-1", "LX > L11/01-3"]


def test_time_falls_back_and_says_so():
    bare = SMALL.replace("*20261116*0915*CT", "")
    mapping = compiled(SOUND)
    first = mapping.read(document(bare), context(written=("20261116", "0930"))).events[0]
    assert (first.time, first.quality) == ("2026-11-16T09:30:00Z", {"assumed_zone": True})
    first = mapping.read(document(bare), context(written=("20261116", "0930"), zone="America/Chicago")).events[0]
    assert first.time == "2026-11-16T09:30:00-06:00"
    first = mapping.read(document(bare), context()).events[0]
    assert (first.time, first.quality) == ("2026-11-20T00:00:00Z", {"time_precision": "received"})
    first = mapping.read(document(SMALL.replace("*0915*CT", "")), context()).events[0]
    assert (first.time, first.quality) == ("2026-11-16T00:00:00Z", {"assumed_zone": True, "time_precision": "day"})


# ---- whatever somebody writes

VALUES = st.recursive(
    st.none() | st.sampled_from(["", "B10/02", "=x", "01 | date", "LX > AT7", "02 = 2", "party", "[", "else", "each"]) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["each", "at", "is", "when", "use", "value", "type", "x", "L11/02", "scac"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    return [path, *(found for key, one in inner for found in places_in(one, (*path, key)))]


@pytest.mark.parametrize("wrong", [{"is": None}, {"is": [1]}, {"read": None}])
def test_a_list_that_is_no_expression_is_told(wrong: Any):
    value = copy.deepcopy(written(SOUND).value)
    value["fields"]["references[]"] = wrong
    with pytest.raises(MappingError, match="must be an expression such as"):
        compile_mapping(
            Written(value), tables=shipped().tables(), shapes=shipped().shapes("x12/214"), words=words_of("x12/214", Written({}))[0], name="trial"
        )


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_mapping_compiles_or_is_told(data: st.DataObject):
    value = copy.deepcopy(written(SOUND).value)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places_in(value)))
        replacement = data.draw(VALUES)
        if not path:
            value = replacement
            break
        at = value
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = replacement
    with contextlib.suppress(MappingError):
        mapping = compile_mapping(
            Written(value), tables=shipped().tables(), shapes=shipped().shapes("x12/214"), words=words_of("x12/214", Written({}))[0], name="trial"
        )
        with contextlib.suppress(MappingProblem):
            mapping.read(document(SMALL), context())
