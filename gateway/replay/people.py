"""What people ask of replays of many documents: start one, list them, show one with its diff, pause, resume, cancel."""

from typing import Any, Literal

from gateway.clock import Instant, instant_of, new_id, now
from gateway.errors import Refused
from gateway.replay.records import ALL, Act, Asked, Into, StateChange
from gateway.store import lives, profiles, replay_jobs
from gateway.store.store import Store
from partners.profile import Profile, read_profile
from translators.events.identity import spellings

WAIT = 30
"""Seconds for a query."""
INTO: dict[str, Into] = {"live": "live", "test": "test", "nowhere": "nowhere"}
OVERRIDES = ("rejected", "conflict", "foreign-sender")

Arguments = dict[str, Any]


def start(store: Store, given: Arguments) -> Any:
    """A job over a document, a message, or all that a partner, a time range, a set and a reference mean; the node does it behind live work.

    `into`: nowhere compares and changes nothing, test tells a test target, live reads again and makes revisions where the meaning changed;
    with `redeliver` events are sent again under their own ids.
    """
    at = now()
    act: Act = "redeliver" if given.get("redeliver") else "reprocess"
    into = INTO.get(str(given.get("into") or ("live" if act == "redeliver" else "nowhere")))
    if into is None:
        raise _bad(f"--into {given['into']} is nowhere to replay to; there are: {', '.join(INTO)}")
    if act == "redeliver" and into == "nowhere":
        raise _bad("--redeliver sends events again; --into live or test says which stream's")
    if into != "nowhere" and not given.get("reason"):
        raise _bad("a replay that sends something needs a reason (--because); it stays with the job and in the life of each message")
    partner, query = _query(store, given, at)
    revision = _revision(store, str(given.get("revision") or "live"), partner, into, query)
    target = _target(store, given.get("target"), partner, into, act, revision)
    asked = Asked(
        new_id(at), partner or ALL, act, into, target, revision, query, str(given.get("who") or "operator"), str(given.get("reason") or "to compare"), at,
    )  # fmt: skip
    store.ask_replay(asked).result(WAIT)
    return show(store, {"id": asked.id})


def _query(store: Store, given: Arguments, at: Instant) -> tuple[str | None, dict[str, Any]]:
    """(the partner, None for all; what is meant)."""
    try:
        since = instant_of(str(given["since"]), at) if given.get("since") else 0
        until = instant_of(str(given["until"]), at) if given.get("until") else at + 1
    except ValueError as error:
        raise _bad(str(error)) from None
    if since >= until:
        raise _bad("--since is not before --until")
    query: dict[str, Any] = {"since": since, "until": until}
    partner = given.get("partner")
    if override := given.get("override"):
        if override not in OVERRIDES:
            raise _bad(f"no override of a replay of many is called {override}; there are: {', '.join(OVERRIDES)}")
        query["override"] = override
    if given.get("set"):
        query["set"] = str(given["set"])
    if given.get("value"):
        query["values"] = spellings(str(given["value"]))
    if given.get("id"):
        what = store.read(lambda tx: lives.what_is(tx, str(given["id"]))).result(WAIT)
        if what is None or what["kind"] == "as2":
            raise Refused(404, "not-found", f"no message and no document is called {given['id']}; `crossdock find VALUE` searches by any reference")
        query |= {"message": what["message"], "document": what["document"]}
        partner = what["partner"]
    elif partner is None and not given.get("since") and "values" not in query:
        raise _bad("say which documents: --partner, --since, --value, or an ID; several narrow it together")
    if partner is not None and not store.read(lambda tx: profiles.history(tx, str(partner))).result(WAIT):
        raise Refused(404, "not-found", f"no partner is called {partner}")
    return partner, query


def _revision(store: Store, wanted: str, partner: str | None, into: Into, query: dict[str, Any]) -> str:
    """The revision to read under; the live ones are written into the query, so that the job stays with them."""
    if wanted == "original":
        return wanted
    if wanted == "live":
        live = {row.partner: row.revision for row in store.read(profiles.live).result(WAIT)}
        query["revisions"] = live if partner is None else {partner: live[partner]} if partner in live else {}
        if partner is not None and partner not in live:
            raise _bad(f"{partner} has no live profile; name a revision with --revision N")
        return wanted
    if not wanted.isdigit():
        raise _bad(
            f"--revision {wanted} is no revision; write original, live, or a number that `crossdock partners show {partner or 'PARTNER'}` lists"
        )
    if partner is None:
        raise _bad("a revision's number means one partner's; name the partner, too (--partner)")
    rows = {row.revision: row for row in store.read(lambda tx: profiles.history(tx, partner)).result(WAIT)}
    row = rows.get(int(wanted))
    if row is None:
        raise Refused(404, "not-found", f"{partner} has no revision {wanted}; it has {', '.join(map(str, rows))}")
    if row.state == "draft" and into == "live":
        raise _bad(f"revision {wanted} of {partner} is a draft: replay it into nowhere or test, then promote it")
    return str(int(wanted))


def _target(store: Store, named: str | None, partner: str | None, into: Into, act: Act, revision: str) -> str | None:
    """The target that takes the place of the agreements' own. Events of the test stream never go where production events go."""
    if named is not None and (into != "test" or act == "redeliver"):
        raise _bad("--target is the target of a replay into test; live events go to their agreements' targets")
    if into != "test" or act == "redeliver":
        return None
    rows = [row for row in store.read(profiles.live).result(WAIT) if partner in (None, row.partner)]
    agreements = [one for row in rows for one in read_profile(row.text, row.partner).agreements if one.receive]
    if named is not None:
        if any(one.target == named for one in agreements):
            raise _bad(f"{named} is a target of production events; name one that is for tests only")
        return str(named)
    if partner is not None and revision.isdigit():
        agreements = [one for one in _of(store, partner, int(revision)).agreements if one.receive]
    if not any(one.test_target for one in agreements):
        raise _bad(f"no agreement{f' of {partner}' if partner else ''} names a test_target; name a target with --target")
    return None


def _of(store: Store, partner: str, revision: int) -> Profile:
    text = store.read(lambda tx: profiles.text_of(tx, partner, revision)).result(WAIT)
    return read_profile(text or "", partner)


def listed(store: Store, given: Arguments) -> Any:
    """The latest replays of many, and how far they are; `partner` and `limit` narrow them."""
    limit, partner = min(int(given.get("limit") or 20), 200), given.get("partner")
    return store.read(lambda tx: replay_jobs.latest(tx, partner=partner, limit=limit)).result(WAIT)


def show(store: Store, given: Arguments) -> Any:
    """One, with what it counted and what differs."""
    wanted = str(given["id"])
    found = store.read(lambda tx: replay_jobs.one(tx, wanted)).result(WAIT)
    if found is None:
        raise Refused(404, "not-found", f"no replay is called {wanted}; `crossdock replays` lists them")
    return found


def change(store: Store, given: Arguments) -> Any:
    """Pauses, resumes or cancels one; what is committed of it stands."""
    wanted = STATES.get(str(given["state"]))
    if wanted is None:
        raise _bad(f"a replay cannot be made {given['state']}; there are: {', '.join(STATES)}")
    before, fits = store.change_replay(StateChange(str(given["id"]), wanted, now())).result(WAIT)
    if not before:
        raise Refused(404, "not-found", f"no replay is called {given['id']}; `crossdock replays` lists them")
    if not fits:
        raise Refused(409, "bad-request", f"it is {before}, and {given['state']} does not fit that")
    return {"id": str(given["id"]), "state": wanted}


STATES: dict[str, Literal["running", "paused", "cancelled"]] = {"pause": "paused", "resume": "running", "cancel": "cancelled"}


def _bad(words: str) -> Refused:
    return Refused(400, "bad-request", words)


OPERATIONS = {"replays.start": start, "replays": listed, "replays.show": show, "replays.change": change}
CHANGING = frozenset({"replays.start", "replays.change"})
