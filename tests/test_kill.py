"""The gateway dies again and again; the ERP's ledger and the partners' outboxes say whether a promise was broken. The long form is P1 of tests/faults."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from gateway.simulators.erp import PretendErp
from gateway.simulators.partner import PretendPartner
from tests.kill.harness import Gateway, Run
from tests.test_translate_workers import several

SETS = 1_000

pytestmark = pytest.mark.timeout(1500)


def run(folder: Path, capsys: pytest.CaptureFixture[str], **terms):
    verdict = asyncio.run(Run(folder, **terms)())
    with capsys.disabled():
        print(f"\n{verdict.table()}")
    return verdict


def test_four_kills_lose_and_double_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    verdict = run(tmp_path, capsys, seed=1, kills=4)
    assert verdict.delivered > 30
    assert verdict.released > 5
    assert verdict.good, verdict


def test_a_message_of_many_chunks_survives_a_kill_at_each_step(tmp_path: Path):
    """1,000 sets in one group are three chunks: whatever is killed between them, each set counts once and the group gets one 997.

    Workers are not killed here: a set that costs three of them is held, as it must be.
    """

    async def act() -> tuple[PretendErp, PretendPartner]:
        erp = PretendErp()
        runner = web.AppRunner(erp.app(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        gateway = Gateway(tmp_path, f"http://127.0.0.1:{runner.addresses[0][1]}")
        gateway.apply("northway")
        partner = PretendPartner("northway", "northway", "")
        async with aiohttp.ClientSession() as session:
            for turn, point in enumerate(("translate.read", "translate.committed", "translate.committed", None)):
                await gateway.start(point, chance=1.0)
                partner.url = gateway.url
                if turn == 0:
                    status, answer = await partner.send(session, "many", several(SETS), tries=50)
                    assert status == 202, answer
                until = asyncio.get_running_loop().time() + (4 if point else 40)
                while gateway.alive and asyncio.get_running_loop().time() < until and len(erp.effects) < SETS:
                    await asyncio.sleep(0.05)
                if point:
                    gateway.kill()
            for _ in range(30):
                await partner.pick_up(session, lease=2)
                if partner.picked_up:
                    break
                await asyncio.sleep(0.1)
        assert {"translate.read", "translate.committed"} <= set(gateway.hits())
        gateway.stop()
        await runner.cleanup()
        return erp, partner

    erp, partner = asyncio.run(act())
    assert len(erp.effects) == SETS
    assert all(effect.count == 1 for effect in erp.effects.values())
    (answer,) = partner.picked_up.values()
    assert f"~AK9*A*{SETS}*{SETS}*{SETS}~".encode() in answer
