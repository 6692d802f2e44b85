"""Partners' profiles as people handle them: applied as a draft or live, promoted, gone back from, listed and shown.

A live revision may ask that its successor is tried on what the partner sent lately, before it goes live.
"""

import json
from typing import Any, Literal

from gateway.clock import DAY, HOUR, as_text, now
from gateway.errors import Refused
from gateway.store import profiles, replay_jobs
from gateway.store.profiles import Applied, MadeLive
from gateway.store.store import Store
from partners.profile import Profile, ProfileError, Promotion, digest, read_profile

WAIT = 30
"""Seconds for a query."""
FRESH = DAY
"""How old the dry run may be that a promotion needs."""
SLACK = HOUR
"""How much later than so many days ago it may begin: between the command and the job."""
DIFFERENT = ("changed", "added", "removed", "unread")
STATES: dict[str, Literal["live", "draft"]] = {"live": "live", "draft": "draft"}

Arguments = dict[str, Any]


def apply(store: Store, given: Arguments) -> Any:
    """Makes a profile's text a revision of its partner: live, or a draft (`as`) that treats nothing yet.

    Where the live revision asks for a dry run first and there is none, the text is kept as a draft, and the refusal names it.
    """
    text, state = str(given["text"]), STATES.get(str(given.get("as") or "live"))
    if state is None:
        raise Refused(400, "bad-request", f"a profile cannot be applied as {given['as']}; there are: {', '.join(STATES)}")
    profile = _readable(store, text, str(given.get("file") or "profile"))
    who, at = str(given.get("who") or "operator"), now()
    gate = _gate(store, profile.partner) if state == "live" else None
    revision = store.apply_profile(Applied(profile.partner, text, digest(text), who, at, "draft" if gate else state)).result(WAIT)
    if gate is not None and not _is_live(store, profile.partner, revision):
        _hold_to(store, gate, profile.partner, revision)
        store.make_live(MadeLive(profile.partner, revision, "draft", who, at)).result(WAIT)
    return {"partner": profile.partner, "revision": revision, "state": "live" if _is_live(store, profile.partner, revision) else "draft"}


def promote(store: Store, given: Arguments) -> Any:
    """Makes a draft the live revision: the newest, or `revision`."""
    partner = str(given["partner"])
    drafts = {row.revision: row for row in _rows(store, partner) if row.state == "draft"}
    wanted = int(given["revision"]) if given.get("revision") else max(drafts, default=0)
    if wanted not in drafts:
        words = f"it has {', '.join(map(str, sorted(drafts)))}" if drafts else "it has none; `crossdock partners apply FILE --as draft` makes one"
        raise Refused(409, "bad-request", f"{partner} has no draft{f' {wanted}' if wanted else ''}; {words}")
    _readable(store, drafts[wanted].text, partner)
    gate = _gate(store, partner)
    if gate is not None:
        _hold_to(store, gate, partner, wanted)
    return _made_live(store, partner, wanted, "draft", given)


def rollback(store: Store, given: Arguments) -> Any:
    """Goes back to the revision that was live before, or to `revision`. Needs no dry run: it has been live."""
    partner = str(given["partner"])
    rows = _rows(store, partner)
    live = next((row.revision for row in rows if row.state == "live"), 0)
    retired = [row.revision for row in rows if row.state == "retired"]
    wanted = int(given["revision"]) if given.get("revision") else max((one for one in retired if one < live), default=0)
    if wanted not in retired:
        words = f"it can go back to {', '.join(map(str, sorted(retired)))}" if retired else "none was live before"
        raise Refused(409, "bad-request", f"{partner} cannot go back{f' to {wanted}' if wanted else ''}; {words}")
    return _made_live(store, partner, wanted, "retired", given)


def _made_live(store: Store, partner: str, revision: int, fits: Literal["draft", "retired"], given: Arguments) -> Any:
    if not store.make_live(MadeLive(partner, revision, fits, str(given.get("who") or "operator"), now())).result(WAIT):
        raise Refused(409, "bad-request", f"revision {revision} of {partner} is no longer a {fits} one; look at `crossdock partners show {partner}`")
    return {"partner": partner, "revision": revision, "state": "live"}


def _readable(store: Store, text: str, file: str) -> Profile:
    try:
        profile = read_profile(text, file)
    except ProfileError as error:
        raise Refused(422, "bad-request", str(error)) from None
    clash = _clash(store, profile)
    if clash:
        raise Refused(422, "bad-request", clash)
    return profile


def _rows(store: Store, partner: str) -> list[Any]:
    rows = store.read(lambda tx: profiles.history(tx, partner)).result(WAIT)
    if not rows:
        raise Refused(404, "not-found", f"no partner is called {partner}")
    return rows


def _is_live(store: Store, partner: str, revision: int) -> bool:
    return any(row.revision == revision and row.state == "live" for row in _rows(store, partner))


# ---- the gate


def _gate(store: Store, partner: str) -> Promotion | None:
    """What the live revision asks of its successor. Its own word counts, not the draft's: a draft could otherwise open its own gate."""
    row = next((row for row in store.read(profiles.live).result(WAIT) if row.partner == partner), None)
    return read_profile(row.text, partner).promotion if row else None


def _hold_to(store: Store, gate: Promotion, partner: str, revision: int) -> None:
    """Raises Refused unless a dry run of that revision over enough days has ended, not long ago, and found no more than may be."""
    at = now()
    runs = store.read(lambda tx: replay_jobs.finished_runs(tx, partner, revision, at - FRESH)).result(WAIT)
    covering = [row for row in runs if _covers(json.loads(row.query), row.created_at, gate.replay_days)]
    command = f"crossdock replay --partner {partner} --revision {revision} --into nowhere --since {gate.replay_days}d --wait"
    then = f"then crossdock partners promote {partner} --revision {revision}"
    if not covering:
        raise Refused(
            409, "bad-request",
            f"revision {revision} of {partner} is kept as a draft: before it goes live, a dry run of it over the last {gate.replay_days} days must have"
            f" ended within a day (promotion.replay_days). Run: {command}; {then}",
        )  # fmt: skip
    counts = json.loads(covering[0].counts)
    different = sum(counts.get(name, 0) for name in DIFFERENT)
    if gate.max_changed != "any" and different > gate.max_changed:
        told = ", ".join(f"{counts[name]} {name}" for name in DIFFERENT if counts.get(name))
        raise Refused(
            409, "bad-request",
            f"revision {revision} of {partner} stays a draft: its dry run {covering[0].id} found {told}, and promotion.max_changed is {gate.max_changed}."
            f" Look at it: crossdock replays diff {covering[0].id}. Mend the profile and run: {command}; {then}",
        )  # fmt: skip


def _covers(query: dict[str, Any], created_at: int, days: int) -> bool:
    narrowed = any(query.get(name) for name in ("set", "values", "message", "document", "override"))
    return not narrowed and query["since"] <= created_at - days * DAY + SLACK and query["until"] >= created_at


def _clash(store: Store, profile: Profile) -> str:
    """What only one partner can have, and another has already: the login at our SFTP server."""
    if profile.channels.sftp is None:
        return ""
    for row in store.read(profiles.live).result(WAIT):
        other = read_profile(row.text, row.partner)
        if other.partner != profile.partner and other.channels.sftp is not None and other.login == profile.login:
            return f"channels.sftp.user: {profile.login} is the login of {other.partner} already; give this partner another one"
    return ""


def listed(store: Store, given: Arguments) -> Any:
    """Every partner with its live revision."""
    found = []
    for row in store.read(profiles.live).result(WAIT):
        profile = read_profile(row.text, row.partner)
        found.append(
            {
                "partner": row.partner,
                "name": profile.name,
                "revision": row.revision,
                "since": as_text(row.at),
                "receives": profile.receives,
                "sends": profile.sends,
            }
        )
    return found


def show(store: Store, given: Arguments) -> Any:
    """A partner's live profile and the numbers of of all its revisions."""
    partner = str(given["partner"])
    rows = store.read(lambda tx: profiles.history(tx, partner)).result(WAIT)
    if not rows:
        raise Refused(404, "not-found", f"no partner is called {partner}")
    live = next((one.revision for one in rows if one.state == "live"), rows[0].revision)
    wanted = int(given.get("revision") or live)
    row = next((one for one in rows if one.revision == wanted), None)
    if row is None:
        raise Refused(404, "not-found", f"{partner} has no revision {wanted}; it has {', '.join(str(one.revision) for one in rows)}")
    history = [{"revision": one.revision, "state": one.state, "at": as_text(one.at), "who": one.who} for one in rows]
    return {"partner": partner, "revision": row.revision, "state": row.state, "text": row.text, "revisions": history}


OPERATIONS = {
    "partners.apply": apply, "partners.promote": promote, "partners.rollback": rollback, "partners.list": listed, "partners.show": show,
}  # fmt: skip
CHANGING = frozenset({"partners.apply", "partners.promote", "partners.rollback"})
