"""The way out of the mapping language: what an event becomes, what is refused by name, and the laws that both directions hold together.

read(write(event)) == event                     every fixture, and right sets made from the guides
write(read(document)) differs from the document only by what was listed as not carried over, or is dropped on purpose
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from partners.mappings import shipped
from tests.mapping_fixtures import FIXTURES, ROOT, context, documents, mapping_of, terms
from tests.x12_strategies import Terms as Made
from tests.x12_strategies import by_chance, guide_of, made_set, reachable, written
from translators.document import Delimiters, Document
from translators.mapping import Context, Mapped, MappingProblem
from translators.mapping.compose import Composed, ComposeProblem, compose
from translators.mapping.compose_x12 import X12Medium
from translators.mapping.inverses import INVERSES
from translators.mapping.transforms import TRANSFORMS, decimal_text
from translators.x12.envelope_write import stamp
from translators.x12.write import Terms

MAPPED = sorted(name.removeprefix("x12/") for name in shipped().names() if name.startswith("x12/"))
RELEASES = ("004010", "005010")
MADE_SETS = 40
"""For each set and release; the seeds are fixed, so that a failure is met again."""
HOW = ("evidence", "quality")
NAMED = {
    "945": Made(elements={"W06": ((2, 4), tuple(range(2, 13)))}),
    "214": Made(elements={"B10": ((1, 2), tuple(range(1, 8)))}),
    "204": Made(elements={"B2": ((2, 4), tuple(range(1, 13)))}),
    "990": Made(elements={"B1": ((2, 4), (2, 3, 4))}),
    "943": Made(elements={"W06": ((2, 4), tuple(range(2, 13)))}),
    "947": Made(elements={"W15": ((2, 3), tuple(range(2, 7)))}),
}
"""Right sets that say what they are about; without it no event comes of them."""


def terms_of(release: str, **changes: Any) -> Terms:
    given: dict[str, Any] = {"version": release, "envelope_version": "00401" if release == "004010" else "00501", **changes}
    return Terms("ZZ", "CROSSDOCK", "ZZ", "PARTNER", "CROSSDOCK", "PARTNER", **given)


def composed(
    set_id: str, data: dict[str, Any], *, release: str = "004010", zone: str | None = None, around: Context | None = None, **changes: Any
) -> Composed:
    around = around or context(zone=zone)
    return compose(shipped().mapping(f"x12/{set_id}"), data, X12Medium(guide_of(set_id, release), terms_of(release, **changes)), around)


def bytes_of(result: Composed) -> bytes:
    return stamp(result.parts, interchange_control=7, group_control=7, date6="261116", date8="20261116", time4="0905")


def segments(result: Composed) -> list[str]:
    """The set's segments, ST and SE left out."""
    whole = bytes_of(result).decode("utf-8").split("~")
    begin = next(number for number, text in enumerate(whole) if text.startswith("ST*"))
    return whole[begin + 1 : next(number for number, text in enumerate(whole) if text.startswith("SE*"))]


def meaning(data: dict[str, Any]) -> dict[str, Any]:
    """What an event tells, the order of lists without ids aside."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return sorted((plain(inner) for inner in value), key=lambda inner: json.dumps(inner, sort_keys=True))
        return value

    return {key: plain(value) for key, value in data.items() if key not in HOW}


def test_every_transform_says_how_it_is_written():
    assert INVERSES.keys() == TRANSFORMS.keys()


# ---- laws


def events_of(file: Any) -> Iterator[tuple[Document, Context, Mapped]]:
    for document, around in documents(file.read_bytes(), zone=terms(file)["zone"]):
        yield document, around, mapping_of(file).read(document, around)


@pytest.mark.parametrize("file", FIXTURES, ids=[file.relative_to(ROOT).as_posix() for file in FIXTURES])
def test_every_event_of_a_fixture_is_written_and_read_again(file: Any):
    for document, around, mapped in events_of(file):
        for draft in mapped.events:
            guide = guide_of(document.set_id, document.release)
            again = compose(mapping_of(file), draft.data, X12Medium(guide, terms_of(document.release)), around)
            assert meaning(again.data) == meaning(draft.data)
            assert not again.not_written
            assert (again.business_key, again.subject) == (draft.business_key, draft.subject)


def values(document: Document, dropped: set[str]) -> Counter[str]:
    """The document's values, numbers in one form, without the segments that are dropped on purpose."""
    found: Counter[str] = Counter()
    for node in document.root.walk():
        if node.tag not in dropped:
            for raw in b"\0".join(node.segment.elements[1:]).replace(document.delimiters.component, b"\0").split(b"\0"):
                text = raw.decode("utf-8").strip()
                if text:
                    with suppress(ValueError):
                        text = decimal_text(text)
                    found[text] += 1
    return found


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("set_id", MAPPED)
def test_right_sets_are_written_as_they_were_read(set_id: str, release: str):
    """What is read of any right set is written so that the same is read again; a refusal needs something that was not carried over."""
    guide, mapping = guide_of(set_id, release), shipped().mapping(f"x12/{set_id}")
    reached: set[tuple[str, int]] = set()
    kept = refused = 0
    for seed in range(MADE_SETS):
        made = made_set(guide, by_chance(f"{set_id} {release} {seed}"), NAMED.get(set_id, Made()))
        for document, around in documents(written([made])):
            try:
                mapped = mapping.read(document, around)
            except MappingProblem:
                continue  # a right set that tells too little to be an event: no order number, no lines
            reached |= set(made.reached())
            draft = mapped.events[0]
            try:
                again = compose(mapping, draft.data, X12Medium(guide, terms_of(release)), around)
            except ComposeProblem:
                assert mapped.unmapped, seed
                refused += 1
                continue
            kept += 1
            told, given = meaning(again.data), meaning(draft.data)
            lost = {name.split("[")[0].split(".")[0] for name, _ in again.not_written}
            assert {key: value for key, value in told.items() if key not in lost} == {
                key: value for key, value in given.items() if key not in lost
            }, seed
    everything = reachable(guide)
    print(
        f"{set_id} {release}: {kept} written and read again, {refused} refused; {len(reached & everything)} of {len(everything)} elements of the guide met"
    )
    assert kept > refused


@pytest.mark.parametrize("file", FIXTURES, ids=[file.relative_to(ROOT).as_posix() for file in FIXTURES])
def test_no_value_that_was_carried_is_missing_in_the_written_document(file: Any):
    for document, around, mapped in events_of(file):
        if len(mapped.events) != 1 or mapped.unmapped:
            continue
        mapping, guide = mapping_of(file), guide_of(document.set_id, document.release)
        again = compose(mapping, mapped.events[0].data, X12Medium(guide, terms_of(document.release)), around)
        [(other, _)] = documents(bytes_of(again), zone=terms(file)["zone"])
        assert not values(document, set(mapping.drops)) - values(other, set())


# ---- an event of our own

ORDER: dict[str, Any] = {
    "order_id": "ORD-1",
    "purchase_order": "PO1",
    "ship_at": {"local": "2026-11-24T14:00"},
    "parties": [
        {
            "role": "ship_to",
            "name": "Harbor Retail",
            "ids": [{"type": "gln", "value": "0614141000005"}],
            "address": {"lines": ["1 Way", "Dock 2"], "city": "Reno", "region": "NV", "postal_code": "89501"},
        }
    ],
    "references": [{"type": "bill_of_lading", "value": "B77"}],
    "carriers": [{"scac": "NWFX", "mode": "truck"}],
    "freight_terms": [{"payment": "prepaid"}],
    "lines": [
        {
            "id": "a",
            "item": {"ids": [{"type": "vendor_item", "value": "SKU-1"}], "descriptions": ["Oats"]},
            "ordered": {"value": "10", "unit": "case"},
            "lots": ["L1"],
        },
        {"id": "b", "item": {"ids": [{"type": "upc_case", "value": "061414100001"}]}, "ordered": {"value": "2.5", "unit_code": "EA"}},
    ],
}

NOTICE: dict[str, Any] = {
    "notice_id": "N1",
    "written_at": {"local": "2026-11-24T10:00"},
    "structure": "0001",
    "carriers": [{"scac": "NWFX"}],
    "orders": [{"id": "first", "purchase_order": "PO1"}, {"id": "second", "purchase_order": "PO2"}],
    "packs": [
        {"id": "c1", "kind": "pallet", "sscc": "006141411234567890"},
        {"id": "c2", "kind": "carton", "parent": "c1"},
        {"id": "c3", "kind": "carton"},
    ],
    "lines": [
        {
            "id": "1",
            "order": "first",
            "pack": "c2",
            "item": {"ids": [{"type": "gtin12", "value": "614141000012"}]},
            "shipped": {"value": "3", "unit": "each"},
        },
        {
            "id": "2",
            "order": "second",
            "pack": "c3",
            "item": {"ids": [{"type": "gtin12", "value": "614141000029"}]},
            "shipped": {"value": "1", "unit": "each"},
        },
    ],
}


def test_an_order_in_words_becomes_a_940():
    assert segments(composed("940", ORDER)) == [
        "W05*N*ORD-1*PO1", "N1*ST*Harbor Retail*UL*0614141000005", "N3*1 Way*Dock 2", "N4*Reno*NV*89501", "N9*BM*B77", "G62*10*20261124*Y*1400",
        "W66*PP*M********NWFX", "LX*1", "W01*10*CA**VN*SKU-1", "G69*Oats", "N9*LT*L1", "LX*2", "W01*2.5*EA*061414100001",
    ]  # fmt: skip


def test_flat_lists_become_a_tree():
    """Cartons lie in the order of their lines, also through the pallet that holds them."""
    levels = [text.split("*") for text in segments(composed("856", NOTICE)) if text.startswith("HL*")]
    assert [level[1:] for level in levels] == [
        ["1", "", "S", "1"], ["2", "1", "O", "1"], ["3", "2", "T", "1"], ["4", "3", "P", "1"], ["5", "4", "I", "0"],
        ["6", "1", "O", "1"], ["7", "6", "P", "1"], ["8", "7", "I", "0"],
    ]  # fmt: skip


@pytest.mark.parametrize(("structure", "levels"), [("0001", "SOPI"), ("0003", "SPOI")])
def test_the_structure_says_what_lies_in_what(structure: str, levels: str):
    notice = {
        **NOTICE,
        "structure": structure,
        "orders": NOTICE["orders"][:1],
        "packs": [{"id": "c1"}],
        "lines": [{**NOTICE["lines"][0], "pack": "c1"}],
    }
    assert "".join(text.split("*")[3] for text in segments(composed("856", notice)) if text.startswith("HL*")) == levels


def test_an_instant_is_written_on_the_partners_clock():
    order = {**ORDER, "ship_at": {"local": "2026-11-24T14:00", "instant": "2026-11-24T14:00:00-06:00"}}
    assert "G62*10*20261124*Y*1500" in segments(composed("940", order, zone="America/New_York"))


def test_the_same_event_gives_the_same_bytes():
    assert bytes_of(composed("856", NOTICE)) == bytes_of(composed("856", json.loads(json.dumps(NOTICE))))


def test_a_purpose_is_written_with_its_code():
    assert segments(composed("940", {**ORDER, "purpose": "cancel"}))[0] == "W05*F*ORD-1*PO1"
    assert segments(composed("940", {**ORDER, "purpose": "cancel", "purpose_code": "D"}))[0] == "W05*D*ORD-1*PO1"


REFUSALS: list[tuple[str, dict[str, Any], str, str]] = [
    ("a field of no schema", {"colour": "red"}, "colour", "Extra inputs are not permitted"),
    ("a field that the schema requires", {"order_id": None}, "order_id", "should be a valid string"),
    ("an element that the guide requires", {"freight_terms": None}, "freight_terms.payment", "W6601 (freight payment method) is mandatory and missing"),
    ("a text too long", {"purchase_order": "P" * 30}, "purchase_order", "at most 22 fit"),
    ("a word without a code", {"notes": [{"text": "x", "kind": "rumour"}]}, "notes[0].kind", "there is no code for 'rumour' in the table note_kind"),
    ("a time of no form", {"ship_at": {"local": "tomorrow"}}, "ship_at", "is not of the form 2026-11-16"),
    ("a code that says another thing", {"parties": [{"role": "ship_to", "role_code": "SF", "name": "X"}]}, "parties[0].role", "would be told as 'ship_from'"),
    ("decimals without room", {"cash_on_delivery": {"amount": "1.005", "kind": "3"}}, "cash_on_delivery.amount", "more than the 2 decimals"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "field", "text"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_a_refusal_names_the_events_field(change: dict[str, Any], field: str, text: str):
    order = {key: value for key, value in {**ORDER, **change}.items() if value is not None or key == "order_id"}
    with pytest.raises(ComposeProblem) as refused:
        composed("940", order)
    found = {name.removesuffix(".str"): why for name, why in refused.value.problems}
    assert field in found
    assert text in found[field]


def test_relations_that_fit_no_tree_are_refused():
    shared = [{**NOTICE["lines"][0], "pack": "c3"}, NOTICE["lines"][1]]
    with pytest.raises(ComposeProblem, match=r"lines\[0\]: order 'first' and pack 'c3' do not lie in each other"):
        composed("856", {**NOTICE, "lines": shared})
    with pytest.raises(ComposeProblem, match="pack 'c9'"):
        composed("856", {**NOTICE, "lines": [{**NOTICE["lines"][0], "pack": "c9"}]})
    circle = [{"id": "c1", "parent": "c2"}, {"id": "c2", "parent": "c1"}]
    with pytest.raises(ComposeProblem, match="which no item has as its id"):
        composed("856", {**NOTICE, "packs": circle, "lines": [{**NOTICE["lines"][0], "pack": "c1"}]})


def test_what_the_guide_has_no_place_for_is_listed():
    order = {**ORDER, "equipment": [{"initial": "ABCU", "number": "123456"}]}
    [(field, why)] = composed("940", order).not_written
    assert field == "equipment[0]"
    assert "the 940 of 004010 has no place for TD3" in why
    assert not composed("940", {**order, "equipment": [{"kind_code": "TL", "number": "123456"}]}, release="005010").not_written


# ---- delimiters


def test_a_delimiter_in_the_data_is_replaced_and_named():
    result = composed("940", {**ORDER, "notes": [{"text": "50*60~70"}]}, replacement="-")
    assert "NTE**50-60-70" in segments(result)
    assert result.replaced == ["notes[0].text"]


def test_other_delimiters_are_taken_where_the_partner_allows_it():
    result = composed("940", {**ORDER, "notes": [{"text": "50*60~70"}]}, on_delimiter="other")
    data = bytes_of(result)
    assert not result.replaced
    assert b"50*60~70" in data
    [(document, around)] = documents(data)
    assert document.delimiters == Delimiters(b"|", b":", b"", b"^")
    assert shipped().mapping("x12/940").read(document, around).events[0].data["notes"] == [{"text": "50*60~70"}]


def test_a_delimiter_in_the_data_is_refused_where_the_partner_wants_that():
    with pytest.raises(ComposeProblem, match=r"notes\[0\].text: '50\*60' holds \*"):
        composed("940", {**ORDER, "notes": [{"text": "50*60"}]}, on_delimiter="refuse")


def test_capitals_and_encodings():
    result = composed("940", {**ORDER, "notes": [{"text": "Küche"}]}, upper_case=True, encoding="latin-1")
    assert b"NTE**K\xdcCHE~" in bytes_of(result)
    with pytest.raises(ComposeProblem, match=r"notes\[0\].text: 'Küche' holds 'ü', which ascii cannot write"):
        composed("940", {**ORDER, "notes": [{"text": "Küche"}]}, encoding="ascii")
