"""What people ask of consumers: make one, list them, change, rotate, retire, set back. For the commands and the admin API.

A token is told once, when it is made; the store has its hash alone.
"""

import hashlib
import re
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gateway.clock import Instant, as_text, instant_of, new_id, now, span
from gateway.consumers.records import BUILT_IN, MOST_NAMES, SCOPES, STREAMS, Change, Consumer, Made, Retirement, Rewind, Rotation
from gateway.contract.versions import CURRENT, VERSIONS
from gateway.errors import Refused
from gateway.store import consumers as rows
from gateway.store import feed, profiles
from gateway.store.store import Store
from partners.terms import Span
from translators.events.families import FAMILIES, OWN

Arguments = dict[str, Any]
WAIT = timedelta(seconds=30).total_seconds()
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
PREFIX = "cdc_"
"""How a consumer's token begins, so that one that leaked is known for what it is."""
RATE = 600
MOST_RATE = 1_000_000
KEEP = "24h"
LONGEST_KEEP = timedelta(days=30)
TYPES = {name: family.type for name, family in (FAMILIES | OWN).items()} | {family.type: family.type for family in (FAMILIES | OWN).values()}


def new_token() -> tuple[str, str]:
    """(a token of 256 bits, its SHA-256)."""
    token = PREFIX + secrets.token_urlsafe(32)
    return token, hashlib.sha256(token.encode()).hexdigest()


def add(store: Store, given: Arguments) -> Any:
    """A new consumer with its first token; it reads from now on, unless `from` says since when (or: start)."""
    name = str(given["name"])
    if not NAME.fullmatch(name):
        raise _bad(f"{name[:60]!r} is no name: 1 to 40 of a to z, 0 to 9, - and _, and no sign first")
    if name == BUILT_IN:
        raise _bad(f"{BUILT_IN} is the consumer whose token stands in the settings (erp_listener.token); take another name")
    terms = {"partners": None, "types": None, "stream": "production", "rate": RATE, "contract": CURRENT, "audit_reads": False} | _terms(store, given)
    if not terms.get("scopes"):
        raise _bad(f"a consumer needs scopes, at least one of: {', '.join(SCOPES)}")
    consumer = Consumer(name, **terms)
    token, digest = new_token()
    at = now()
    start = _start(store, given.get("from"), at)
    if not store.consumers.make(Made(consumer, digest, start, _who(given), at)).result(WAIT):
        raise Refused(409, "bad-request", f"{name} is there, or was; the name of one that was retired is not given again")
    return show(store, {"name": name}) | {"token": token}


def listed(store: Store, given: Arguments) -> Any:
    """Every consumer: its terms, its tokens' ages, how far it is behind. `all`: retired ones, too."""
    found, tokens, head = store.read(lambda tx: (rows.listed(tx), rows.tokens(tx), feed.head(tx))).result(WAIT)
    return [_shown(row, tokens, head) for row in found if given.get("all") or row["retired_at"] is None]


def show(store: Store, given: Arguments) -> Any:
    name = str(given["name"])
    found = [one for one in listed(store, {"all": True}) if one["name"] == name]
    if not found:
        raise Refused(404, "not-found", f"no consumer is called {name[:60]}; `crossdock consumers` lists them")
    return found[0]


def change(store: Store, given: Arguments) -> Any:
    """Other terms, for a reason that stays in the audit log. What is not named stays as it is."""
    name, because = str(given["name"]), _reason(given, "to change what a consumer may do")
    values = _terms(store, given)
    if not values:
        raise _bad("say what shall change: --scope, --partner, --type, --stream, --rate, --contract, --audit-reads")
    if not store.consumers.change(Change(name, values, _who(given), because, now())).result(WAIT):
        raise _none(name)
    return show(store, {"name": name})


def rotate(store: Store, given: Arguments) -> Any:
    """A new token. The one before it opens for `keep` more; two open at most."""
    name, at = str(given["name"]), now()
    if name == BUILT_IN:
        raise _bad(f"the token of {BUILT_IN} stands in the settings: change erp_listener.token there")
    try:
        keep = TypeAdapter(Span).validate_python(str(given.get("keep") or KEEP))
    except ValidationError:
        raise _bad("--keep is a span such as 0s, 24h or 7d") from None
    if keep > LONGEST_KEEP:
        raise _bad(f"--keep is at most {LONGEST_KEEP.days}d: a token that is to be changed should not open for longer")
    token, digest = new_token()
    if not store.consumers.rotate(Rotation(name, digest, at + span(keep), _who(given), at)).result(WAIT):
        raise _none(name)
    return show(store, {"name": name}) | {"token": token}


def retire(store: Store, given: Arguments) -> Any:
    """Its tokens open nothing any more. Its records stay, and its name is not given again."""
    name, because = str(given["name"]), _reason(given, "to retire a consumer")
    if name == BUILT_IN:
        raise _bad(f"{BUILT_IN} comes in by the token of the settings: take erp_listener.token out there")
    if not store.consumers.retire(Retirement(name, _who(given), because, now())).result(WAIT):
        raise _none(name)
    return show(store, {"name": name})


def replay(store: Store, given: Arguments) -> Any:
    """Sets a consumer's cursor to a time (or: start, now); it gets what was placed since once more. Nobody else is touched."""
    name, because, at = str(given["name"]), _reason(given, "to set a cursor"), now()
    position = _start(store, given["from"], at)
    if store.consumers.rewind(Rewind(name, position, _who(given), because, at, new_id(at))).result(WAIT) is None:
        raise _none(name)
    return show(store, {"name": name})


def _terms(store: Store, given: Arguments) -> dict[str, Any]:
    """The terms that are given, checked. An empty list of partners or types means all. Raises Refused."""
    terms: dict[str, Any] = {}
    if given.get("scopes") is not None:
        terms["scopes"] = frozenset(map(str, given["scopes"]))
        if unknown := terms["scopes"] - SCOPES.keys():
            raise _bad(f"no scope is called {', '.join(sorted(unknown))[:100]}; there are: {', '.join(SCOPES)}")
        if not terms["scopes"]:
            raise _bad("a consumer without any scope can do nothing; retire it instead")
    if given.get("partners") is not None:
        terms["partners"] = _partners(store, [str(one) for one in given["partners"]])
    if given.get("types") is not None:
        wanted = [str(one) for one in given["types"]]
        if unknown := set(wanted) - TYPES.keys():
            raise _bad(f"no type of event is called {', '.join(sorted(unknown))[:100]}; there are: {', '.join(sorted(FAMILIES | OWN))}")
        terms["types"] = tuple(sorted({TYPES[one] for one in wanted})) or None
    if given.get("stream") is not None:
        if given["stream"] not in (*STREAMS, "both"):
            raise _bad(f"--stream is {', '.join(STREAMS)} or both")
        terms["stream"] = None if given["stream"] == "both" else str(given["stream"])
    if given.get("rate") is not None:
        terms["rate"] = int(given["rate"]) or None
        if not 0 <= int(given["rate"]) <= MOST_RATE:
            raise _bad(f"--rate is requests a minute, 1 to {MOST_RATE:,}; 0 for no bound")
    if given.get("contract") is not None:
        if given["contract"] not in VERSIONS:
            raise _bad(f"no version of the contract is called {given['contract']}; there are: {', '.join(VERSIONS)}")
        terms["contract"] = str(given["contract"])
    if given.get("audit_reads") is not None:
        terms["audit_reads"] = bool(given["audit_reads"])
    return terms


def _partners(store: Store, wanted: list[str]) -> tuple[str, ...] | None:
    if len(set(wanted)) > MOST_NAMES:
        raise _bad(f"a filter names at most {MOST_NAMES} partners; without --partner a consumer sees all")
    there = {row.partner for row in store.read(profiles.live).result(WAIT)}
    if unknown := set(wanted) - there:
        raise _bad(f"no partner is called {', '.join(sorted(unknown))[:200]}; there are: {', '.join(sorted(there)) or 'none'}")
    return tuple(sorted(set(wanted))) or None


def _start(store: Store, since: Any, at: Instant) -> int:
    """The position behind which one reads who begins then."""
    if since in (None, "", "now"):
        return store.read(feed.head).result(WAIT)
    if since == "start":
        return 0
    try:
        instant = instant_of(str(since), at)
    except ValueError as error:
        raise _bad(f"{error}; or start, or now") from None
    return store.read(lambda tx: feed.before(tx, instant)).result(WAIT)


def _shown(row: dict[str, Any], tokens: list[dict[str, Any]], head: int) -> dict[str, Any]:
    at = now()
    return {
        "name": row["name"], "state": "live" if row["retired_at"] is None else "retired", "scopes": row["scopes"], "partners": row["partners"],
        "types": row["types"], "stream": row["stream"], "rate": row["rate"], "contract": row["contract"], "audit_reads": bool(row["audit_reads"]),
        "position": row["position"], "behind": max(0, head - row["position"]),
        "committed_at": as_text(row["committed_at"]) if row["committed_at"] is not None else None,
        "tokens": [
            {"begins_with_sha256": one["sha256"][:8], "made_at": as_text(one["made_at"]), "until": as_text(one["until_at"]) if one["until_at"] else None}
            for one in tokens
            if one["consumer"] == row["name"] and (one["until_at"] is None or one["until_at"] > at)
        ],
        "created_at": as_text(row["created_at"]), "retired_at": as_text(row["retired_at"]) if row["retired_at"] is not None else None,
    }  # fmt: skip


def _reason(given: Arguments, what: str) -> str:
    because = str(given.get("because") or "").strip()
    if not because:
        raise _bad(f"{what} needs a reason (--because); it stays in the audit log")
    return because[:500]


def _who(given: Arguments) -> str:
    return str(given.get("who") or "operator")


def _bad(words: str) -> Refused:
    return Refused(400, "bad-request", words)


def _none(name: str) -> Refused:
    return Refused(404, "not-found", f"no live consumer is called {name[:60]}; `crossdock consumers` lists them")


OPERATIONS: dict[str, Callable[[Store, Arguments], Any]] = {
    "consumers": listed,
    "consumers.show": show,
    "consumers.add": add,
    "consumers.change": change,
    "consumers.rotate": rotate,
    "consumers.retire": retire,
    "consumers.replay": replay,
}
CHANGING = frozenset({"consumers.add", "consumers.change", "consumers.rotate", "consumers.retire", "consumers.replay"})
