"""`crossdock serve`: one node until it is told to stop."""

import asyncio
import gc
import sys
from pathlib import Path
from typing import Any

from gateway.errors import StoreUnavailable
from gateway.exits import GOOD, SERVICE_MISSING, SETTINGS
from gateway.settings import SettingsError, read_settings

GARBAGE = 20_000
"""New objects after which the youngest are looked through."""
SWITCH = 0.001


def serve(config: Path | None, given: dict[str, Any]) -> int:
    """The exit code: 0 stopped in order, 78 settings that cannot be used, 69 a store that cannot be had."""
    try:
        settings = read_settings(config, given)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return SETTINGS
    from gateway.app import Node
    from gateway.clock import keep_time_by
    from gateway.steady import SteadyClock

    steady = SteadyClock()
    keep_time_by(steady)

    async def run() -> None:
        node = Node(settings, steady)
        node.heed_signals()
        await node.start()
        _settle_in()
        await node.run()
        if node.fault:
            raise StoreUnavailable(node.fault)

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(run())
    except StoreUnavailable as error:
        print(error, file=sys.stderr)
        return SERVICE_MISSING
    return GOOD


def _settle_in() -> None:
    """For a process that runs for months with a thread that writes beside its event loop.

    What is loaded by now stays, so the collector need not walk it again and again: under full load that was a tenth of the gateway's CPU. And the
    writer, which lets go of the interpreter at every step of SQLite, gets it back from a busy event loop after a millisecond, not after five.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE, 20, 20)
    sys.setswitchinterval(SWITCH)


def _loop_factory() -> Any:
    """uvloop where it is to be had."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
