"""CSV through the whole gateway, over real ports on both databases: whose file it is, what of it is delivered, and what the partner hears."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.running import Running, running

FIXTURES = Path(__file__).parent.parent / "mappings" / "csv"
STOCK = (FIXTURES / "inventory" / "fixtures" / "two-warehouses.csv").read_bytes()
STATUS = (FIXTURES / "status" / "fixtures" / "two-shipments.csv").read_bytes()

PROFILE = """\
partner: pallas
name: Pallas Warehousing
identities:
  tokens: [{{sha256: {digest}}}]
agreements:
  - receive: csv/status
    default_zone: America/Chicago
  - receive: csv/inventory
    duties: {{error_report: all}}
  - send: csv/asn
  - receive: csv/adjustments
    file: ADJ_*.csv
"""


async def agreed(gateway: Running) -> None:
    await gateway.operate("partners.apply", text=PROFILE.format(digest=hashlib.sha256(b"pallas").hexdigest()))


async def sent(gateway: Running, body: bytes, name: str = "file.csv") -> dict[str, Any]:
    status, answer = await gateway.partner("pallas").send(gateway.session, name, body)
    assert status == 202, answer
    return await gateway.decided("pallas", answer["id"])


def sets_of(value: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for group in value["interchanges"][0]["groups"] for one in group["sets"]]


def test_a_file_finds_its_agreement_by_its_heading_and_its_events_reach_the_erp(tmp_path: Path, database_url: str):
    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            await agreed(gateway)
            value = await sent(gateway, STATUS)
            assert [(one["id"], one["state"], one["control"]) for one in sets_of(value)] == [
                ("csv/status", "translated", "ABCD|SH-1001"),
                ("csv/status", "translated", "ABCD|SH-1001"),
                ("csv/status", "translated", "ABCD|SH-1002"),
            ]
            assert value["acknowledgments"] == []
            await gateway.settle(lambda: len(gateway.effects()) == 3)
            told = [effect.data for effect in gateway.effects("shipment/SH-1001")]
            assert [one["event"] for one in told] == ["pickup.departed", "transit.en_route"]
            assert told[0]["evidence"]["format"] == "csv"
            assert told[0]["evidence"]["message"] == value["id"]

    asyncio.run(act())


def test_a_bad_row_rejects_its_document_and_the_partner_gets_a_report(tmp_path: Path, database_url: str):
    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            await agreed(gateway)
            value = await sent(
                gateway, STOCK.replace(b"WH2,2026-11-16T06:00:00-06:00,BLU-10,614141000012,Blue widget,EA,12", b"WH2,,=1+1,,,EA,twelve")
            )
            assert [(one["state"], one["verdict"]) for one in sets_of(value)] == [("translated", "A"), ("rejected", "R")]
            assert value["interchanges"][0]["groups"][0]["verdict"] == "P"
            await gateway.settle(lambda: len(gateway.effects()) == 1)
            (report,) = value["acknowledgments"]
            rows = report["content"].lstrip("\ufeff").splitlines()
            assert rows[0] == '"line","document","place","value","problem"'
            assert rows[1].startswith('"5","line 5","As Of","","line 5, As Of: it is empty')
            assert any('"twelve"' in row and "is no number" in row for row in rows)
            box = gateway.partner("pallas")
            assert await box.pick_up(gateway.session) == 1
            assert next(iter(box.picked_up.values())).decode("utf-8-sig").splitlines() == rows

    asyncio.run(act())


def test_the_same_file_again_is_a_duplicate_and_the_same_rows_in_another_file_are_too(tmp_path: Path, database_url: str):
    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            await agreed(gateway)
            first = await sent(gateway, STOCK)
            again = await gateway.partner("pallas").send(gateway.session, "again.csv", STOCK)
            assert again[1]["id"] == first["id"]
            other = await sent(gateway, STOCK.replace(b"\n", b"\r\n"))
            assert [one["state"] for one in sets_of(other)] == ["duplicate", "duplicate"]
            assert [len(one["acknowledgments"]) for one in (first, other)] == [1, 1]

    asyncio.run(act())


HELD = [
    ("nobody's", b"a,b\n1,2\n", "x.csv", "csv/status: its heading lacks Shipment ID"),
    ("another's name", STATUS, "ADJ_7.csv", ""),
    ("XML", b"<a/>", "x.xml", "nothing of that is agreed with pallas"),
]


@pytest.mark.parametrize(("body", "name", "words"), [case[1:] for case in HELD], ids=[case[0] for case in HELD])
def test_a_file_that_fits_no_agreement_is_held_in_words(tmp_path: Path, body: bytes, name: str, words: str):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            await agreed(gateway)
            value = await sent(gateway, body, name)
            if words:
                assert value["state"] == "held"
                assert words in value["reason"]
            else:  # its name says whose it is, so the partner hears what is wrong with it
                assert [one["state"] for one in sets_of(value)] == ["rejected"]
                assert "the heading lacks Adjustment Number" in value["acknowledgments"][0]["content"]

    asyncio.run(act())


def test_a_file_of_many_documents_survives_being_read_in_chunks(tmp_path: Path, database_url: str):
    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            await agreed(gateway)
            heading = b"Adjustment Number,Adjustment Date,SKU,Quantity Change,Unit\n"
            rows = [b"A-%04d,2026-11-16,SKU-%d,%s,EA\n" % (number, number % 7, b"x" if number == 450 else b"5") for number in range(900)]
            value = await sent(gateway, heading + b"".join(rows), "ADJ_1.csv")
            states = [one["state"] for one in sets_of(value)]
            assert (len(states), states.count("translated"), states[450]) == (900, 899, "rejected")
            assert value["acknowledgments"][0]["content"].count("\n") == 2
            await gateway.settle(lambda: len(gateway.effects()) == 899)
            (await gateway.operate("partners.apply", text=PROFILE.format(digest=hashlib.sha256(b"pallas").hexdigest())))

    asyncio.run(act())


def test_the_erp_releases_an_event_and_the_partner_gets_a_csv_file(tmp_path: Path, database_url: str):
    golden = json.loads((FIXTURES / "asn" / "fixtures" / "two-packs.events.json").read_text(encoding="utf-8"))
    data = {key: value for key, value in golden["sets"][0]["events"][0]["data"].items() if key not in ("evidence", "quality")}

    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            await agreed(gateway)
            event = {"partner": "pallas", "type": "shipment.notified", "data": data}
            status, answer = await gateway.release(event, key="asn-1")
            assert status == 202, answer
            assert (answer["set"], answer["control_numbers"]) == ("csv/asn", None)
            assert await gateway.release(event, key="asn-1") == (202, answer)
            box = gateway.partner("pallas")
            await box.pick_up(gateway.session)
            (body,) = box.picked_up.values()
            assert body.decode().splitlines()[1:], body
            assert body.decode().splitlines()[1].startswith("ASN-77,2026-11-16T14:05,2026-11-18,ABCD")
            assert (await gateway.document(answer["id"]))["state"] == "delivered"
            status, answer = await gateway.release(event | {"data": data | {"structure": "0001"}})
            assert [one["field"] for one in answer["not_written"]] == ["structure"]
            status, answer = await gateway.release(event | {"data": {**data, "lines": [{"id": "1", "pack": "nowhere"}]}})
            assert (status, answer["problems"][0]["field"]) == (422, "lines[0]")

    asyncio.run(act())


NOTICE = (FIXTURES.parent / "xml" / "ubl-despatch-advice" / "fixtures" / "two-lines.xml").read_bytes()


def test_xml_finds_its_agreement_by_its_root_and_each_field_is_explained(tmp_path: Path, database_url: str):
    profile = PROFILE + "  - receive: xml/ubl-despatch-advice\n  - receive: xml/cxml-ship-notice\n  - send: xml/ubl-receipt-advice\n"

    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            await gateway.operate("partners.apply", text=profile.format(digest=hashlib.sha256(b"pallas").hexdigest()))
            value = await sent(gateway, NOTICE, "notice.xml")
            assert [(one["id"], one["state"]) for one in sets_of(value)] == [("xml/ubl-despatch-advice", "translated")]
            await gateway.settle(lambda: gateway.effects("shipment/DA-1001"))
            (effect,) = gateway.effects("shipment/DA-1001")
            told = await gateway.operate("explain", id=effect.attributes["id"], field="lines[0].lots")
            (spot,) = told["fields"][0]["from"]
            assert (told["fields"][0]["value"], spot["path"]) == ("L01", "cac:LotIdentification > cbc:LotNumberID")
            assert NOTICE[spot["byte_start"] : spot["byte_end"]] == b"<cbc:LotNumberID>L01</cbc:LotNumberID>"
            bad = await sent(gateway, NOTICE.replace(b"</cac:Shipment>", b"", 1), "bad.xml")
            assert (bad["state"], "well-formed" in bad["reason"]) == ("held", True)
            stock = await sent(gateway, STOCK)
            await gateway.settle(lambda: len(gateway.effects()) == 3)
            event = next(one for one in gateway.effects() if one.data["evidence"]["message"] == stock["id"] and len(one.data["lines"]) == 3)
            told = await gateway.operate("explain", id=event.attributes["id"], field="lines[1].lots")
            (spot,) = told["fields"][0]["from"]
            assert STOCK[spot["byte_start"] : spot["byte_end"]] == b"L02"
            assert spot["path"] == "line/lot"

    asyncio.run(act())
