"""The gateway dies in the middle of replays: every document counts once, and no event is doubled at the ERP."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway import journal
from gateway.clock import new_id, now
from gateway.errors import StoreUnavailable
from gateway.operations import OPERATIONS
from gateway.records.incoming import Incoming
from gateway.settings import Settings, read_settings
from gateway.simulators.erp import PretendErp
from gateway.store.payloads import Payload
from gateway.store.store import Store
from gateway.store_opening import open_store
from tests.lives import PATIENCE, Life
from tests.running import ROOT
from tests.test_as2_killed import asked
from tests.test_translate_workers import several

pytestmark = pytest.mark.kills
MESSAGES, SETS = 3, 130
"""Two messages do not fit one page, so that each page is a message."""
DOCUMENTS = MESSAGES * SETS
ZONED, UNZONED = b"*0930*CT~MS1*JOLIET*IL*US~", b"*0930~"
RATES = {"CROSSDOCK_TARGETS__ERP__RATE": "100000", "CROSSDOCK_TARGETS__ERP__BURST": "100000"}


def message(number: int) -> bytes:
    """Many 214s whose times have no zone of their own, each about another shipment."""
    body = several(SETS).replace(ZONED, UNZONED).replace(b"SE*8*", b"SE*7*").replace(b"000000001", b"%09d" % number)
    return body.replace(b"*PRO", b"*PRO%d-" % number).replace(b"*SHP", b"*SHP%d-" % number)


def filled(store: Store) -> None:
    apply(store, "America/Chicago")
    for number in range(1, MESSAGES + 1):
        at = now()
        one = new_id(at)
        payload = Payload.inline(one, "northway", message(number))
        item = Incoming(one, "northway", "http", payload, "application/edi-x12", None, 1, None, 1, at, "northway")
        assert store.keep_message(item).result(20).outcome == "new"


def apply(store: Store, zone: str) -> None:
    text = (ROOT / "partners" / "profiles" / "northway.yaml").read_text(encoding="utf-8")
    OPERATIONS["partners.apply"](store, {"text": text.replace("America/Chicago", zone)})


@contextlib.asynccontextmanager
async def stage(folder: Path, database: str | None) -> Any:
    journal.silence()
    erp = PretendErp()
    runner = web.AppRunner(erp.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    given = {"data_dir": str(folder / "var"), "database": database, "targets": {"erp": {"url": f"http://127.0.0.1:{runner.addresses[0][1]}/events"}}}
    settings = read_settings(None, given, environment={})
    settings.data_dir.mkdir(parents=True)
    try:
        yield settings, erp
    finally:
        await runner.cleanup()


def life(settings: Settings, failpoints: str) -> Life:
    more = {"CROSSDOCK_DATABASE": settings.database} if settings.database else {}
    return Life(settings, failpoints, **RATES, **more)


async def until(what: Any) -> None:
    async with asyncio.timeout(PATIENCE):
        while not what():
            await asyncio.sleep(0.05)


async def jobs_of(settings: Settings) -> list[dict[str, Any]]:
    with contextlib.suppress(StoreUnavailable):
        found: list[dict[str, Any]] = await asked(settings, "replays")
        return found
    return []


async def survive(settings: Settings, erp: PretendErp, deaths: list[str]) -> None:
    """Translated and delivered, then two replays begun under another zone: one compares, one makes revisions; a life for each death, and a last one."""
    store = open_store(settings)
    filled(store)
    store.close()
    first = life(settings, "")
    await until(lambda: len(erp.effects) == DOCUMENTS)
    first.end()
    store = open_store(settings)
    apply(store, "America/Denver")
    for given in ({}, {"into": "live", "reason": "the zone was wrong"}):
        OPERATIONS["replays.start"](store, {"partner": "northway"} | given)
    store.close()
    for failpoints in deaths:
        one = life(settings, failpoints)
        await one.dead()
    last = life(settings, "")
    try:
        await last.url()
        async with asyncio.timeout(2 * PATIENCE):
            while [one["state"] for one in await jobs_of(settings)] != ["done", "done"]:
                await asyncio.sleep(0.1)
        await until(lambda: len(erp.effects) == 2 * DOCUMENTS)
        live, compared = await jobs_of(settings)
        assert live["counts"] == {"messages": MESSAGES, "documents": DOCUMENTS, "queued": DOCUMENTS, "changed": DOCUMENTS}
        read = compared["counts"]
        assert (read["messages"], read["documents"]) == (MESSAGES, DOCUMENTS)
        # What the other one has made new already is the same to this one.
        assert read.get("same", 0) + read.get("changed", 0) == DOCUMENTS
        assert read.keys() <= {"messages", "documents", "same", "changed"}
    finally:
        last.end()
    assert {effect.count for effect in erp.effects.values()} == {1}
    assert len({effect.event.rpartition("-r")[0] for effect in erp.effects.values()}) == DOCUMENTS


def test_a_killed_replay_goes_on_and_counts_every_document_once(tmp_path: Path):
    async def go() -> None:
        async with stage(tmp_path, None) as (settings, erp):
            await survive(settings, erp, ["replay.claimed=1", "replay.read=1", "replay.committed=1"])

    asyncio.run(go())


@pytest.mark.big
def test_replays_survive_many_deaths_on_both_databases(tmp_path: Path, database_url: str):
    async def go() -> None:
        async with stage(tmp_path, database_url if database_url.startswith("postgresql") else None) as (settings, erp):
            await survive(
                settings,
                erp,
                [f"{point},replay.committed=0.5" for point in ("replay.read=0.4", "translate.committed=0.3", "store.after_commit=0.05")],
            )

    asyncio.run(go())
