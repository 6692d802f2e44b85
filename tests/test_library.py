"""One's own folder beside what ships: mappings, overlays, tables and schemas of a partner, in commands and in the gateway's workers."""

import asyncio
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.commands.check import check
from gateway.commands.translate import translate
from partners import library
from partners.mappings import shipped
from partners.profile import read_profile
from partners.schemas import schema_of
from tests.running import running
from translators.document import TranslationError
from translators.mapping import MappingError

STOCK = """\
title: stock of Pallas
event: inventory.snapshot
csv:
  delimiter: semicolon
  encoding: cp1252
  decimal: ","
  dates: [DD.MM.YYYY]
  records:
    snapshot:
      key: [warehouse, as_of]
      columns:
        warehouse: {heading: Lager, required: yes}
        as_of: {heading: Stichtag, holds: date, required: yes}
    line:
      columns:
        sku: {heading: [Artikel, Artikelnummer], required: yes}
        on_hand: {heading: Bestand, holds: number}
each: snapshot
identity:
  business: [warehouse, as_of]
  subject: {inventory: warehouse}
  time: [as_of]
fields:
  snapshot_id: as_of
  as_of: as_of | timestamp
  parties[]: {at: snapshot, role: =warehouse, ids[]: {at: snapshot, type: =sender_code, value: warehouse}}
  lines[]:
    each: line
    id: line@number
    item:
      ids[]: {at: line, type: =sku, value: sku}
    stock[]: {at: line, kind: =on_hand, quantity: on_hand | quantity(unit)}
""".replace(
    "parties[]: {at: snapshot, role: =warehouse, ids[]: {at: snapshot, type: =sender_code, value: warehouse}}",
    """parties[]:
    at: snapshot
    role: =warehouse
    ids[]: {at: snapshot, type: =sender_code, value: warehouse}""",
)
FILE = "Lager;Stichtag;Artikelnummer;Bestand\nKöln;16.11.2026;BLU-10;12,5\nKöln;16.11.2026;RED-10;3\n".encode("cp1252")
XML = """\
title: Acme's shipment message
event: shipment.notified
xml:
  root: a:Shipment
  namespaces: {a: "urn:acme:shipment:2"}
  layout:
    a:Number: text
    a:Item+: {a:Sku: text, a:Quantity: text}
each: a:Shipment
identity:
  business: a:Number
  subject: {shipment: a:Number}
fields:
  notice_id: a:Number
  lines[]:
    each: a:Item
    id: a:Item@number
    item:
      ids[]: {at: a:Item, type: =sku, value: a:Sku}
    shipped: a:Quantity a:Quantity/@unit | quantity(unit_rec20)
"""
NOTICE = b"""<Shipment xmlns="urn:acme:shipment:2"><Number>N-1</Number>
<Item><Sku>BLU-10</Sku><Quantity unit="EA">12</Quantity></Item></Shipment>
"""
TYPES = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:acme:shipment:2" xmlns="urn:acme:shipment:2" elementFormDefault="qualified">
<xs:complexType name="Quantity"><xs:simpleContent><xs:extension base="xs:decimal"><xs:attribute name="unit" use="required"/></xs:extension></xs:simpleContent></xs:complexType>
</xs:schema>"""
SCHEMA = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:acme:shipment:2" xmlns="urn:acme:shipment:2" elementFormDefault="qualified">
<xs:include schemaLocation="http://schemas.acme.example/common/types.xsd"/>
<xs:element name="Shipment"><xs:complexType><xs:sequence>
<xs:element name="Number" type="xs:string"/>
<xs:element name="Item" maxOccurs="unbounded"><xs:complexType><xs:sequence>
<xs:element name="Sku" type="xs:string"/><xs:element name="Quantity" type="Quantity"/>
</xs:sequence></xs:complexType></xs:element>
</xs:sequence></xs:complexType></xs:element></xs:schema>"""


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "library"
    for name, text in {
        "mappings/csv/pallas-stock/mapping.yaml": STOCK,
        "mappings/xml/acme/mapping.yaml": XML,
        "mappings/csv/status/overlays/pallas.yaml": "csv: {columns: {status: {heading: Statuscode, required: yes}}}\n",
        "schemas/shipment.xsd": SCHEMA.decode(),
        "schemas/types.xsd": TYPES.decode(),
    }.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text, encoding="utf-8")
    library.use(home)
    yield home
    library.use(None)


def test_ones_own_mappings_stand_beside_those_that_ship(mine: Path, tmp_path: Path):
    assert {"csv/pallas-stock", "csv/status", "xml/acme"} <= set(shipped().names())
    assert shipped().mapping("csv/status", ("pallas",)).form.records[0].column("status").headings == ("Statuscode",)
    (tmp_path / "stock.csv").write_bytes(FILE)
    out = io.StringIO()
    assert translate(tmp_path / "stock.csv", mapping="csv/pallas-stock", out=out) == 0
    assert "warehouse: sender_code Köln" in out.getvalue()
    assert "BLU-10" in out.getvalue()


def test_a_shipped_name_cannot_be_taken(mine: Path):
    (mine / "mappings/csv/asn").mkdir()
    (mine / "mappings/csv/asn/mapping.yaml").write_text(STOCK, encoding="utf-8")
    library.use(None)
    library.use(mine)
    with pytest.raises(MappingError, match="give yours another name"):
        shipped().mapping("csv/asn")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(ValueError, match="no folder"):
        library.use(tmp_path / "nowhere")


SCHEMA_FAULTS = [
    ("right", NOTICE, 0, ""),
    ("no number", NOTICE.replace(b">12<", b">many<"), 1, "line 2: /"),
    ("no unit", NOTICE.replace(b' unit="EA"', b""), 1, "attribute 'unit' is required"),
    ("an element that nobody knows", NOTICE.replace(b"</Sku>", b"</Sku><Colour/>"), 1, "Colour"),
]


@pytest.mark.parametrize(("data", "code", "words"), [case[1:] for case in SCHEMA_FAULTS], ids=[case[0] for case in SCHEMA_FAULTS])
def test_a_schema_judges_a_file(mine: Path, tmp_path: Path, data: bytes, code: int, words: str):
    (tmp_path / "notice.xml").write_bytes(data)
    out = io.StringIO()
    assert check(tmp_path / "notice.xml", mapping="xml/acme", schema=mine / "schemas" / "shipment.xsd", out=out) == code
    assert words in out.getvalue()


def test_a_schema_that_cannot_be_used_is_told(mine: Path):
    (mine / "schemas" / "types.xsd").unlink()
    schema_of.cache_clear()
    with pytest.raises(TranslationError, match=r"includes types\.xsd, which is not there"):
        schema_of("shipment.xsd")
    with pytest.raises(TranslationError, match=r"there are shipment\.xsd"):
        schema_of("other.xsd")
    with pytest.raises(TranslationError, match="there is no such file"):
        schema_of("../secrets.xsd")


PROFILE = """\
partner: pallas
name: Pallas Warehousing
identities: {{tokens: [{{sha256: {digest}}}]}}
agreements:
  - {{receive: csv/pallas-stock}}
  - {{receive: xml/acme, schema_file: shipment.xsd}}
"""


def test_the_workers_find_it(mine: Path, tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path, library=str(mine)) as gateway:
            await gateway.operate("partners.apply", text=PROFILE.format(digest=hashlib.sha256(b"pallas").hexdigest()))
            value = await gateway.sent("pallas", FILE)
            assert value["state"] == "translated"
            await gateway.settle(lambda: gateway.effects())
            (effect,) = gateway.effects()
            assert [line["stock"][0]["quantity"]["value"] for line in effect.data["lines"]] == ["12.5", "3"]
            bad = await gateway.sent("pallas", NOTICE.replace(b">12<", b">many<"))
            (one,) = bad["interchanges"][0]["groups"][0]["sets"]
            assert (one["state"], one["findings"][0]["code"]) == ("rejected", "schema")
            assert "many" in bad["acknowledgments"][0]["content"]

    asyncio.run(act())


def test_a_schema_that_is_not_there_is_a_mistake_of_the_profile(mine: Path):
    from partners.checks import problems

    profile = read_profile(PROFILE.format(digest="0" * 64).replace("shipment.xsd", "other.xsd"))
    assert any("other.xsd" in line for line in problems(profile))
