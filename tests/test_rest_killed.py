"""The gateway dies between an ERP's 202 and its word on what became of it: it is asked, and nothing is sent twice."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from aiohttp import web

from gateway import journal
from gateway.clock import new_id, now
from gateway.operations import OPERATIONS
from gateway.records.incoming import Incoming
from gateway.settings import read_settings
from gateway.store.payloads import Payload
from gateway.store_opening import open_store
from tests.lives import PATIENCE, Life
from tests.running import ROOT, document
from tests.test_rest_polling import Staging
from tests.their_erp import their_erp

pytestmark = pytest.mark.kills
DEATHS = [
    pytest.param("{url}/jobs/{{id}}", ["deliver.sent=1"], marks=pytest.mark.big),
    ("{url}/jobs/{{id}}", ["deliver.claimed=1", "deliver.sent=1", "deliver.committed=1"]),
    pytest.param("location", ["deliver.committed=1"], marks=pytest.mark.big),
    ("location", ["deliver.committed=1", "deliver.sent=1", "deliver.claimed=1"]),
]
"""With `location` a death before COMMIT 3 has the event sent again, under the same key: who was to be asked is not known."""


@pytest.mark.parametrize(("poll", "deaths"), DEATHS, ids=lambda one: "+".join(one) if isinstance(one, list) else one[:8])
def test_what_was_taken_is_asked_after_and_sent_once(tmp_path: Path, poll: str, deaths: list[str]):
    async def act() -> None:
        journal.silence()
        async with their_erp() as there:
            stage = Staging(there)
            stage.says = lambda: web.json_response({}, status=202 if there.events() else 404)
            where = poll.format(url=there.url)
            given = {
                "data_dir": str(tmp_path / "var"),
                "targets": {"erp": {"url": f"{there.url}/events", "accepted": {"poll": where, "every": "200ms"}}},
            }
            settings = read_settings(None, given, environment={})
            settings.data_dir.mkdir(parents=True)
            store = open_store(settings)
            text = (ROOT / "partners" / "profiles" / "northway.yaml").read_text(encoding="utf-8")
            OPERATIONS["partners.apply"](store, {"text": text})
            at = now()
            one = new_id(at)
            payload = Payload.inline(one, "northway", document("856-notice.edi"))
            store.keep_message(Incoming(one, "northway", "http", payload, "application/edi-x12", None, 1, None, 1, at, "northway")).result(20)
            store.close()
            more = {"CROSSDOCK_TARGETS__ERP__ACCEPTED__POLL": where, "CROSSDOCK_TARGETS__ERP__ACCEPTED__EVERY": "200ms"}
            for failpoints in deaths:
                life = Life(settings, failpoints, **more)
                await life.dead()
            stage.says = lambda: web.json_response({})
            asked = len(stage.asked)
            last = Life(settings, "", **more)
            try:
                async with asyncio.timeout(PATIENCE):
                    while len(stage.asked) == asked:
                        await asyncio.sleep(0.05)
            finally:
                last.end()
            assert len(there.events()) == 1
            store = open_store(settings)
            (delivery,) = [one for one in OPERATIONS["show"](store, {"id": one})["deliveries"] if one["kind"] == "event"]
            with contextlib.closing(store):
                assert delivery["state"] == "delivered"

    asyncio.run(act())
