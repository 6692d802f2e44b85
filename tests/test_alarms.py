"""Alarms come to where people look: once, with what they mean and what shows more, and again only after a while; and their end comes, too."""

import ast
import asyncio
import base64
import hmac
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from aiohttp import web

from gateway.__main__ import app
from gateway.alarms.catalog import KINDS, kind_of, show_command
from gateway.alarms.stage import Herald
from gateway.alarms.wording import in_words, letter, mail
from gateway.clock import DAY, HOUR, SECOND, now
from gateway.errors import DestinationFault, StoreUnavailable, TemporaryFailure
from gateway.failpoints import POINTS
from gateway.operations import OPERATIONS
from gateway.records.alarms import AlarmClosed, AlarmRow
from gateway.records.deliveries import ToDeliver
from gateway.settings import AlarmMail, Alarms, SettingsError, read_settings
from gateway.store import alarms as rows
from gateway.store.store import Store
from gateway.transports.alarms import AlarmByMail
from tests.running import document, running
from tests.smtp import MailServer

ROOT = Path(__file__).parent.parent
RUNBOOKS = ROOT / "docs" / "runbooks"
AT = 1_800_000_000 * SECOND
SECRET = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


def row(kind: str = "delivery.dead", **more) -> AlarmRow:
    given = {
        "id": f"{kind}:x", "kind": kind, "partner": "lake3pl", "message": "01M855NG9QRRRRG5ZM7E95KG2M", "text": "it will not take it", "count": 1,
        "first_at": AT, "last_at": AT, "closed_at": None, "closed_because": None,
    }  # fmt: skip
    return AlarmRow(**(given | more))


# ---- the catalog


def raised_in_code() -> set[str]:
    """Every string of our code that looks like a kind, without the names of failpoints and operations."""
    families = "|".join(sorted({kind.partition(".")[0] for kind in KINDS}))
    pattern = re.compile(rf"(?:{families})\.[a-z-]+")
    found = set()
    for path in (ROOT / "gateway").rglob("*.py"):
        if path.name in ("catalog.py", "failpoints.py") or "commands" in path.parts:
            continue
        found |= {
            one.value
            for one in ast.walk(ast.parse(path.read_text()))
            if isinstance(one, ast.Constant) and isinstance(one.value, str) and pattern.fullmatch(one.value)
        }
    return found - set(POINTS) - set(OPERATIONS)


NO_ALARMS = {"message.body", "message.decided", "message.http-headers", "node.json", "node.name"}
OF_STATES = {"document.held", "document.rejected", "interchange.held", "interchange.rejected"}
"""Kinds that the code puts together from a word and a state."""
OF_OPERATIONS = {"sftp.poll"}


def test_every_kind_that_is_raised_is_in_the_catalog_and_the_other_way_round():
    assert raised_in_code() - NO_ALARMS | OF_STATES | OF_OPERATIONS == set(KINDS)


def every_command(group, name: str = "crossdock"):
    for key, command in group.commands.items():
        yield f"{name} {key}", command
        if hasattr(command, "commands"):
            yield from every_command(command, f"{name} {key}")


COMMANDS = dict(every_command(typer.main.get_command(app)))


def assert_can_be_typed(line: str) -> None:
    words = line.split()
    names = [" ".join(words[:length]) for length in (3, 2) if " ".join(words[:length]) in COMMANDS]
    assert names, f"no such command: {line}"
    options = {one for parameter in COMMANDS[names[0]].params for one in parameter.opts}
    assert not {word for word in words if word.startswith("--")} - options, line


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_has_a_command_that_shows_it_and_a_runbook(kind: str):
    assert_can_be_typed(KINDS[kind].show.format(partner="acme", message="M"))
    page = (RUNBOOKS / f"{kind}.md").read_text(encoding="utf-8")
    commands = re.match(r"# `(\S+)`: .+\n\n```sh\n(crossdock .+)\n(crossdock .+)\n```\n\n\S", page)
    assert commands, "a runbook begins with the command that shows the state, then the one that mends it"
    assert commands[1] == kind
    for line in (commands[2], commands[3]):
        assert_can_be_typed(line)
    assert f"({kind}.md)" in (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    assert f"`{kind}`" in (ROOT / "docs" / "reference" / "alarms.md").read_text(encoding="utf-8")


def test_a_command_without_its_subject_is_not_shown():
    assert show_command("document.held", "acme", "M1") == "crossdock show M1"
    assert show_command("document.held", "acme", None) == "crossdock alarms"
    assert show_command("sftp.locked", "-", None) == "crossdock alarms"
    assert kind_of("of a later version").urgency == "now"


# ---- words


def test_a_letter_says_what_happened_what_it_means_and_what_shows_more():
    value = letter(
        [row(), row("document.rejected", count=7), row("as2.refused", closed_at=AT, closed_because="mended")],
        node="n1",
        at=AT,
        runbooks="https://wiki/rb/",
    )
    assert value["text"] == "Crossdock: now: delivery.dead of lake3pl, document.rejected of lake3pl"
    words = in_words(value)
    assert words.index("delivery.dead (now)") < words.index("document.rejected (note)")
    for part in (
        "it will not take it",
        "It means: the destination will not take it",
        "crossdock dead",
        "https://wiki/rb/delivery.dead.md",
        "7 times since",
        "Over: as2.refused, lake3pl: mended",
    ):
        assert part in words


def test_a_letter_is_bounded():
    value = letter([row(id=str(number), text="x" * 100_000) for number in range(500)], node="n1", at=AT, runbooks="r")
    assert len(value["data"]["alarms"]) == 50
    assert value["data"]["more"] == 450
    assert len(json.dumps(value)) < 100_000
    assert value["text"] == "Crossdock: now: delivery.dead (500)"


def test_a_mail_is_one_mail_whatever_a_partner_writes_into_it():
    value = letter([row(text="a\r\nBcc: x@y.example\r\n\r\nbody ÄÖ \x1b[31m")], node="n1", at=AT, runbooks="r")
    value["text"] += "\r\nBcc: all@example.com"
    data = mail(value, sender="edi@example.com", to=["ops@example.com"], identity="alarm:mail:01X", at=AT)
    head = data.partition(b"\r\n\r\n")[0]
    assert b"\nBcc" not in head
    assert b"Message-ID: <alarm.mail.01X@example.com>" in head
    assert data == mail(value, sender="edi@example.com", to=["ops@example.com"], identity="alarm:mail:01X", at=AT)


# ---- rows


def raised(store: Store, number: int = 1, at: int = AT, kind: str = "delivery.dead") -> None:
    item = {"id": f"{kind}:{number}", "kind": kind, "partner": "acme", "message": None, "text": f"trouble {number}", "at": at}
    store.writer.submit(lambda tx, items: [rows.raise_alarms(tx, items)], item).result()


def news(store: Store, at: int, *, gather: int = 30 * SECOND, again: int = 4 * HOUR) -> list[AlarmRow]:
    return store.read(lambda tx: rows.news(tx, at - gather, at - again, 100)).result()


def told(store: Store, found: list[AlarmRow], at: int) -> int:
    return store.tell_alarms(rows.Told(found, [], at)).result()


def test_the_same_alarm_is_told_again_only_after_a_while(store: Store):
    raised(store)
    assert not news(store, AT + 29 * SECOND), "what comes together goes together"
    found = news(store, AT + 30 * SECOND)
    assert [one.count for one in found] == [1]
    assert told(store, found, AT + 30 * SECOND) == 1
    assert not news(store, AT + DAY), "nothing new"
    raised(store, at=AT + HOUR)
    raised(store, at=AT + 2 * HOUR)
    assert not news(store, AT + 3 * HOUR), "too soon"
    (again,) = news(store, AT + 5 * HOUR)
    assert (again.count, again.first_at, again.last_at) == (3, AT, AT + 2 * HOUR)


def test_two_nodes_tell_once(store: Store):
    raised(store)
    one, two = news(store, AT + HOUR), news(store, AT + HOUR)
    assert told(store, one, AT + HOUR) == 1
    assert told(store, two, AT + HOUR) == 0


def test_what_changed_meanwhile_is_looked_at_again(store: Store):
    raised(store)
    found = news(store, AT + HOUR)
    raised(store, at=AT + HOUR)
    assert told(store, found, AT + HOUR) == 0
    assert [one.count for one in news(store, AT + HOUR)] == [2]


def test_the_end_of_what_was_told_is_told_and_the_same_trouble_opens_it_anew(store: Store):
    raised(store)
    raised(store, 2)
    told(store, [one for one in news(store, AT + HOUR) if one.id.endswith("1")], AT + HOUR)
    for number in (1, 2, 3):
        store.close_alarm(AlarmClosed(f"delivery.dead:{number}", AT + 2 * HOUR, "crossdock", "it works again")).result()
    (over,) = news(store, AT + 3 * HOUR)
    assert (over.id, over.closed_because) == ("delivery.dead:1", "it works again"), "of what nobody heard nobody need hear the end"
    told(store, [over], AT + 3 * HOUR)
    raised(store, at=AT + 3 * HOUR)
    (anew,) = news(store, AT + 3 * HOUR + 31 * SECOND)
    assert anew.closed_at is None, "told at once, although it was told an hour ago: it had been over"
    listed = store.read(lambda tx: rows.latest(tx, partner=None, kind=None, everything=False, limit=10)).result()
    assert [one.id for one in listed] == ["delivery.dead:1"]


def test_news_are_found_by_an_index(store: Store):
    if not store.database.is_sqlite:
        return
    plan = store.read(
        lambda tx: tx.exec_driver_sql("EXPLAIN QUERY PLAN SELECT id FROM alarms WHERE tell_at <= 5 ORDER BY tell_at LIMIT 9").all()
    ).result()
    assert "alarms_to_tell" in str(plan)


# ---- the whole way


def settings_for(mail_port: int, hook: str) -> dict:
    return {
        "gather": "0s",
        "mail": {"ops": {"host": "127.0.0.1", "port": mail_port, "security": "none", "sender": "edi@example.com", "to": ["ops@example.com"], "least": "now"}},
        "webhook": {"chat": {"url": hook, "secret": f"whsec_{SECRET}", "token": "bearer", "least": "note", "partners": ["northway"]}},
    }  # fmt: skip


def test_alarms_come_by_mail_and_webhook(tmp_path: Path):
    posted: list[tuple[dict, dict]] = []
    answers = [503, 202]

    async def hook(request: web.Request) -> web.Response:
        body = await request.read()
        if len(answers) > 1:
            return web.Response(status=answers.pop(0))
        headers = request.headers
        expected = hmac.digest(base64.b64decode(SECRET), f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body, "sha256")
        assert headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"
        assert headers["Authorization"] == "Bearer bearer"
        posted.append((json.loads(body), dict(headers)))
        return web.Response(status=202)

    async def act() -> None:
        site = web.Application()
        site.router.add_post("/hook", hook)
        runner = web.AppRunner(site)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with MailServer() as mails:  # noqa: SIM117 - its port is in the settings
            async with running(tmp_path, alarms=settings_for(mails.port, f"http://127.0.0.1:{runner.addresses[0][1]}/hook")) as gateway:
                await gateway.sent("northway", document("945-bad.edi"))  # its sender is none of northway's
                await gateway.settle(lambda: mails.mails and posted, "nobody was told")
                await gateway.operate("alarms.test")
                await gateway.settle(lambda: len(mails.mails) == 2, "the second was not told")
                (shown, tried) = sorted(await gateway.operate("alarms"), key=lambda one: one["kind"], reverse=True)
                assert (shown["kind"], shown["urgency"]) == ("interchange.held", "now")
                assert shown["show"] == f"crossdock show {shown['message']}"
                assert (await gateway.operate("alarms.close", id=tried["id"][:12], reason="tried"))["closed"]
                assert [one["kind"] for one in await gateway.operate("alarms")] == ["interchange.held"]
                assert {one["closed_because"] for one in await gateway.operate("alarms", all=True)} == {None, "tried"}
                await gateway.settle(lambda: len(mails.mails) == 3, "its end was not told")
        await runner.cleanup()
        first = mails.mails[0]
        assert first["Subject"] == "Crossdock: now: interchange.held of northway"
        assert "Runbook:  docs/runbooks/interchange.held.md" in first.get_content()
        assert "alarm.test" in mails.mails[1].get_content()
        assert "Over: alarm.test" in mails.mails[2].get_content()
        assert {one["kind"] for letter_, _ in posted for one in letter_["data"]["alarms"]} >= {"interchange.held"}
        assert len({headers["webhook-id"] for _, headers in posted}) == len(posted)

    asyncio.run(act())


@pytest.mark.parametrize(
    ("refusal", "failure"), [("450 later", TemporaryFailure), ("550 no such user", DestinationFault)], ids=["for now", "for good"]
)
def test_a_mail_that_is_refused_waits(refusal: str, failure: type[Exception]):
    async def act() -> None:
        async with MailServer() as server:
            server.refuse = refusal
            terms = AlarmMail(host="127.0.0.1", port=server.port, security="none", sender="edi@example.com", to=["ops@example.com"])
            with pytest.raises(failure, match=refusal[:3]):
                await AlarmByMail("ops", terms, now).deliver(delivery(), json.dumps(letter([row()], node="n", at=AT, runbooks="r")).encode())

    asyncio.run(act())


def test_a_mail_server_without_starttls_gets_nothing():
    async def act() -> None:
        async with MailServer() as server:
            terms = AlarmMail(host="127.0.0.1", port=server.port, sender="edi@example.com", to=["ops@example.com"])
            with pytest.raises(DestinationFault, match="STARTTLS"):
                await AlarmByMail("ops", terms, now).deliver(delivery(), json.dumps(letter([row()], node="n", at=AT, runbooks="r")).encode())
            assert not server.mails

    asyncio.run(act())


def delivery() -> ToDeliver:
    return ToDeliver("alarm:ops:1", "", 0, "-", "alarm:ops", "alarm", "", None, None, "", "{}", 0, False, "pass", AT, None, None, "", AT)


def test_who_keeps_nothing_tells_without_keeping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The store takes nothing for half a minute: people hear of it all the same, once."""
    said: list[str] = []
    at = [AT]

    class Channel:
        async def deliver(self, one: ToDeliver, data: bytes) -> None:
            said.append(json.loads(data)["data"]["alarms"][0]["kind"])

    async def act() -> None:
        store = Store(f"sqlite:///{tmp_path / 'db'}", tmp_path / "payloads")
        terms = read_settings(None, {"alarms": {"webhook": {"chat": {"url": "http://127.0.0.1:1/"}}}}, environment={}).alarms
        herald = Herald(store, terms, {"alarm:chat": Channel()}, node="n1", clock=lambda: at[0])
        error = StoreUnavailable("the database does not answer")
        for seconds in (0, 20, 31, 60, 120):
            at[0] = AT + seconds * SECOND
            await herald._silence(error)
        assert said == ["store.unavailable"]
        at[0] = AT + 5 * HOUR
        await herald._silence(error)
        await herald.last_words("the disk did not take a commit")
        assert said == ["store.unavailable", "store.unavailable", "node.ended"]
        store.close()

    asyncio.run(act())


def test_what_nobody_fetches_is_told_and_what_is_fetched_is_over(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path, alarms={"outbox_after": "0s"}) as gateway:
            await gateway.sent("lake3pl", document("945-shipped.edi"))
            box = gateway.partner("lake3pl")
            await gateway.do("warnings")
            (alarm,) = [one for one in await gateway.operate("alarms") if one["kind"] == "outbox.waiting"]
            assert alarm["text"].startswith("1 documents wait for lake3pl")
            await box.pick_up(gateway.session)
            await gateway.do("warnings")
            assert not [one for one in await gateway.operate("alarms") if one["kind"] == "outbox.waiting"]

    asyncio.run(act())


BAD = {
    "security: none": {"mail": {"ops": {"host": "h", "security": "none", "user": "u", "password": "p", "sender": "a@b.example", "to": ["c@d.example"]}}},
    "go together": {"mail": {"ops": {"host": "h", "user": "u", "sender": "a@b.example", "to": ["c@d.example"]}}},
    "pattern": {"mail": {"ops": {"host": "h", "sender": "a@b.example", "to": ["c@d.example\r\nBcc: x@y.example"]}}},
    "https": {"webhook": {"chat": {"url": "http://chat.example/x"}}},
    "whsec_": {"webhook": {"chat": {"url": "https://chat.example/x", "secret": "whsec_no"}}},
    "both a mail and a webhook": {
        "mail": {"ops": {"host": "h", "sender": "a@b.example", "to": ["c@d.example"]}}, "webhook": {"ops": {"url": "https://chat.example/x"}},
    },
}  # fmt: skip


@pytest.mark.parametrize("words", BAD)
def test_settings_that_cannot_be_used_are_refused(words: str):
    with pytest.raises(SettingsError, match=re.escape(words)):
        read_settings(None, {"alarms": BAD[words]}, environment={})


def test_the_defaults_tell_nobody():
    assert Alarms().channels() == []
    assert Alarms().again_after == timedelta(hours=4)
