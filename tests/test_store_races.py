"""Two nodes on one PostgreSQL, of which one looks at what the other has changed and not committed: what comes of it is what would come of one after the other."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gateway.as2.records import Answered, Arrived, As2Claim, Decided, Frozen
from gateway.clock import DAY, SECOND
from gateway.records.alarms import Letter, Told
from gateway.records.answers import Origin, Receipt, WrittenAnswer
from gateway.records.deliveries import Action, Renewal, Settled, ToDeliver
from gateway.records.documents import DocumentRow, EventRow
from gateway.records.translation import Chunk, ChunkKept
from gateway.replay.records import Asked, JobClaim, Progress, Trial
from gateway.scheduling import LaneClaim
from gateway.store import alarms
from gateway.store.edits import EditedEvent
from gateway.store.payloads import Payload
from gateway.store.profiles import Applied, MadeLive
from gateway.store.store import Store
from tests.databases import migrated_database
from tests.test_store_circles import two_nodes
from tests.test_store_writer import Gate, incoming
from translators.x12.answers import ACCEPTED, Answer, SetAnswer

AT = 1_900_000_000 * SECOND
CLAIMED = AT + DAY
"""When what arrived at `AT` is claimed."""
LATE = AT + DAY
"""When what is owed is due."""
ERP = "target:erp"
PATIENCE = 20
"""Seconds."""

Nodes = tuple[Store, Store]


@pytest.fixture
def nodes(postgresql: str, tmp_path: Path) -> Iterator[Nodes]:
    with two_nodes(migrated_database(postgresql), tmp_path) as both:
        yield both


def meet(nodes: Nodes, first: Callable[[Store], Future[Any]], then: Callable[[Store], Future[Any]]) -> tuple[Any, Any]:
    """What both come to: `then` begins at the second node when `first` is written at the first, and that commits when `then` has ended or waits for it."""
    one, other = nodes
    before, after = Gate(), Gate()
    one.writer.submit(before, None)
    assert before.entered.wait(PATIENCE)
    written = first(one)
    one.writer.submit(after, None)
    before.opened.set()
    assert after.entered.wait(PATIENCE)
    second = then(other)
    until = time.monotonic() + PATIENCE
    while not second.done() and not somebody_waits(one) and time.monotonic() < until:
        time.sleep(0.005)
    after.opened.set()
    return written.result(PATIENCE), second.result(PATIENCE)


def somebody_waits(store: Store) -> bool:
    """For a lock in this database."""
    (found,) = rows(store, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    return bool(found[0])


def rows(store: Store, query: str) -> list[tuple[Any, ...]]:
    return store.read(lambda tx: [tuple(row) for row in tx.execute(text(query))]).result(PATIENCE)


def change(store: Store, statement: str, **values: Any) -> Future[Any]:
    """Somebody's commit in one statement."""

    def verb(tx, items):
        tx.execute(text(statement), values)
        return [None] * len(items)

    return store.writer.submit(verb, None)


def an_event(identity: str, **more: Any) -> EventRow:
    given: dict[str, Any] = {
        "purpose": "original",
        "meaning_hash": identity,
        "correlation": "",
        "data": b'{"n":1}',
        "destination": ERP,
        "on_dead": "block",
    } | more
    return EventRow(identity, "t", f"shipment/{identity}", "2026-11-16T09:30:00Z", **given)


def chunk_of(number: int, *events: EventRow, advice: str = "none") -> Chunk:
    """The whole of message `number`: one document that says these."""
    interchange = {
        "ordinal": 1, "stream": "production", "state": "open", "reason": None, "ta1": None, "sender": "02:A", "receiver": "ZZ:B", "control": str(number),
        "version": "00401", "usage": "P", "date": "261116", "time": "0930", "byte_start": 0, "byte_end": 9, "sha256": str(number),
    }  # fmt: skip
    group = {
        "interchange": 1, "ordinal": 1, "functional": "QM", "control": "1", "version": "004010", "sender": "A", "receiver": "B", "codes": "", "claimed": 1,
        "found": 1,
    }  # fmt: skip
    document = DocumentRow(
        1, 1, 1, "production", "214", "0001", "mapped", None, "A", "", "004010", 0, 9, "x12/214", f"content {number}", None, "hold", [], [],
        list(events), advice=advice,
    )  # fmt: skip
    return Chunk(
        f"{number:026d}", "northway", "http", 1, AT + number, None, None, AT + number, "a", interchanges=[interchange], groups=[group],
        documents=[document],
    )  # fmt: skip


def translated(store: Store, number: int, *events: EventRow, advice: str = "none") -> None:
    store.keep_message(incoming(number, at=AT + number)).result(PATIENCE)
    kept: ChunkKept = store.keep_chunk(chunk_of(number, *events, advice=advice)).result(PATIENCE)
    assert kept.states == {"translated": 1}


def claim_of(node: str, destination: str = ERP, at: int = CLAIMED) -> LaneClaim:
    return LaneClaim(destination, node, at, at + 15 * SECOND, 100)


def claimed(store: Store, node: str = "a", destination: str = ERP, at: int = CLAIMED) -> list[ToDeliver]:
    deliveries: list[ToDeliver] = store.claim_lanes(claim_of(node, destination, at)).result(PATIENCE).deliveries
    return deliveries


def settled(one: ToDeliver, outcome: str = "delivered") -> Settled:
    return Settled(
        one.id, one.lane, one.fence, one.partner, one.destination, one.message, "a", one.on_dead, CLAIMED, 1, outcome, CLAIMED + 2, 200, "so it said", b"yes",
    )  # fmt: skip


def test_two_events_of_a_document_that_are_taken_at_once_accept_it(nodes: Nodes):
    """Each settles one of the two, and what it sees of the other is that it is under way: somebody must be the last all the same."""
    translated(nodes[0], 1, an_event("i1"), an_event("i2"), advice="all")
    first, second = claimed(nodes[0])
    assert meet(nodes, lambda node: node.settle(settled(first)), lambda node: node.settle(settled(second))) == (True, True)
    assert rows(nodes[0], "SELECT state, verdict FROM owed") == [("due", "A")]


def sent_by_as2(store: Store, sent: str) -> None:
    """A message of ours on its way, for which an asynchronous MDN is owed."""
    body = Payload.inline("as2:1", "northway", b"1")
    frozen = Frozen("as2 1", "northway", sent, "<1@us>", "us", "northway", (), body, None, {}, "mic", "sha256", "async", False, DAY, 3, 1, AT)
    store.freeze_as2(frozen).result(PATIENCE)


BY_ITSELF = Answered(
    "as2 1", "northway", "delivered", "delivered", "MIC matches", "processed", (), Payload.inline("mdn:1", "northway", b"mdn"), AT, "", "northway"
)  # fmt: skip
TAKEN = Answered("as2 1", "northway", "awaiting", "sent", "200: taken; its receipt comes by itself", "", (), None, AT, "")


def test_a_receipt_that_comes_before_its_request_has_ended_stays(nodes: Nodes):
    """An asynchronous MDN comes to the other node while this one commits that the request was answered 200."""
    translated(nodes[0], 1, an_event("i1"))
    sent_by_as2(nodes[0], rows(nodes[0], "SELECT id FROM deliveries")[0][0])
    assert meet(nodes, lambda node: node.answer_as2(BY_ITSELF), lambda node: node.answer_as2(TAKEN)) == ("delivered", "delivered")
    assert rows(nodes[0], "SELECT state, disposition FROM as2_messages") == [("delivered", "processed")]


def test_what_gets_its_receipt_at_this_moment_is_not_sent_again(nodes: Nodes):
    translated(nodes[0], 1, an_event("i1"))
    (one,) = claimed(nodes[0])
    nodes[0].settle(settled(one)).result(PATIENCE)
    sent_by_as2(nodes[0], one.id)
    nodes[0].answer_as2(TAKEN).result(PATIENCE)
    late = AT + DAY + 1
    assert meet(nodes, lambda node: node.answer_as2(BY_ITSELF), lambda node: node.chase_as2(late)) == ("delivered", 0)
    assert rows(nodes[0], "SELECT state FROM deliveries") == [("delivered",)]


def test_an_as2_message_that_is_opened_at_this_moment_is_not_claimed(nodes: Nodes):
    payload = Payload.inline("as2:1", "northway", b"1")
    arrived = Arrived("as2 1", "northway", "northway", "us", "<1@northway>", (), payload, "test", "async", False, None, 1, AT)
    nodes[0].keep_as2(arrived).result(PATIENCE)
    decided = Decided(arrived, (replace(incoming(1), channel="as2"),), {}, None, None, None, None, (), AT, kept=True)
    _, got = meet(nodes, lambda node: node.decide_as2(decided), lambda node: node.claim_as2(As2Claim("b", CLAIMED, CLAIMED + 1, 10)))
    assert got == []


def test_what_is_sent_to_try_a_destination_does_not_go_to_its_fallback(nodes: Nodes):
    """The destination rests. This node's claim takes a delivery to try it with; at that moment the other's, whose clock is behind, moves what has waited."""
    translated(nodes[0], 1, an_event("i1", fallback="target:two", fallback_after=10))
    translated(nodes[0], 2, an_event("i2", fallback="target:two", fallback_after=10))
    values = {"erp": ERP, "since": CLAIMED - 100 * SECOND, "until": CLAIMED}
    rests = "INSERT INTO destinations (id, partner, state, since, parked_until) VALUES (:erp, '-', 'open', :since, :until)"
    change(nodes[0], rests, **values).result(PATIENCE)
    change(nodes[0], "INSERT INTO outages (destination, opened_at, partner, reason) VALUES (:erp, :since, '-', 'x')", **values).result(PATIENCE)
    probe = claim_of("a")
    tried, _ = meet(nodes, lambda node: node.claim_lanes(probe), lambda node: node.claim_lanes(claim_of("b", at=CLAIMED - 1)))
    (one,) = tried.deliveries
    assert one.id not in [other.id for other in claimed(nodes[1], "b", "target:two", CLAIMED + 1)]
    assert nodes[0].settle(settled(one)).result(PATIENCE)
    assert sorted(rows(nodes[0], "SELECT destination, state FROM deliveries")) == [(ERP, "delivered"), ("target:two", "due")]


def edited_and_corrected(nodes: Nodes) -> tuple[EditedEvent, Chunk]:
    """A dead letter; what a person makes of its event, and what its partner does."""
    translated(nodes[0], 1, an_event("i1"))
    (dead,) = claimed(nodes[0])
    nodes[0].settle(settled(dead, "permanent")).result(PATIENCE)
    nodes[1].keep_message(incoming(2, at=AT + 2)).result(PATIENCE)
    edit = EditedEvent("i1-r1", b'{"n":"edited"}', "edited", "ann", "because", CLAIMED)
    correction = chunk_of(2, an_event("i1", purpose="correct", meaning_hash="corrected", data=b'{"n":"corrected"}'))
    return edit, correction


def test_a_correction_that_comes_while_a_person_edits_is_told_after_the_edit(nodes: Nodes):
    edit, correction = edited_and_corrected(nodes)
    kept, _ = meet(nodes, lambda node: node.edit_event(edit), lambda node: node.keep_chunk(correction))
    assert kept.id == "i1-r2"
    assert told(nodes[0]) == [("i1-r1", '{"n":1}'), ("i1-r2", '{"n":"edited"}'), ("i1-r3", '{"n":"corrected"}')]


def test_an_edit_that_comes_while_the_correction_is_kept_is_refused(nodes: Nodes):
    edit, correction = edited_and_corrected(nodes)
    _, kept = meet(nodes, lambda node: node.keep_chunk(correction), lambda node: node.edit_event(edit))
    assert kept.id == ""
    assert told(nodes[0]) == [("i1-r1", '{"n":1}'), ("i1-r2", '{"n":"corrected"}')]


def test_a_trial_and_a_translation_of_one_event_are_two_revisions(nodes: Nodes):
    """A replay tells the test target what a document comes to today, while another of the same subject is translated."""
    asked = Asked("J", "northway", "reprocess", "test", ERP, "live", {"since": 0, "until": AT, "revisions": {"northway": 1}}, "ann", "to see", AT)
    nodes[0].ask_replay(asked).result(PATIENCE)
    (job,) = nodes[0].claim_replays(JobClaim("a", AT, CLAIMED, 10)).result(PATIENCE)
    chunk, tried = (chunk_of(number, an_event("i1", purpose="correct", meaning_hash=f"m{number}", data=b"%d" % number)) for number in (1, 2))
    nodes[1].keep_message(incoming(1, at=AT + 1)).result(PATIENCE)
    trial = Trial(tried.message, "northway", "http", 1, AT, [(f"{tried.message}.1.1.1", tried.documents[0])])
    progress = Progress("J", job.fence, AT, CLAIMED, job.cursor, {"arrival": 1, "message": tried.message, "place": None}, {}, trials=[trial])
    assert meet(nodes, lambda node: node.keep_progress(progress), lambda node: node.keep_chunk(chunk))[0] == {"told": 1}
    assert told(nodes[0]) == [("i1-r1", "2"), ("i1-r2", "1")]


def told(store: Store) -> list[tuple[Any, ...]]:
    """(event, data)"""
    return [
        (event, bytes(data).decode())
        for event, data in rows(store, "SELECT e.id, p.data FROM events e JOIN payloads p ON p.id = e.payload ORDER BY e.id")
    ]


def owes(store: Store, *steps: str) -> None:
    """The partner owes us a 997, which is overdue at `LATE`, and these steps are agreed."""
    statement = (
        "INSERT INTO awaited (id, partner, stream, kind, message, interchange_control, functional, group_control, set_id, set_control, correlation, state,"
        " opened_at, due_at, steps, step_every) VALUES ('997:x', 'northway', 'production', '997', 'm', '000000001', 'PO', 1, '850', '0001', 'c', 'waiting',"
        " :at, :due, :steps, 1)"
    )
    change(store, statement, at=AT, due=LATE, steps=json.dumps(steps)).result(PATIENCE)


def an_answer(number: int) -> Chunk:
    """The partner's 997 about what it `owes`, in message `number`."""
    chunk = chunk_of(number)
    answer = Answer("997", functional="PO", control="1", verdict=ACCEPTED, sets=[SetAnswer("850", "0001", ACCEPTED)])
    return replace(chunk, documents=[replace(chunk.documents[0], set_id="997", answer=asdict(answer))])


def test_two_nodes_take_one_step_for_what_is_overdue(nodes: Nodes):
    owes(nodes[0], "remind", "alarm")
    assert meet(nodes, lambda node: node.mark_overdue(LATE), lambda node: node.mark_overdue(LATE)) == (1, 0)
    assert meet(nodes, lambda node: node.mark_overdue(LATE + 1), lambda node: node.mark_overdue(LATE + 1)) == (0, 0)
    assert rows(nodes[0], "SELECT (SELECT count(*) FROM deliveries WHERE kind = 'webhook'), count FROM alarms") == [(1, 1)]


def test_what_is_answered_at_this_moment_is_not_overdue(nodes: Nodes):
    owes(nodes[0], "alarm")
    nodes[0].keep_message(incoming(1, at=AT + 1)).result(PATIENCE)
    assert meet(nodes, lambda node: node.keep_chunk(an_answer(1)), lambda node: node.mark_overdue(LATE))[1] == 0
    assert rows(nodes[0], "SELECT state, overdue_at, (SELECT count(*) FROM alarms) FROM awaited") == [("accepted", None, 0)]


def test_an_answer_closes_the_alarm_that_is_raised_at_this_moment(nodes: Nodes):
    owes(nodes[0], "alarm")
    nodes[0].keep_message(incoming(1, at=AT + 1)).result(PATIENCE)
    assert meet(nodes, lambda node: node.mark_overdue(LATE), lambda node: node.keep_chunk(an_answer(1)))[0] == 1
    assert rows(nodes[0], "SELECT state, (SELECT count(*) FROM alarms WHERE closed_at IS NULL) FROM awaited") == [("accepted", 0)]


PARTS = [{"slot": "interchange_control"}, "x"]


def owed(store: Store, *numbers: int) -> list[WrittenAnswer]:
    """TA1s that are due, one a message, as they would be written."""
    found = []
    for number in numbers:
        key = f"TA1:{number}"
        statement = (
            "INSERT INTO owed (id, partner, kind, message, interchange, state, verdict, profile_revision, at)"
            " VALUES (:id, 'northway', 'TA1', :id, 1, 'due', 'A', 1, 1)"
        )
        change(store, statement, id=key).result(PATIENCE)
        receipt = Receipt("TA1", PARTS, "ZZ:US 02:northway", "outbox:northway", "a.edi")
        found.append(WrittenAnswer(key, Origin(key, "northway", "http", 1, AT), f"{number}.1", receipt))
    return found


def test_an_answer_that_two_nodes_write_is_written_once(nodes: Nodes):
    (answer,) = owed(nodes[0], 1)
    assert meet(nodes, lambda node: node.write_answer(answer), lambda node: node.write_answer(answer)) == (True, False)
    sent = rows(nodes[0], "SELECT outgoing FROM deliveries")
    assert sent == rows(nodes[0], "SELECT answer FROM owed") == rows(nodes[0], "SELECT id FROM messages WHERE direction = 'out'")
    assert len(sent) == 1


def test_an_alarm_of_which_two_nodes_tell_is_told_once(nodes: Nodes):
    def telling(number: int) -> Told:
        letter = f"{number:026d}"
        return Told([news], [Letter(f"alarm:mail:{letter}", letter, "alarm:mail", Payload.inline(f"alarm:mail:{letter}", "-", b"x"))], AT + 2)

    nodes[0].raise_alarm("sftp.poll", "northway", "its server does not answer", AT).result(PATIENCE)
    (news,) = nodes[0].read(lambda tx: alarms.news(tx, AT + 1, AT, 10)).result(PATIENCE)
    assert meet(nodes, lambda node: node.tell_alarms(telling(1)), lambda node: node.tell_alarms(telling(2))) == (1, 0)
    assert len(rows(nodes[0], "SELECT id FROM deliveries")) == 1


def test_of_two_revisions_that_two_people_make_live_one_is(nodes: Nodes):
    for number, state in enumerate(("live", "draft", "draft"), start=1):
        assert nodes[0].apply_profile(Applied("northway", f"text {number}", f"hash {number}", "ann", AT, state)).result(PATIENCE) == number
    made = [MadeLive("northway", number, "draft", "ann", AT) for number in (2, 3)]
    assert meet(nodes, lambda node: node.make_live(made[0]), lambda node: node.make_live(made[1])) == (True, True)
    states = "SELECT revision, state FROM profile_revisions ORDER BY revision"
    assert rows(nodes[0], states) == [(1, "retired"), (2, "retired"), (3, "live")]
    new = [Applied("northway", f"text {number}", f"hash {number}", "ann", AT) for number in (4, 5)]
    assert meet(nodes, lambda node: node.apply_profile(new[0]), lambda node: node.apply_profile(new[1])) == (4, 5)
    assert rows(nodes[0], states)[3:] == [(4, "retired"), (5, "live")]


def test_what_is_being_claimed_is_not_skipped(nodes: Nodes):
    translated(nodes[0], 1, an_event("i1"))
    ((one,),) = rows(nodes[0], "SELECT id FROM deliveries")
    skip = Action("skip", one, "ann", "not wanted", CLAIMED)
    got, said = meet(nodes, lambda node: node.claim_lanes(claim_of("a")), lambda node: node.act(skip))
    assert said == "sending"
    assert nodes[0].settle(settled(got.deliveries[0])).result(PATIENCE)
    assert rows(nodes[0], "SELECT state FROM deliveries") == [("delivered",)]


def test_a_lease_that_another_node_is_taking_over_is_not_renewed(nodes: Nodes):
    translated(nodes[0], 1, an_event("i1"))
    (one,) = claimed(nodes[1], "b")
    over = CLAIMED + 16 * SECOND
    got, renewed = meet(
        nodes, lambda node: node.claim_lanes(claim_of("a", at=over)), lambda node: node.renew_lease(Renewal(one.lane, one.fence, over + 15 * SECOND))
    )
    assert [other.id for other in got.deliveries] == [one.id]
    assert not renewed


# ---- what is true on one node, too

GIVEN_UP = [
    pytest.param("all", ["delivered", "skip"], ("due", "A"), id="the last of a set"), pytest.param("all", ["skip", "delivered"], ("due", "A"), id="the first of a set"),
    pytest.param("all", ["skip", "skip"], ("withheld", None), id="all of a set"), pytest.param("errors", ["delivered", "skip"], ("withheld", None), id="errors are told alone"),
]  # fmt: skip


@pytest.mark.parametrize(("advice", "acts", "owed"), GIVEN_UP)
def test_an_824_does_not_wait_for_what_a_person_has_given_up(store: Store, advice: str, acts: list[str], owed: tuple[str, str | None]):
    translated(store, 1, an_event("i1"), an_event("i2"), advice=advice)
    for act, one in zip(acts, claimed(store), strict=True):
        if act == "delivered":
            assert store.settle(settled(one)).result(PATIENCE)
        else:
            change(store, f"UPDATE lanes SET lease_until = 0 WHERE id = '{one.lane}'").result(PATIENCE)
            assert store.act(Action("skip", one.id, "ann", "not needed", CLAIMED + 3)).result(PATIENCE) == "skipped"
    assert rows(store, "SELECT state, verdict FROM owed") == [owed]
