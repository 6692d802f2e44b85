"""Starts a gateway for the kill test: `python -m tests.kill.gateway [--sabotage NAME] ARGUMENTS OF serve`."""

import contextlib
import sys

from gateway.__main__ import main
from tests.faults.sabotage import sabotaged


def run(arguments: list[str]) -> None:
    with contextlib.ExitStack() as stack:
        if arguments[0] == "--sabotage":
            stack.enter_context(sabotaged(arguments[1]))
            arguments = arguments[2:]
        sys.argv = ["crossdock", *arguments]
        main()


if __name__ == "__main__":
    run(sys.argv[1:])
