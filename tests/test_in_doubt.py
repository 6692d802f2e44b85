"""What an ERP may have taken, and what it cannot have: the first never goes to a fallback, the second may; and an answer that we cannot read is no yes."""

import asyncio
import contextlib
import gzip
import json
import socket
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import text

from gateway.clock import HOUR, SECOND
from gateway.deliver.stage import Attempt, DeliverStage
from gateway.errors import PermanentFailure, TemporaryFailure, UnknownOutcome
from gateway.scheduling import BreakerTerms, Quota, Quotas
from gateway.settings import Retries
from gateway.store.store import Store
from gateway.targets.batch import result
from gateway.targets.http import Answer, plain
from gateway.targets.kinds import make
from gateway.targets.outcome import retry_after_of
from gateway.targets.terms import Folder, Target
from gateway.targets.tokens import _read
from tests.kill.documents import order
from tests.pretend_odoo import PretendOdoo, serving
from tests.running import running
from tests.scheduling import START, TARGET, claim, put
from tests.test_calls_gateway import NOTICE, target
from tests.their_erp import event, target_of, their_erp

FALLBACK = ("target:emergency", 400 * HOUR)


def attempted(store: Store, made: Callable[[], Any], at: int, **retries: Any) -> tuple[str, str, bool]:
    """Everything that is due is tried once: (destination, state, whether it may still go to a fallback) of the one delivery."""
    stage = DeliverStage(
        store,
        [],
        node="a",
        clock=lambda: at,
        retries=Retries(**retries),
        quotas=lambda name: (Quota(), Quotas()),
        breaker=BreakerTerms(3, 30 * SECOND),
    )

    async def act() -> None:
        destination = made()
        claimed = await stage._claim(destination, 4)
        for one in claimed.deliveries:
            await stage._attempt(destination, Attempt(one, claimed.until))
        await destination.close()

    asyncio.run(act())
    rows = store.read(lambda tx: tx.execute(text("SELECT destination, state, fallback FROM deliveries")).all()).result(20)
    ((name, state, fallback),) = rows
    return name, state, fallback is not None


class Scripted:
    name, concurrency, marks_sending = TARGET, 4, False

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def deliver(self, delivery: Any, data: bytes) -> Any:
        raise self.error

    async def close(self) -> None:
        """Nothing is held open."""


LATER = TemporaryFailure("answered 429: not now", status=429)
LAST = [
    pytest.param(LATER, True, id="it never took it"),
    pytest.param(UnknownOutcome("gave no answer in time; it may have taken it"), False, id="a line that broke"),
    pytest.param(ZeroDivisionError("a fault of ours, behind the request"), False, id="our own fault"),
    pytest.param(PermanentFailure("answered 422"), True, id="refused"),
    pytest.param(PermanentFailure("answered 422", in_doubt=True), False, id="refused behind a change"),
]


@pytest.mark.parametrize(("last", "saved"), LAST)
def test_only_what_was_not_taken_goes_to_the_fallback_in_the_end(store: Store, last: Exception, saved: bool):
    put(store, "p", ["s1"], fallback=FALLBACK)
    assert attempted(store, lambda: Scripted(LATER), START, give_up="28h") == (TARGET, "due", True)
    name, state, _ = attempted(store, lambda: Scripted(last), START + 29 * HOUR, give_up="28h")
    assert (name, state) == (("target:emergency", "due") if saved else (TARGET, "dead"))


@contextlib.contextmanager
def no_answer_to_syn() -> Iterator[int]:
    """A port whose queue of connections is full: as behind a firewall that drops."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(listener.getsockname())
        yield listener.getsockname()[1]


def test_a_connection_that_never_came_to_be_has_taken_nothing(store: Store):
    put(store, "p", ["s1"], fallback=FALLBACK, attributes={"id": "e-r1", "type": "t"})
    with no_answer_to_syn() as port:
        terms = Target(url=f"http://127.0.0.1:{port}/", timeout="500ms", repeats="unsafe")
        assert attempted(store, lambda: make("erp", terms), START) == (TARGET, "due", True)


def test_what_is_refused_behind_a_change_is_in_doubt(tmp_path: Path):
    """Odoo has the quantities already when it does not validate them: somebody else's booking of the same would be the second."""
    odoo = PretendOdoo(reports=True)
    odoo.order("4500881", ("WIDGET", 48), ("GADGET", 60))

    async def act() -> None:
        async with serving(odoo) as url:
            more = target(tmp_path, url) | {"emergency": {"kind": "folder", "path": str(tmp_path / "emergency")}}
            async with running(tmp_path, targets=more) as gateway:
                await gateway.apply("northway", ('receive: "856"', 'receive: "856"\n    target: odoo\n    fallback: emergency'))
                await gateway.sent("northway", NOTICE)
                dead = "SELECT destination, reason FROM deliveries WHERE state = 'dead'"

                def look() -> Any:
                    return gateway.node.store.read(lambda tx: tx.exec_driver_sql(dead).all()).result(20)

                await gateway.settle(look, "no dead letter")
                assert [(row.destination, "and has not" in row.reason) for row in look()] == [("target:odoo", True)]
                assert not (tmp_path / "emergency").exists()

    asyncio.run(act())


def test_a_correction_that_waits_already_goes_on_when_what_it_corrects_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def wrong(key: str, attributes: dict[str, str], data: Any) -> Any:
        return (422, {"error": "no such order"}) if key.endswith("-r1") else None

    async def act() -> None:
        async with running(tmp_path) as gateway:
            behaviour = gateway.erp.behaviour
            behaviour.fail, behaviour.status, behaviour.retry_after = 1, 429, 2
            await gateway.sent("harbor", order(1).body)
            await gateway.settle(lambda: behaviour.fail == 0)
            changed = order(1).body.replace(b"W05*N*", b"W05*R*").replace(b"W01*24*", b"W01*30*").replace(b"000000001", b"000000009")
            await gateway.sent("harbor", changed)
            monkeypatch.setattr(gateway.erp, "_wrong", wrong)

            def states(tx: Any) -> list[tuple[str, str]]:
                rows = tx.exec_driver_sql("SELECT event, state FROM deliveries WHERE event IS NOT NULL ORDER BY event").all()
                return [(row.event[-3:], row.state) for row in rows]

            done = [("-r1", "skipped"), ("-r2", "delivered")]
            await gateway.settle(lambda: gateway.node.store.read(states).result(20) == done, "the correction waits behind what it corrects")
            dead = await gateway.operate("dead")
            assert (dead["deliveries"], dead["blocked_lanes"]) == ([], [])

    asyncio.run(act())


# ---- answers

RESULTS = [{"id": "a-r1", "status": 422, "body": {"error": "no such item"}}]
CODED = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress}


@pytest.mark.parametrize("coding", CODED)
def test_a_compressed_answer_is_read(coding: str):
    """We ask for none; what comes in spite of that means what it says."""

    async def act() -> None:
        async with their_erp() as there, target_of(there) as one:
            body = CODED[coding](json.dumps({"error": "no such item"}).encode())
            there.answer = lambda request, data: web.Response(status=422, body=body, headers={"Content-Encoding": coding})
            with pytest.raises(PermanentFailure) as refused:
                await one.deliver(event(), b"{}")
            assert json.loads(refused.value.answer) == {"error": "no such item"}
            assert there.requests[-1].headers["accept-encoding"] == "identity"

    asyncio.run(act())


def test_a_compressed_answer_is_bounded():
    assert plain(gzip.compress(b"a" * 10_000_000), "gzip", 1000) == b"a" * 1000
    assert plain(b"no gzip", "gzip", 1000) == b"no gzip"


SAID = [
    pytest.param(b"", (), True, id="nothing"),
    pytest.param(b"OK", (), True, id="words"),
    pytest.param(b'{"ok": true}', (), True, id="an object"),
    pytest.param(b'{"warnings": ["late"]}', (), True, id="an object with a list of words"),
    pytest.param(json.dumps({"results": RESULTS}).encode(), (), False, id="results elsewhere"),
    pytest.param(b"[]", (), False, id="an empty list"),
    pytest.param(b"<results><status>422</status></results>", (), False, id="XML"),
    pytest.param(b")]}'\n" + json.dumps(RESULTS).encode(), (), False, id="guarded JSON"),
    pytest.param(b"\x1b\x00\x80", (("Content-Encoding", "br"),), False, id="a coding that we do not know"),
]


@pytest.mark.parametrize(("body", "headers", "counts"), SAID)
def test_a_yes_to_a_batch_counts_for_all_only_where_it_can_be_read_so(body: bytes, headers: Any, counts: bool):
    answer = Answer(200, headers, body)
    said = result(answer, "a-r1", "", 100_000)
    assert said is answer if counts else isinstance(said, UnknownOutcome)


@pytest.mark.parametrize("header", ["Mon, 01 Jan 99999999999 00:00:00 GMT", "\xb2", "9" * 400])
def test_a_strange_retry_after_is_none(header: str):
    assert retry_after_of(header, datetime.now(UTC)) is None


@pytest.mark.parametrize("body", [b'{"access_token": "abc", "expires_in": 1e999}', b"[" * 60_000, b'{"access_token": "a", "expires_in": [1]}'])
def test_a_strange_answer_of_a_token_server_is_a_temporary_failure(body: bytes):
    with pytest.raises(TemporaryFailure):
        _read(Answer(200, (), body), "https://tokens")


def test_a_folder_finds_its_own_file_again_whatever_traced_it(store: Store, tmp_path: Path):
    put(store, "p", ["s1"], attributes={"id": "e-r1", "type": "t"})
    (one,) = claim(store, START).deliveries
    folder = make("f", Folder(kind="folder", path=tmp_path / "out"))

    async def act() -> list[bool]:
        return [(await folder.deliver(replace(one, trace=f"00-{'a' * 32}-{number:016x}-01"), b"{}")).looked_up for number in (1, 2)]

    assert asyncio.run(act()) == [False, True]
