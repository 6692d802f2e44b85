"""How the ERP-facing API is governed: quotas with their headers, versions, deprecations, tokens, and an audit log without gaps."""

import asyncio
import json
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from gateway.clock import HOUR, MINUTE, SECOND, now
from gateway.consumers.quotas import RequestQuotas
from gateway.consumers.records import Asking, Consumer, Given, chain_of
from gateway.doors import deprecations, erp_access
from gateway.doors.deprecations import Deprecated
from gateway.doors.erp_routes import BY_PLACE
from gateway.errors import StoreUnavailable
from gateway.store.consumer_verbs import ConsumerVerbs
from tests.api_running import Api, serving, shipment_event
from tests.test_way_out import asked

AT = 1_900_000_000 * SECOND // MINUTE * MINUTE


class Hands:
    """A clock that stands until somebody moves it."""

    def __init__(self) -> None:
        self.now = AT

    def __call__(self) -> int:
        return self.now


def run(act: Any, folder: Path, database: str | None = None, **settings: Any) -> None:
    async def whole() -> None:
        async with serving(folder, database, **settings) as api:
            await act(api)

    asyncio.run(whole())


def records(api: Api, chain: str) -> list[dict[str, Any]]:
    query = text("SELECT record FROM audit WHERE partner = :chain ORDER BY number")
    return [json.loads(one) for one in api.store.read(lambda tx: tx.execute(query, {"chain": chain}).scalars().all()).result(20)]


def test_a_burst_of_ten_times_the_rate_gets_the_rate_and_is_told_when_to_come_again(tmp_path: Path, database_url: str):
    hands = Hands()

    async def act(api: Api) -> None:
        await api.consumer("wms", "shipments:read", rate=30)
        await api.consumer("other", "shipments:read", rate=30)
        hands.now += 18 * SECOND
        first = await api.get("/v1/shipments", "wms")
        assert first.headers["RateLimit-Policy"] == '"default";q=30;w=60'
        assert first.headers["RateLimit"] == '"default";r=29;t=42'
        answers = await asyncio.gather(*(api.get("/v1/shipments", "wms") for _ in range(299)))
        assert sum(answer.status == 200 for answer in answers) == 29
        refused = next(answer for answer in answers if answer.status == 429)
        assert (refused.headers["Retry-After"], refused.headers["RateLimit"]) == ("42", '"default";r=0;t=42')
        assert (refused.value["type"], refused.value["violated-policies"]) == ("/problems/quota-exceeded", ["default"])
        assert (await api.get("/v1/orders", "wms")).status == 429, "before the scope is looked at"
        assert (await api.get("/v1/shipments", "other")).status == 200
        assert (await api.get("/v1/shipments")).headers.get("RateLimit") is None, "the settings' token has no bound"
        hands.now += MINUTE
        assert (await api.get("/v1/shipments", "wms")).headers["RateLimit"] == '"default";r=29;t=42'
        await api.gateway.operate("consumers.change", name="wms", rate=2, because="too many")
        assert [(await api.get("/v1/shipments", "wms")).status for _ in range(3)] == [200, 429, 429], "what was taken counts"

    run(act, tmp_path, database_url, clock=hands)


def test_a_share_that_comes_after_the_minutes_turn_is_asked_for_once_more():
    hands = Hands()
    hands.now += MINUTE - 2
    asked_for: list[int] = []

    class Verbs:
        def take(self, asking: Asking) -> Future[Given]:
            asked_for.append(asking.minute)
            hands.now += 5 * (len(asked_for) == 1)  # the commit of the first outlasts the minute
            answer: Future[Given] = Future()
            answer.set_result(Given(asking.minute, asking.wanted, asking.rate - asking.wanted))
            return answer

    quotas = RequestQuotas(SimpleNamespace(consumers=Verbs()), hands)  # type: ignore[arg-type]
    limit = asyncio.run(quotas.take(Consumer("wms", frozenset(), None, None, None, 600, "0.1.0")))
    assert limit is not None
    assert (limit.passes, limit.left, asked_for) == (True, 599, [AT // MINUTE, AT // MINUTE + 1])


def test_a_flood_of_refusals_is_few_records_that_count_them_all(tmp_path: Path):
    hands = Hands()

    async def act(api: Api) -> None:
        await api.consumer("wms", "shipments:read", rate=1)
        for _ in range(21):
            await api.get("/v1/shipments", "wms")
            await api.get("/v1/shipments", None)
        await api.gateway.node.listeners.runners["erp"].cleanup()
        for chain, status, number in (("consumer:wms", 429, 20), ("consumer:-", 401, 21)):
            denied = [one for one in records(api, chain) if one["act"] == "denied"]
            assert [one["status"] for one in denied] == [status, status], "the first at once, the others together"
            assert sum(one["number"] for one in denied) == number
            assert denied[0]["from"] == ["127.0.0.1"]

    run(act, tmp_path, clock=hands)


def test_refusals_are_gathered_while_the_node_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(erp_access, "TOGETHER", 0.05)

    async def act(api: Api) -> None:
        for _ in range(5):
            await api.get("/v1/shipments", None)
        await api.gateway.settle(lambda: sum(one["number"] for one in records(api, "consumer:-")) == 5)
        await asyncio.sleep(0.2)
        await api.get("/v1/shipments", None)
        assert sum(one["number"] for one in records(api, "consumer:-")) == 6, "after a pause the next one is the first again"

    run(act, tmp_path)


def test_what_cannot_be_written_down_is_not_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async def act(api: Api) -> None:
        await api.consumer("wms", "orders:read")
        await api.consumer("watched", "shipments:read", audit_reads=True)
        assert (await api.get("/v1/shipments", "watched")).status == 200

        def away(self: ConsumerVerbs, item: Any) -> "Future[None]":
            future: Future[None] = Future()
            future.set_exception(StoreUnavailable("the database is away"))
            return future

        monkeypatch.setattr(ConsumerVerbs, "note", away)
        for who, path in (("wms", "/v1/shipments"), ("watched", "/v1/shipments"), (None, "/v1/shipments")):
            answer = await api.get(path, who)
            assert (answer.status, answer.value["type"]) == (503, "/problems/not-now")
        status, answer = await api.gateway.release(asked())
        assert (status, answer["type"]) == (503, "/problems/not-now")
        assert await api.gateway.operate("messages", sent=True) == [], "nothing is released that could not be written down before"

    run(act, tmp_path)


def test_reads_are_in_the_audit_log_where_that_is_asked_for(tmp_path: Path):
    async def act(api: Api) -> None:
        await api.consumer("watched", "shipments:read", "events:read", audit_reads=True)
        await api.consumer("other", "shipments:read")
        tag = (await api.get("/v1/shipments?limit=7", "watched")).headers["ETag"]
        await api.get("/v1/shipments?limit=7", "watched", If_None_Match=tag)
        await api.get("/v1/events", "watched")
        await api.get("/v1/shipments", "other")
        reads = [(one["path"], one["status"]) for one in records(api, "consumer:watched") if one["act"] == "read"]
        assert reads == [("/v1/shipments?limit=7", 200), ("/v1/shipments?limit=7", 304), ("/v1/events", 200)]
        assert [one["act"] for one in records(api, "consumer:other")] == ["consumer made"]

    run(act, tmp_path)


def test_each_release_is_written_down_before_and_after(tmp_path: Path):
    async def act(api: Api) -> None:
        await api.consumer("shop", "documents:release", partners=["lake3pl"])
        key = {"Idempotency_Key": "K1"}
        assert (await api.ask("POST", "/v1/documents", "shop", json=asked(), **key)).status == 202
        mine = [(one["act"], one.get("status"), one.get("key")) for one in records(api, chain_of("shop"))[1:]]
        assert mine == [("asked", None, "K1"), ("answered", 202, None)]
        calls = {one["call"] for one in records(api, chain_of("shop"))[1:]}
        assert len(calls) == 1, "both by the call's id"
        other = await api.ask("POST", "/v1/documents", "erp", json=asked(9), **key)
        assert other.status == 202, "one consumer's keys are not another's"
        again = await api.ask("POST", "/v1/documents", "shop", json=asked(), **key)
        assert (again.status, again.headers["Idempotent-Replayed"]) == (202, "true")
        test = await api.ask("POST", "/v1/documents", "shop", json=asked(stream="test"))
        assert (test.status, test.value["type"]) == (403, "/problems/outside-filter")
        nobody = await api.ask("POST", "/v1/documents", "shop", json=asked(partner="nobody"))
        assert (nobody.status, "harbor" in nobody.value["detail"]) == (403, False), "it does not learn who else is there"

    run(act, tmp_path)


def test_a_call_that_fails_is_written_down_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from gateway.compose.stage import ComposeStage

    async def act(api: Api) -> None:
        async def fail(self: ComposeStage, *given: Any, **more: Any) -> Any:
            raise ZeroDivisionError

        monkeypatch.setattr(ComposeStage, "release", fail)
        assert (await api.ask("POST", "/v1/documents", json=asked())).status == 500
        assert [(one["act"], one.get("status")) for one in records(api, chain_of("erp"))[1:]] == [("asked", None), ("answered", 500)]

    run(act, tmp_path)


def test_a_consumer_can_be_made_before_the_first_node_runs(tmp_path: Path):
    from typer.testing import CliRunner

    from gateway.__main__ import app

    data = str(tmp_path / "var")
    made = CliRunner().invoke(app, ["consumers", "add", "wms", "--scope", "events:read", "--data-dir", data])
    assert (made.exit_code, "token:  cdc_" in made.output) == (0, True), made.output
    assert "wms" in CliRunner().invoke(app, ["consumers", "--data-dir", data]).output


def test_a_version_is_kept_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async def act(api: Api) -> None:
        await api.consumer("wms", "shipments:read")
        assert (await api.get("/v1/shipments", "wms")).headers["Crossdock-Contract"] == "0.1.0"
        assert (await api.get("/v1/shipments", "wms", Crossdock_Contract="0.1.0")).status == 200
        for unknown in ("0.2.0", "", "x" * 5000):
            answer = await api.get("/v1/shipments", "wms", Crossdock_Contract=unknown)
            assert (answer.status, answer.value["type"]) == (406, "/problems/unknown-contract")
            assert "0.1.0" in answer.value["detail"]
        monkeypatch.setattr(erp_access, "VERSIONS", ("0.2.0",))
        gone = await api.get("/v1/shipments", "wms")
        assert (gone.status, "0.1.0" in gone.value["detail"]) == (406, True), "what the consumer was written for is not kept any more"
        assert (await api.get("/v1/shipments", "wms", Crossdock_Contract="0.2.0")).headers["Crossdock-Contract"] == "0.2.0"

    run(act, tmp_path)


def test_what_is_to_go_is_told_with_each_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    since, gone = 1_688_169_599 * SECOND, 1_719_791_999 * SECOND
    monkeypatch.setattr(
        deprecations,
        "DEPRECATED",
        [
            Deprecated("GET", "/v1/shipments", since, gone, "https://docs.example/shipments"),
            Deprecated("GET", "/v1/inventory", since, None, "https://docs.example/changes", field="after"),
        ],
    )

    async def act(api: Api) -> None:
        answer = await api.get("/v1/shipments")
        assert answer.headers["Deprecation"] == "@1688169599"
        assert answer.headers["Sunset"] == "Sun, 30 Jun 2024 23:59:59 GMT"
        assert answer.headers["Link"] == '<https://docs.example/shipments>; rel="deprecation"; type="text/html"'
        api.tell("northway", *(shipment_event(f"S{number}") for number in range(3)))
        linked = await api.get("/v1/shipments?limit=1")
        assert [one.rpartition("rel=")[2].partition(";")[0] for one in linked.headers.getall("Link")] == ['"next"', '"deprecation"']
        field = await api.get("/v1/inventory")
        assert (field.headers["Deprecation"], "Sunset" in field.headers) == ("@1688169599", False)
        assert "Deprecation" not in (await api.get("/v1/orders")).headers

    run(act, tmp_path)


def faults(deprecated: list[Deprecated]) -> list[tuple[str, str]]:
    """(path, what is wrong with it)."""
    nowhere = [(one.path, "is no route") for one in deprecated if (one.method, one.path) not in BY_PLACE]
    return nowhere + [(one.path, "goes before it was deprecated") for one in deprecated if one.sunset is not None and one.sunset < one.since]


def test_nothing_goes_before_it_was_deprecated():
    wrong = [
        Deprecated("GET", "/v1/shipments", AT, AT, "right"),
        Deprecated("GET", "/v1/orders", AT, AT - 1, "wrong"),
        Deprecated("GET", "/v1/nothing", AT, None, "wrong"),
    ]
    assert faults(wrong) == [("/v1/nothing", "is no route"), ("/v1/orders", "goes before it was deprecated")]
    assert not faults(deprecations.DEPRECATED)


def test_tokens_open_as_long_as_they_should(tmp_path: Path):
    hands = Hands()

    async def act(api: Api) -> None:
        await api.consumer("wms", "shipments:read")
        old = api.tokens["wms"]
        hands.now = now()  # the operations have the machine's own clock
        api.tokens["new"] = (await api.gateway.operate("consumers.rotate", name="wms", keep="1h"))["token"]
        api.tokens["old"] = old
        assert [(await api.get("/v1/shipments", who)).status for who in ("new", "old")] == [200, 200]
        hands.now = now() + 2 * HOUR
        assert [(await api.get("/v1/shipments", who)).status for who in ("new", "old")] == [200, 401]
        await api.gateway.operate("consumers.retire", name="wms", because="over")
        assert (await api.get("/v1/shipments", "new")).status == 401

    run(act, tmp_path, clock=hands)


def test_the_listener_opens_with_the_first_consumer(tmp_path: Path):
    async def act(api: Api) -> None:
        assert "erp" not in api.gateway.node.addresses
        await api.consumer("wms", "shipments:read")
        assert (await api.get("/v1/shipments", "wms")).status == 200
        file = json.loads((api.gateway.node.settings.data_dir / "node.json").read_text())
        assert file["erp"] == api.url
        assert [one["name"] for one in await api.gateway.operate("consumers")] == ["wms"], "the built-in one is not there without its token"

    run(act, tmp_path, erp_listener={"token": None})


def test_the_settings_token_is_a_consumer_like_others(tmp_path: Path):
    async def act(api: Api) -> None:
        (one,) = await api.gateway.operate("consumers")
        assert (one["name"], one["partners"], one["stream"], one["rate"], one["tokens"]) == ("erp", None, None, None, [])
        await api.gateway.operate("consumers.change", name="erp", scopes=["documents:read"], because="it only looks")
        status, refused = await api.gateway.release(asked())
        assert (status, refused["scope"]) == (403, "documents:release")
        for operation in ("rotate", "retire"):
            with pytest.raises(Exception, match="settings"):
                await api.gateway.operate(f"consumers.{operation}", name="erp", because="x")

    run(act, tmp_path)


def test_commands_as_a_person_types_them(tmp_path: Path):
    from tests.test_work_commands import told

    async def act(api: Api) -> None:
        made = await told(
            api.gateway, "consumers", "add", "wms", "--scope", "events:read", "--partner", "lake3pl", "--type", "shipment.status", "--from", "start"
        )
        assert "token:  cdc_" in made
        token = made.partition("token:  ")[2].split()[0]
        listed = await told(api.gateway, "consumers")
        for words in ("wms", "events:read", "lake3pl", "shipment.status", "600"):
            assert words in listed
        assert token not in listed + await told(api.gateway, "consumers", "show", "wms", "--json")
        assert "no scope is called nonsense" in await told(api.gateway, "consumers", "add", "x", "--scope", "nonsense", status=1)
        assert "partners: all" in await told(api.gateway, "consumers", "change", "wms", "--all-partners", "--all-types", "--because", "more")
        assert "token:  cdc_" in await told(api.gateway, "consumers", "rotate", "wms", "--keep", "1h")
        assert "has read up to position 0" in await told(api.gateway, "consumers", "replay", "wms", "--from", "start", "--because", "again")
        assert "retired" in await told(api.gateway, "consumers", "retire", "wms", "--because", "over")
        assert "wms" not in await told(api.gateway, "consumers")
        assert "wms" in await told(api.gateway, "consumers", "--all")

    run(act, tmp_path)


def test_a_cloudevent_is_known_to_its_own_consumer_by_all_of_its_source_and_id(tmp_path: Path):
    def cloud(order: int, name: Any = "1", source: Any = "/orders") -> dict[str, Any]:
        return {"specversion": "1.0", "id": name, "source": source} | asked(order)

    async def act(api: Api) -> None:
        await api.gateway.apply("lake3pl")
        for name in ("wms", "tms"):
            await api.consumer(name)

        async def released(who: str, value: dict[str, Any]) -> tuple[int, Any, bool]:
            answer = await api.ask("POST", "/v1/documents", who, json=value)
            return answer.status, answer.value.get("id", answer.value.get("detail")), "Idempotent-Replayed" in answer.headers

        long = "https://erp.example.com/" + "a" * 190
        values = [("wms", cloud(1)), ("tms", cloud(2)), ("erp", cloud(3))]
        values += [(who, cloud(4 + number, name, long)) for who in ("wms", "erp") for number, name in enumerate("12")]
        first = [await released(*one) for one in values]
        assert [(status, again) for status, _, again in first] == [(202, False)] * 7
        assert len({document for _, document, _ in first}) == 7
        assert [await released(*one) for one in values] == [(202, document, True) for _, document, _ in first]
        assert [(await released(who, value | {"time": "2026-11-16T08:00:00Z"}))[0] for who, value in values] == [422] * 7, (
            "the same key, another body"
        )
        for name, source in ((5, "/orders"), ({"a": 1}, "/orders"), ("", "/orders"), ("9", None), ("9", "")):
            status, detail, _ = await released("wms", cloud(9, name, source))
            assert (status, "must be text" in detail) == (400, True)

    run(act, tmp_path)


def test_a_cloudevent_that_was_released_before_keys_were_each_consumers_own_is_not_released_again(tmp_path: Path):
    async def act(api: Api) -> None:
        await api.gateway.apply("lake3pl")
        await api.consumer("wms")
        value = {"specversion": "1.0", "id": "1", "source": "/orders"} | asked(1)
        before = await api.ask("POST", "/v1/documents", json=value)  # under its plain key, as everybody's were
        again = await api.ask("POST", "/v1/documents", "wms", json=value)
        assert (again.status, again.value["id"], again.headers["Idempotent-Replayed"]) == (202, before.value["id"], "true")
        other = await api.ask("POST", "/v1/documents", "wms", json=value | {"data": asked(2)["data"]})
        assert (other.status, other.value["id"] != before.value["id"]) == (202, True)

    run(act, tmp_path)
