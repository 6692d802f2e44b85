"""Each named transform: what it makes of texts, what it refuses, what it takes."""

import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partners.mappings import shipped
from tests.mapping_fixtures import context
from translators.document import Delimiters, Document, Node, Segment
from translators.mapping.moments import Unreadable
from translators.mapping.run import Run
from translators.mapping.transforms import TRANSFORMS, ArgumentError, check_digit, decimal_text

DECIMAL = re.compile(r"-?(0|[1-9]\d*)(\.\d*[1-9])?", re.ASCII)
"""What the schema calls a Decimal."""
JOLIET = ("IL", "US")


def run(zone: str | None = None) -> Run:
    root = Node("ST", Segment("ST", [b"ST", b"856"], 1, 0, 7), [])
    return Run(Document("856", "004010", root, Delimiters(b"*", b":", b"^", b"~")), context(zone=zone))


def read(name: str, arguments: tuple[str, ...], value: Any, zone: str | None = None) -> tuple[Any, Run]:
    about = run(zone)
    return TRANSFORMS[name].read(arguments, shipped().tables())(about, value), about


def moment(
    local: str, instant: str | None = None, zone: str | None = None, code: str | None = None, certainty: str | None = None, **more: Any
) -> dict[str, Any]:
    given = {"local": local, "instant": instant, "zone": zone, "zone_code": code, "certainty": certainty, **more}
    return {name: value for name, value in given.items() if value is not None}


# transform, arguments, texts, value
CASES: list[tuple[str, tuple[str, ...], Any, Any]] = [
    ("code", ("party_role",), "ST", "ship_to"),
    ("code", ("party_role",), "st ", "ship_to"),
    ("code", ("party_role",), "QQ", "other"),
    ("code", ("shipment_status", "milestone"), "AF", "transit"),
    ("code", ("shipment_status", "unece"), "AM", None),
    ("code", ("status_reason",), "NS", None),
    ("code", ("time_zone",), "QQ", None),
    ("decimal", (), "00045", "45"),
    ("decimal", (), "-12.50", "-12.5"),
    ("decimal", (), ".5", "0.5"),
    ("decimal", (), "12.", "12"),
    ("decimal", (), "1E3", "1000"),
    ("decimal", (), "15E-1", "1.5"),
    ("decimal", (), "-0", "0"),
    ("decimal", (), "0.00", "0"),
    ("implied", ("2",), "1250", "12.5"),
    ("implied", ("2",), "-5", "-0.05"),
    ("implied", ("2",), "43.00", "43"),
    ("quantity", ("unit",), ["24", "EA"], {"value": "24", "unit_code": "EA", "unit": "each"}),
    ("quantity", ("unit",), ["24", "XX"], {"value": "24", "unit_code": "XX", "unit": "other"}),
    ("quantity", ("unit",), ["24", ""], {"value": "24"}),
    ("quantity", ("unit",), ["24"], {"value": "24"}),
    ("quantity", ("unit",), ["", "EA"], None),
    (
        "weight",
        ("weight_unit", "weight_kind"),
        ["18.50", "L", "G"],
        {"value": "18.5", "unit_code": "L", "unit": "pound", "kind_code": "G", "kind": "gross"},
    ),
    ("weight", ("unit", "weight_kind"), ["", "LB", "G"], None),
    ("date", (), "20261116", moment("2026-11-16")),
    ("date", (), "261116", moment("2026-11-16")),
    ("date", (), "991231", moment("1999-12-31")),
    ("date", (), "491231", moment("2049-12-31")),
    ("moment", (), ["20261116", "", "", "", ""], moment("2026-11-16")),
    ("moment", (), ["", "0915", "CT", "", ""], None),
    ("moment", (), ["20261116", "0915", "CT"], moment("2026-11-16T09:15", "2026-11-16T09:15:00-06:00", "America/Chicago", "CT", "stated")),
    ("moment", (), ["20260716", "0915", "CT"], moment("2026-07-16T09:15", "2026-07-16T09:15:00-05:00", "America/Chicago", "CT", "stated")),
    ("moment", (), ["20260716", "091530", "CS"], moment("2026-07-16T09:15:30", "2026-07-16T09:15:30-06:00", "-06:00", "CS", "stated")),
    ("moment", (), ["20260716", "09153025", "UT"], moment("2026-07-16T09:15:30.25", "2026-07-16T09:15:30.25Z", "UTC", "UT", "stated")),
    ("moment", (), ["20261116", "0915", "24"], moment("2026-11-16T09:15", "2026-11-16T09:15:00-01:00", "-01:00", "24", "stated")),
    ("moment", (), ["20261116", "0915", "13"], moment("2026-11-16T09:15", "2026-11-16T09:15:00-12:00", "-12:00", "13", "stated")),
    ("moment", (), ["20261116", "0915", "ND"], moment("2026-11-16T09:15", "2026-11-16T09:15:00-02:30", "-02:30", "ND", "stated")),
    ("moment", (), ["20261116", "0915", "LT", *JOLIET], moment("2026-11-16T09:15", "2026-11-16T09:15:00-06:00", "America/Chicago", "LT", "place")),
    ("moment", (), ["20261116", "0915", "", "IL", ""], moment("2026-11-16T09:15", "2026-11-16T09:15:00-06:00", "America/Chicago", None, "place")),
    ("moment", (), ["20261116", "0915", "", "TX", "US"], moment("2026-11-16T09:15", certainty="none")),
    ("moment", (), ["20261116", "0915", "", "CA", "MX"], moment("2026-11-16T09:15", certainty="none")),
    ("moment", (), ["20261116", "0915", "", "MO", "ITA"], moment("2026-11-16T09:15", certainty="none")),
    ("moment", (), ["20261116", "0915", "ZZ", *JOLIET], moment("2026-11-16T09:15", "2026-11-16T09:15:00-06:00", "America/Chicago", "ZZ", "place")),
    (
        "moment",
        (),
        ["20261101", "0130", "ET"],  # the hour that comes twice
        moment("2026-11-01T01:30", "2026-11-01T01:30:00-04:00", "America/New_York", "ET", "stated", doubtful=True),
    ),
    (
        "moment",
        (),
        ["20260308", "0230", "ET"],  # the hour that is skipped
        moment("2026-03-08T02:30", "2026-03-08T02:30:00-05:00", "America/New_York", "ET", "stated", doubtful=True),
    ),
    ("pairs", ("product_id",), ["UP", "614141007349", "", "", "SK", ""], [{"type": "gtin12", "value": "614141007349", "code": "UP"}]),
    ("pairs", ("party_id",), ["", "CHI"], [{"type": "other", "value": "CHI"}]),
    ("pairs", ("party_id",), ["92", ""], None),
    ("pick", ("LT", "SN"), ["UP", "6", "LT", "L1", "SN", "", "LT", "L2"], ["L1", "L2"]),
    ("pick", ("LT",), ["UP", "6"], None),
    ("split", (";",), "A; B;;C ", ["A", "B", "C"]),
    ("split", (), " A  B ", ["A", "B"]),
    ("join", ("/",), ["A", "", "C"], "A/C"),
    ("join", (), ["A", "B"], "A B"),
    ("trim", (), "  A ", "A"),
    ("trim", (), "  ", None),
    ("upper", (), "abc", "ABC"),
    ("means", ("1650",), "X3", "1650"),
    ("sscc", (), "00006141410734900015", "006141410734900015"),
    ("sscc", (), "(00) 0061414107 34900015", "006141410734900015"),
    ("sscc", (), "006141410734900015", "006141410734900015"),
    ("sscc", (), "006141410734900016", "006141410734900016"),
    ("sscc", (), "PALLET 7", "PALLET 7"),
    ("degrees", (), ["1222627", "W"], "-122.440833"),
    ("degrees", (), ["0471510", "N"], "47.252778"),
    ("degrees", (), ["0000000", "S"], "0"),
    ("degrees", (), ["", "S"], None),
    ("timestamp", (), [""], None),
    ("timestamp", (), ["2026-11-16"], {"local": "2026-11-16"}),
    ("timestamp", (), ["2026-11-16Z"], {"local": "2026-11-16", "zone_code": "Z"}),
    (
        "timestamp",
        (),
        ["2026-11-16T14:05:30.25-0600"],
        {
            "local": "2026-11-16T14:05:30.25",
            "zone_code": "-06:00",
            "instant": "2026-11-16T14:05:30.25-06:00",
            "zone": "-06:00",
            "certainty": "stated",
        },
    ),
    (
        "timestamp",
        ("split",),
        ["2026-11-16", "14:05Z"],
        {"local": "2026-11-16T14:05", "zone_code": "Z", "instant": "2026-11-16T14:05:00Z", "zone": "UTC", "certainty": "stated"},
    ),
    (
        "timestamp",
        ("split",),
        ["2026-11-16", "14:05", "CT"],
        {
            "local": "2026-11-16T14:05",
            "zone_code": "CT",
            "instant": "2026-11-16T14:05:00-06:00",
            "zone": "America/Chicago",
            "certainty": "stated",
        },
    ),
]


@pytest.mark.parametrize(("name", "arguments", "value", "wanted"), CASES, ids=[f"{name} {value}" for name, _, value, _ in CASES])
def test_reads(name: str, arguments: tuple[str, ...], value: Any, wanted: Any):
    assert read(name, arguments, value)[0] == wanted


def test_every_transform_is_in_the_table():
    assert {name for name, *_ in CASES} == set(TRANSFORMS)


REFUSED: list[tuple[str, tuple[str, ...], Any]] = [
    ("decimal", (), "1,5"),
    ("decimal", (), "1 000"),
    ("decimal", (), "+5"),
    ("decimal", (), "."),
    ("decimal", (), "²"),
    ("decimal", (), "1E99"),
    ("decimal", (), "٣"),
    ("decimal", (), "9" * 130 + ".5"),
    ("implied", ("2",), "12X"),
    ("quantity", ("unit",), ["x", "EA"]),
    ("date", (), "20260230"),
    ("date", (), "2026111"),
    ("date", (), "00000000"),
    ("moment", (), ["20261350", "0915", ""]),
    ("degrees", (), ["122", "W"]),
    ("degrees", (), ["1229927", "W"]),
    ("degrees", (), ["1222627", ""]),
    ("degrees", (), ["1222627", "Q"]),
]


@pytest.mark.parametrize(("name", "arguments", "value"), REFUSED, ids=[f"{name} {value}"[:40] for name, _, value in REFUSED])
def test_refuses(name: str, arguments: tuple[str, ...], value: Any):
    with pytest.raises(Unreadable):
        read(name, arguments, value)


def test_a_bad_time_leaves_the_day_and_is_told():
    value, about = read("moment", (), ["20261116", "2460", "CT"])
    assert value == {"local": "2026-11-16"}
    assert about.used == [0]
    assert about.partly is not None
    assert about.partly[0] == 1


def test_a_profiles_zone_is_the_last_resort():
    value, _ = read("moment", (), ["20261116", "0915", "LT", "TX", "US"], zone="America/Denver")
    assert (value["instant"], value["certainty"]) == ("2026-11-16T09:15:00-07:00", "profile")
    value, _ = read("moment", (), ["20261116", "0915"], zone="Nowhere/Land")
    assert value == {"local": "2026-11-16T09:15", "certainty": "none"}


def test_an_unknown_code_is_noted_and_not_taken():
    _, about = read("code", ("shipment_status",), "ZQ")
    assert list(about.unknown) == [("shipment_status", "ZQ")]
    assert about.used == []


def test_a_wrong_sscc_is_noted():
    _, about = read("sscc", (), "006141410734900016")
    assert list(about.invalid_sscc) == ["006141410734900016"]


@pytest.mark.parametrize(
    ("name", "arguments"), [("code", ("nothing",)), ("code", ("party_role", "colour")), ("implied", ("x",)), ("quantity", ("no",))]
)
def test_wrong_arguments_are_told_at_compile_time(name: str, arguments: tuple[str, ...]):
    with pytest.raises(ArgumentError):
        TRANSFORMS[name].read(arguments, shipped().tables())


@given(st.decimals(min_value=-(10**12), max_value=10**12, allow_nan=False, places=4))
def test_a_decimal_keeps_its_value(number: Any):
    text = decimal_text(format(number, "f"))
    assert type(number)(text) == number
    assert decimal_text(text) == text


@given(st.text(max_size=20) | st.text(alphabet="0123456789.-Ee", max_size=30))
def test_any_text_is_a_number_or_unreadable(text: str):
    with suppress(Unreadable):
        assert DECIMAL.fullmatch(decimal_text(text))


@given(st.text(alphabet="0123456789", min_size=17, max_size=17), st.integers(0, 16), st.integers(1, 9))
def test_a_changed_digit_is_noticed(digits: str, place: int, more: int):
    changed = digits[:place] + str((int(digits[place]) + more) % 10) + digits[place + 1 :]
    assert check_digit(digits) != check_digit(changed)
