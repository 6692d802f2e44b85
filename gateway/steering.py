"""What people ask of destinations: how they stand, and to pause, resume, open, close or probe one. For the commands and the admin API."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, get_args

from gateway.clock import now
from gateway.errors import Refused
from gateway.scheduling import Steer, Steering
from gateway.store import destinations
from gateway.store.breaker import FITS, TARGET
from gateway.store.store import Store

Arguments = dict[str, Any]
WAIT = timedelta(seconds=30).total_seconds()
ACTS: tuple[Steer, ...] = get_args(Steer)
MOST_STEPS = 200


def targets(store: Store, given: Arguments) -> Any:
    """Every destination: its breaker's state, since when and why, what waits for it, what its quotas have given today. `all`: partners' too."""
    found = store.read(lambda tx: destinations.listed(tx, now())).result(WAIT)
    return [one for one in found if given.get("all") or one["destination"].startswith(f"{TARGET}:") or one["state"] != "closed"]


def show(store: Store, given: Arguments) -> Any:
    """One destination, with what was done with it, by whom and why."""
    name = _name(given)
    found = store.read(lambda tx: destinations.shown(tx, name, now(), limit=MOST_STEPS)).result(WAIT)
    if found is None:
        raise Refused(404, "not-found", f"no destination is called {name}; `crossdock targets --all` lists them")
    return found


def steer(store: Store, given: Arguments) -> Any:
    """Pauses, resumes, opens, closes or probes one, with a reason that is kept."""
    act, name, because = given.get("act"), _name(given), str(given.get("because") or "").strip()
    chosen = next((one for one in ACTS if one == act), None)
    if chosen is None:
        raise Refused(400, "bad-request", f"no act is called {act}; there are: {', '.join(ACTS)}")
    if not because:
        raise Refused(400, "bad-request", f"to {chosen} a destination needs a reason (--because); it stays with the destination")
    show(store, given)
    fitted, state = store.steer_destination(Steering(name, chosen, str(given.get("who") or "operator"), because, now())).result(WAIT)
    if not fitted:
        fitting = ", ".join(sorted(FITS[chosen]))
        raise Refused(409, "bad-request", f"{name} is {state}, and {chosen} is for one that is {fitting}")
    return {"destination": name, "state": state}


def _name(given: Arguments) -> str:
    """`erp` is the target of that name; `push:acme` is a destination's whole name."""
    name = str(given["name"])
    return name if ":" in name else f"{TARGET}:{name}"


OPERATIONS: dict[str, Callable[[Store, Arguments], Any]] = {"targets": targets, "targets.show": show, "targets.steer": steer}
CHANGING = frozenset({"targets.steer"})
