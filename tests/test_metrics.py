"""Metrics: what they count of a document's way, how many partners they name, and that the dashboard asks for nothing that there is not."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from gateway.metrics import MOST_PARTNERS, OTHER, Metrics
from gateway.store import search
from gateway.store.store import Store
from tests.kill.documents import status
from tests.running import ROOT, Running, running

DASHBOARD = json.loads((ROOT / "docker" / "grafana.json").read_text(encoding="utf-8"))


async def page_of(gateway: Running) -> str:
    async with gateway.session.get(f"{gateway.node.addresses['admin']}/metrics") as response:
        return await response.text()


def test_a_documents_way_is_counted_and_the_dashboard_finds_all_that_it_asks_for(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            await gateway.sent("northway", status(1).body)
            await gateway.settle(lambda: gateway.effects())
            await gateway.settle(lambda: gateway.node.deliver.in_flight["target:erp"] == 0)
            page = await page_of(gateway)
            assert 'crossdock_documents_total{partner="northway",state="translated"} 1.0' in page
            assert 'crossdock_stage_seconds_count{partner="northway",stage="translate"} 1.0' in page
            assert 'crossdock_stage_seconds_count{partner="northway",stage="deliver"} 1.0' in page
            known = set(re.findall(r"(?m)^# TYPE (\S+)", page))
            for panel in DASHBOARD["panels"]:
                for target in panel["targets"]:
                    asked = {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in re.findall(r"crossdock_\w+", target["expr"])}
                    assert asked, panel["title"]
                    assert asked <= known, (panel["title"], asked - known)

    asyncio.run(act())


def test_so_many_partners_have_a_name(store: Store):
    metrics = Metrics(store)
    assert {metrics._partner(f"p{number}") for number in range(MOST_PARTNERS + 50)} == {f"p{number}" for number in range(MOST_PARTNERS)} | {OTHER}
    assert metrics._partner("p3") == "p3"
    assert metrics._destination("as2:p3") == "as2:p3"
    assert metrics._destination("as2:another") == "as2:other"
    assert metrics._destination("target:erp") == "target:erp"


def test_what_all_nodes_say_alike_is_not_summed():
    """Gauges that are read from the rows are the same at every node."""
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    shared = re.findall(r"(?m)^\| `(crossdock_\w+)` \| gauge, rows", page)
    asked = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"] if any(name in target["expr"] for name in shared)]
    assert len(asked) >= 5
    assert [expr for expr in asked if not expr.startswith("max")] == []


def test_what_is_open_is_counted_at_each_look_and_the_whole_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    counted = []
    totals = search.totals
    monkeypatch.setattr(search, "totals", lambda tx: counted.append(1) or totals(tx))

    async def act() -> None:
        async with running(tmp_path) as gateway:
            await page_of(gateway)
            gateway.erp.behaviour.dead = True
            await gateway.sent("northway", status(1).body)
            page = await page_of(gateway)
            assert 'crossdock_deliveries{destination="target:erp",state="due"} 1.0' in page
            assert "translated" not in re.findall(r'crossdock_messages\{state="(\w+)"', page), "a minute is not over"
            assert len(counted) == 1
            gateway.node.metrics._count_at = 0.0
            assert 'crossdock_messages{state="translated"} 1.0' in await page_of(gateway)

    asyncio.run(act())
