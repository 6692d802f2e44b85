"""What people ask of the audit log: whether it is whole, its heads, its records. For the commands and the admin API. Nothing here alters it."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from typing import Any

from gateway.errors import Refused
from gateway.store import audit_check
from gateway.store.audit_check import Fault, Walk
from gateway.store.store import Store

Arguments = dict[str, Any]
WAIT = timedelta(seconds=30).total_seconds()
PAGES = 50
"""Of records that one call walks, so that it answers in time."""
MOST_FAULTS = 100
MOST_HEADS = 500
MOST_RECORDS = 200


def verify(store: Store, given: Arguments) -> Any:
    """Walks chains for a while: of `chain` alone, or of all; `at` goes on where the call before ended. `noted` are heads that were noted earlier."""
    faults: list[Fault] = [*_noted(store, given["noted"])] if given.get("noted") and not given.get("at") else []
    one = given.get("chain")
    at = _walk(given["at"]) if given.get("at") else _first(store, one)
    checked = chains = 0
    for _ in range(PAGES):
        if at is None or len(faults) >= MOST_FAULTS:
            break
        found, onward, over = store.read(partial(audit_check.walk, at=at)).result(WAIT)
        faults += found
        checked += onward.checked - at.checked
        chains += over
        at = onward if not over else None if one else _next(store, at.chain)
    told = [asdict(fault) for fault in faults[:MOST_FAULTS]]
    return {"checked": checked, "chains": chains, "faults": told, "more": len(faults) > MOST_FAULTS, "at": asdict(at) if at else None}


def heads(store: Store, given: Arguments) -> Any:
    """The last record of each chain, to be noted elsewhere; `after` is the last chain of the page before."""
    return store.read(lambda tx: audit_check.heads(tx, str(given.get("after") or ""), MOST_HEADS)).result(WAIT)


def records(store: Store, given: Arguments) -> Any:
    """The records of a chain, the latest first; `before` a number gives the page behind it."""
    chain, limit = str(given["chain"]), max(1, min(int(given.get("limit") or 50), MOST_RECORDS))
    found = store.read(lambda tx: audit_check.records(tx, chain, int(given.get("before") or 2**62), limit)).result(WAIT)
    if not found and not given.get("before"):
        raise Refused(404, "not-found", f"no chain is called {chain[:64]}; `crossdock audit heads` lists them")
    return found


def _first(store: Store, chain: Any) -> Walk | None:
    if chain is None:
        return _next(store, "")
    name = str(chain)
    if store.read(lambda tx: audit_check.known(tx, name)).result(WAIT):
        return Walk(name)
    raise Refused(404, "not-found", f"no chain is called {name[:64]}; `crossdock audit heads` lists them")


def _next(store: Store, after: str) -> Walk | None:
    name = store.read(lambda tx: audit_check.chain_after(tx, after)).result(WAIT)
    return None if name is None else Walk(name)


def _walk(at: dict[str, Any]) -> Walk:
    return Walk(str(at["chain"]), int(at["number"]), [str(one) for one in at["hashes"]], int(at["checked"]))


def _noted(store: Store, noted: list[dict[str, Any]]) -> list[Fault]:
    before = [(str(one["chain"]), int(one["number"]), str(one["hash"])) for one in noted]
    return store.read(lambda tx: audit_check.noted(tx, before)).result(WAIT)


OPERATIONS: dict[str, Callable[[Store, Arguments], Any]] = {"audit.verify": verify, "audit.heads": heads, "audit.records": records}
