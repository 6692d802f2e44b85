"""The pretend ERP that only takes events in at first: what `accepted` is tried with."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from gateway.clock import now
from gateway.errors import PermanentFailure, UnknownOutcome
from gateway.settings import read_settings
from gateway.simulators.erp import PretendErp
from gateway.simulators.staged import Staging
from gateway.targets.base import Accepted, Confirmation
from gateway.targets.kinds import make
from tests.their_erp import event

SETTINGS = {
    "accepted": {"poll": "location", "every": "100ms", "state": "/status", "done": ["SUCCEEDED"], "failed": ["FAILED"]},
    "answer": {"confirmed": "/confirmation", "error": "/error"},
}


@contextlib.asynccontextmanager
async def staged(seconds: float = 0.05) -> AsyncIterator[tuple[PretendErp, Any]]:
    erp = PretendErp(staging=Staging(seconds))
    runner = web.AppRunner(erp.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
    target = make("erp", read_settings(None, {"targets": {"erp": {"url": url, **SETTINGS}}}, environment={}).targets["erp"], clock=now)
    yield erp, target
    await target.close()
    await runner.cleanup()


async def brought(target: Any, name: str = "e-r1") -> Confirmation:
    """As the deliver stage does it: the ticket comes back until it is decided."""
    said = await target.deliver(event(name), b"{}")
    for _ in range(100):
        if isinstance(said, Confirmation):
            return said
        await asyncio.sleep(0.02)
        said = await target.deliver(event(name, accepted=said.ticket), b"{}")
    raise AssertionError("it was never decided")


def test_an_event_is_taken_and_done_later():
    async def act() -> None:
        async with staged() as (erp, target):
            first = await target.deliver(event(), b"{}")
            assert isinstance(first, Accepted)
            assert not erp.effects
            assert (await brought(target)).confirmed == "ERP-000001"
            assert [one.count for one in erp.effects.values()] == [1], "what came twice is one job"

    asyncio.run(act())


def test_a_refusal_comes_late_and_is_told():
    async def act() -> None:
        async with staged() as (erp, target):
            erp.behaviour.refuse_types = ["t.v1"]
            with pytest.raises(PermanentFailure) as refused:
                await brought(target)
            assert refused.value.words == "we do not take t.v1"
            assert not erp.effects
            erp.behaviour.refuse_types = []
            assert (await brought(target)).confirmed == "ERP-000001"

    asyncio.run(act())


def test_an_answer_that_is_lost_leaves_one_job():
    async def act() -> None:
        async with staged() as (erp, target):
            erp.behaviour.cut_after_commit = 1
            with pytest.raises(UnknownOutcome):
                await target.deliver(event(), b"{}")
            await brought(target)
            assert [one.count for one in erp.effects.values()] == [1]

    asyncio.run(act())
