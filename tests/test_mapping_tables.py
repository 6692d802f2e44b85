"""The shipped code tables: sound words, zones that exist, words that the schemas allow."""

import re
from datetime import datetime
from typing import get_args

import pytest

from partners.mappings import is_zone, shipped, zone_offset
from partners.positioned import load
from tests.mapping_fixtures import ROOT
from translators.events.draft import Purpose
from translators.events.shipment_status import ShipmentStatus
from translators.mapping import MappingError, Written, read_table
from translators.mapping.blocks import RESERVED, bare
from translators.mapping.compiler import IDENTITY, TOP
from translators.mapping.transforms import TRANSFORMS

TABLES = shipped().tables()


@pytest.mark.parametrize("name", sorted(TABLES))
def test_words_are_ours(name: str):
    table = TABLES[name]
    words = {word for row in (*table.rows.values(), table.unknown) for word in row if word is not None}
    pattern = r"[a-z0-9_.]+|\d+" if name not in ("time_zone", "region_zone") else r"[A-Za-z_/]+|[+-]\d\d:\d\d"
    assert all(re.fullmatch(pattern, word) for word in words)
    of_x12 = re.fullmatch(r"\d{1,4}", table.element) is not None
    assert all(code == (code.strip().upper() if of_x12 else code.strip()) for code in table.rows)
    assert of_x12 or name in ("unit_rec20", "party_scheme", "item_scheme", "ubl_status", "gs1_status", "cxml_operation", "cxml_role")


@pytest.mark.parametrize(("name", "column"), [("shipment_status", "milestone"), ("shipment_status", "classifier"), ("appointment_status", "milestone"), ("appointment_status", "classifier")])  # fmt: skip
def test_words_fit_the_schema(name: str, column: str):
    table = TABLES[name]
    allowed = set(get_args(bare(ShipmentStatus.model_fields[column].annotation)))
    place = table.column(column)
    assert {row[place] for row in (*table.rows.values(), table.unknown)} <= allowed


@pytest.mark.parametrize("name", ["purpose", "order_purpose"])
def test_purposes_are_the_stores(name: str):
    assert {row[0] for row in (*TABLES[name].rows.values(), TABLES[name].unknown)} <= set(get_args(Purpose))


def test_reference_types_are_short_enough_to_be_searched():
    assert all(len(row[0] or "") <= 24 for name in ("reference_type", "mark_type") for row in TABLES[name].rows.values())


def test_zones_exist():
    zones = {row[0] for name in ("time_zone", "region_zone") for row in TABLES[name].rows.values()}
    assert all(zone in ("local", "UTC") or zone[0] in "+-" or is_zone(zone) for zone in zones if zone)
    assert not is_zone("America/Nowhere")
    assert not is_zone("../etc/passwd")


@pytest.mark.parametrize("region", ["FL", "IN", "KY", "MI", "TN", "AK", "ND", "SD", "NE", "KS", "TX", "ID", "OR", "AZ", "ON", "QC", "BC"])
def test_a_region_of_several_zones_tells_none(region: str):
    assert region not in TABLES["region_zone"].rows


@pytest.mark.parametrize(
    ("zone", "local", "wanted"),
    [
        ("America/Chicago", datetime(2026, 1, 1, 12), (-360, True)),
        ("America/Chicago", datetime(2026, 7, 1, 12), (-300, True)),
        ("America/Chicago", datetime(2026, 11, 1, 1, 30), (-300, False)),
        ("America/Chicago", datetime(2026, 3, 8, 2, 30), (-360, False)),
        ("Asia/Kolkata", datetime(2026, 1, 1), (330, True)),
        ("Nowhere", datetime(2026, 1, 1), None),
    ],
)
def test_offsets(zone: str, local: datetime, wanted: tuple[int, bool] | None):
    assert zone_offset(zone, local) == wanted


def test_the_same_letters_mean_other_things_in_other_elements():
    """The trap of AT7: AF is a departure as a status, an accident as a reason; AA is an appointment as one, a wrong sorting as the other."""
    assert (TABLES["shipment_status"].rows["AF"][0], TABLES["status_reason"].rows["AF"][0]) == ("pickup.departed", "accident")
    assert (TABLES["appointment_status"].rows["AA"][0], TABLES["status_reason"].rows["AA"][0]) == ("appointment.pickup", "mis_sort")


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("codes: 1", 1, "one line a code"),
        ("codes:\n  A: [b, c]", 2, "2 words for 1 columns"),
        ("codes:\n  A:\n    b: c", 3, "a word, or a list of words"),
        ("colour: x\ncodes:\n  A: b", 1, "not known here"),
        ("columns: x\ncodes:\n  A: b", 1, "list of names"),
    ],
)
def test_a_broken_table_is_told_with_its_place(text: str, line: int, word: str):
    with pytest.raises(MappingError, match=rf"t\.yaml: line {line}, column \d+: .*{word}"):
        read_table(Written.of(*load(text), "t.yaml"), "t")


def test_the_reference_names_every_transform_and_word():
    text = (ROOT / "docs" / "reference" / "mapping.md").read_text(encoding="utf-8")
    words = [*TRANSFORMS, *RESERVED, *TOP, *IDENTITY]
    assert [word for word in words if not re.search(rf"[`\s]{word}\b", text)] == []
