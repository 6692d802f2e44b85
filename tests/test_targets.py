"""What every kind of target owes to the deliver stage, held for all of them: the real stage over a real store, the real target, a real other end.

A rig (rigs.py) is the other end of one kind, with the moods that its wire can have. NATS has the real server beside it, where `make peers` has installed one.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from sqlalchemy import text

from gateway import journal
from gateway.clock import HOUR, SECOND, now
from gateway.deliver.stage import DeliverStage
from gateway.errors import CrossdockError, DestinationFault, PermanentFailure, TemporaryFailure, UnknownOutcome
from gateway.records.deliveries import ToDeliver
from gateway.scheduling import BreakerTerms, Quota, Quotas
from gateway.settings import Retries, Settings
from gateway.store.store import Store
from gateway.targets.base import Destination
from gateway.targets.kinds import KINDS, make
from gateway.targets.nats import Stream, confirmed, failure_of, pattern_of, subject_of
from gateway.targets.nats_link import Link, Passing
from tests.databases import migrated_file
from tests.kill.documents import order
from tests.peers import nats as peers
from tests.rigs import (
    DATA,
    NO_SERVER,
    NO_TRYTON,
    TYPE,
    CallsRig,
    FolderRig,
    LookUpRig,
    LossyLine,
    NatsRig,
    OdooRig,
    ReceivingRig,
    RestRig,
    Rig,
    TrytonRig,
)
from tests.running import running
from tests.scheduling import put

NAME = "target:it"
PATIENCE = 30.0
SOON = Retries(first=timedelta(milliseconds=100), factor=1, park=timedelta(milliseconds=300))


def attributes(number: int | str, type_: str = TYPE) -> dict[str, str]:
    return {
        "id": f"e{number}-r1", "type": type_, "source": "/partners/acme", "subject": f"shipment/Größe {number}", "stream": "production",
        "time": "2026-11-16T09:30:00Z", "correlationid": 'order/"50 %"',
    }  # fmt: skip


def event(number: int | str, *, attempts: int = 0, in_doubt: bool = False, age: int = 0, type_: str = TYPE) -> ToDeliver:
    given = json.dumps(attributes(number, type_))
    return ToDeliver("d", "l", 1, "acme", NAME, "event", "m", None, "e", "x", given, attempts, in_doubt, "pass", now() - age, None, None, "", 0)


RIGS = [
    pytest.param(RestRig, id="rest-native_key"),
    pytest.param(LookUpRig, id="rest-look_up"),
    pytest.param(CallsRig, id="calls"),
    pytest.param(OdooRig, id="calls-odoo"),
    pytest.param(TrytonRig, id="calls-tryton", marks=[pytest.mark.big, pytest.mark.nodes, pytest.mark.timeout(400), NO_TRYTON]),
    pytest.param(FolderRig, id="folder"),
    pytest.param(NatsRig, id="nats", marks=[pytest.mark.big, NO_SERVER]),
]


WITH_ANSWERS = [one for one in RIGS if one.id != "folder"]
"""Those whose answers may be lost on the way."""


@pytest.fixture(params=RIGS)
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Rig:
    return request.param(tmp_path)


def destination_of(settings: dict[str, Any]) -> Destination:
    return make("it", Settings.model_validate({"targets": {"it": settings}}).targets["it"])


class Running:
    """The deliver stage with one target, over a store of its own."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.store = Store(migrated_file(rig.folder / "crossdock.db"), rig.folder / "payloads")
        self.target = destination_of(rig.settings())
        self.stage = DeliverStage(
            self.store, [self.target], node="a", clock=now, retries=SOON, quotas=lambda name: (Quota(), Quotas()),
            breaker=BreakerTerms(3, SECOND // 2),
        )  # fmt: skip

    async def put(self, number: int | str, data: bytes | None = None) -> None:
        given, data = attributes(number), data if data is not None else self.rig.data(number)
        await asyncio.to_thread(put, self.store, "acme", [given["subject"]], at=now(), destination=NAME, data=data, attributes=given)
        self.stage.wake()

    def rows(self) -> list[Any]:
        return self.store.read(lambda tx: tx.execute(text("SELECT id, state, reason, attempts FROM deliveries")).all()).result(20)

    def states(self) -> Counter[str]:
        return Counter(row.state for row in self.rows())

    def answers(self) -> list[Any]:
        wanted = "SELECT outcome, text, answer FROM attempts ORDER BY started_at"
        return self.store.read(lambda tx: tx.execute(text(wanted)).all()).result(20)

    async def until(self, what: Callable[[], Any], words: str) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + PATIENCE
        while not await asyncio.to_thread(what):
            assert loop.time() < end, f"{words}: {self.rows()}"
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def delivering(rig: Rig) -> AsyncIterator[Running]:
    journal.silence()
    async with rig.open():
        one = Running(rig)
        one.stage.start()
        try:
            yield one
        finally:
            await one.stage.stop()
            await asyncio.to_thread(one.store.close)


# ---- the contract


def test_every_kind_has_a_rig():
    assert {parameter.values[0].kind for parameter in RIGS} == set(KINDS)


def test_each_event_has_one_effect_with_its_bytes(rig: Rig):
    async def act() -> None:
        async with delivering(rig) as one:
            for number in range(20):
                await one.put(number)
            await one.until(lambda: one.states() == {"delivered": 20}, "not all were delivered")
            effects = await rig.effects()
            assert Counter(name for name, _ in effects) == {f"e{number}-r1": 1 for number in range(20)}
            assert dict(effects) == {f"e{number}-r1": rig.data(number) for number in range(20)}, "not even what is beyond ASCII is changed"

    asyncio.run(act())


def test_a_repeat_of_an_id_is_one_effect(rig: Rig):
    async def act() -> None:
        async with rig.open():
            target = destination_of(rig.settings())
            await target.deliver(event(1), rig.data(1))
            await target.deliver(event(1, attempts=1, in_doubt=True), rig.data(1))
            assert [name for name, _ in await rig.effects()] == ["e1-r1"]
            await target.close()

    asyncio.run(act())


@pytest.mark.parametrize("rig", WITH_ANSWERS, indirect=True)
def test_an_answer_that_is_lost_doubles_nothing(rig: Rig):
    async def act() -> None:
        async with delivering(rig) as one:
            rig.lose_answers(2)
            for number in range(4):
                await one.put(number)
            await one.until(lambda: one.states() == {"delivered": 4}, "not all were delivered")
            assert Counter(name for name, _ in await rig.effects()) == {f"e{number}-r1": 1 for number in range(4)}

    asyncio.run(act())


def test_while_it_is_away_nothing_dies(rig: Rig):
    async def act() -> None:
        async with delivering(rig) as one:
            await rig.go()
            for number in range(5):
                await one.put(number)
            await one.until(lambda: sum(row.attempts for row in one.rows()) >= 3, "nothing was tried")
            assert set(one.states()) <= {"due"}
            assert await effects_of(rig) == []
            await rig.come()
            await one.until(lambda: one.states() == {"delivered": 5}, "it came back, and not all were delivered")
            assert Counter(name for name, _ in await rig.effects()) == {f"e{number}-r1": 1 for number in range(5)}

    asyncio.run(act())


async def effects_of(rig: Rig) -> list[Any]:
    return [] if isinstance(rig, FolderRig) else await rig.effects()


def test_what_it_refuses_is_a_dead_letter_with_its_words(rig: Rig):
    async def act() -> None:
        async with delivering(rig) as one:
            data = await rig.refuse(1)
            await one.put(1, data)
            await one.until(lambda: one.states() == {"dead": 1}, "it was not refused")
            (row,) = one.rows()
            (attempt,) = one.answers()
            assert (row.attempts, attempt.outcome) == (1, "permanent")
            assert row.reason == attempt.text
            if not isinstance(rig, FolderRig | ReceivingRig):  # they refuse it, or we do, without asking anybody
                assert json.loads(attempt.answer)["error"], "its answer is kept, as it came"

    asyncio.run(act())


def test_a_large_event_comes_whole(rig: Rig):
    data = rig.large()

    async def act() -> None:
        async with rig.open():
            target = destination_of(rig.settings())
            confirmation = await target.deliver(event("large"), data)
            assert len(confirmation.answer) <= 1 << 20
            assert await rig.effects() == [("elarge-r1", data)]
            await target.close()

    assert 800_000 < len(data) < 900_000
    asyncio.run(act())


def test_what_is_no_event_is_refused_or_sent_as_one_but_never_crashes(rig: Rig):
    async def act() -> None:
        async with rig.open():
            target = destination_of(rig.settings())
            with contextlib.suppress(CrossdockError):
                await target.deliver(event(1), b"\xff\x00 no JSON")
            await target.close()

    asyncio.run(act())


def test_closed_it_leaves_nothing_open(rig: Rig):
    """No task and no descriptor more than before, on either side of the wire."""

    def open_now() -> tuple[int, int]:
        return len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))

    async def act() -> None:
        async with rig.open():
            target = destination_of(rig.settings())
            before = open_now()
            await asyncio.gather(*(target.deliver(event(number), rig.data(number)) for number in range(8)))
            await target.close()
            await target.close()
            for _ in range(100):
                left = [now - then for now, then in zip(open_now(), before, strict=True)]
                if max(left) <= 0:
                    break
                await asyncio.sleep(0.05)
            assert max(left) <= 0, left

    asyncio.run(act())


# ---- NATS: what is decided without a server


@pytest.mark.parametrize(
    ("template", "given", "subject"),
    [
        ("crossdock.{stream}.{type}", {}, "crossdock.production.shipment.notified.v1"),
        ("{partner}.{subject}.{id}", {}, "acme.shipment_Gr__e_1.e1-r1"),
        ("x.{subject}", {"subject": "a.b>* \r\nPUB x"}, "x.a_b_____PUB_x"),
        ("x.{subject}", {"subject": ""}, "x._"),
        ("x.{type}", {"type": "a..b.>"}, "x.a._.b._"),
        ("x.{id}", {"id": "y" * 500}, "x." + "y" * 100),
        ("x.{subject}", {"subject": "{id}"}, "x._id_"),
    ],
)
def test_no_word_of_an_event_adds_to_a_subject(template: str, given: dict[str, str], subject: str):
    assert subject_of(template, attributes(1) | given) == subject


@pytest.mark.parametrize(
    ("template", "pattern"),
    [("crossdock.{stream}.{type}", "crossdock.*.>"), ("a.{partner}.b-{id}", "a.*.*"), ("{type}.x", ">"), ("fixed", "fixed")],
)
def test_a_stream_of_ours_takes_every_subject_of_the_template(template: str, pattern: str):
    assert pattern_of(template) == pattern


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 400, "err_code": 10054, "description": "message size exceeds maximum allowed"}, PermanentFailure),
        ({"code": 503, "err_code": 10077, "description": "maximum messages exceeded"}, TemporaryFailure),
        ({"code": 503, "err_code": 10008, "description": "JetStream system temporarily unavailable"}, Passing),
        ({"code": 409, "err_code": 10158, "description": "duplicate message id is in process"}, Passing),
        ({"code": 429, "err_code": 10167, "description": "too many requests"}, TemporaryFailure),
        ({"code": 400, "err_code": 10060, "description": "expected stream does not match"}, DestinationFault),
        ({"code": 400, "err_code": 10109, "description": "invalid operation on sealed stream"}, DestinationFault),
        ({}, DestinationFault),
        ("nonsense", DestinationFault),
    ],
)
def test_each_error_of_a_stream_has_its_meaning(error: Any, kind: type[Exception]):
    assert type(failure_of(error, b"{}")) is kind


def test_only_an_acknowledgment_is_one():
    assert confirmed({"stream": "S", "seq": 1}, b"").looked_up is False
    assert confirmed({"stream": "S", "seq": 1, "duplicate": True}, b"").looked_up is True
    for value in ({}, {"stream": "S"}, {"seq": 1}, {"stream": "S", "seq": 0}, {"stream": 1, "seq": 1}):
        with pytest.raises(TemporaryFailure, match="no acknowledgment"):
            confirmed(value, b"")


LIMITS = {"retention": "limits", "max_msgs_per_subject": -1}
AT = 1_793_000_000 * SECOND
LATER, EARLIER = "2026-10-26T12:00:00.123456789Z", "2026-10-01T00:00:00Z"


@pytest.mark.parametrize(
    ("config", "state", "holds"),
    [
        (LIMITS, {"first_seq": 1, "messages": 9, "first_ts": LATER}, True),
        (LIMITS, {"first_seq": 7, "messages": 9, "first_ts": EARLIER}, True),
        (LIMITS, {"first_seq": 7, "messages": 9, "first_ts": LATER}, False),
        (LIMITS, {"first_seq": 7, "messages": 0, "last_ts": LATER, "first_ts": "0001-01-01T00:00:00Z"}, False),
        (LIMITS, {"first_seq": 7, "messages": 0, "last_ts": EARLIER, "first_ts": "0001-01-01T00:00:00Z"}, True),
        (LIMITS, {"first_seq": 7, "messages": 9, "first_ts": "0001-01-01T00:00:00Z"}, False),
        (LIMITS | {"retention": "workqueue"}, {"first_seq": 1}, False),
        (LIMITS | {"max_msgs_per_subject": 1}, {"first_seq": 1}, False),
        (LIMITS | {"subject_transform": {"src": ">", "dest": "x.>"}}, {"first_seq": 1}, False),
    ],
)
def test_a_stream_is_only_believed_where_it_must_still_hold_what_it_took(config: dict[str, Any], state: dict[str, Any], holds: bool):
    assert Stream("S", config, state).holds_all_since(AT) is holds


# ---- NATS: the real server


@contextlib.asynccontextmanager
async def nats_target(rig: NatsRig, **more: Any) -> AsyncIterator[Destination]:
    target = destination_of(rig.settings() | more)
    try:
        yield target
    finally:
        await target.close()


@pytest.fixture
def nats_rig(tmp_path: Path) -> NatsRig:
    return NatsRig(tmp_path)


@pytest.mark.big
@NO_SERVER
def test_a_message_is_a_cloudevent_in_binary_mode(nats_rig: NatsRig):
    async def act() -> None:
        async with nats_rig.open(), nats_target(nats_rig) as target:
            first = await target.deliver(event(1), DATA)
            again = await target.deliver(event(1), DATA)
            assert (first.looked_up, again.looked_up) == (False, True)
            assert json.loads(first.answer) == {"stream": "EVENTS", "seq": 1}
            (message,) = await peers.held(nats_rig.client)
            assert message.subject == "crossdock.production.shipment.notified.v1"
            assert message.headers["Nats-Msg-Id"] == message.headers["ce-id"] == "e1-r1"
            assert {key: unquote(message.headers[f"ce-{key}"]) for key in attributes(1)} == attributes(1)
            assert (message.headers["ce-specversion"], message.headers["ce-datacontenttype"]) == ("1.0", "application/json")
            assert message.data == DATA

    asyncio.run(act())


@pytest.mark.big
@NO_SERVER
def test_after_the_window_it_looks_before_it_repeats(nats_rig: NatsRig):
    """The stream has forgotten the id by then: only a look tells."""

    async def act() -> None:
        async with nats_rig.open(), nats_target(nats_rig, timeout="1s", ack_wait="1s") as target:
            await nats_rig.client.jetstream().update_stream(peers.StreamConfig(name="EVENTS", subjects=["crossdock.>"], duplicate_window=2))
            await target.deliver(event(1), DATA)
            for number in range(2, 1200):
                await target.deliver(event(number), b"{}")
            await asyncio.sleep(2.5)
            found = await target.deliver(event(1, in_doubt=True, age=HOUR), DATA)
            assert found.looked_up
            assert json.loads(found.answer)["seq"] == 1
            assert not (await target.deliver(event("new", in_doubt=True, age=HOUR), DATA)).looked_up
            assert (await nats_rig.client.jetstream().stream_info("EVENTS")).state.consumer_count == 0, "a look leaves nothing at the server"
            names = Counter(name for name, _ in await nats_rig.effects())
            assert (len(names), max(names.values())) == (1200, 1)
            assert (await target.deliver(event("doubled"), DATA)).looked_up is False
            await asyncio.sleep(2.5)
            await target.deliver(event("doubled"), DATA)
            assert Counter(name for name, _ in await nats_rig.effects())["edoubled-r1"] == 2, "what the look prevents"

    asyncio.run(act())


@pytest.mark.big
@NO_SERVER
def test_a_look_that_was_cut_off_reads_on_where_it_was(nats_rig: NatsRig, monkeypatch: pytest.MonkeyPatch):
    honest, read = Link.ids_since, []

    async def cut_off(self: Link, *given: Any, **more: Any) -> AsyncIterator[tuple[int, str]]:
        """Fifty at a time."""
        left = 50
        async for one in honest(self, *given, **more):
            if not left:
                raise Passing("cut off")
            left -= 1
            read.append(one[0])
            yield one

    async def act() -> None:
        async with nats_rig.open(), nats_target(nats_rig) as target:
            for number in range(120):
                await target.deliver(event(number), DATA)
            monkeypatch.setattr(Link, "ids_since", cut_off)
            assert not (await target.deliver(event("new", in_doubt=True, age=HOUR), DATA)).looked_up
            assert read == list(range(1, 121))
            assert (await target.deliver(event(110, in_doubt=True, age=HOUR), DATA)).looked_up

    asyncio.run(act())


@pytest.mark.big
@NO_SERVER
def test_the_look_goes_to_the_stream_that_the_subject_has_today(nats_rig: NatsRig):
    """Each partner's events in a stream of their own; one subject moves to another stream while we are connected."""

    async def act() -> None:
        async with nats_rig.open(), nats_target(nats_rig, subject="by.{partner}.{subject}") as target:
            context = nats_rig.client.jetstream()
            await peers.make_stream(nats_rig.client, "ACME", ("by.acme.>",))
            await target.deliver(event(1), DATA)
            await context.update_stream(peers.StreamConfig(name="ACME", subjects=["by.old.>"]))
            await peers.make_stream(nats_rig.client, "NEW", ("by.acme.>",))
            assert json.loads((await target.deliver(event(2), DATA)).answer) == {"stream": "NEW", "seq": 1}
            found = await target.deliver(event(2, in_doubt=True, age=HOUR), DATA)
            assert (found.looked_up, json.loads(found.answer)) == (True, {"stream": "NEW", "seq": 1})
            await context.delete_stream("NEW")
            with pytest.raises(DestinationFault, match="no stream takes by"):
                await target.deliver(event(3), DATA)

    asyncio.run(act())


@pytest.mark.big
@NO_SERVER
def test_where_a_stream_can_no_longer_tell_a_person_decides(nats_rig: NatsRig):
    async def act() -> None:
        async with nats_rig.open(), nats_target(nats_rig) as target:
            await target.deliver(event(1), DATA)
            await nats_rig.client.jetstream().purge_stream("EVENTS")
            with pytest.raises(PermanentFailure, match="by hand"):
                await target.deliver(event(1, in_doubt=True, age=HOUR), DATA)

    asyncio.run(act())


@pytest.mark.big
@NO_SERVER
def test_what_a_target_needs_of_its_stream_is_told_with_the_mend(nats_rig: NatsRig):
    async def act() -> None:
        async with nats_rig.open():
            context = nats_rig.client.jetstream()
            for more, told in (
                ({"subject": "elsewhere.{type}"}, "no stream takes elsewhere.shipment.notified.v1: make one"),
                ({"stream": "OTHER"}, "stream EVENTS takes crossdock.production.shipment.notified.v1, not OTHER"),
                ({"timeout": "90s"}, "set its duplicate_window to 180 s at least"),
            ):
                async with nats_target(nats_rig, **more) as target:
                    with pytest.raises(DestinationFault, match=told):
                        await target.deliver(event(1), DATA)
            async with nats_target(nats_rig) as target:
                with pytest.raises(PermanentFailure, match=r"1,200,\d+ bytes .* takes 1,048,576: raise max_payload"):
                    await target.deliver(event(1), b"x" * 1_200_000)
                assert (await target.deliver(event(2), DATA)).answer, "and the connection is whole"
            async with nats_target(nats_rig, subject="made.{partner}", stream="MADE", create_stream=True, timeout="90s") as target:
                await target.deliver(event(3), DATA)
                config = (await context.stream_info("MADE")).config
                assert (config.subjects, config.duplicate_window, str(config.storage)) == (["made.*"], 180, "file")
            async with nats_target(nats_rig, subject="full.{type}") as target:
                await peers.make_stream(nats_rig.client, "FULL", ("full.>",), max_msgs=1, discard="new")
                await target.deliver(event(4), DATA)
                with pytest.raises(TemporaryFailure, match="maximum messages exceeded"):
                    await target.deliver(event(5), DATA)

    asyncio.run(act())


@pytest.mark.big
@NO_SERVER
@pytest.mark.parametrize(
    ("more", "given", "told"),
    [
        ('authorization {user: "us", password: "right"}', {"user": "us", "password": "right"}, None),
        ('authorization {user: "us", password: "right"}', {"user": "us", "password": "wrong"}, "does not take our credentials"),
        ('authorization {user: "us", password: "right"}', {}, "does not take our credentials"),
        ('authorization {token: "right-token"}', {"token": "right-token"}, None),
        ('authorization {token: "right-token"}', {"token": "wrong-token"}, "does not take our credentials"),
        ('authorization {users: [{nkey: "PUBLIC"}]}', {"nkey": "FILE"}, None),
        ('authorization {users: [{user: us, password: right, permissions: {publish: ["$JS.API.>"]}}]}', {"user": "us", "password": "right"},
         "may not publish to crossdock.production.shipment.notified.v1"),
        ('authorization {users: [{user: us, password: right, permissions: {publish: ["crossdock.>"]}}]}', {"user": "us", "password": "right"},
         "may not publish to .JS.API.STREAM.NAMES"),
        ('authorization {users: [{user: us, password: right, permissions: {subscribe: ["x"]}}]}', {"user": "us", "password": "right"}, "_INBOX"),
    ],
    ids=["password", "wrong password", "none", "token", "wrong token", "nkey", "may not publish", "may not ask", "may not listen"],
)  # fmt: skip
def test_credentials_are_used_and_what_is_wrong_with_them_parks(tmp_path: Path, more: str, given: dict[str, str], told: str | None):
    import nkeys

    seed = b"SUAMK2FG4MI6UE3ACF3FK3OIQBCEIEZV7NSWFFEW63UXMRLFM2XLAXK4GY"
    (tmp_path / "seed").write_bytes(seed)
    more = more.replace("PUBLIC", nkeys.from_seed(bytearray(seed)).public_key.decode())
    given = {key: value.replace("FILE", str(tmp_path / "seed")) for key, value in given.items()}

    async def act() -> None:
        with peers.server(tmp_path / "nats") as server:
            async with peers.client(server.url) as client:
                await peers.make_stream(client)
            server.kill()
            server.configure(more)
            server.start()
            target = destination_of({"kind": "nats", "servers": server.url, "timeout": "5s", **given})
            if told is None:
                await target.deliver(event(1), DATA)
            else:
                with pytest.raises(DestinationFault, match=told):
                    await target.deliver(event(1), DATA)
            await target.close()

    asyncio.run(act())


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for 127.0.0.1 that signs itself, and another one."""
    folder = tmp_path_factory.mktemp("pem")
    for name in ("one", "other"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.crt", "-days", "30", "-subj",
             "/CN=bus", "-addext", "subjectAltName=IP:127.0.0.1"], cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
    return folder


@pytest.mark.big
@NO_SERVER
@pytest.mark.parametrize(("authority", "told"), [("one.crt", None), ("other.crt", "not to be trusted"), ("none.crt", "No such file")])
def test_a_server_proves_who_it_is(tmp_path: Path, pem: Path, authority: str, told: str | None):
    tls = f'tls {{cert_file: "{pem / "one.crt"}", key_file: "{pem / "one.key"}", ca_file: "{pem / "one.crt"}", verify: true}}'

    async def act() -> None:
        with peers.server(tmp_path / "nats") as server:
            async with peers.client(server.url) as client:
                await peers.make_stream(client)
            server.kill()
            server.configure(tls)
            server.start()
            target = destination_of(
                {"kind": "nats", "servers": server.url.replace("nats:", "tls:"), "authority": str(pem / authority), "certificate": str(pem / "one.crt"),
                 "key": str(pem / "one.key"), "timeout": "5s"}
            )  # fmt: skip
            if told is None:
                assert json.loads((await target.deliver(event(1), DATA)).answer)["seq"] == 1
            else:
                with pytest.raises(DestinationFault, match=told):
                    await target.deliver(event(1), DATA)
            await target.close()

    asyncio.run(act())


def test_no_password_goes_to_a_server_that_leaves_tls_out():
    heard = bytearray()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.15.1","headers":true,"max_payload":1048576,"auth_required":true}\r\n')
        while data := await reader.read(4096):
            heard.extend(data)
            writer.write(b"PONG\r\n")
        writer.close()

    async def act() -> None:
        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        url = f"tls://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for secret in ({"user": "us", "password": "hush-hush"}, {"token": "hush-hush"}):
            target = destination_of({"kind": "nats", "servers": url, **secret})
            with pytest.raises(DestinationFault, match="does not offer TLS"):
                await target.deliver(event(1), DATA)
            await target.close()
        server.close()

    asyncio.run(act())
    assert b"hush" not in heard


@pytest.mark.big
@NO_SERVER
def test_a_server_that_is_frozen_leaves_an_open_question_and_no_second_message(tmp_path: Path):
    async def act() -> None:
        with peers.server(tmp_path / "nats") as server:
            async with peers.client(server.url) as client:
                await peers.make_stream(client)
                target = destination_of({"kind": "nats", "servers": server.url, "timeout": "3s", "ack_wait": "1s"})
                await target.deliver(event(1), DATA)
                server.freeze()
                with pytest.raises(UnknownOutcome, match="may have taken it"):
                    await target.deliver(event(2), DATA)
                with pytest.raises(TemporaryFailure):
                    await target.deliver(event(3), DATA)
                server.signal(signal.SIGCONT)
                for number in (2, 3):
                    await target.deliver(event(number, attempts=1, in_doubt=True), DATA)
                await target.close()
                assert [message.headers["ce-id"] for message in await peers.held(client)] == ["e1-r1", "e2-r1", "e3-r1"]

    asyncio.run(act())


@pytest.mark.big
@NO_SERVER
def test_a_stream_is_a_fallback_for_an_erp_that_is_away(tmp_path: Path):
    """The whole gateway: what cannot wait goes to the stream, what the ERP may have seen waits for it; none goes to both."""

    async def act() -> None:
        with peers.server(tmp_path / "nats") as server:
            more: dict[str, Any] = {
                "targets": {"queue": {"kind": "nats", "servers": server.url, "stream": "EDI", "create_stream": True}}, "breaker": {"failures": 2},
            }  # fmt: skip
            async with peers.client(server.url) as client, running(tmp_path, target={"concurrency": 1}, **more) as gateway:
                await gateway.apply("harbor", ('receive: "940"', 'receive: "940"\n    fallback: queue\n    fallback_after: 1s'))
                gateway.erp.behaviour.dead = True
                for number in range(1, 7):
                    await gateway.sent("harbor", order(number).body)
                fallen: set[str] = set()
                for _ in range(200):
                    with contextlib.suppress(Exception):
                        fallen = {message.headers["ce-id"] for message in await peers.held(client, "EDI")}
                    if len(fallen) == 4:
                        break
                    await asyncio.sleep(0.1)
                assert len(fallen) == 4
                gateway.erp.behaviour.dead = False
                await gateway.operate("targets.steer", act="probe", name="erp", because="they say it is mended")
                await gateway.settle(lambda: len(gateway.effects()) == 2, "what may have been taken unseen waited for the ERP")
                assert not fallen & set(gateway.erp.effects)

    asyncio.run(act())


@pytest.mark.big
@NO_SERVER
def test_a_leader_that_dies_loses_and_doubles_nothing(tmp_path: Path):
    """Three nodes, three replicas; the stream's leader is killed while events flow, and later the next one. What was stored in the last moment is not heard of."""
    count = 4000

    async def act() -> None:
        with peers.cluster(tmp_path / "cluster") as nodes:
            urls = [node.url for node in nodes]
            async with peers.client(*urls) as client:
                await peers.make_stream(client, num_replicas=3)
                lines = [LossyLine(node.port) for node in nodes]
                for line in lines:
                    await line.start()
                reached = [f"nats://127.0.0.1:{line.port}" for line in lines]
                target = destination_of({"kind": "nats", "servers": reached, "timeout": "30s", "ack_wait": "2s"})
                loop = asyncio.get_running_loop()
                pauses, confirmed_ids, latest = [0.0], [], loop.time()
                numbers = iter(range(count))

                async def sender() -> None:
                    nonlocal latest
                    for number in numbers:
                        attempts = 0
                        while True:
                            try:
                                await target.deliver(event(number, attempts=attempts, in_doubt=bool(attempts)), DATA)
                                break
                            except TemporaryFailure:
                                attempts += 1
                                await asyncio.sleep(0.2)
                        pauses.append(loop.time() - latest)
                        latest = loop.time()
                        confirmed_ids.append(number)
                        await asyncio.sleep(0.02)

                senders = [asyncio.create_task(sender()) for _ in range(64)]
                for share in (0.25, 0.6):
                    while len(confirmed_ids) < count * share:
                        await asyncio.sleep(0.01)
                    name = await peers.leader_of(client)
                    (leader,) = [node for node in nodes if node.name == name]
                    for line in lines:
                        line.is_mute = True
                    await asyncio.sleep(0.05)
                    leader.kill()
                    for line in lines:
                        line.is_mute = False
                        line.cut()
                    while len(confirmed_ids) < count * (share + 0.1):
                        await asyncio.sleep(0.01)
                    await asyncio.to_thread(leader.start)
                await asyncio.gather(*senders)
                await target.close()
                for line in lines:
                    await line.stop()
                found = Counter([message.headers["ce-id"] for message in await peers.held(client)])
                lost = [number for number in range(count) if f"e{number}-r1" not in found]
                doubled = [name for name, times in found.items() if times > 1]
                print(f"two leaders killed among {count} events: {len(lost)} lost, {len(doubled)} doubled, longest pause {max(pauses):.1f} s")
                assert (lost, doubled) == ([], [])

    asyncio.run(act())
