"""Events to an ERP as one JSON object, and several in one request: each has its own answer, and one that is bad hurts only itself."""

import asyncio
import base64
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import CrossdockError, DestinationFault, PermanentFailure, TemporaryFailure, UnknownOutcome
from gateway.settings import SettingsError, read_settings
from gateway.targets.base import Accepted, Confirmation
from gateway.targets.batch import result
from gateway.targets.cloudevents import BATCH, STRUCTURED, batch, structured
from gateway.targets.http import Answer
from gateway.targets.outcome import failure_of
from gateway.targets.rest import RestTarget
from tests.kill.documents import order, status
from tests.running import running
from tests.test_rest_credentials import SECRETS
from tests.their_erp import event, target_of, their_erp

WORDS = st.text(max_size=8)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3)
)
NAMES = [f"e{number}-r1" for number in range(5)]


@given(st.lists(st.tuples(st.dictionaries(st.sampled_from(["id", "type", "subject", "time"]), WORDS, min_size=1), DATA), max_size=4))
@settings(deadline=None)
def test_a_batch_holds_each_event_with_its_data_byte_for_byte(events: list[tuple[dict[str, str], Any]]):
    bodies = [json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() for _, data in events]
    whole = batch(structured(attributes, body) for (attributes, _), body in zip(events, bodies, strict=True))
    usual = {"specversion": "1.0", "datacontenttype": "application/json"}
    assert json.loads(whole) == [usual | attributes | {"data": data} for attributes, data in events]
    assert all(b'"data":' + body + b"}" in whole for body in bodies)


def test_an_event_goes_as_one_object():
    async def act() -> None:
        async with their_erp() as there, target_of(there, mode="structured") as target:
            await target.deliver(event(), b'{"a":1}')
            (asked,) = there.requests
            assert (asked.headers["content-type"], asked.headers["idempotency-key"]) == (STRUCTURED, '"e-r1"')
            assert not [name for name in asked.headers if name.startswith("ce-")]
            assert json.loads(asked.body) == {
                "specversion": "1.0", "id": "e-r1", "type": "t.v1", "source": "/partners/p", "subject": "order/e-r1", "datacontenttype": "application/json",
                "data": {"a": 1},
            }  # fmt: skip

    asyncio.run(act())


def each(answer: Callable[[str], tuple[int, Any]], whole: int = 207) -> Any:
    """An ERP that takes batches: a result for each event; and events alone, with the same answers."""

    def take(request: web.Request, body: bytes) -> web.Response:
        if request.content_type != BATCH:
            status, said = answer(request.headers["Idempotency-Key"].strip('"'))
            return web.json_response(said, status=status)
        told = [(one["id"], *answer(one["id"])) for one in json.loads(body)]
        return web.json_response([{"id": name, "status": status, "body": said} for name, status, said in told], status=whole)

    return take


async def together(target: RestTarget, names: list[str] = NAMES, **more: Any) -> list[Any]:
    """What each came to, or how it failed."""
    return await asyncio.gather(*[target.deliver(event(name, **more), b"{}") for name in names], return_exceptions=True)


def test_what_is_due_together_goes_together_and_each_has_its_answer():
    async def act() -> None:
        async with (
            their_erp() as there,
            target_of(there, batch={"most": 5, "within": "5s"}, answer={"confirmed": "/id", "error": "/why"}, signing_secrets=SECRETS[0]) as target,
        ):
            there.answer = each(lambda name: (422, {"why": "closed"}) if name == "e2-r1" else (201, {"id": f"ERP-{name}"}))
            said = await together(target)
            assert [one.confirmed if isinstance(one, Confirmation) else one for one in (*said[:2], *said[3:])] == [
                f"ERP-{name}" for name in NAMES if name != "e2-r1"
            ]
            assert isinstance(said[2], PermanentFailure)
            assert (said[2].status, said[2].words) == (422, "closed")
            (asked,) = there.requests
            assert [one["id"] for one in json.loads(asked.body)] == NAMES
            signed = f"{asked.headers['webhook-id']}.{asked.headers['webhook-timestamp']}.".encode() + asked.body
            assert asked.headers["idempotency-key"] == f'"{asked.headers["webhook-id"]}"'
            code = base64.b64encode(hmac.digest(b"k" * 32, signed, "sha256")).decode()
            assert asked.headers["webhook-signature"] == f"v1,{code}"

    asyncio.run(act())


def test_a_lone_event_goes_alone_after_its_moment():
    async def act() -> None:
        async with their_erp() as there, target_of(there, batch={"within": "20ms"}) as target:
            assert (await target.deliver(event(), b"{}")).status == 200
            assert [one.headers["content-type"] for one in there.requests] == ["application/json"]

    asyncio.run(act())


@pytest.mark.parametrize("refusal", [400, 413, 415, 422])
def test_a_batch_that_is_refused_whole_goes_one_by_one_and_one_bad_event_hurts_only_itself(refusal: int):
    async def act() -> None:
        async with their_erp() as there, target_of(there, batch={"most": 5, "within": "5s"}, mode="structured") as target:
            alone = each(lambda name: (422, {}) if name == "e3-r1" else (200, {}))
            there.answer = lambda request, body: web.Response(status=refusal) if request.content_type == BATCH else alone(request, body)
            said = await together(target)
            assert [type(one) for one in said] == [Confirmation, Confirmation, Confirmation, PermanentFailure, Confirmation]
            assert sorted(one.headers["content-type"] for one in there.requests) == [STRUCTURED] * 5 + [BATCH]

    asyncio.run(act())


WHOLE = [
    (503, UnknownOutcome),
    (500, UnknownOutcome),
    (429, TemporaryFailure),
    (401, DestinationFault),
    (404, DestinationFault),
    (302, DestinationFault),
]


@pytest.mark.parametrize(("code", "kind"), WHOLE)
def test_what_is_wrong_with_the_whole_is_so_for_each(code: int, kind: type[Exception]):
    async def act() -> None:
        async with their_erp() as there, target_of(there, batch={"most": 5, "within": "5s"}) as target:
            there.answer = lambda request, body: web.Response(status=code)
            said = await together(target)
            assert [type(one) for one in said] == [kind] * 5
            assert len(there.requests) == 1
            if isinstance(said[0], TemporaryFailure):
                assert [one.is_shared for one in said] == [False] + [True] * 4, "to the breaker it is one failure"

    asyncio.run(act())


def test_a_broken_line_is_unknown_for_each():
    async def act() -> None:
        async with their_erp() as there, target_of(there, batch={"most": 5, "within": "5s"}) as target:

            def cut(request: web.Request, body: bytes) -> web.Response:
                assert request.transport is not None
                request.transport.abort()
                return web.Response(status=499)

            there.answer = cut
            assert [type(one) for one in await together(target)] == [UnknownOutcome] * 5

    asyncio.run(act())


UNREAD = "unread"
ANSWERS: list[tuple[str, int, bytes, str, Any]] = [
    ("no body", 200, b"", "", 200),
    ("no results", 200, b'{"ok": true}', "", 200),
    ("an empty list", 200, b"[]", "", 200),
    ("words", 202, b"thank you", "", 202),
    ("a result", 200, b'[{"id": "e", "status": 409}, {"id": "f", "status": 200}]', "", 409),
    ("a result as text", 200, b'[{"id": "e", "status": "204"}]', "", 204),
    ("elsewhere", 200, b'{"responses": [{"id": "e", "status": 422}]}', "/responses", 422),
    ("not elsewhere", 200, b'{"other": []}', "/responses", 200),
    ("said twice, the same", 200, b'[{"id": "e", "status": 201}, {"id": "e", "status": 201}]', "", 201),
    ("said twice, differently", 200, b'[{"id": "e", "status": 201}, {"id": "e", "status": 422}]', "", UNREAD),
    ("another's", 200, b'[{"id": "f", "status": 201}]', "", UNREAD),
    ("no status that means something", 200, b'[{"id": "e", "status": true}]', "", UNREAD),
    ("nor this", 200, b'[{"id": "e", "status": 100}]', "", UNREAD),
    ("a list of other things", 200, b'["e"]', "", UNREAD),
    ("207 must tell", 207, b"{}", "", UNREAD),
    ("207 must be read", 207, b"", "", UNREAD),
    ("cut", 200, b'[{"id": "e", "sta', "", UNREAD),
    ("cut, and no JSON", 200, b"x" * 1000, "", UNREAD),
    ("too deep", 200, b"[" * 900, "", UNREAD),
]


@pytest.mark.parametrize(("code", "body", "pointer", "wanted"), [one[1:] for one in ANSWERS], ids=[one[0] for one in ANSWERS])
def test_what_an_answer_says_of_one_event(code: int, body: bytes, pointer: str, wanted: Any):
    said = result(Answer(code, (), body), "e", pointer, 1000)
    if wanted == UNREAD:
        assert isinstance(said, UnknownOutcome)
    else:
        assert said.status == wanted  # type: ignore[union-attr]


@given(
    st.lists(st.integers(200, 599), min_size=1, max_size=6), st.randoms(use_true_random=False), st.sampled_from([200, 207]), st.booleans(),
)  # fmt: skip
@settings(deadline=None)
def test_each_comes_to_what_it_would_have_come_to_alone(statuses: list[int], random: Any, whole: int, with_body: bool):
    """Law: whatever the results and their order, an event's outcome is that of its own status and body."""
    results = [{"id": f"e{n}", "status": status} | ({"body": {"n": n}} if with_body else {}) for n, status in enumerate(statuses)]
    said = {one["id"]: json.dumps(one.get("body", one), separators=(",", ":")).encode() for one in results}
    random.shuffle(results)
    answer = Answer(whole, (), json.dumps(results).encode())
    for number, status_ in enumerate(statuses):
        found, alone = result(answer, f"e{number}", "", 10**6), failure_of(status_, said[f"e{number}"], None)
        if alone is None:
            assert found == Answer(status_, (), said[f"e{number}"])
        else:
            assert isinstance(found, CrossdockError)
            assert (type(found), str(found), vars(found)) == (type(alone), str(alone), vars(alone))


@given(st.lists(st.integers(1, 900), min_size=1, max_size=12), st.integers(2, 5))
@settings(max_examples=25, deadline=None)
def test_every_event_goes_once_within_the_bounds(sizes: list[int], most: int):
    """Law: whatever their sizes, each event is in exactly one request, and no batch is larger or longer than was agreed."""

    async def act() -> None:
        async with their_erp() as there, target_of(there, batch={"most": most, "within": "10ms", "largest": 1024}) as target:
            there.answer = each(lambda name: (200, {}))
            names = [f"e{number}" for number in range(len(sizes))]
            said = await asyncio.gather(
                *[target.deliver(event(name), json.dumps("x" * size).encode()) for name, size in zip(names, sizes, strict=True)]
            )
            assert [one.status for one in said] == [200] * len(sizes)
            sent = []
            for asked in there.requests:
                if asked.headers["content-type"] == BATCH:
                    ids = [one["id"] for one in json.loads(asked.body)]
                    assert 2 <= len(ids) <= most
                    assert len(asked.body) <= 1024 + len(ids) + 1
                    sent += ids
                else:
                    sent.append(asked.headers["ce-id"])
            assert sorted(sent) == sorted(names)

    asyncio.run(act())


def test_an_attempt_that_has_ended_does_not_go_along():
    async def act() -> None:
        async with their_erp() as there, target_of(there, batch={"most": 5, "within": "200ms"}) as target:
            there.answer = each(lambda name: (200, {}))
            tasks = [asyncio.create_task(target.deliver(event(name), b"{}")) for name in NAMES[:3]]
            await asyncio.sleep(0.02)
            tasks[1].cancel()
            said = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(one) for one in said] == [Confirmation, asyncio.CancelledError, Confirmation]
            assert [one["id"] for one in json.loads(there.requests[0].body)] == [NAMES[0], NAMES[2]]

    asyncio.run(act())


def test_the_same_event_twice_is_not_twice_in_a_batch():
    """As when it is sent again to one target while it waits for another delivery: results are told apart by id."""

    async def act() -> None:
        async with their_erp() as there, target_of(there, batch={"most": 3, "within": "50ms"}) as target:
            there.answer = each(lambda name: (200, {}))
            assert [type(one) for one in await together(target, [NAMES[0], NAMES[1], NAMES[0]])] == [Confirmation] * 3
            assert sorted(one.headers["content-type"] for one in there.requests) == [BATCH, "application/json"]

    asyncio.run(act())


def test_a_batch_renews_its_token_once():
    async def act() -> None:
        async with (
            their_erp() as there,
            target_of(
                there, batch={"most": 5, "within": "5s"}, oauth2={"token_url": f"{there.url}/token", "client_id": "u", "secret": "s"}
            ) as target,
        ):
            there.takes, there.answer = there.by_token, each(lambda name: (200, {}))
            await together(target)
            there.good = set()
            assert [type(one) for one in await together(target)] == [Confirmation] * 5
            assert (len(there.forms), len(there.requests)) == (2, 3)

    asyncio.run(act())


def test_each_of_a_batch_may_be_taken_and_not_done():
    async def act() -> None:
        accepted = {"poll": "http://127.0.0.1:1/jobs/{/job}"}
        async with their_erp() as there, target_of(there, batch={"most": 5, "within": "5s"}, accepted=accepted) as target:
            there.answer = each(lambda name: (202, {"job": name}) if name in NAMES[:2] else (200, {}))
            said = await together(target)
            assert [type(one) for one in said] == [Accepted] * 2 + [Confirmation] * 3
            assert [json.loads(one.ticket)["poll"] for one in said[:2]] == [f"http://127.0.0.1:1/jobs/{name}" for name in NAMES[:2]]

    asyncio.run(act())


def test_what_may_have_been_taken_is_looked_up_before_it_goes_along():
    async def act() -> None:
        async with their_erp() as there:
            more = {"repeats": "look_up", "look_up_url": f"{there.url}/has/{{id}}", "batch": {"most": 2, "within": "50ms"}}
            async with target_of(there, **more) as target:
                posts = each(lambda name: (200, {}))

                def answer(request: web.Request, body: bytes) -> Any:
                    return posts(request, body) if request.method == "POST" else web.Response(status=200 if NAMES[0] in request.path else 404)

                there.answer = answer
                said = await together(target, NAMES[:3], attempts=1, unknown=True)
                assert [one.looked_up for one in said] == [True, False, False]
                (asked,) = there.events()
                assert sorted(one["id"] for one in json.loads(asked.body)) == NAMES[1:3]

    asyncio.run(act())


MOODS: list[tuple[str, dict[str, Any]]] = [
    ("well", {}),
    ("refuses batches", {"refuse_batches": 413}),
    ("cut after its commit", {"cut_after_commit": 2}),
    ("500 after its commit", {"fail_after_commit": 2}),
    ("503", {"fail": 2}),
    ("429", {"fail": 1, "status": 429}),
]


@pytest.mark.parametrize("mood", [one for _, one in MOODS], ids=[name for name, _ in MOODS])
def test_whatever_the_erp_does_each_event_is_done_once(tmp_path: Path, mood: dict[str, Any]):
    async def act() -> None:
        async with running(tmp_path, target={"batch": {"most": 8, "within": "300ms"}}) as gateway:
            vars(gateway.erp.behaviour).update(mood)
            for number in range(1, 13):
                await gateway.partner("northway").send(gateway.session, "s", status(number).body)
            await gateway.settle(lambda: len(gateway.effects()) == 12)
            assert [one.count for one in gateway.effects()] == [1] * 12
            if not mood:
                assert gateway.erp.requests < 12, "nothing went together"

    asyncio.run(act())


def test_one_that_is_refused_is_the_only_dead_letter(tmp_path: Path, database_url: str):
    async def act() -> None:
        async with running(tmp_path, database_url, target={"batch": {"most": 8, "within": "300ms"}}) as gateway:
            gateway.erp.behaviour.refuse_types = ["org.crossdock.fulfilment.requested.v1"]
            await gateway.partner("harbor").send(gateway.session, "o", order(1).body)
            for number in range(2, 6):
                await gateway.partner("northway").send(gateway.session, "s", status(number).body)
            await gateway.settle(lambda: len(gateway.effects()) == 4)
            for _ in range(100):
                if letters := (await gateway.operate("dead"))["deliveries"]:
                    break
                await asyncio.sleep(0.05)
            (letter,) = letters
            assert (letter["status"], json.loads(letter["answer"])["field"]) == (422, "type")

    asyncio.run(act())


MISTAKES = [
    ({"batch": {"most": 33}}, "never come together with concurrency: 32"),
    ({"batch": {"most": 1}}, "batch.most"),
    ({"batch": {}, "accepted": {"poll": "location"}}, "cannot tell the events of a batch apart"),
    ({"batch": {"within": "1m"}}, "batch.within"),
    ({"mode": "both"}, "targets.erp.mode"),
]


@pytest.mark.parametrize(("terms", "told"), MISTAKES)
def test_a_mistake_names_the_mend(terms: dict[str, Any], told: str):
    with pytest.raises(SettingsError, match=told):
        read_settings(None, {"targets": {"erp": {"url": "https://erp"} | terms}}, environment={})
