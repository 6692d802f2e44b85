"""From a carrier's 856 to stock moves in a real Tryton, with the gateway killed in between: one shipment, the right quantities."""

import asyncio
import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway import journal
from gateway.operations import OPERATIONS
from gateway.settings import Settings, read_settings
from gateway.simulators.partner import PretendPartner
from gateway.store_opening import open_store
from tests.cutting import Cut, line_to
from tests.lives import PATIENCE, Life
from tests.peers import tryton as peers
from tests.running import ROOT, document

pytestmark = [
    pytest.mark.big, pytest.mark.nodes, pytest.mark.skipif(not peers.PROGRAM.exists(), reason=peers.MISSING), pytest.mark.timeout(300),
]  # fmt: skip

TABLES = {
    "suppliers": "partner,key,word\n,northway,NORTHWAY\n",
    "items": "partner,key,word\nnorthway,NF-2200,WIDGET\nnorthway,614141007356,GADGET\n",
    "units": "partner,key,word\n,CA,u\n",
}
BEHIND = {"create": "stock.shipment.in", "receive": "receive", "do": "do"}


@pytest.fixture(scope="module")
def erp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Tryton]:
    with peers.server(tmp_path_factory.mktemp("tryton")) as server:
        yield server


@pytest.fixture
def library(tmp_path: Path) -> Path:
    lookups = tmp_path / "library" / "lookups"
    lookups.mkdir(parents=True)
    for name, text in TABLES.items():
        (lookups / f"{name}.csv").write_text(text)
    return lookups.parent


def prepared(folder: Path, url: str) -> Settings:
    """A data directory with the carrier's profile in it."""
    given = {"data_dir": str(folder / "var"), "targets": {"erp": {"kind": "calls", "mapping": "erp/tryton", "url": url}}}
    settings = read_settings(None, given, environment={})
    settings.data_dir.mkdir(parents=True)
    store = open_store(settings)
    text = (ROOT / "partners" / "profiles" / "northway.yaml").read_text(encoding="utf-8")
    token = hashlib.sha256(b"northway").hexdigest()
    OPERATIONS["partners.apply"](store, {"text": text.replace("tokens: []", f"tokens: [{{sha256: {token}}}]")})
    store.close()
    return settings


def environment(erp: peers.Tryton, library: Path) -> dict[str, str]:
    return {
        "CROSSDOCK_LIBRARY": str(library), "CROSSDOCK_TARGETS__ERP__KIND": "calls", "CROSSDOCK_TARGETS__ERP__MAPPING": "erp/tryton",
        "CROSSDOCK_TARGETS__ERP__TOKEN": erp.key,
    }  # fmt: skip


def the_856(order: str, notice: str) -> bytes:
    """48 widgets and 20 gadgets, a carton each, for an order of ours."""
    text = document("856-notice.edi").decode()
    for old, new in (("4500881", order), ("ASN-88120", notice), ("SN1*2*55*CA", "SN1*2*20*CA")):
        assert old in text
        text = text.replace(old, new)
    return text.encode()


async def posted(life: Life, body: bytes) -> str:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session:
        status, answer = await PretendPartner("northway", "northway", await life.url()).send(session, "asn.edi", body, key="asn")
    assert status == 202, answer
    return str(answer["id"])


def delivered(settings: Settings) -> bool:
    """As the database says, which the gateway has: read beside it."""
    with contextlib.closing(sqlite3.connect(f"file:{settings.data_dir / 'crossdock.db'}?mode=ro", uri=True, timeout=10)) as database:
        return {row[0] for row in database.execute("SELECT state FROM deliveries WHERE kind = 'event'")} == {"delivered"}


def deliveries(settings: Settings, message: str) -> list[Any]:
    store = open_store(settings)
    try:
        return [one for one in OPERATIONS["show"](store, {"id": message})["deliveries"] if one["kind"] == "event"]
    finally:
        store.close()


@pytest.mark.parametrize("death", ["deliver.claimed", "deliver.sent", "deliver.committed", *BEHIND])
def test_a_notice_becomes_stock_moves_wherever_the_gateway_dies(tmp_path: Path, erp: peers.Tryton, library: Path, death: str):
    order = erp.order()
    notice = f"ASN-{order}."

    async def act() -> None:
        journal.silence()
        async with line_to(erp.url) as line:
            settings = prepared(tmp_path, line.url)
            more = environment(erp, library)
            life = Life(settings, "" if death in BEHIND else f"{death}=1", **more)
            met = 0

            def breaks(number: int, method: str) -> Cut | None:
                """Behind the first change of that kind the gateway is killed; nobody hears the answer."""
                nonlocal met
                if met or method != "POST" or not line.asking.endswith(BEHIND.get(death, "never")):
                    return None
                met += 1
                return "after"

            line.breaks, line.on_break = breaks, life.process.kill
            message = await posted(life, the_856(order, notice))
            await life.dead()
            line.on_break = None
            last = Life(settings, "", **more)
            try:
                async with asyncio.timeout(PATIENCE * 2):
                    while not await asyncio.to_thread(delivered, settings):
                        await asyncio.sleep(0.2)
            finally:
                last.end()
            (delivery,) = deliveries(settings, message)
            assert delivery["state"] == "delivered"

    asyncio.run(act())
    assert erp.shipments(notice) == [("done", 2)]
    assert erp.moves(order) == [("GADGET", 10, "draft"), ("GADGET", 20, "done"), ("WIDGET", 48, "done"), ("WIDGET", 72, "draft")]
    assert erp.stored(order) == [("GADGET", 20, "done"), ("WIDGET", 48, "done")]
