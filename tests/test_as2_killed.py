"""The gateway dies between the steps of an AS2 exchange; what was promised is kept, and what goes again is the same, byte for byte."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway import journal
from gateway.commands.operate import operate
from gateway.operations import OPERATIONS
from gateway.settings import Settings, read_settings
from gateway.simulators.as2 import PretendAs2Partner
from gateway.simulators.erp import PretendErp
from gateway.store_opening import open_store
from tests.as2_keys import key
from tests.as2_running import profile, text_of
from tests.lives import PATIENCE, Life
from tests.running import document
from translators.as2.cms.keys import certificate
from translators.as2.write import Document, ReceiptWanted, Security

pytestmark = pytest.mark.kills
X12 = document("214-status.edi")


@contextlib.asynccontextmanager
async def stage(folder: Path, send: str = "{}") -> AsyncIterator[tuple[Settings, PretendAs2Partner, PretendErp, str]]:
    journal.silence()
    erp = PretendErp()
    runners = []
    urls = []
    partner = PretendAs2Partner("ACME3PL", key("signer"), key("signer").certificate)
    for app in (erp.app(), partner.app()):
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
        urls.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
    settings = read_settings(None, {"data_dir": str(folder / "var"), "targets": {"erp": {"url": f"{urls[0]}/events"}}}, environment={})
    settings.data_dir.mkdir(parents=True)
    store = open_store(settings)

    def do(operation: str, **given: Any) -> Any:
        return OPERATIONS[operation](store, given)

    made = do("keys.generate", name="ours")
    partner.gateway = certificate(base64.b64decode("".join(do("keys.show", id=made["id"])["pem"].splitlines()[1:-1])))
    do("partners.apply", text=profile("acme", "ACME3PL", url=f"{urls[1]}/as2", send=send, agreements="[{receive: '214'}]"))
    do("keys.add", partner="acme", data=text_of(key("signer").certificate.der), **{"from": "2020-01-01"})
    store.close()
    try:
        yield settings, partner, erp, urls[1]
    finally:
        for runner in runners:
            await runner.cleanup()


async def until(what: Any, words: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await what():
            await asyncio.sleep(0.1)
    assert words


async def asked(settings: Settings, name: str, **given: Any) -> Any:
    return await asyncio.to_thread(operate, settings, name, given)


@pytest.mark.parametrize(
    "point", ["as2.answered", pytest.param("as2.frozen", marks=pytest.mark.big), pytest.param("deliver.sent", marks=pytest.mark.big)]
)
def test_what_was_frozen_goes_again_in_the_same_bytes(tmp_path: Path, point: str):
    async def go() -> None:
        async with stage(tmp_path) as (settings, partner, _, _url):
            store = open_store(settings)
            OPERATIONS["as2.send"](store, {"partner": "acme", "data": text_of(X12)})
            store.close()
            first = Life(settings, f"{point}=1")
            await first.dead()
            sent_before = len(partner.taken)
            second = Life(settings, "")
            try:
                await second.url()

                async def delivered() -> bool:
                    found = await asked(settings, "as2.messages", direction="out")
                    return bool(found) and found[0]["state"] == "delivered"

                await until(delivered, "delivered")
                (row,) = await asked(settings, "as2.messages", direction="out")
                shown = await asked(settings, "show", id=row["message"])
                await until(lambda: _is_delivered(settings, row["message"]), "the delivery is settled")
            finally:
                second.end()
            assert shown
            assert len({one.body for one in partner.taken}) == 1
            assert len({one.request.message_id for one in partner.taken}) == 1
            assert sent_before == (0 if point == "as2.frozen" else 1)
            # Once the answer was committed, nothing leaves again: only COMMIT 3 was missing.
            assert len(partner.taken) == (1 if point in ("as2.frozen", "deliver.sent") else 2)

    asyncio.run(go())


async def _is_delivered(settings: Settings, message: str) -> bool:
    shown = await asked(settings, "show", id=message)
    return bool(shown["deliveries"][0]["state"] == "delivered")


@pytest.mark.parametrize(
    ("point", "wanted"),
    [
        ("as2.kept", "async"),
        pytest.param("as2.decided", "sync", marks=pytest.mark.big),
        pytest.param("as2.decided", "async", marks=pytest.mark.big),
        pytest.param("receive.answered", "sync", marks=pytest.mark.big),
    ],
)
def test_a_receipt_is_made_once_whatever_dies(tmp_path: Path, point: str, wanted: str):
    async def go() -> None:
        async with stage(tmp_path) as (settings, partner, erp, url):
            receipt = ReceiptWanted(url=f"{url}/as2" if wanted == "async" else None)
            headers, written, named = partner.write([Document(X12, "application/edi-x12")], Security(), receipt=receipt)
            first = Life(settings, f"{point}=1")
            async with aiohttp.ClientSession() as session:
                address = await first.url()
                with contextlib.suppress(aiohttp.ClientError):
                    await partner.post(session, f"{address}/as2", headers, written, named, receipt)
                await first.dead()
                second = Life(settings, "")
                try:
                    address = await second.url()
                    answers = [await partner.post(session, f"{address}/as2", headers, written, named, receipt) for _ in range(2)]
                    if wanted == "sync":
                        assert answers[0].judgment is not None
                        assert answers[0].judgment.state == "delivered"
                        assert answers[0].body == answers[1].body
                    else:
                        assert {one.status for one in answers} == {204}

                        async def told() -> bool:
                            return len(partner.receipts) >= 1

                        await until(told, "a receipt came")
                        assert len({report.mic for report, _ in partner.receipts}) == 1

                    async def three() -> bool:
                        return len(erp.effects) == 3

                    await until(three, "the events are at the ERP")
                    assert len(await asked(settings, "messages")) == 1
                    assert len(await asked(settings, "as2.messages", direction="in")) == 1
                finally:
                    second.end()

    asyncio.run(go())
