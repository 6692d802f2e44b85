"""Starts a gateway for the kill test: `python -m tests.kill.gateway [--sabotage NAME] ARGUMENTS OF serve`.

A sabotage breaks one promise on purpose, so that the harness can be seen to notice.
"""

import asyncio
import sys
import uuid

from gateway.__main__ import main
from gateway.receive.stage import ReceiveStage
from gateway.records import Incoming, Kept
from gateway.targets.rest import RestTarget


def answer_before_commit() -> None:
    """The 202 leaves before COMMIT 1: the member is queued, nobody waits for it."""

    async def keep(self: ReceiveStage, items: list[Incoming]) -> list[Kept]:
        task = asyncio.create_task(honest(self, items))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return [Kept(item.id, item.at, "new") for item in items]

    honest = ReceiveStage.keep
    ReceiveStage.keep = keep  # type: ignore[method-assign]


def drop_idempotency_key() -> None:
    """Every attempt carries a key of its own: the ERP cannot tell a repeat."""
    honest = RestTarget._headers

    def headers(self: RestTarget, attributes: dict[str, str]) -> dict[str, str]:
        return honest(self, attributes | {"id": uuid.uuid4().hex})

    RestTarget._headers = headers  # type: ignore[method-assign]


SABOTAGES = {"answer-before-commit": answer_before_commit, "drop-idempotency-key": drop_idempotency_key}

if __name__ == "__main__":
    if sys.argv[1] == "--sabotage":
        SABOTAGES[sys.argv[2]]()
        del sys.argv[1:3]
    main()
