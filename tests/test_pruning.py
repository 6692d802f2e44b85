"""What is over and old goes, with all that hangs on it; what an open duty needs stays, whatever it is."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gateway.clock import DAY, Instant, now
from gateway.records.alarms import AlarmClosed
from gateway.records.deliveries import Action
from gateway.settings import read_settings
from gateway.shared_work import PLACED_WITHIN, joined, kept_for
from gateway.store import pruning
from gateway.store.spool import INLINE_LIMIT
from gateway.store.store import Store
from partners.profile import ProfileError, read_profile
from tests.databases import migrated_database
from tests.kill.documents import notice, status
from tests.running import ROOT, Running, running
from tests.standing_running import Teller, event_row, moment
from tests.standing_running import status as said
from tests.test_stock import change, count, known, line, tell
from tests.test_way_out import asked

KEPT = 500 * DAY
BY_MESSAGE = (
    "messages", "payloads", "interchanges", "groups", "documents", "findings", "document_references", "events", "deliveries", "attempts", "life",
    "answers", "interchanges_seen", "contents", "identities", "owed", "awaited", "standings",
)  # fmt: skip


def counts(gateway: Running) -> dict[str, int]:
    def count(tx: Any) -> dict[str, int]:
        return {table: tx.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() for table in BY_MESSAGE}

    return gateway.node.store.read(count).result(20)


def prune(gateway: Running, at: Instant, partners: tuple[str, ...] = ("northway", "lake3pl", "harbor")) -> int:
    """How many messages went, at that instant, as a node does it: some at a time."""
    removed = 0
    for partner in partners:
        after = 0
        while True:
            pruned = gateway.node.store.prune(pruning.Ask(partner, at - KEPT, after, 2, at)).result(20)
            removed += pruned.removed
            if pruned.last is None:
                break
            after = pruned.last
    return removed


async def picked_up(gateway: Running, partner: str) -> None:
    """Everything in the partner's outbox, once there is something."""
    box = gateway.partner(partner)
    waits = f"SELECT 1 FROM deliveries WHERE destination = 'outbox:{partner}' AND state = 'due'"
    await gateway.settle(lambda: has(gateway, waits), "nothing for it")
    while has(gateway, waits):
        await box.pick_up(gateway.session)


def has(gateway: Running, query: str) -> bool:
    return gateway.node.store.read(lambda tx: tx.exec_driver_sql(query).first()).result(20) is not None


def settled(gateway: Running) -> bool:
    return not has(gateway, "SELECT 1 FROM deliveries WHERE state = 'due' LIMIT 1")


def test_what_is_over_goes_with_all_that_hangs_on_it(tmp_path: Path, database_url: str):
    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            for one in (status(1), status(2), notice(3)):
                await gateway.sent(one.partner, one.body, key=f"key-{one.subject}")
            await gateway.settle(lambda: not has(gateway, "SELECT 1 FROM deliveries WHERE state = 'due' AND event IS NOT NULL"), "no events")
            later = now() + KEPT + DAY
            before = counts(gateway)
            kept = prune(gateway, later)
            assert kept == 0, "their 997s have not been fetched"
            assert counts(gateway) == before
            await picked_up(gateway, "northway")
            await gateway.settle(lambda: settled(gateway), "not all is settled")
            assert prune(gateway, now() + KEPT - DAY) == 0, "they are not old enough"
            assert prune(gateway, later) == 6, "three messages and their 997s"
            left = {table: number for table, number in counts(gateway).items() if number}
            assert left == {"identities": 3}, "nothing hangs on what is gone, but for how far its events were numbered"
            lanes = gateway.node.store.read(lambda tx: tx.exec_driver_sql("SELECT count(*) FROM lanes").scalar_one()).result(20)
            assert lanes == 0
            again = await gateway.sent("northway", status(1).body, key="key-again")
            assert again["state"] == "translated", "what was forgotten is new, under a number that no event had before"
            await gateway.settle(lambda: len(gateway.effects(status(1).subject)) == 2)
            (new,) = gateway.node.store.read(lambda tx: tx.exec_driver_sql("SELECT revision, supersedes FROM events").all()).result(20)
            assert tuple(new) == (2, None)

    asyncio.run(act())


def test_an_824_of_refusals_alone_keeps_nothing_once_all_is_taken(tmp_path: Path):
    """It waits for a refusal that nobody can give any more."""

    async def act() -> None:
        async with running(tmp_path) as gateway:
            await gateway.apply("northway", ('  - receive: "214"', '  - receive: "214"\n    duties: {application_advice: errors}'))
            await gateway.sent("northway", status(1).body)
            await picked_up(gateway, "northway")
            await gateway.settle(lambda: settled(gateway))
            assert has(gateway, "SELECT 1 FROM owed WHERE kind = '824' AND state = 'waiting'")
            assert prune(gateway, now() + KEPT + DAY) == 2

    asyncio.run(act())


def removed(store: Store, messages: int) -> int:
    """Of the oldest of these that are left, with everything delivered; how many went."""
    over = "UPDATE deliveries SET state = 'delivered'"
    store.writer.submit(lambda tx, items: [tx.exec_driver_sql(over) and None], None).result(20)
    nth = text("SELECT arrival FROM messages ORDER BY arrival LIMIT 1 OFFSET :n")
    last = store.read(lambda tx: tx.execute(nth, {"n": messages - 1}).scalar_one()).result(20)
    return store.prune(pruning.Ask("northway", last + 1, 0, 100, now())).result(20).removed


def views(store: Store) -> tuple[dict[str, str], int]:
    """The step at which each subject stands; how many counts and changes of stock are kept."""

    def look(tx: Any) -> tuple[dict[str, str], int]:
        rows = tx.exec_driver_sql("SELECT subject, step FROM standings ORDER BY subject").all()
        return {row.subject: row.step for row in rows}, tx.exec_driver_sql("SELECT count(*) FROM stock_told").scalar_one()

    return store.read(look).result(20)


def test_how_a_shipment_stands_goes_with_the_last_event_that_says_so(store: Store):
    teller = Teller(store)
    for identity, subject, step, milestone in (
        ("a", "shipment/1", "pickup.departed", "pickup"), ("b", "shipment/2", "pickup.departed", "pickup"), ("c", "shipment/2", "delivery.unloaded", "delivery"),
    ):  # fmt: skip
        teller.tell(event_row(identity, "shipment.status", subject, said(step, milestone, moment("2026-11-16T08:00"))))
    assert removed(store, 2) == 2
    assert views(store)[0] == {"shipment/2": "delivery.unloaded"}, "its last event is younger"
    assert removed(store, 1) == 1
    assert views(store)[0] == {}


def test_a_standing_that_changes_meanwhile_stays(store: Store, monkeypatch: pytest.MonkeyPatch):
    """As by another node, whose commit comes between our look and our deletion."""
    teller = Teller(store)
    teller.tell(event_row("a", "shipment.status", "shipment/1", said("pickup.departed", "pickup", moment("2026-11-16T08:00"))))
    look = pruning.in_lists

    def then_changed(tx: Any, query: Any, values: Any) -> Any:
        found = look(tx, query, values)
        if query is pruning._STANDINGS:
            tx.exec_driver_sql("UPDATE standings SET changed_at = changed_at + 1")
        return found

    monkeypatch.setattr(pruning, "in_lists", then_changed)
    assert removed(store, 1) == 1
    assert views(store)[0] == {"shipment/1": "pickup.departed"}


def test_stock_stays_and_what_it_is_the_sum_of(store: Store):
    teller = Teller(store)
    for identity, data in (
        ("a", count("2026-11-16T08:00", line("I", on_hand="9"))), ("b", change("2026-11-17T08:00", "I", "-4")),
        ("c", count("2026-11-18T08:00", line("I", on_hand="12"))), ("d", change("2026-11-19T08:00", "I", "-5")),
    ):  # fmt: skip
        tell(teller, identity, data)
    assert removed(store, 4) == 4
    assert views(store)[1] == 2, "the last count, and what was changed after it"
    tell(teller, "e", change("2026-11-20T08:00", "I", "1"))
    (row,) = known(store, "I")
    assert json.loads(row["quantities"]) == {"on_hand": "8"}


async def dead(gateway: Running) -> None:
    gateway.erp.behaviour.refuse_types = ["org.crossdock.shipment.status.v1"]
    await gateway.sent("northway", status(1).body)
    await gateway.settle(lambda: has(gateway, "SELECT 1 FROM deliveries WHERE state = 'dead'"))
    await picked_up(gateway, "northway")


async def held(gateway: Running) -> None:
    await gateway.sent("northway", b"this is no interchange")


async def awaited(gateway: Running) -> None:
    sent, _ = await gateway.release(asked(), key="order-1")
    assert sent == 202
    await picked_up(gateway, "lake3pl")


async def alarmed(gateway: Running) -> None:
    value = await gateway.sent("northway", status(1).body)
    await picked_up(gateway, "northway")
    await gateway.settle(lambda: settled(gateway))
    sql = f"INSERT INTO alarms (id, kind, partner, message, text, count, first_at, last_at) VALUES ('x', 'message.held', 'northway', '{value['id']}', 't', 1, 1, 1)"
    gateway.node.store.writer.submit(lambda tx, items: [tx.exec_driver_sql(sql) and None for _ in items], None).result(20)


async def replayed(gateway: Running) -> None:
    await gateway.sent("northway", status(1).body)
    await picked_up(gateway, "northway")
    await gateway.settle(lambda: settled(gateway))
    await gateway.node.replay.stop()
    await gateway.operate("replays.start", since="1d", partner="northway")


def test_a_number_that_is_used_again_is_another_event(tmp_path: Path, database_url: str):
    """Its newest revision was pruned; the first one stays, for an alarm about its message is open."""

    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            first = await gateway.sent("northway", notice(1).body)
            await gateway.sent("northway", shipped(501, b"05", 30))
            await gateway.settle(lambda: len(gateway.erp.effects) == 2)
            await picked_up(gateway, "northway")
            await gateway.settle(lambda: settled(gateway))
            sql = f"INSERT INTO alarms (id, kind, partner, message, text, count, first_at, last_at) VALUES ('x', 'message.held', 'northway', '{first['id']}', 't', 1, 1, 1)"
            gateway.node.store.writer.submit(lambda tx, items: [tx.exec_driver_sql(sql) and None for _ in items], None).result(20)
            assert prune(gateway, now() + KEPT + DAY) >= 1
            await gateway.sent("northway", shipped(777, b"00", 99))
            await gateway.settle(lambda: len(gateway.erp.effects) == 3)
            told = gateway.node.store.read(lambda tx: tx.exec_driver_sql("SELECT revision, supersedes FROM events ORDER BY revision").all()).result(
                20
            )
            assert [tuple(row) for row in told] == [(1, None), (3, None)]

    asyncio.run(act())


def shipped(control: int, purpose: bytes, quantity: int) -> bytes:
    """The notice 1 in another interchange."""
    body = notice(1).body.replace(b"BSN*00*", b"BSN*%s*" % purpose).replace(b"SN1*1*24*EA", b"SN1*1*%d*EA" % quantity)
    return body.replace(b"%09d" % 1, b"%09d" % control).replace(b"*1*X*", b"*%d*X*" % control).replace(b"GE*1*1", b"GE*1*%d" % control)


def test_an_event_id_never_means_another_thing(tmp_path: Path, database_url: str):
    """A row of identities that was lost, as by a hand in the database: the message is held, whatever else is under way."""

    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            await gateway.sent("northway", notice(1).body)
            gateway.node.store.writer.submit(lambda tx, items: [tx.exec_driver_sql("DELETE FROM identities") and None], None).result(20)
            again = await gateway.sent("northway", shipped(501, b"00", 30))
            assert again["state"] == "held"
            assert "ToldOtherwise: event" in again["reason"]
            after = await gateway.sent("northway", notice(2).body)
            assert after["state"] == "translated"

    asyncio.run(act())


@pytest.mark.parametrize("duty", [dead, held, awaited, alarmed, replayed])
def test_what_an_open_duty_needs_stays(tmp_path: Path, database_url: str, duty: Any):
    async def act() -> None:
        async with running(tmp_path, database_url) as gateway:
            await duty(gateway)
            await asyncio.sleep(0.3)
            later, before = now() + 10 * KEPT, counts(gateway)
            prune(gateway, later)
            kept = counts(gateway)
            for table in ("messages", "payloads", "documents", "events", "awaited"):
                # Its 997 has been fetched: nothing needs that any more.
                assert kept[table] == before[table] - (duty in (dead, alarmed) and table in ("messages", "payloads")), table
            if duty is alarmed:
                gateway.node.store.close_alarm(AlarmClosed("x", later, "tester", "looked at")).result(20)
                assert prune(gateway, later) >= 1
                assert counts(gateway)["messages"] == 0

    asyncio.run(act())


def test_large_bytes_go_after_their_row(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            body = status(1).body + b"\n" * (INLINE_LIMIT + 1)
            await gateway.sent("northway", body)
            await picked_up(gateway, "northway")
            await gateway.settle(lambda: settled(gateway))
            store = gateway.node.store
            (kept,) = list((tmp_path / "var" / "payloads").glob("??/??/*"))
            later = now() + KEPT + DAY
            assert prune(gateway, later) == 2
            assert kept.exists()
            assert store.take_drops(later + DAY + 1, 10).result(20) == [kept.name]
            store.files.remove(kept.name)
            store.end_drops([kept.name], later + DAY + 1).result(20)
            assert not kept.exists()

    asyncio.run(act())


def test_a_node_prunes_by_itself(tmp_path: Path, database_url: str):
    """Its hour is brought forward by a person; time is that of the test."""
    at = [now()]

    async def act() -> None:
        async with running(tmp_path, database_url, clock=lambda: at[0], retention={"messages": "500d"}) as gateway:
            await gateway.sent("northway", status(1).body)
            await picked_up(gateway, "northway")
            await gateway.settle(lambda: settled(gateway))
            at[0] += KEPT + DAY
            await gateway.operate("prune")
            gateway.node.chores.look()
            await gateway.settle(lambda: counts(gateway)["messages"] == 0, "nothing was pruned")
            told = "SELECT 1 FROM chores WHERE name = 'prune' AND substr(told, 1, 32) = 'northway: 2 messages from before'"
            await gateway.settle(lambda: has(gateway, told))
            (node,) = (await gateway.operate("nodes"))["nodes"]
            assert node["addresses"] == gateway.node.addresses

    asyncio.run(act())


@pytest.mark.parametrize("when", ["before our look", "between our look and its locks"])
def test_what_a_person_asks_for_again_is_not_pruned(postgresql: str, tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch):
    """At another node: its COMMIT comes after we have looked."""
    url = migrated_database(postgresql)
    here, there = Store(url, tmp_path / "here"), Store(url, tmp_path / "there")
    try:
        teller = Teller(here)
        teller.tell(event_row("a", "shipment.status", "shipment/1", said("pickup.departed", "pickup", moment("2026-11-16T08:00"))))
        for sql in ("UPDATE deliveries SET state = 'delivered'", "UPDATE lanes SET head = NULL, next_due = NULL"):
            here.writer.submit(lambda tx, items, sql=sql: [tx.exec_driver_sql(sql) and None], None).result(20)
        (sent,) = here.read(lambda tx: tx.exec_driver_sql("SELECT id FROM deliveries").scalars().all()).result(20)
        ask, again = pruning.Ask("northway", now(), 0, 100, now()), Action("redeliver", sent, "tester", "lost there", now())
        if when == "before our look":
            with there.database.writing.connect() as connection, connection.begin():
                assert there._delivery.act(connection, [again]) == ["due"]
                assert here.prune(ask).result(20).removed == 0
        else:

            def look(tx: Any, given: Any) -> Any:
                found = tx.execute(pruning._OVER, given).all()
                assert there.act(again).result(20) == "due"
                return found

            monkeypatch.setattr(pruning, "_look", look)
            assert here.prune(ask).result(20).removed == 0
        assert here.read(lambda tx: tx.exec_driver_sql("SELECT state FROM deliveries").scalars().all()).result(20) == ["due"]
    finally:
        here.close()
        there.close()


def test_letters_and_closed_alarms_go_too(tmp_path: Path):
    at = [now()]

    async def act() -> None:
        hook = {"ops": {"url": "http://127.0.0.1:1/hook"}}
        async with running(tmp_path, clock=lambda: at[0], retention={"messages": "500d"}, alarms={"gather": "1s", "webhook": hook}) as gateway:
            store = gateway.node.store
            for name in ("a", "b"):
                store.raise_alarm("message.held", "northway", "x", at[0] - DAY, name).result(20)
            await gateway.settle(lambda: has(gateway, "SELECT 1 FROM deliveries WHERE kind = 'alarm'"))
            await gateway.node.herald.stop()
            await gateway.node.deliver.stop()
            for sql in (
                f"UPDATE deliveries SET state = 'delivered', done_at = {at[0]}",
                "UPDATE lanes SET head = NULL, next_due = NULL, lease_until = 0, blocked = false",
                f"UPDATE alarms SET closed_at = {at[0]}, tell_at = NULL WHERE id LIKE '%:a'",
            ):
                store.writer.submit(lambda tx, items, sql=sql: [tx.exec_driver_sql(sql) and None], None).result(20)
            await gateway.do("prune")
            assert has(gateway, "SELECT 1 FROM deliveries WHERE kind = 'alarm'"), "they are young"
            at[0] += KEPT + DAY
            await gateway.do("prune")
            for table in ("deliveries", "payloads", "lanes"):
                assert not has(gateway, f"SELECT 1 FROM {table}"), table
            assert not has(gateway, "SELECT 1 FROM alarms WHERE id LIKE '%:a'")
            assert has(gateway, "SELECT 1 FROM alarms WHERE id LIKE '%:b' AND closed_at IS NULL")

    asyncio.run(act())


def test_what_was_told_of_a_refused_as2_message_goes_with_it(store: Store):
    sql = (
        "INSERT INTO as2_messages (id, key, partner, direction, state, as2_from, as2_to, message_id, headers, payload, size, sha256, receipt, profile_revision, at)"
        " VALUES ('{0}', '{0}', 'northway', 'in', 'refused', 'A', 'B', '{0}', '[]', 'as2:{0}', 1, 'x', 'async', 1, 1)",
        "INSERT INTO life (message, at, partner, step, who, text) VALUES ('{0}', 1, 'northway', 'refused', 'x', '')",
        "INSERT INTO deliveries (id, lane, position, partner, destination, kind, state, message, payload, attributes, on_dead, created_at, next_due)"
        " VALUES ('mdn:{0}', '{0}', 1, 'northway', 'as2-receipts:northway', 'mdn', '{1}', '{0}', 'mdn:{0}', '{{}}', 'pass', 1, 1)",
    )
    for name, state in (("sent", "delivered"), ("waits", "due")):
        for one in sql:
            given = one.format(name, state)
            store.writer.submit(lambda tx, items, given=given: [tx.exec_driver_sql(given) and None], None).result(20)
    store.prune(pruning.Ask("northway", 10, 0, 10, now())).result(20)
    for table, column in (("as2_messages", "id"), ("life", "message"), ("deliveries", "message")):
        left = store.read(lambda tx, table=table, column=column: list(tx.exec_driver_sql(f"SELECT {column} FROM {table}").scalars())).result(20)
        assert left == ["waits"], table


def test_the_stream_is_walked_where_events_went_and_nowhere_twice():
    spans = [(100 * DAY, 101 * DAY), (1 * DAY, 2 * DAY), (2 * DAY, 3 * DAY), (3 * DAY + PLACED_WITHIN, 5 * DAY)]
    assert joined(spans) == [(1 * DAY, 5 * DAY), (100 * DAY, 101 * DAY)]


# ---- how long


PROFILE = (ROOT / "partners" / "profiles" / "northway.yaml").read_text(encoding="utf-8")


def test_a_profile_keeps_at_least_what_its_rules_look_back_for():
    with pytest.raises(ProfileError, match=r"retention\.messages is 200 days, and duplicates\.meaning\.within looks back 400 days"):
        read_profile(PROFILE + "\nretention: {messages: 200d}\n", "northway.yaml")
    profile = read_profile(PROFILE + "\nretention: {messages: 200d}\nduplicates: {meaning: {within: 180d}}\n", "northway.yaml")
    assert profile.retention.messages == timedelta(days=200)


@pytest.mark.parametrize(
    ("ours", "theirs", "days"),
    [(None, "", None), ("30d", "", 400), ("900d", "", 900), ("900d", "{messages: none}", None), (None, "{messages: 500d}", 500)],
    ids=["for ever", "the longest window", "the setting", "the profile's own: for ever", "the profile's own"],
)
def test_how_long_a_partners_messages_are_kept(ours: str | None, theirs: str, days: int | None):
    settings = read_settings(None, {"retention": {"messages": ours}}, environment={})
    profile = read_profile(PROFILE + (f"\nretention: {theirs}\n" if theirs else ""), "northway.yaml")
    kept = kept_for(profile, settings)
    assert (None if kept is None else kept // DAY) == days
