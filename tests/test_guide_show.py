"""`crossdock guide show`: what of a guide a person reads."""

import io
from pathlib import Path

import pytest

from gateway.commands.guide import show
from partners.guides import shipped_guides
from partners.profile import read_profile
from tests.x12_strategies import SHIPPED
from translators.x12.guide_text import guide_text
from translators.x12.layout import places

PARTNER = read_profile(
    """\
partner: dock
name: North Dock
strictness: strict
identities: {isa: [{qualifier: ZZ, id: NORTHDOCK}]}
agreements:
  - receive: "945"
    overlays: [demo-3pl]
    default_zone: America/Denver
  - receive: "855"
leniency:
  date-six: {because: "their old WMS, until June"}
"""
)


def told(set_id: str, **terms) -> tuple[int, str]:
    out = io.StringIO()
    given = {"release": None, "partner": None, "own": None, "order_only": False}
    return show(set_id, out=out, **(given | terms)), out.getvalue()


@pytest.mark.parametrize(("set_id", "release"), SHIPPED, ids=[f"{set_id}-{release}" for set_id, release in SHIPPED])
def test_every_place_and_every_segment_is_shown(set_id: str, release: str):
    guide = shipped_guides().guide(set_id, release)
    assert guide is not None
    lines = guide_text(guide, {}).splitlines()
    begin, end = lines.index("") + 2, lines.index("", lines.index("") + 1)
    loops = [line for line in lines[begin:end] if " loop " in line[:26]]
    assert [line.split()[0] for line in lines[begin:end] if line not in loops] == [place.tag for place in places(guide.layout.root)]
    for tag, rules in guide.dictionary.segments.items():
        if tag in guide.layout.tags:
            assert f"{tag}  {rules.title}" in lines
            assert all(any(line.startswith(f"  {tag}{number:02} ") for line in lines) for number in range(1, len(rules.elements) + 1))


def test_order_elements_codes_and_conditions_read_as_a_person_reads_them():
    code, text = told("945", release="004010")
    assert code == 0
    assert text.startswith("945 shipping advice, release 004010, group SW\n")
    for line in (
        "  LX loop                 O     >1\n    LX                    M      1  line or group number\n",
        "        FA2               M     >1  accounting data\n",
        "  W0601     514 M  ID 1/1      reporting code\n                  F full detail, J original,",
        "  W0607, W0608 come together or not at all (P0708)\n",
        "    N907-3    128 X  ID 2/3      reference qualifier\n",
        "    N907-3, N907-4 come together or not at all (P0304)\n",
        "W6  special handling\n",
        "  W1006, W1007 come together or not at all (P0607, breaking it is a warning)\n",
    ):
        assert line in text, line
    assert max(map(len, text.splitlines())) <= 130


def test_without_a_release_the_newest_is_shown_and_the_order_alone_is_short():
    code, text = told("945", order_only=True)
    assert code == 0
    assert text.startswith("945 shipping advice, release 005010")
    assert "W0601" not in text


@pytest.mark.parametrize(
    ("set_id", "lines"),
    [
        ("945", ["  strict: any finding rejects the set", "  let pass: date-six, because their old WMS, until June", "  mapping: x12/945 + demo-3pl",
                 "  times without a zone are of America/Denver"]),
        ("855", ["  strict: any finding rejects the set", "  let pass: date-six, because their old WMS, until June",
                 "  no mapping: it is checked, answered and held"]),
        ("856", ["  nothing is agreed about 856: the 997 rejects it (AK5 R, code 1)"]),
    ],
)  # fmt: skip
def test_a_partner_s_terms_stand_below(set_id: str, lines: list[str]):
    code, text = told(set_id, partner=PARTNER, order_only=True)
    assert code == 0
    assert text.endswith("\nWith North Dock (dock)\n" + "\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("set_id", "release", "words"),
    [
        ("998", None, "there is no guide of 998; there are 204, 210, 214,"),
        ("856", "003040", "there is no guide of 856 of 003040; 856 is there for 004010 and 005010"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(set_id: str, release: str | None, words: str, capsys: pytest.CaptureFixture[str]):
    assert told(set_id, release=release) == (2, "")
    assert words in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert told("856", own=tmp_path / "nowhere") == (65, "")
    assert "there is no such folder of guides" in capsys.readouterr().err
