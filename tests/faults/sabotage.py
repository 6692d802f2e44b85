"""Promises broken on purpose, for as long as a `with` lasts. What is broken here must be noticed by a trial."""

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from gateway.receive.stage import ReceiveStage
from gateway.records import Incoming, Kept
from gateway.targets.rest import RestTarget


@contextlib.contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    honest = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, honest)


@contextlib.contextmanager
def answer_before_commit() -> Iterator[None]:
    """The 202 leaves before COMMIT 1: the member is queued, nobody waits for it."""
    honest = ReceiveStage.keep

    async def keep(self: ReceiveStage, items: list[Incoming]) -> list[Kept]:
        task = asyncio.create_task(honest(self, items))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return [Kept(item.id, item.at, "new") for item in items]

    with replaced(ReceiveStage, "keep", keep):
        yield


@contextlib.contextmanager
def drop_idempotency_key() -> Iterator[None]:
    """Every attempt carries a key of its own: the ERP cannot tell a repeat."""
    honest = RestTarget._headers

    def headers(self: RestTarget, attributes: dict[str, str]) -> dict[str, str]:
        return honest(self, attributes | {"id": uuid.uuid4().hex})

    with replaced(RestTarget, "_headers", headers):
        yield


SABOTAGES: dict[str, Callable[[], contextlib.AbstractContextManager[None]]] = {
    "answer-before-commit": answer_before_commit,
    "drop-idempotency-key": drop_idempotency_key,
}


def sabotaged(name: str | None) -> contextlib.AbstractContextManager[None]:
    return SABOTAGES[name]() if name else contextlib.nullcontext()
