"""The chaotic ERP: its faults depend on the seed and the event alone, each kind comes, and every event gets through once."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulators.chaos import KINDS, Chaos
from gateway.simulators.staged import Staging
from tests.kill.documents import status
from tests.running import Running, running

EVENTS = 60


@given(st.integers(), st.lists(st.tuples(st.text(max_size=20), st.integers(1, 6)), max_size=50), st.randoms())
def test_the_same_seed_gives_the_same_faults_in_whatever_order(seed: int, requests: list[tuple[str, int]], chance):
    first = {one: Chaos(seed).fault(*one) for one in requests}
    chance.shuffle(requests)
    assert {one: Chaos(seed).fault(*one) for one in requests} == first


def test_faults_are_as_often_as_wanted_of_every_kind_and_end():
    met = Counter(Chaos(7, often=0.3).fault(f"event-{number}", 1) for number in range(10_000))
    assert set(met) == {None, *KINDS}
    assert 2_700 < 10_000 - met[None] < 3_300
    assert not any(Chaos(7, often=1.0, most=4).fault(f"event-{number}", 5) for number in range(100))


ACCEPTED = {"poll": "location", "every": "100ms", "state": "/status", "done": ["SUCCEEDED"], "failed": ["FAILED"]}
WAYS = {
    "alone": {}, "as whole objects": {"mode": "structured"}, "in batches": {"mode": "structured", "batch": {"most": 10, "within": "50ms"}},
    "staged": {"accepted": ACCEPTED, "answer": {"confirmed": "/confirmation"}},
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_whatever_the_chaos_does_each_event_takes_effect_once(tmp_path: Path, way: str):
    async def act() -> None:
        target = {"timeout": "1s", "concurrency": 30} | WAYS[way]
        more = {"retries": {"first": "1s", "longest": "1s"}, "breaker": {"failures": 1000}, "target": target}
        async with running(tmp_path, **more) as gateway:
            gateway.erp.chaos = Chaos(3, often=0.6, most=2)
            gateway.erp.staging = Staging(0.1) if way == "staged" else None
            await asyncio.gather(*[_sent(gateway, number) for number in range(1, EVENTS + 1)])
            await gateway.settle(lambda: len(gateway.effects()) == EVENTS, "not every event got through")
            assert all(effect.count == 1 for effect in gateway.effects())
            assert gateway.erp.met.total() > EVENTS // 4
            await gateway.settle(lambda: gateway.node.deliver.in_flight["target:erp"] == 0, "something goes on")
            assert not (await gateway.operate("dead"))["deliveries"], "chaos is no refusal"

    asyncio.run(act())


async def _sent(gateway: Running, number: int) -> None:
    answer, _ = await gateway.partner("northway").send(gateway.session, f"{number}.edi", status(number).body, tries=5)
    assert answer == 202
