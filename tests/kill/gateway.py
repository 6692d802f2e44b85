"""Starts a gateway for the kill test: `python -m tests.kill.gateway [--sabotage NAME] ARGUMENTS OF serve`.

With CROSSDOCK_TEST_SKEW its own machine's clock is so many seconds off. With CROSSDOCK_TEST_SLOW the database takes so many seconds more for each statement.
"""

import contextlib
import os
import sys
import time

from sqlalchemy import Engine, event

from gateway.__main__ import main
from tests.faults.sabotage import sabotaged


def run(arguments: list[str]) -> None:
    with contextlib.ExitStack() as stack:
        if arguments[0] == "--sabotage":
            stack.enter_context(sabotaged(arguments[1]))
            arguments = arguments[2:]
        if skew := os.environ.pop("CROSSDOCK_TEST_SKEW", None):
            _be_off(float(skew))
        if slow := os.environ.pop("CROSSDOCK_TEST_SLOW", None):
            event.listen(Engine, "before_cursor_execute", lambda *_: time.sleep(float(slow)))
        sys.argv = ["crossdock", *arguments]
        main()


def _be_off(seconds: float) -> None:
    """In this process alone; what the kernel counts for itself stays."""
    honest, honest_ns = time.time, time.time_ns
    time.time = lambda: honest() + seconds
    time.time_ns = lambda: honest_ns() + round(seconds * 1e9)


if __name__ == "__main__":
    run(sys.argv[1:])
