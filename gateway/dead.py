"""What people do about dead letters: list them by cause, retry or skip one, a search's or all."""

from typing import Any

from gateway.clock import Instant, instant_of, new_id, now
from gateway.errors import Refused
from gateway.records.deliveries import Action
from gateway.replay.records import ALL, Act, Asked
from gateway.store import dead_letters, lives, profiles, replays
from gateway.store.dead_letters import Search
from gateway.store.store import Store

WAIT = 30
"""Seconds for a query."""
MOST_IDS = 200
ACTS: dict[str, Act] = {"retry": "retry", "skip": "skip"}
NARROWING = ("partner", "target", "type", "cause", "text", "since", "until")

Arguments = dict[str, Any]


def listed(store: Store, given: Arguments) -> Any:
    """What waits for a person, the latest of each kind with cause, answer and runbook; `partner`, `target`, `type`, `cause`, `text`, `since`, `until` narrow it."""
    search, limit = _search(given, now()), min(int(given.get("limit") or 50), 200)
    return store.read(lambda tx: dead_letters.listed(tx, search, limit=limit)).result(WAIT)


def act(store: Store, given: Arguments) -> Any:
    """Retries or skips what `ids` name, at once; or what a search means (`all`: everything), as one job of the node. `dry_run` only counts.

    To retry a delivery sends it again; a held document or message is read again under the live profile. What was rejected is left.
    """
    what, at = ACTS.get(str(given.get("act"))), now()
    if what is None:
        raise _bad(f"no act on dead letters is called {given.get('act')}; there are: {', '.join(ACTS)}")
    reason, who = str(given.get("reason") or ""), str(given.get("who") or "operator")
    if what == "skip" and not reason and not given.get("dry_run"):
        raise _bad("skipping needs a reason (--because); it stays with what is skipped")
    ids = [str(one) for one in given.get("ids") or []]
    narrowed = any(given.get(name) is not None for name in NARROWING)
    if bool(ids) + narrowed + bool(given.get("all")) != 1:
        raise _bad("say which: ids, or a search (--partner, --target, --type, --cause, --text, --since, --until), or --all")
    if ids:
        return _each(store, what, ids, who, reason, at)
    search = _search(given, at)
    counts = store.read(lambda tx: dead_letters.counted(tx, search)).result(WAIT)
    if given.get("dry_run"):
        return {"act": what, "counts": counts, "job": None}
    query: dict[str, Any] = {name: given[name] for name in ("partner", "target", "type", "cause", "text") if given.get(name) is not None}
    query |= {"since": search.since, "until": search.until, "revisions": _live(store)}
    job = Asked(new_id(at), str(given.get("partner") or ALL), what, "live", None, "live", query, who, reason or "asked for", at)
    store.ask_replay(job).result(WAIT)
    return {"act": what, "counts": counts, "job": job.id}


def _each(store: Store, what: Act, ids: list[str], who: str, reason: str, at: Instant) -> Any:
    if len(ids) > MOST_IDS:
        raise _bad(f"{len(ids)} ids are more than {MOST_IDS} at once; search for them instead")
    if what == "skip":
        done = {one: _skipped(store, one, who, reason, at) for one in ids}
    else:
        done = _retried(store, ids, who, reason or "retried", at)
    return {"act": what, "done": [{"id": one, "state": done[one]} for one in ids]}


def _skipped(store: Store, wanted: str, who: str, reason: str, at: Instant) -> str:
    if store.skip(replays.Skip(wanted, who, reason, at)).result(WAIT):
        return "skipped"
    return store.act(Action("skip", wanted, who, reason, at)).result(WAIT) or "nothing that waits is called so"


def _retried(store: Store, ids: list[str], who: str, reason: str, at: Instant) -> dict[str, str]:
    """What each is now, or why not. Documents of one message go back together."""
    live, done = _live(store), dict.fromkeys(ids, "nothing that waits is called so")
    messages: dict[tuple[str, str, bool], list[str]] = {}
    for one in ids:
        what = _what(store, one)
        if what is None:
            continue
        if what["kind"] in ("delivery", "event"):
            states = [store.act(Action("retry", delivery, who, reason, at)).result(WAIT) for delivery, state in what["deliveries"] if state == "dead"]
            done[one] = states[0] if states else "it is not dead"
        elif what["partner"] not in live:
            done[one] = f"{what['partner']} has no live profile to read it under"
        else:
            messages.setdefault((what["message"], what["partner"], what["document"] is not None), []).append(one)
    for (message, partner, by_documents), wanted in messages.items():
        documents = tuple(wanted) if by_documents else ()
        answer = store.replay(replays.Replay(message, None, live[partner], None, who, reason, at, documents)).result(WAIT)
        done |= dict.fromkeys(wanted, answer)
    return done


def _what(store: Store, wanted: str) -> dict[str, Any] | None:
    return store.read(lambda tx: lives.what_is(tx, wanted)).result(WAIT)


def _live(store: Store) -> dict[str, int]:
    return {row.partner: row.revision for row in store.read(profiles.live).result(WAIT)}


def _search(given: Arguments, at: Instant) -> Search:
    if given.get("cause") is not None and given["cause"] not in dead_letters.NAMES:
        raise _bad(f"no cause is called {given['cause']}; there are: {', '.join(sorted(dead_letters.NAMES))}")
    try:
        since = instant_of(str(given["since"]), at) if given.get("since") else 0
        until = instant_of(str(given["until"]), at) if given.get("until") else at + 1
    except ValueError as error:
        raise _bad(str(error)) from None
    return Search(given.get("partner"), given.get("target"), given.get("type"), given.get("cause"), given.get("text"), since, until)


def _bad(words: str) -> Refused:
    return Refused(400, "bad-request", words)


OPERATIONS = {"dead": listed, "dead.act": act}
CHANGING = frozenset({"dead.act"})
