"""Drafts, promotion and the way back; and that a live revision's word about its successor is kept."""

from typing import Any

import pytest

from gateway.clock import DAY, SECOND, now
from gateway.errors import Refused
from gateway.operations import OPERATIONS
from gateway.replay.records import JobClaim, Progress
from gateway.store import profiles
from gateway.store.store import Store
from tests.test_profiles import GOOD

GATED = GOOD + "promotion: {replay_days: 30, max_changed: 2}\n"


def operate(store: Store, name: str, **given: Any) -> Any:
    return OPERATIONS[name](store, given)


def apply(store: Store, name: str, state: str = "live", *, text: str = GOOD) -> tuple[int, str]:
    """Another revision of acme, told apart by its name: (its number, its state)."""
    value = operate(store, "partners.apply", text=text.replace("Acme Freight", name), **{"as": state})
    return value["revision"], value["state"]


def standing(store: Store) -> dict[int, str]:
    return {one["revision"]: one["state"] for one in operate(store, "partners.show", partner="acme")["revisions"]}


def test_a_draft_treats_nothing_until_it_is_promoted_and_the_way_back_is_open(store: Store):
    assert apply(store, "One") == (1, "live")
    assert apply(store, "Two", "draft") == (2, "draft")
    assert apply(store, "Two", "draft") == (2, "draft"), "the same text makes no new revision"
    assert operate(store, "partners.show", partner="acme")["revision"] == 1
    assert [row.revision for row in store.read(profiles.live).result(20)] == [1]
    assert apply(store, "Three", "draft") == (3, "draft")
    assert operate(store, "partners.promote", partner="acme", revision=2)["revision"] == 2
    assert standing(store) == {1: "retired", 2: "live", 3: "draft"}
    assert operate(store, "partners.promote", partner="acme")["revision"] == 3
    assert operate(store, "partners.rollback", partner="acme")["revision"] == 2
    assert operate(store, "partners.rollback", partner="acme")["revision"] == 1
    assert standing(store) == {1: "live", 2: "retired", 3: "retired"}
    assert operate(store, "partners.rollback", partner="acme", revision=3)["revision"] == 3
    assert apply(store, "Four") == (4, "live")
    assert apply(store, "Five", "draft") == (5, "draft")
    assert apply(store, "Five") == (5, "live"), "applied as live, a draft of the same text becomes live"


REFUSED = [
    ("partners.promote", {"partner": "acme"}, "has no draft; it has none"),
    ("partners.promote", {"partner": "acme", "revision": 1}, "has no draft 1"),
    ("partners.rollback", {"partner": "acme"}, "cannot go back; none was live before"),
    ("partners.rollback", {"partner": "acme", "revision": 7}, "cannot go back to 7"),
    ("partners.promote", {"partner": "nobody"}, "no partner is called nobody"),
    ("partners.apply", {"text": GOOD, "as": "test"}, "cannot be applied as test; there are: live, draft"),
]


def test_what_cannot_be_promoted_is_refused_with_the_mend(store: Store):
    apply(store, "One")
    for name, given, told in REFUSED:
        with pytest.raises(Refused) as refused:
            operate(store, name, **given)
        assert told in str(refused.value)


def dry_run(store: Store, counts: dict[str, int], **given: Any) -> None:
    """A replay of it into nowhere that came to an end and counted so."""
    asked = operate(store, "replays.start", **{"partner": "acme", "revision": "2", "since": "30d"} | given)
    at = now()
    (job,) = store.claim_replays(JobClaim("a", at, at + 15 * SECOND, 10)).result(20)
    assert job.asked.id == asked["id"]
    end = {"arrival": at, "message": "Z", "place": None}
    assert store.keep_progress(Progress(asked["id"], job.fence, at, at, job.cursor, end, counts, state="done")).result(20) is not None


NOT_ENOUGH = [
    ({"since": "20d"}, "before it goes live, a dry run"),
    ({"set": "214"}, "before it goes live, a dry run"),
    ({"until": "1d"}, "before it goes live, a dry run"),
    ({"revision": "1"}, "before it goes live, a dry run"),
]


def test_a_live_revision_may_ask_that_its_successor_is_tried_first(store: Store):
    assert apply(store, "One", text=GATED) == (1, "live")
    with pytest.raises(Refused) as refused:
        apply(store, "Two", text=GOOD)
    command = "crossdock replay --partner acme --revision 2 --into nowhere --since 30d --wait; then crossdock partners promote acme --revision 2"
    assert command in str(refused.value)
    assert standing(store) == {1: "live", 2: "draft"}, "a draft without the term does not open its own gate"
    for given, told in NOT_ENOUGH:
        dry_run(store, {}, **given)
        with pytest.raises(Refused, match=told):
            operate(store, "partners.promote", partner="acme")
    dry_run(store, {"changed": 2, "unread": 1})
    with pytest.raises(Refused, match=r"found 2 changed, 1 unread, and promotion\.max_changed is 2"):
        apply(store, "Two", text=GOOD)
    dry_run(store, {"changed": 1, "added": 1, "same": 500})
    assert apply(store, "Two", text=GOOD) == (2, "live")
    assert apply(store, "Three") == (3, "live"), "the live revision asks for nothing any more"


def test_a_run_that_any_number_of_changes_passes_must_still_be_there_and_fresh(store: Store, monkeypatch: pytest.MonkeyPatch):
    apply(store, "One", text=GATED.replace("max_changed: 2", "max_changed: any"))
    apply(store, "Two", "draft")
    with pytest.raises(Refused, match="a dry run"):
        operate(store, "partners.promote", partner="acme")
    dry_run(store, {"changed": 9_999})
    later = now() + 2 * DAY
    monkeypatch.setattr("gateway.promoting.now", lambda: later)
    with pytest.raises(Refused, match="within a day"):
        operate(store, "partners.promote", partner="acme")
    monkeypatch.setattr("gateway.promoting.now", now)
    assert operate(store, "partners.promote", partner="acme")["state"] == "live"
