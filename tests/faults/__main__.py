"""`python -m tests.faults [P5 P7 …] [--full] [--seed N] [--sabotage NAME]`: each trial with its counts. Exit 0 only if every promise held."""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tests.databases import own_postgresql
from tests.faults.promise import CannotBeTried, Promise, Proof, Trial
from tests.faults.promises import PROMISES


def tried(promise: Promise, folder: Path, postgresql: Callable[[], str], *, seed: int, full: bool = False, sabotage: str | None = None) -> Proof:
    proof = Proof()
    trial = Trial(folder, seed, promise.full if full else promise.short, postgresql, sabotage)
    asyncio.run(promise.prove(trial, proof))
    return proof


def _shared(stack: contextlib.ExitStack) -> str:
    """The URL of the PostgreSQL that trials share, for as long as the stack stands."""
    try:
        return str(stack.enter_context(own_postgresql()).get_uri())
    except ImportError as error:
        raise CannotBeTried("no PostgreSQL package for this platform") from error


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("promises", nargs="*", metavar="PROMISE", help=f"of {', '.join(PROMISES)}; all, where none is named")
    parser.add_argument("--full", action="store_true", help="the numbers of a release instead of those of CI")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sabotage", help="break something on purpose: the trial must then fail")
    given = parser.parse_args()
    if unknown := [name for name in given.promises if name not in PROMISES]:
        parser.error(f"no promise is called {', '.join(unknown)}; there are: {', '.join(PROMISES)}")
    all_held = True
    with tempfile.TemporaryDirectory(prefix="crossdock-faults-") as folder, contextlib.ExitStack() as stack:
        postgresql = cache(lambda: _shared(stack))
        for name in given.promises or PROMISES:
            promise, begun = PROMISES[name], time.monotonic()
            print(f"{name}  {promise.says}", flush=True)
            place = Path(folder) / name
            place.mkdir()
            try:
                proof = tried(promise, place, postgresql, seed=given.seed, full=given.full, sabotage=given.sabotage)
            except CannotBeTried as error:
                print(f"  not tried: {error}", flush=True)
                continue
            all_held = all_held and not proof.broken
            print(f"{proof}\n  {'holds' if not proof.broken else 'DOES NOT HOLD'}, {time.monotonic() - begun:.0f} s", flush=True)
    return 0 if all_held else 1


if __name__ == "__main__":
    sys.exit(main())
