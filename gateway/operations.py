"""What people ask of a store, as plain functions from JSON to JSON: the commands call them through a running node, or on a store they opened.

Each takes the store and the arguments, and gives JSON values. Raises Refused for what cannot be done.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal

from gateway import auditing, backup_people, dead, editing, evidence, finding, node_people, promoting, steering
from gateway.alarms import people as alarm_people
from gateway.as2 import people
from gateway.as2.evidence import as2_evidence
from gateway.as2.sending import as2_selftest, as2_send, as2_sent
from gateway.clock import now
from gateway.consumers import people as consumer_people
from gateway.errors import Refused
from gateway.explaining import explain_event
from gateway.records.deliveries import Action
from gateway.replay import people as replay_people
from gateway.sftp import people as sftp_people
from gateway.sftp.selftest import sftp_scan, sftp_selftest
from gateway.store import awaited, lives, profiles, replays
from gateway.store.store import Store

Arguments = dict[str, Any]
WAIT = timedelta(seconds=30).total_seconds()
Act = Literal["retry", "skip", "redeliver"]
ACTS: dict[str, Act] = {"retry": "retry", "skip": "skip", "redeliver": "redeliver"}
OVERRIDES = {
    "rejected": "deliver a document although its set or group was rejected",
    "conflict": "take another meaning under an original purpose as a correction",
    "foreign-sender": "read an interchange whose sender is not among the partner's identities",
    "repeat": "go on with an interchange that is held because its control number was used before",
    "late": "take an answer that came after its agreement refuses it",
    "latest": "take an answer that fits two of our groups for the later one",
}


def show(store: Store, given: Arguments) -> Any:
    """The whole life of a message, document, event or delivery: what came, what it became, who was told."""
    wanted = str(given["id"])
    found = store.read(lambda tx: lives.whole(tx, wanted)).result(WAIT)
    if found is None:
        raise Refused(404, "not-found", f"nothing is called {wanted}; `crossdock find VALUE` searches by any reference")
    return found


def awaited_answers(store: Store, given: Arguments) -> Any:
    """What partners owe us answers to, and what came of it; `partner` and `state` (a state, or overdue, late, disputed) narrow it."""
    state = given.get("state")
    if state is not None and state not in awaited.STATES:
        raise Refused(400, "bad-request", f"no state is called {state}; there are: {', '.join(awaited.STATES)}")
    limit = min(int(given.get("limit") or 50), 200)
    return store.read(lambda tx: awaited.listed(tx, partner=given.get("partner"), state=state, limit=limit)).result(WAIT)


def act(store: Store, given: Arguments) -> Any:
    """Retry, skip or redeliver one delivery; skip also gives a held or rejected document, or a held message, up."""
    kind, delivery = ACTS.get(given["kind"]), str(given["id"])
    if kind is None:
        raise Refused(400, "bad-request", f"no act is called {given['kind']}; there are: {', '.join(ACTS)}")
    reason = str(given.get("reason") or "")
    if kind == "skip" and not reason:
        raise Refused(400, "bad-request", "skipping needs a reason; it stays with the delivery")
    if kind == "skip" and store.skip(replays.Skip(delivery, str(given.get("who") or "operator"), reason, now())).result(WAIT):
        return {"id": delivery, "state": "skipped"}
    state = store.act(Action(kind, delivery, str(given.get("who") or "operator"), reason, now())).result(WAIT)
    if not state:
        raise Refused(404, "not-found", f"nothing that waits is called {delivery}")
    if state == "sending":
        raise Refused(409, "in-flight", f"{delivery} is being sent right now; ask again once its attempt has ended")
    return {"id": delivery, "state": state}


def replay(store: Store, given: Arguments) -> Any:
    """Reads a message or document again under the live profile, or sends an event or delivery again under its own id."""
    wanted, override = str(given["id"]), given.get("override")
    if override is not None and override not in OVERRIDES:
        raise Refused(400, "bad-request", f"no override is called {override}; there are: {', '.join(OVERRIDES)}")
    reason = str(given.get("reason") or "")
    if override and not reason:
        raise Refused(400, "bad-request", "an override needs a reason (--because); it stays in the message's life")
    what = store.read(lambda tx: lives.what_is(tx, wanted)).result(WAIT)
    if what is None:
        raise Refused(404, "not-found", f"nothing is called {wanted}; `crossdock find VALUE` searches by any reference")
    who = str(given.get("who") or "operator")
    if what["kind"] in ("delivery", "event"):
        done = []
        for delivery, state in what["deliveries"]:
            kind = ACTS["retry" if state in ("dead", "due") else "redeliver"]
            done.append({"id": delivery, "state": store.act(Action(kind, delivery, who, reason or "replayed", now())).result(WAIT)})
        return {"replayed": what["kind"], "deliveries": done}
    live = {row.partner: row.revision for row in store.read(profiles.live).result(WAIT)}
    revision = live.get(what["partner"])
    if revision is None:
        raise Refused(409, "bad-request", f"{what['partner']} has no live profile to read it under", retry_after=None)
    item = replays.Replay(what["message"], what["document"], revision, override, who, reason or "asked for", now())
    answer = store.replay(item).result(WAIT)
    if answer != "received":
        raise Refused(409, "bad-request", answer)
    return {"replayed": what["kind"], "message": what["message"], "revision": revision}


OPERATIONS: dict[str, Callable[[Store, Arguments], Any]] = {
    "show": show,
    "explain": explain_event,
    **dead.OPERATIONS,
    **editing.OPERATIONS,
    "awaited": awaited_answers,
    "act": act,
    "replay": replay,
    **promoting.OPERATIONS,
    **replay_people.OPERATIONS,
    **alarm_people.OPERATIONS,
    **evidence.OPERATIONS,
    **steering.OPERATIONS,
    **finding.OPERATIONS,
    **node_people.OPERATIONS,
    **backup_people.OPERATIONS,
    **people.OPERATIONS,
    **sftp_people.OPERATIONS,
    **consumer_people.OPERATIONS,
    **auditing.OPERATIONS,
    "sftp.selftest": sftp_selftest,
    "sftp.scan": sftp_scan,
    "as2.evidence": as2_evidence,
    "as2.selftest": as2_selftest,
    "as2.send": as2_send,
    "as2.sent": as2_sent,
}
CHANGING = (
    frozenset({"act", "replay", "as2.send"})
    | promoting.CHANGING
    | dead.CHANGING
    | editing.CHANGING
    | replay_people.CHANGING
    | people.CHANGING
    | steering.CHANGING
    | node_people.CHANGING
    | sftp_people.CHANGING
    | consumer_people.CHANGING
)
"""After these the node looks at its rows at once."""
