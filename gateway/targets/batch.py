"""Events that are due at the same time, in one request: gathered for a moment, and each gets its own answer out of the ERP's one.

Knows no delivery: to whoever waits, a batch is a slower request.
"""

import asyncio
import copy
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.errors import PermanentFailure, TemporaryFailure, UnknownOutcome
from gateway.targets.cloudevents import BATCH, batch
from gateway.targets.erp_terms import BatchTerms
from gateway.targets.http import Answer
from gateway.targets.outcome import failure_of, retry_after_of
from translators.pointer import find

MIXED = 207

Post = Callable[[bytes, list[tuple[str, str]], str], Awaitable[Answer]]
"""Body, headers, identity: the answer of a 2xx, or its failure."""


@dataclass(eq=False, slots=True)
class Waiting:
    """An event, and who waits for its answer. None as the answer: it is to be sent alone."""

    id: str
    event: bytes
    answer: "asyncio.Future[Answer | None]"


class Batches:
    """Of one target. `max_answer` is how much of an answer is read: what fills it was cut."""

    def __init__(self, terms: BatchTerms, post: Post, *, max_answer: int) -> None:
        self._terms, self._post, self._max_answer = terms, post, max_answer
        self._waiting: list[Waiting] = []
        self._timer: asyncio.TimerHandle | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def send(self, event_id: str, event: bytes) -> Answer | None:
        """What the ERP answers about this event; None if it is to be sent alone: nobody came along, it is too large, or the batch was refused whole.

        Raises as a request of its own would.
        """
        if len(event) >= self._terms.largest or any(one.id == event_id for one in self._waiting):
            return None
        if sum(len(one.event) for one in self._waiting) + len(event) > self._terms.largest:
            self._leave()
        loop = asyncio.get_running_loop()
        waiting = Waiting(event_id, event, loop.create_future())
        self._waiting.append(waiting)
        if len(self._waiting) >= self._terms.most:
            self._leave()
        elif self._timer is None:
            self._timer = loop.call_later(self._terms.within.total_seconds(), self._leave)
        return await waiting.answer

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for task in self._under_way:
            task.cancel()
        for one in self._waiting:
            one.answer.cancel()

    def _leave(self) -> None:
        """What waits now goes, but for those whose attempt has ended meanwhile."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        together = [one for one in self._waiting if not one.answer.done()]
        self._waiting = []
        if len(together) == 1:
            together[0].answer.set_result(None)
        elif together:
            task = asyncio.create_task(self._request(together), name=f"batch of {len(together)}")
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _request(self, together: list[Waiting]) -> None:
        try:
            answer = await self._together(together)
            told: list[tuple[Waiting, Answer | Exception | None]]
            told = [(one, None if answer is None else result(answer, one.id, self._terms.results, self._max_answer)) for one in together]
        except asyncio.CancelledError:
            for one in together:
                one.answer.cancel()
            raise
        except Exception as error:  # whatever it is, each of them waits for it
            told = list(zip(together, _of_each(error, len(together)), strict=True))
        for one, said in told:
            if one.answer.done():
                continue
            if isinstance(said, Exception):
                one.answer.set_exception(said)
            else:
                one.answer.set_result(said)

    async def _together(self, together: list[Waiting]) -> Answer | None:
        """None where the ERP will not take them as they are: one of them may be the cause, and must hurt only itself."""
        identity = "batch-" + hashlib.sha256("\n".join(one.id for one in together).encode()).hexdigest()[:40]
        headers = [("Content-Type", BATCH), ("Idempotency-Key", f'"{identity}"'), ("User-Agent", "Crossdock")]
        try:
            return await self._post(batch(one.event for one in together), headers, identity)
        except PermanentFailure:
            return None


def result(answer: Answer, event_id: str, pointer: str, max_answer: int) -> Answer | Exception:
    """What a 2xx to a batch says of one event of it: its answer, or the failure that it is.

    Results are a list at `pointer`, each with `id`, `status` and perhaps `body`, which is what would have been the answer to the event alone. An answer
    without results is about all. Where there are some, or should be, and none can be read for this event, it may have been taken.
    """
    try:
        said = json.loads(answer.body) if answer.body else None
    except (ValueError, RecursionError):
        if answer.status == MIXED or len(answer.body) >= max_answer or not _is_plain_text(answer):
            return _unsaid(answer, "is not to be read")
        said = None
    found = find(said, pointer)
    results = [one for one in found if isinstance(one, dict) and "id" in one and "status" in one] if isinstance(found, list) else []
    if not results:
        if (elsewhere := _results_elsewhere(said)) is not None:
            return _unsaid(answer, f"has results at {elsewhere}, and the setting `results` looks at {pointer or 'its top'}")
        return _unsaid(answer, "says nothing of each that can be read") if answer.status == MIXED or isinstance(found, list) else answer
    mine = [one for one in results if one["id"] == event_id]
    statuses = {_status(one["status"]) for one in mine}
    status = statuses.pop() if len(statuses) == 1 else None
    if status is None:
        return _unsaid(answer, "says nothing of this one" if not mine else "says different things of this one")
    return _own(mine[-1], status, answer)


def _is_plain_text(answer: Answer) -> bool:
    """Words, in which nobody would look for results: no list, object, XML, guarded JSON or rubbish, and in no coding that we cannot take off."""
    coded = any(name.lower() == "content-encoding" and value.strip().lower() != "identity" for name, value in answer.headers)
    return not coded and answer.body.lstrip()[:1].isalnum()


def _results_elsewhere(said: Any) -> str | None:
    """Where in an object a list stands that looks like results."""
    if not isinstance(said, dict):
        return None
    return next(
        (f"/{name}" for name, value in said.items() if isinstance(value, list) and any(isinstance(one, dict) and "status" in one for one in value)),
        None,
    )


def _of_each(error: Exception, number: int) -> list[Exception]:
    """The failure of one request as that of each who was in it; its destination's breaker hears of it once."""
    errors = [error, *(copy.copy(error) for _ in range(number - 1))]
    for one in errors[1:]:
        if isinstance(one, TemporaryFailure):
            one.is_shared = True
    return errors


def _own(said: dict[str, Any], status: int, answer: Answer) -> Answer | Exception:
    body = json.dumps(said.get("body", said), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    retry_after = retry_after_of(next((value for name, value in answer.headers if name.lower() == "retry-after"), None), datetime.now(UTC))
    return failure_of(status, body, retry_after) or Answer(status, answer.headers, body)


def _status(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 200 <= value <= 599 else None


def _unsaid(answer: Answer, why: str) -> UnknownOutcome:
    return UnknownOutcome(f"answered {answer.status} to several events, and {why}; it may have taken it", status=answer.status, answer=answer.body)
