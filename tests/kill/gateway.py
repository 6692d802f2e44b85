"""Starts a gateway for the kill test: `python -m tests.kill.gateway [--sabotage NAME] ARGUMENTS OF serve`."""

import contextlib
import sys

from gateway.__main__ import main
from tests.faults.sabotage import sabotaged

if __name__ == "__main__":
    with contextlib.ExitStack() as stack:
        if sys.argv[1] == "--sabotage":
            stack.enter_context(sabotaged(sys.argv[2]))
            del sys.argv[1:3]
        main()
