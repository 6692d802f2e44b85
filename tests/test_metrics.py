"""Metrics: what they count of a document's way, how many partners they name, and that the dashboard asks for nothing that there is not."""

import asyncio
import json
import re
from pathlib import Path

from gateway.metrics import MOST_PARTNERS, OTHER, Metrics
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
