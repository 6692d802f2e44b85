"""From the partner's bytes to the ERP's answer one trace, as a collector is told it: a real exporter, and a collector of the test's own."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway import traces
from gateway.clock import DAY
from gateway.doors.keys import traceparent_of
from gateway.settings import SettingsError, masked, read_settings
from tests.kill.documents import status
from tests.running import Running, running
from tests.test_way_out import asked, picked_up

PARTNERS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = PARTNERS[:-1] + "0"


class Collector:
    """What came by OTLP: spans by name."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self.headers: list[str | None] = []

    async def take(self, request: web.Request) -> web.Response:
        sent = ExportTraceServiceRequest.FromString(await request.read())
        self.headers.append(request.headers.get("Authorization"))
        for one in sent.resource_spans:
            self.resources.append({value.key: value.value.string_value for value in one.resource.attributes})
            self.spans += [span for scope in one.scope_spans for span in scope.spans]
        return web.Response()

    def span(self, name: str) -> Any:
        (found,) = [one for one in self.spans if one.name == name]
        return found


@contextlib.asynccontextmanager
async def collected(folder: Path, **terms: Any) -> AsyncIterator[tuple[Running, Collector]]:
    """A gateway that tells; the spans are all there once it has stopped."""
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces"
    try:
        async with running(folder, traces={"endpoint": endpoint, "headers": {"Authorization": "Bearer of-the-collector"}} | terms) as gateway:
            yield gateway, collector
    finally:
        await runner.cleanup()


async def sent(gateway: Running, number: int, traceparent: str | None = None) -> None:
    document = status(number)
    headers = {"Authorization": f"Bearer {document.partner}"} | ({"traceparent": traceparent} if traceparent else {})
    async with gateway.session.post(f"{gateway.url}/v1/inbox", data=document.body, headers=headers) as response:
        assert response.status == 202, await response.text()
    await gateway.settle(lambda: gateway.effects(document.subject))


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def test_the_partners_trace_goes_on_to_the_erp(tmp_path: Path):
    async def act() -> None:
        async with collected(tmp_path) as (gateway, collector):
            await sent(gateway, 1, PARTNERS)
            (effect,) = gateway.effects(status(1).subject)
        received, translated = collector.span("receive http"), collector.span("translate")
        (delivered,) = [one for one in collector.spans if one.name == "deliver target:erp"]
        _, trace, partners, _ = PARTNERS.split("-")
        assert {one.trace_id.hex() for one in (received, translated, delivered)} == {trace}
        assert received.parent_span_id.hex() == partners
        assert translated.parent_span_id == delivered.parent_span_id == received.span_id
        assert effect.attributes["traceparent"] == f"00-{trace}-{delivered.span_id.hex()}-01", "the ERP goes on below the attempt"
        assert received.start_time_unix_nano <= translated.start_time_unix_nano <= translated.end_time_unix_nano <= delivered.end_time_unix_nano
        assert attributes(delivered)["crossdock.outcome"] == "delivered"
        assert attributes(received)["crossdock.message"] == attributes(translated)["crossdock.message"] == effect.data["evidence"]["message"]
        assert collector.resources[0]["service.name"] == "crossdock"
        assert set(collector.headers) == {"Bearer of-the-collector"}
        assert not [one for one in collector.spans if "VALUE" in str(one) or "ISA*" in str(one)], "no payload"

    asyncio.run(act())


def test_a_message_without_one_begins_one_and_one_that_is_not_sampled_stays_so(tmp_path: Path):
    async def act() -> None:
        async with collected(tmp_path) as (gateway, collector):
            await sent(gateway, 1)
            await sent(gateway, 2, UNSAMPLED)
            (first,) = gateway.effects(status(1).subject)
            (second,) = gateway.effects(status(2).subject)
        assert collector.span("receive http").parent_span_id == b""
        assert collector.span("receive http").trace_id.hex() == first.attributes["traceparent"].split("-")[1]
        assert second.attributes["traceparent"].split("-")[1::2] == [UNSAMPLED.split("-")[1], "00"], "handed on all the same"

    asyncio.run(act())


def test_an_attempt_that_fails_says_so_and_a_release_is_told(tmp_path: Path):
    async def act() -> None:
        async with collected(tmp_path) as (gateway, collector):
            gateway.erp.behaviour.refuse_types = ["org.crossdock.shipment.status.v1"]
            document = status(1)
            await gateway.sent(document.partner, document.body)
            await gateway.release(asked(), key="K")
            await picked_up(gateway, 1)
            await asyncio.sleep(0.3)
        failed = collector.span("deliver target:erp")
        assert failed.status.code == 2
        assert "422" in failed.status.message
        assert attributes(failed)["crossdock.status"] == 422
        assert attributes(collector.span("release"))["crossdock.set"] == "940"

    asyncio.run(act())


def test_without_a_collector_nothing_is_begun(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            await sent(gateway, 1)
            await sent(gateway, 2, PARTNERS)
            assert "traceparent" not in gateway.effects(status(1).subject)[0].attributes
            assert gateway.effects(status(2).subject)[0].attributes["traceparent"] == PARTNERS

    asyncio.run(act())


def test_a_collector_that_is_away_costs_nothing(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path, traces={"endpoint": "http://127.0.0.1:9/v1/traces"}) as gateway:
            await sent(gateway, 1)
            assert [effect.count for effect in gateway.effects(status(1).subject)] == [1]

    asyncio.run(act())


def test_a_collector_that_hangs_holds_no_stop_up(monkeypatch: pytest.MonkeyPatch):
    answers, sent = threading.Event(), threading.Event()

    class Hangs(Kept):
        def shutdown(self) -> None:
            answers.wait(20)
            sent.set()

    monkeypatch.setattr(traces, "STOPPING", 0.05)
    traces.use_teller(Hangs())
    traces.stop()
    assert not sent.is_set()
    answers.set()
    assert sent.wait(20)


class Kept:
    def __init__(self) -> None:
        self.spans: list[Any] = []

    def on_end(self, span: Any) -> None:
        self.spans.append(span)

    def shutdown(self) -> None:
        pass


@pytest.mark.parametrize(("ratio", "least", "most"), [(0.0, 0, 0), (0.25, 400, 600), (1.0, 2000, 2000)])
def test_a_share_of_the_traces_is_told(ratio: float, least: int, most: int):
    kept = Kept()
    traces.use_teller(kept, ratio)
    try:
        for _ in range(2000):
            own = traces.begin(None)
            assert traceparent_of(own) == own
            traces.tell("step", own, None, DAY, DAY + 5)
    finally:
        traces.stop()
    assert least <= len(kept.spans) <= most
    assert traces.begin(None) is None


def test_the_collectors_credentials_are_not_shown():
    settings = read_settings(None, {"traces": {"endpoint": "http://c/v1/traces", "headers": {"Authorization": "Bearer x"}}}, environment={})
    assert masked(settings.model_dump(mode="json"))["traces"]["headers"] == {"Authorization": "***"}
    with pytest.raises(SettingsError, match=r"traces\.ratio"):
        read_settings(None, {"traces": {"endpoint": "http://c/v1/traces", "ratio": 2}}, environment={})
