"""`crossdock translate`: what a person and a script get, and the exit codes."""

import io
import json
from pathlib import Path

import pytest

from gateway.commands.translate import translate
from partners.profile import read_profile
from tests.mapping_fixtures import ROOT

FIXTURES = ROOT / "mappings" / "x12"
PROFILE = """\
partner: lake
name: Lake
identities: {isa: [{qualifier: ZZ, id: LAKE3PL}]}
agreements:
  - {receive: "945", overlays: [demo-3pl], default_zone: America/New_York}
"""


def run(file: Path, **more: object) -> tuple[int, str]:
    out = io.StringIO()
    code = translate(file, out=out, **more)  # type: ignore[arg-type]
    return code, out.getvalue()


def test_a_person_reads_who_what_and_which_goods():
    code, text = run(FIXTURES / "856" / "fixtures" / "pick-and-pack-004010.edi")
    assert code == 0
    for words in (
        "shipment.notified.v1  shipment/SHP0045871  2026-11-16T09:30:00-06:00",
        "ship to: HARBOR RETAIL DC, TACOMA WA 98421, given_by_buyer 0072",
        "equipment: trailer NWFZ 538841 sealed SL99812",
        "pack 4 in pack 3: carton 006141410734900022",
        "OAT BARS 6CT, ordered 30 each, shipped 24 each, partial_back_ordered, lot L2026-07, in pack 4",
    ):
        assert words in text


def test_what_is_not_carried_over_is_told():
    code, text = run(FIXTURES / "856" / "fixtures" / "standard-correction-005010.edi")
    assert code == 0
    assert "not carried over:\n    HL[P] > YNQ/02: Y\n" in text


def test_a_script_gets_one_cloud_event_a_line(capsys: pytest.CaptureFixture[str]):
    code, text = run(FIXTURES / "214" / "fixtures" / "statuses-004010.edi", as_json=True)
    events = [json.loads(line) for line in text.splitlines()]
    assert code == 0
    assert [event["data"]["event"] for event in events] == [
        "pickup.arrived", "appointment.delivery", "delivery.eta", "transit.en_route", "status_unmapped",
    ]  # fmt: skip
    assert len({event["id"] for event in events}) == 5
    assert {event["source"] for event in events} == {"/partners/unknown"}
    assert capsys.readouterr().err == ""


def test_a_profile_brings_its_overlay_and_zone():
    file = FIXTURES / "945" / "fixtures" / "lake-3pl-005010.edi"
    [plain] = [json.loads(line) for line in run(file, as_json=True)[1].splitlines()]
    [lakes] = [json.loads(line) for line in run(file, as_json=True, partner=read_profile(PROFILE))[1].splitlines()]
    assert "packs" not in plain["data"]
    assert [pack["sscc"] for pack in lakes["data"]["packs"]] == ["006141410734900046", "006141410734900053"]
    assert (plain["time"], lakes["time"]) == ("2026-11-17T00:00:00Z", "2026-11-17T00:00:00-05:00")
    assert plain["id"] != lakes["id"]


def test_a_set_without_agreement_is_held():
    code, text = run(FIXTURES / "940" / "fixtures" / "order-004010.edi", partner=read_profile(PROFILE))
    assert code == 1
    assert "held: lake has no agreement for 940" in text


def test_bad_files_get_words_and_a_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    empty, garbage = tmp_path / "empty.edi", tmp_path / "garbage.edi"
    empty.write_bytes(b"")
    garbage.write_bytes(b"\x00\xff" * 500)
    assert run(empty)[0] == run(garbage)[0] == 65
    assert run(garbage)[1].strip()
    assert run(tmp_path / "none.edi")[0] == 2
    assert "none.edi" in capsys.readouterr().err
    cut = tmp_path / "cut.edi"
    cut.write_bytes((FIXTURES / "856" / "fixtures" / "pick-and-pack-004010.edi").read_bytes()[:900])
    code, text = run(cut)
    assert code == 1
    assert "cannot be read" in text or "rejected" in text
