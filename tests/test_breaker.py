"""A destination that fails rests, is probed, and comes back slowly; nothing is dropped, and nothing dies of its rest. Fallbacks take what waits too long."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gateway.clock import HOUR, MINUTE, SECOND, Instant
from gateway.errors import PermanentFailure, Refused, TemporaryFailure, UnknownOutcome
from gateway.records.deliveries import Action, Settled, ToDeliver
from gateway.scheduling import BreakerTerms, Quota, Steering
from gateway.settings import Retries
from gateway.steering import steer, targets
from gateway.store import breaker, dead_letters, destinations
from gateway.store.breaker import CLOSED, OPEN, PAUSED, PROBING, RAMPING, Health, heard
from gateway.store.store import Store
from gateway.targets.folder import FolderTarget, put_once
from gateway.targets.terms import Folder
from tests.scheduling import START, TARGET, claim, every_alarm, put, settle, settled

TERMS = BreakerTerms(failures=3, pause=30 * SECOND)
FOLDER = "target:folder"


def stands(store: Store, destination: str = TARGET) -> Health:
    return store.read(lambda tx: breaker.health_of(tx, destination)).result(20)


def alarms(store: Store, kind: str) -> list[dict[str, Any]]:
    return every_alarm(store, kind)


def fail(store: Store, now: Instant, number: int, outcome: str = "temporary", **more: Any) -> list[ToDeliver]:
    """So many deliveries claimed at once, all of which fail."""
    taken = claim(store, now, number, breaker=TERMS).deliveries
    settle(store, *(settled(one, now, outcome, breaker=TERMS, **more) for one in taken))
    return taken


# ---- the machine, without rows

ITEM = Settled("d", "l", 1, "p", TARGET, "m", "a", "pass", 100, 1, "temporary", 110, None, "no", is_fault=True, breaker=TERMS)
YES = replace(ITEM, outcome="delivered", status=200, is_fault=False)
NO = replace(ITEM, outcome="permanent", status=422, is_fault=False)
OUR_FAULT = replace(ITEM, outcome="permanent", status=None, is_fault=False)
PARK = replace(ITEM, outcome="destination", status=401, asked=60 * SECOND)
HELD = replace(ITEM, asked=HOUR)
BASE = Health(TARGET, "-", since=100)


@pytest.mark.parametrize(
    ("before", "item", "state", "more"),
    [
        (BASE, YES, CLOSED, {"failures": 0}),
        (BASE, ITEM, CLOSED, {"failures": 1}),
        (replace(BASE, failures=2), YES, CLOSED, {"failures": 1}),
        (replace(BASE, failures=2), NO, CLOSED, {"failures": 1}),
        (replace(BASE, failures=2), OUR_FAULT, CLOSED, {"failures": 2}),
        (replace(BASE, failures=2), ITEM, OPEN, {"parked_until": 110 + 30 * SECOND, "failures": 0}),
        (replace(BASE, failures=2), HELD, OPEN, {"parked_until": 110 + HOUR}),
        (BASE, PARK, OPEN, {"parked_until": 110 + 60 * SECOND}),
        (replace(BASE, state=PROBING), YES, RAMPING, {"allowance": 2}),
        (replace(BASE, state=PROBING), NO, RAMPING, {"allowance": 2}),
        (replace(BASE, state=PROBING, probing_until=500), ITEM, OPEN, {"parked_until": 110 + 30 * SECOND, "probing_until": 0}),
        (replace(BASE, state=PROBING, probing_until=500), OUR_FAULT, PROBING, {"probing_until": 0}),
        (replace(BASE, state=OPEN, since=105), YES, OPEN, {}),
        (replace(BASE, state=OPEN, since=105, parked_until=9), ITEM, OPEN, {"parked_until": 9}),
        (replace(BASE, state=RAMPING, allowance=4), YES, RAMPING, {"allowance": 5}),
        (replace(BASE, state=RAMPING, allowance=4), ITEM, RAMPING, {"allowance": 2}),
        (replace(BASE, state=RAMPING, allowance=1), ITEM, OPEN, {}),
        (replace(BASE, state=RAMPING, allowance=9), PARK, OPEN, {}),
        (replace(BASE, state=RAMPING, allowance=4, since=105), ITEM, RAMPING, {"allowance": 4}),
        (replace(BASE, state=PAUSED), YES, PAUSED, {}),
        (replace(BASE, state=PAUSED), PARK, PAUSED, {}),
    ],
)
def test_what_each_outcome_does_to_a_breaker(before: Health, item: Settled, state: str, more: dict[str, Any]):
    after = heard(before, item)
    assert after.state == state
    assert {name: getattr(after, name) for name in more} == more


# ---- the rows


def test_it_opens_rests_probes_and_ramps(store: Store):
    put(store, "p", map(str, range(60)))
    fail(store, START, 3)
    assert (stands(store).state, stands(store).parked_until) == (OPEN, START + 30 * SECOND)
    (alarm,) = alarms(store, "destination.parked")
    assert "it is temporary" in alarm["text"]
    resting = claim(store, START + 29 * SECOND)
    assert (resting.deliveries, resting.again, resting.state) == ([], START + 30 * SECOND, OPEN)
    at = START + 30 * SECOND
    (probe,) = claim(store, at, breaker=TERMS).deliveries
    assert claim(store, at + SECOND).deliveries == [], "one probe at a time"
    assert stands(store).state == PROBING
    settle(store, settled(probe, at + SECOND, breaker=TERMS, started=at))
    full = Quota(concurrency=8)
    held = []
    for step, expected in enumerate((2, 4, 8), start=2):
        now = at + step * SECOND
        settle(store, *(settled(one, now, breaker=TERMS) for one in held))
        held = claim(store, now, quota=full).deliveries
        assert len(held) == expected
        assert len(claim(store, now, quota=full).deliveries) == 0, "what is in flight counts, whoever has it"
    assert stands(store).state == CLOSED
    steps = store.read(lambda tx: destinations.shown(tx, TARGET, at, limit=9)).result(20)
    assert steps is not None
    assert [one["step"] for one in reversed(steps["life"])] == [OPEN, RAMPING, CLOSED]


def test_probes_are_two_a_minute_at_most_and_cost_the_others_nothing(store: Store):
    put(store, "p", map(str, range(200)))
    fail(store, START, 3)
    probes, now = 0, START
    for _ in range(600):
        now += SECOND
        probes += len(fail(store, now, 32, "unknown"))
    assert 15 <= probes <= 20, "ten minutes"
    untried = store.read(lambda tx: tx.execute(text("SELECT count(*) FROM deliveries WHERE attempts = 0")).scalar_one()).result(20)
    assert untried >= 200 - 3 - 20
    (alarm,) = alarms(store, "destination.parked")
    assert alarm["count"] == probes + 1


def test_a_probe_that_nobody_settles_is_followed_by_another(store: Store):
    put(store, "p", map(str, range(9)))
    fail(store, START, 3)
    at = START + 30 * SECOND
    assert len(claim(store, at, breaker=TERMS).deliveries) == 1
    assert claim(store, at + 29 * SECOND).deliveries == []
    assert len(claim(store, at + 30 * SECOND, breaker=TERMS).deliveries) == 1, "the node died; the pause is over"


def test_one_bad_document_among_good_ones_opens_nothing(store: Store):
    put(store, "p", map(str, range(100)))
    for step in range(40):
        good, bad = claim(store, START + step, 2, breaker=TERMS).deliveries
        settle(store, settled(good, START + step), settled(bad, START + step, "temporary", breaker=TERMS))
    assert stands(store).state == CLOSED


def test_when_all_is_well_the_row_is_not_written(store: Store):
    put(store, "p", map(str, range(9)))
    settle(store, *(settled(one, START) for one in claim(store, START).deliveries))
    assert store.read(lambda tx: destinations.states(tx)).result(20) == {}


def test_what_failed_with_the_others_comes_with_the_next_probe(store: Store):
    """A back-off of hours, earned while the destination was down, does not outlast the outage."""
    put(store, "p", map(str, range(3)))
    fail(store, START, 3, next_due=START + 2 * HOUR)
    assert len(claim(store, START + 30 * SECOND).deliveries) == 1


def test_an_outage_counts_against_no_delivery(store: Store):
    def rested(since: Instant, now: Instant) -> Instant:
        return store.read(lambda tx: breaker.rested(tx, TARGET, since, now)).result(20)

    put(store, "p", map(str, range(60)))
    fail(store, START, 3)
    assert rested(START - HOUR, START + HOUR) == HOUR, "it lasts"
    assert rested(START + MINUTE, START + HOUR) == HOUR - MINUTE
    end = START + HOUR
    (probe,) = claim(store, end, breaker=TERMS).deliveries
    settle(store, settled(probe, end, breaker=TERMS))
    assert rested(START - HOUR, end + HOUR) == HOUR, "it is over"
    assert rested(end + 1, end + HOUR) == 0
    fail(store, end + HOUR, 3)
    assert stands(store).state == OPEN
    assert rested(START, end + 2 * HOUR) == 2 * HOUR, "two of them"


# ---- people


def act(store: Store, kind: str, at: Instant, because: str = "they said so") -> tuple[bool, str]:
    return store.steer_destination(Steering(TARGET, kind, "ann", because, at, TERMS)).result(20)  # type: ignore[arg-type]


def test_a_person_pauses_opens_probes_closes_and_it_is_kept(store: Store):
    put(store, "p", map(str, range(30)))
    assert act(store, "resume", START) == (False, CLOSED)
    assert act(store, "pause", START, "their release night") == (True, PAUSED)
    assert claim(store, START + 10 * HOUR).deliveries == [], "until a person says so"
    assert act(store, "resume", START + HOUR) == (True, RAMPING)
    assert len(claim(store, START + HOUR, quota=Quota(concurrency=9)).deliveries) == 2
    assert act(store, "open", START + HOUR) == (True, OPEN)
    assert claim(store, START + HOUR + SECOND).deliveries == []
    assert act(store, "probe", START + HOUR + 2 * SECOND) == (True, OPEN)
    assert len(claim(store, START + HOUR + 2 * SECOND).deliveries) == 1
    assert act(store, "close", START + HOUR + 3 * SECOND) == (True, CLOSED)
    assert len(claim(store, START + HOUR + 3 * SECOND, quota=Quota(concurrency=99)).deliveries) == 27
    shown = store.read(lambda tx: destinations.shown(tx, TARGET, START, limit=9)).result(20)
    assert shown is not None
    assert [(one["step"], one["who"]) for one in reversed(shown["life"])] == [(one, "ann") for one in ("pause", "resume", "open", "probe", "close")]
    assert shown["life"][-1]["text"] == "their release night"
    assert store.read(lambda tx: breaker.rested(tx, TARGET, START, START + 9 * HOUR)).result(20) == HOUR + 3 * SECOND, "a pause counts, too"
    assert alarms(store, "destination.parked") == [], "the person knows"


def test_operations_name_the_mend(store: Store):
    put(store, "p", ["1", "2"])
    fail(store, START, 2, "destination", asked=HOUR)
    (one,) = targets(store, {})
    assert (one["destination"], one["state"], one["due"], one["dead"]) == (TARGET, OPEN, 2, 0)
    for given, words in (
        ({"act": "probe", "name": "erp"}, "needs a reason"),
        ({"act": "stop", "name": "erp", "because": "x"}, "there are: pause, resume"),
        ({"act": "probe", "name": "other", "because": "x"}, "no destination is called target:other"),
        ({"act": "resume", "name": "erp", "because": "x"}, "target:erp is open, and resume is for one that is paused"),
    ):
        with pytest.raises(Refused, match=words):
            steer(store, given)
    assert steer(store, {"act": "close", "name": "erp", "because": "the token is mended"}) == {"destination": TARGET, "state": CLOSED}


# ---- fallback


def test_what_waits_longer_than_agreed_goes_to_its_fallback_and_to_nowhere_else(store: Store):
    put(store, "plain", ["a"])
    put(store, "p", ["s1", "s1", "s2"], fallback=(FOLDER, HOUR), priority=0)
    put(store, "late", ["x"], fallback=(FOLDER, 5 * HOUR))
    opened = START + MINUTE
    settle(store, *(settled(one, opened, "destination", asked=9 * HOUR, breaker=TERMS) for one in claim(store, opened, 1).deliveries))
    assert stands(store).state == OPEN
    claim(store, opened + HOUR - 1)
    assert claim(store, opened + HOUR - 1, destination=FOLDER).deliveries == []
    claim(store, opened + HOUR)
    taken = claim(store, opened + HOUR, destination=FOLDER).deliveries
    assert sorted({one.partner for one in taken}) == ["p"]
    assert len(taken) == 2, "the second of one subject waits for the first"
    settle(store, *(settled(one, opened + HOUR) for one in taken))
    assert len(claim(store, opened + HOUR, destination=FOLDER).deliveries) == 1
    (alarm,) = alarms(store, "delivery.fallback")
    assert "went to target:folder" in alarm["text"]
    act(store, "close", opened + 2 * HOUR)
    assert sorted(one.partner for one in claim(store, opened + 2 * HOUR).deliveries) == ["late", "plain"], "never to both"


def test_what_may_have_been_taken_unseen_never_goes_to_the_fallback(store: Store):
    put(store, "p", ["s1", "s2", "s3"], fallback=(FOLDER, HOUR))
    unknown, crashed, plain = claim(store, START, 3).deliveries
    settle(store, settled(unknown, START, "unknown", next_due=START), settled(plain, START, "temporary", next_due=START))
    act(store, "open", START + SECOND)
    for step in range(3):
        claim(store, START + 2 * HOUR + step, breaker=BreakerTerms(3, 99 * HOUR))
    assert [one.id for one in claim(store, START + 3 * HOUR, destination=FOLDER).deliveries] == [plain.id]
    assert crashed.id != plain.id


@pytest.mark.parametrize("outcome", ["temporary", "destination"])
def test_what_is_in_doubt_stays_so_over_a_later_attempt_that_never_left(store: Store, outcome: str):
    put(store, "p", ["s1"], fallback=(FOLDER, HOUR))
    settle(store, settled(*claim(store, START).deliveries, START, "unknown", next_due=START))
    settle(store, settled(*claim(store, START).deliveries, START, outcome, next_due=START))
    (again,) = claim(store, START).deliveries
    assert (again.attempts, again.unknown_outcome) == (2, True), "so it is looked up, and goes to no fallback"


def test_a_pause_by_a_person_falls_back_to_nowhere(store: Store):
    put(store, "p", ["s1"], fallback=(FOLDER, HOUR))
    act(store, "pause", START)
    claim(store, START + 9 * HOUR)
    assert claim(store, START + 9 * HOUR, destination=FOLDER).deliveries == []


def test_what_would_die_goes_to_the_fallback_and_back_by_a_persons_word(store: Store):
    (name,) = put(store, "p", ["s1"], fallback=(FOLDER, HOUR), on_dead="block")
    (one,) = claim(store, START).deliveries
    settle(store, settled(one, START, "permanent", status=422, text="answered 422"))
    (fallen,) = claim(store, START, destination=FOLDER).deliveries
    assert (fallen.id, fallen.attempts) == (name, 1)
    settle(store, settled(fallen, START))
    assert store.act(Action("redeliver", name, "ann", "the ERP is mended", START)).result(20) == "due"
    (back,) = claim(store, START + SECOND).deliveries
    assert (back.id, back.destination) == (name, TARGET)
    settle(store, settled(back, START + SECOND, "permanent", status=422))
    (dead,) = store.read(lambda tx: dead_letters.listed(tx, dead_letters.Search(), limit=9)).result(20)["deliveries"]
    assert dead["id"] == name, "it has no other fallback"


def test_a_persons_retry_begins_the_schedule_anew(store: Store):
    (name,) = put(store, "p", ["s1"])
    (one,) = claim(store, START).deliveries
    settle(store, settled(one, START, "permanent", status=422))
    assert store.act(Action("retry", name, "ann", "mended", START + 50 * HOUR)).result(20) == "due"
    assert claim(store, START + 50 * HOUR).deliveries[0].tried_from == START + 50 * HOUR


# ---- a folder


def event(name: str, *, fence: int = 1) -> ToDeliver:
    attributes = json.dumps({"id": name, "type": "t", "source": "/partners/p", "subject": "s"})
    return ToDeliver(name, "l", fence, "p", FOLDER, "event", "m", None, name, "x", attributes, 0, False, "pass", 0, None, None, "", 0)


def test_a_folder_takes_each_event_once_and_writes_over_nothing(tmp_path: Path):
    folder = tmp_path / "made" / "here"
    target = FolderTarget(FOLDER, Folder(kind="folder", path=folder))

    async def deliver(name: str, data: bytes) -> Any:
        return await target.deliver(event(name), data)

    first = asyncio.run(deliver("e1-r1", b'{"a":1}'))
    assert not first.looked_up
    assert asyncio.run(deliver("e1-r1", b'{"a":1}')).looked_up
    assert [one.name for one in folder.iterdir()] == ["e1-r1.json"], "no temporary file stays"
    kept = json.loads((folder / "e1-r1.json").read_text())
    assert (kept["specversion"], kept["id"], kept["data"]) == ("1.0", "e1-r1", {"a": 1})
    with pytest.raises(PermanentFailure, match="holds something else"):
        asyncio.run(deliver("e1-r1", b'{"a":2}'))
    assert json.loads((folder / "e1-r1.json").read_text())["data"] == {"a": 1}


def test_a_file_that_a_crash_left_half_is_never_taken_for_whole(tmp_path: Path):
    (tmp_path / ".e1.json.1.1.part").write_bytes(b"hal")
    assert not put_once(tmp_path / "e1.json", b"whole", 1)
    assert (tmp_path / "e1.json").read_bytes() == b"whole"


def test_a_folders_troubles_are_its_own(tmp_path: Path):
    (tmp_path / "file").write_text("")
    target = FolderTarget(FOLDER, Folder(kind="folder", path=tmp_path / "file" / "below"))
    from gateway.errors import DestinationFault

    with pytest.raises(DestinationFault, match="Not a directory"):
        asyncio.run(target.deliver(event("e"), b"{}"))


# ---- the stage


class Scripted:
    """A destination that does as it is told, one word for each attempt."""

    name, concurrency, marks_sending = TARGET, 4, False

    def __init__(self, *words: str) -> None:
        self.words, self.tried = list(words), 0

    async def deliver(self, delivery: ToDeliver, data: bytes) -> Any:
        from gateway.targets.base import Confirmation

        self.tried += 1
        word = self.words.pop(0) if self.words else "yes"
        if word == "unknown":
            raise UnknownOutcome("broke off")
        if word == "temporary":
            raise TemporaryFailure("not reached")
        return Confirmation(200, b"yes")

    async def close(self) -> None:
        pass


def test_a_schedule_that_ended_during_an_outage_has_not_ended(store: Store):
    """28 hours of outage after a delivery came: the failed probe is no dead letter, and the next one delivers."""
    from gateway.deliver.stage import Attempt, DeliverStage
    from gateway.scheduling import Quotas

    retries = Retries(give_up="28h")  # type: ignore[arg-type]
    put(store, "p", ["s1"])
    act(store, "open", START, "a long night")
    now = START + 40 * HOUR
    stage = DeliverStage(store, [], node="a", clock=lambda: now, retries=retries, quotas=lambda name: (Quota(), Quotas()), breaker=TERMS)

    async def go(destination: Scripted) -> list[Any]:
        claimed = await stage._claim(destination, 4)  # type: ignore[arg-type]
        for one in claimed.deliveries:
            one = replace(one, data=b"{}", sha256="44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")
            await stage._attempt(destination, Attempt(one, claimed.until))  # type: ignore[arg-type]
        return claimed.deliveries

    assert len(asyncio.run(go(Scripted("temporary")))) == 1
    assert lives_states(store) == ["due"]
    now += HOUR
    assert len(asyncio.run(go(Scripted()))) == 1
    assert lives_states(store) == ["delivered"]


def lives_states(store: Store) -> list[str]:
    return [row.state for row in store.read(lambda tx: tx.execute(text("SELECT state FROM deliveries")).all()).result(20)]
