"""`crossdock erp plan`: what would be asked of an ERP, without one."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.__main__ import app
from tests.notices import TYPE, notice

TABLES = {"suppliers": "default: {northway: NORTHWAY}\n", "items": "northway: {NF-2200: WIDGET}\n", "units": "default: {EA: u}\n"}


@pytest.fixture
def event(tmp_path: Path) -> Path:
    file = tmp_path / "event.json"
    file.write_text(json.dumps(notice("ASN-1", ("PO1", "NF-2200", "60"), ("PO1", "NF-2200", "40"))))
    return file


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    folder = tmp_path / "lookups"
    folder.mkdir()
    for name, text in TABLES.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def plan(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["erp", "plan", *arguments])
    return done.exit_code, done.output


def test_it_shows_each_request_in_its_order(event: Path, tables: Path):
    code, told = plan("erp/tryton", str(event), "--lookups", str(tables))
    assert code == 0, told
    assert "find our shipment (looks whether it is in already)" in told
    assert 'd = base64url of [["reference", "=", "ASN-1"], ["supplier.code", "=", "NORTHWAY"], ["state", "!=", "cancelled"]]' in told
    assert '"incoming_moves":[["add",[17]],["write",[17],{"quantity":100}]]' in told
    assert "6 requests, 3 of them change something" in told


def test_it_says_so_as_json_and_takes_values(event: Path, tables: Path):
    code, told = plan("erp/tryton/shipment.notified", str(event), "--lookups", str(tables), "--value", "receive=no", "--json")
    value = json.loads(told)
    assert code == 0
    assert [one["method"] for one in value["requests"]] == ["GET", "GET", "POST", "GET"]
    assert value["refused"] is None


def test_what_is_missing_in_a_table_is_told(event: Path, tables: Path):
    (tables / "items.yaml").write_text("northway: {}\n")
    code, told = plan("erp/odoo", str(event), "--lookups", str(tables))
    assert code == 1
    assert "REFUSED  count the goods: the table items has no entry for NF-2200 of northway; add it to" in told


def test_without_tables_words_stand_for_themselves(event: Path):
    code, told = plan("erp/odoo", str(event), "--no-lookups", "--partner", "harbor")
    assert code == 0, told
    assert '["purchase_line_id.order_id.partner_id.ref","=","harbor"]' in told
    assert "checked  look at the move: item NF-2200 of order PO1 is ordered in Units, and the notice counts in EA" in told


def test_a_target_of_the_settings_gives_values_and_tables(tmp_path: Path, event: Path, tables: Path):
    file = tmp_path / "crossdock.yaml"
    lookups = "".join(f"\n      {name}: {tables / name}.yaml" for name in TABLES)
    file.write_text(
        f'targets:\n  erp:\n    kind: calls\n    mapping: erp/tryton\n    url: https://erp.example/x\n    values: {{receive: "no"}}\n    lookups:{lookups}\n'
    )
    code, told = plan("erp/tryton", str(event), "--config", str(file), "--target", "erp")
    assert code == 0, told
    assert "4 requests, 1 of them change something" in told
    assert plan("erp/tryton", str(event), "--config", str(file), "--target", "other")[0] == 2


WRONG = [
    ("erp/sap", "{}", 2, "there is no mapping 'erp/sap' of calls; there are erp/odoo, erp/tryton"),
    ("erp/odoo/shipment.status", "{}", 2, "erp/odoo has calls for shipment.notified"),
    ("erp/odoo", "[1]", 65, "it holds no event"),
    ("erp/odoo", "{", 65, "it is no JSON"),
]


@pytest.mark.parametrize(("mapping", "text", "code", "told"), WRONG)
def test_what_cannot_be_planned_is_told(tmp_path: Path, mapping: str, text: str, code: int, told: str):
    (tmp_path / "event.json").write_text(text)
    done = CliRunner().invoke(app, ["erp", "plan", mapping, str(tmp_path / "event.json")])
    assert done.exit_code == code
    assert told in done.output + done.stderr


def test_a_cloudevent_says_its_partner_and_revision(tmp_path: Path, tables: Path):
    value = {"type": TYPE, "source": "/partners/northway", "sequence": "0000000002", "data": notice("ASN-1", ("PO1", "NF-2200", "1"))}
    (tmp_path / "event.json").write_text(json.dumps(value))
    code, told = plan("erp/odoo", str(tmp_path / "event.json"), "--lookups", str(tables))
    assert code == 0, told
    assert '"origin":"PO1 ASN-1/2"' in told
    assert "find what it corrects" in told
