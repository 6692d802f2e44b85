"""An ERP that only takes an event in at first: asked later, by address, header or answer, through crashes, until it says what became of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import SECOND
from gateway.deliver.stage import DeliverStage
from gateway.errors import DestinationFault, PermanentFailure, TemporaryFailure, UnknownOutcome
from gateway.settings import SettingsError, read_settings
from gateway.targets.base import Accepted, Confirmation
from gateway.targets.rest import RestTarget
from tests.kill.documents import status
from tests.running import Running, document, running
from tests.test_acknowledgments import ADVICE, told
from tests.test_rest_answers import delivery_of
from tests.their_erp import TheirErp, Time, event, target_of, their_erp

NOTICE = document("856-notice.edi")
DATA = b"{}"


class Staging:
    """Takes events in with 202, and says what became of them when asked at /jobs/…"""

    def __init__(self, there: TheirErp, first: Any = None) -> None:
        self.first = first or (lambda name: web.json_response({"job": name}, status=202, headers={"Location": f"/jobs/{name}"}))
        self.says: Any = lambda: web.json_response({"status": "RUNNING"}, status=202)
        self.asked: list[str] = []
        there.answer = self.answer

    def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if request.method == "POST":
            return self.first(request.headers["Idempotency-Key"].strip('"'))
        self.asked.append(request.path_qs)
        return self.says()


@asynccontextmanager
async def staging(clock: Any = None, first: Any = None, **terms: Any) -> AsyncIterator[tuple[TheirErp, Staging, RestTarget]]:
    async with their_erp() as there:
        accepted = {key: str(value).replace("URL", there.url) if key == "poll" else value for key, value in terms.pop("accepted").items()}
        async with target_of(there, clock=clock or Time(), accepted=accepted, **terms) as target:
            yield there, Staging(there, first), target


WAYS = [
    ("location", None, "/jobs/e-r1"),
    ("/links/self", lambda name: web.json_response({"links": {"self": "jobs/7?x=1"}}, status=202), "/jobs/7?x=1"),
    ("URL/jobs/{id}", None, "/jobs/e-r1"),
    ("URL/jobs/{/job/n}/status", lambda name: web.json_response({"job": {"n": "a/b ?"}}, status=202), "/jobs/a%2Fb%20%3F/status"),
]


@pytest.mark.parametrize(("poll", "first", "path"), WAYS, ids=[one[0] for one in WAYS])
def test_it_is_asked_where_it_says(poll: str, first: Any, path: str):
    async def act() -> None:
        async with staging(first=first, accepted={"poll": poll}, token="word", answer={"confirmed": "/id"}) as (there, stage, target):
            taken = await target.deliver(event(), DATA)
            assert isinstance(taken, Accepted)
            assert (taken.is_new, taken.status, taken.again.total_seconds(), stage.asked) == (True, 202, 5, [])
            still = await target.deliver(event(accepted=taken.ticket), DATA)
            assert isinstance(still, Accepted)
            assert (still.is_new, still.ticket) == (False, taken.ticket)
            stage.says = lambda: web.json_response({"id": "ERP-7"})
            done = await target.deliver(event(accepted=taken.ticket), DATA)
            assert done == Confirmation(200, b'{"id": "ERP-7"}', confirmed="ERP-7")
            assert stage.asked == [path, path]
            assert {one.headers["authorization"] for one in there.requests} == {"Bearer word"}
            assert len(there.events()) == 1

    asyncio.run(act())


ELSEWHERE = [
    "http://169.254.169.254/latest", "//other.example/x", "https://127.0.0.1/x", "http://127.0.0.1:1/x", "http://us:pw@127.0.0.1:PORT/x", "file:///etc/passwd",
    "http://[::1/x", "http://127.0.0.1:99999999/x", "x" * 3000,
]  # fmt: skip


@pytest.mark.parametrize("address", ELSEWHERE, ids=lambda address: address[:40])
@pytest.mark.parametrize("poll", ["location", "/at"])
def test_nobody_is_asked_at_another_server(address: str, poll: str):
    """Our credentials would go along, and it could be an address within our own network. That it was taken stays unknown."""

    async def act() -> None:
        named = address

        def first(name: str) -> web.Response:
            return web.json_response({"at": named}, status=202, headers={"Location": named})

        async with staging(first=first, accepted={"poll": poll}, token="word") as (there, stage, target):
            named = address.replace("PORT", there.url.rpartition(":")[2])
            with pytest.raises(UnknownOutcome, match="names"):
                await target.deliver(event(), DATA)
            with pytest.raises(DestinationFault, match="no address of this target"):
                await target.deliver(event(accepted=json.dumps({"poll": named, "since": 0})), DATA)
            assert stage.asked == []

    asyncio.run(act())


def test_an_answer_that_names_nothing_leaves_the_outcome_unknown():
    async def act() -> None:
        for poll in ("location", "/at", "URL/jobs/{/job}"):
            async with staging(first=lambda name: web.Response(status=202), accepted={"poll": poll}) as (_, _, target):
                with pytest.raises(UnknownOutcome, match="names no address"):
                    await target.deliver(event(), DATA)

    asyncio.run(act())


BY_STATUS = {"poll": "location"}
BY_WORD = {"poll": "location", "state": "/status", "done": ["SUCCEEDED", "Warning"], "failed": "Error"}
SAYS = [
    (BY_STATUS, 200, {}, "done"), (BY_STATUS, 204, None, "done"), (BY_STATUS, 303, {}, "done"), (BY_STATUS, 202, {}, "pending"), (BY_STATUS, 404, {}, "pending"),
    (BY_STATUS, 410, {}, "pending"), (BY_STATUS, 422, {"error": "no such item"}, "failed"), (BY_STATUS, 400, {}, "failed"), (BY_STATUS, 503, {}, "ask again"),
    (BY_STATUS, 429, {}, "ask again"), (BY_STATUS, 500, {}, "ask again"), (BY_STATUS, 403, {}, "parked"), (BY_STATUS, 302, {}, "parked"),
    (BY_WORD, 200, {"status": "succeeded"}, "done"), (BY_WORD, 202, {"status": "WARNING"}, "done"), (BY_WORD, 200, {"status": "error"}, "failed"),
    (BY_WORD, 200, {"status": "RUNNING"}, "pending"), (BY_WORD, 200, {}, "pending"), (BY_WORD, 200, None, "pending"), (BY_WORD, 404, {}, "pending"),
    (BY_WORD, 422, {}, "parked"), (BY_WORD, 303, {}, "parked"), (BY_WORD, 503, {"status": "error"}, "ask again"),
]  # fmt: skip


async def outcome_of(target: RestTarget, one: Any) -> str:
    try:
        said = await target.deliver(one, DATA)
    except UnknownOutcome:
        return "unknown"
    except TemporaryFailure:
        return "ask again"
    except DestinationFault:
        return "parked"
    except PermanentFailure as failure:
        return "failed" if "look into it" not in str(failure) else "too late"
    return "pending" if isinstance(said, Accepted) else "done"


@pytest.mark.parametrize(("accepted", "status", "body", "meaning"), SAYS)
def test_what_its_answer_means(accepted: dict[str, Any], status: int, body: Any, meaning: str):
    async def act() -> None:
        time = Time()
        async with staging(time, accepted=accepted, answer={"error": "/error"}) as (_, stage, target):
            taken = await target.deliver(event(), DATA)
            assert isinstance(taken, Accepted)
            stage.says = lambda: web.Response(status=status) if body is None else web.json_response(body, status=status)
            later = event(accepted=taken.ticket)
            assert await outcome_of(target, later) == meaning
            time.pass_(601)
            assert await outcome_of(target, later) == ("too late" if meaning == "pending" else meaning)

    asyncio.run(act())


def test_a_failure_has_its_words():
    async def act() -> None:
        async with staging(accepted=BY_WORD, answer={"error": "/why"}) as (_, stage, target):
            taken = await target.deliver(event(), DATA)
            assert isinstance(taken, Accepted)
            stage.says = lambda: web.json_response({"status": "ERROR", "why": "no such order"})
            with pytest.raises(PermanentFailure, match="says now: error") as failed:
                await target.deliver(event(accepted=taken.ticket), DATA)
            assert (failed.value.words, json.loads(failed.value.answer)["why"]) == ("no such order", "no such order")

    asyncio.run(act())


IN_DOUBT = [
    ("native_key", 404, "sent"), ("native_key", 200, "done"), ("native_key", 202, "pending"), ("native_key", 422, "failed"), ("native_key", 503, "unknown"),
    ("native_key", 401, "unknown"), ("unsafe", 404, "failed"), ("unsafe", 200, "done"), ("unsafe", 202, "pending"), ("unsafe", 403, "unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("repeats", "status", "meaning"), IN_DOUBT)
def test_after_an_unknown_outcome_it_is_asked_before_anything_is_sent(repeats: str, status: int, meaning: str):
    async def act() -> None:
        async with staging(accepted={"poll": "URL/jobs/{id}"}, repeats=repeats) as (there, stage, target):
            assert target.marks_sending
            stage.says = lambda: web.json_response({}, status=status)
            said = await outcome_of(target, event(attempts=1, unknown=True))
            assert stage.asked == ["/jobs/e-r1"]
            assert len(there.events()) == int(meaning == "sent")
            assert said == ("pending" if meaning == "sent" else "too late" if (repeats, status) == ("unsafe", 404) else meaning)

    asyncio.run(act())


def test_what_was_taken_is_not_sent_blindly_when_the_settings_are_others():
    async def act() -> None:
        async with their_erp() as there, target_of(there, repeats="unsafe") as target:
            with pytest.raises(PermanentFailure, match="by hand"):
                await target.deliver(event(accepted=json.dumps({"poll": f"{there.url}/jobs/1", "since": 0})), DATA)
            assert there.requests == []

    asyncio.run(act())


def test_it_may_ask_to_be_asked_later_within_bounds():
    async def act() -> None:
        def first(name: str) -> web.Response:
            return web.Response(status=201, headers={"Location": "/jobs/1", "Retry-After": "30"})

        async with staging(first=first, accepted={"poll": "location", "statuses": [201], "within": "20s"}) as (_, _, target):
            taken = await target.deliver(event(), DATA)
            assert isinstance(taken, Accepted)
            assert taken.again.total_seconds() == 20

    asyncio.run(act())


@given(st.lists(st.sampled_from([200, 202, 404, 503, 422, 403]), max_size=12), st.lists(st.integers(0, 30), min_size=12, max_size=12))
@settings(max_examples=30, deadline=None)
def test_whatever_it_says_it_is_sent_once_and_ends_as_the_first_last_word(answers: list[int], waits: list[int]):
    """Law: once it was taken, nothing is sent again; the first answer that decides is the outcome, and after `within` a person looks."""

    async def act() -> None:
        time = Time()
        async with staging(time, accepted={"poll": "location", "within": "60s"}) as (there, stage, target):
            taken = await target.deliver(event(), DATA)
            assert isinstance(taken, Accepted)
            since = time.at
            for code, wait in zip(answers, waits, strict=False):
                time.pass_(wait)
                stage.says = lambda code=code: web.json_response({}, status=code)
                said = await outcome_of(target, event(accepted=taken.ticket))
                late = time.at - since > 60 * SECOND
                wanted = {200: "done", 422: "failed", 503: "ask again", 403: "parked"}.get(code, "too late" if late else "pending")
                assert said == wanted
                if said in ("done", "failed", "too late"):
                    break
            assert len(there.events()) == 1

    asyncio.run(act())


def target_terms(there: TheirErp, **more: Any) -> dict[str, Any]:
    return {"url": f"{there.url}/events", "accepted": {"poll": "location", "every": "100ms"} | more}


def test_a_document_is_delivered_when_it_is_done_and_others_go_on_meanwhile(tmp_path: Path, database_url: str):
    async def act() -> None:
        async with their_erp() as there:
            stage = Staging(there)
            target = target_terms(there) | {"concurrency": 1, "answer": {"confirmed": "/id"}}
            async with running(tmp_path, database_url, target=target) as gateway:
                value = await gateway.sent("northway", NOTICE)
                await gateway.settle(lambda: len(stage.asked) > 3, "it was not asked")
                found = await delivery_of(gateway, value["id"], "due")
                assert found["reason"] == "it has this, and has not said yet what becomes of it"
                assert [one["outcome"] for one in found["attempts"]] == ["accepted"]
                await gateway.sent("northway", status(2).body)
                await gateway.settle(lambda: len(there.events()) == 2, "what is not decided held a place")
                stage.says = lambda: web.json_response({"id": "ERP-9"})
                found = await delivery_of(gateway, value["id"], "delivered")
                assert ([one["outcome"] for one in found["attempts"]], found["confirmed"]) == (["accepted", "delivered"], "ERP-9")
                assert len(there.events()) == 2

    asyncio.run(act())


def test_a_failure_is_a_dead_letter_with_its_words_in_the_824_and_a_person_sends_again(tmp_path: Path, database_url: str):
    async def act() -> None:
        async with their_erp() as there:
            stage = Staging(there)
            target = target_terms(there, state="/status", done=["ok"], failed=["error"]) | {"answer": {"error": "/why"}}
            async with running(tmp_path, database_url, target=target) as gateway:
                await gateway.apply("northway", (ADVICE[0], ADVICE[1] % "errors"))
                stage.says = lambda: web.json_response({"status": "error", "why": "shipment is closed"})
                value = await gateway.sent("northway", status(8).body)
                found = await delivery_of(gateway, value["id"], "dead")
                assert found["reason"] == "it took this at first, and says now: error"
                assert json.loads(found["attempts"][-1]["answer"])["why"] == "shipment is closed"
                assert "~TED*ZZZ*shipment is closed~" in (await told(gateway, "northway", value["id"], 2))[0][1]
                stage.says = lambda: web.json_response({"status": "ok"})
                await gateway.operate("replay", id=found["id"])
                await delivery_of(gateway, value["id"], "delivered")
                assert len(there.events()) == 2

    asyncio.run(act())


def test_too_late_is_a_persons_to_decide(tmp_path: Path):
    async def act() -> None:
        async with their_erp() as there:
            Staging(there)
            async with running(tmp_path, target=target_terms(there, within="1s")) as gateway:
                value = await gateway.sent("northway", NOTICE)
                found = await delivery_of(gateway, value["id"], "dead")
                assert "did not say within 1 s what became of it" in found["reason"]
                assert len(there.events()) == 1

    asyncio.run(act())


def test_a_node_that_ends_while_it_asks_goes_on_asking(tmp_path: Path, database_url: str):
    async def act() -> None:
        async with their_erp() as there:
            stage = Staging(there)
            async with running(tmp_path, database_url, target=target_terms(there)) as gateway:
                value = await gateway.sent("northway", NOTICE)
                await gateway.settle(lambda: stage.asked)
            stage.says = lambda: web.json_response({})
            async with running(tmp_path, database_url, target=target_terms(there)) as gateway:
                await delivery_of(gateway, value["id"], "delivered")
            assert len(there.events()) == 1

    asyncio.run(act())


async def in_no_state(gateway: Running, there: TheirErp) -> str:
    value = await gateway.sent("northway", NOTICE)
    await gateway.settle(there.events)
    await asyncio.sleep(0.2)
    return str(value["id"])


def test_a_node_that_ends_between_the_202_and_its_commit_asks_first(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch):
    async def act() -> None:
        async with their_erp() as there:
            stage = Staging(there)
            target = target_terms(there, poll=f"{there.url}/jobs/{{id}}")
            with monkeypatch.context() as ends:
                ends.setattr(DeliverStage, "_settle", lambda self, settled: asyncio.sleep(0))
                async with running(tmp_path, database_url, target=target) as gateway:
                    value = await in_no_state(gateway, there)
                    assert stage.asked == []
            async with running(tmp_path, database_url, target=target) as gateway:
                await gateway.settle(lambda: len(stage.asked) > 2, "it was not asked")
                stage.says = lambda: web.json_response({})
                await delivery_of(gateway, value, "delivered")
            assert len(there.events()) == 1

    asyncio.run(act())


MISTAKES = [
    ({"poll": "https://erp/jobs"}, "needs {id} in it"),
    ({"poll": "https://erp/jobs/{name}"}, "no JSON pointer"),
    ({"poll": "https://{/host}/jobs"}, "behind the server's name only"),
    ({"poll": "https://us:pw@erp/jobs/{id}"}, "behind the server's name only"),
    ({"poll": "Location"}, "poll must be"),
    ({"poll": "/a~2"}, "no JSON pointer"),
    ({"poll": "location", "state": "/s"}, "go together"),
    ({"poll": "location", "failed": ["x"]}, "go"),
    ({"poll": "location", "every": "1ms"}, "accepted.every"),
]


@pytest.mark.parametrize(("accepted", "told_"), MISTAKES)
def test_a_mistake_names_the_mend(accepted: dict[str, Any], told_: str):
    with pytest.raises(SettingsError, match=told_):
        read_settings(None, {"targets": {"erp": {"url": "https://erp", "accepted": accepted}}}, environment={})
