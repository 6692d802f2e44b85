"""An ERP's own API, asked as a mapping of calls says (translators/calls): looks whether an event is in already, then does what is missing.

Every attempt begins at the beginning, so a crash behind any request is met by looking. What the answers mean is the mapping's business first, then HTTP's.
"""

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

from yarl import URL

from gateway.clock import Clock
from gateway.errors import CrossdockError, DestinationFault, PermanentFailure, TemporaryFailure, UnknownOutcome
from gateway.records.deliveries import ToDeliver
from gateway.targets.base import Confirmation
from gateway.targets.erp import READ, Erp
from gateway.targets.http import Answer as HttpAnswer
from gateway.targets.http import retry_after_in
from gateway.targets.outcome import failure_of
from gateway.targets.terms import CallsTarget
from gateway.targets.tls import Keys
from partners.calls import LookupFiles, event_name, shipped_calls
from translators.calls import (
    Answer,
    CallFault,
    CallLater,
    CallRefused,
    Calls,
    CallUnclear,
    CallUnexplained,
    Done,
    Given,
    Request,
    flow,
)
from translators.events.families import OWN
from translators.mapping.errors import MappingError

NO_CALLS = b"nothing to be done there for an event of this kind"


class Calling:
    marks_sending = False

    def __init__(self, name: str, settings: CallsTarget, *, keys: Keys, clock: Clock) -> None:
        self.name = name
        self.settings = settings
        self.concurrency = settings.concurrency
        self._erp = Erp(settings, keys=keys, clock=clock)
        self._lookups = LookupFiles(settings.lookups)
        self._at_once = asyncio.Semaphore(settings.concurrency)

    async def deliver(self, delivery: ToDeliver, data: bytes) -> Confirmation:
        if delivery.kind != "event":
            raise PermanentFailure("calls are made for events alone")
        attributes = json.loads(delivery.attributes)
        calls = self._calls(attributes.get("type", ""))
        if calls is None:
            return Confirmation(0, NO_CALLS, looked_up=True)
        async with self._at_once:
            return await _Attempt(self, delivery, calls, self._given(delivery, calls, attributes, data)).run()

    def _calls(self, type_: str) -> Calls | None:
        """None for an event that is to be passed over. Raises PermanentFailure, DestinationFault."""
        event = event_name(type_)
        try:
            calls = shipped_calls().calls(self.settings.mapping, event) if event is not None else None
        except MappingError as error:
            raise DestinationFault(f"its mapping cannot be used: {error}") from error
        if calls is not None and not calls.together and self.concurrency > 1:
            raise DestinationFault(
                f"{self.settings.mapping} must be asked for one event at a time, or two for one order spoil each other: set concurrency: 1, not {self.concurrency}"
            )
        is_ours = type_ in {family.type for family in OWN.values()}
        if calls is None and not is_ours and self.settings.others == "refuse":
            there = ", ".join(shipped_calls().events(self.settings.mapping)) or "none"
            raise PermanentFailure(
                f"refused by the mapping: {self.settings.mapping} has no calls for {event or type_}, only for {there}; write one, send the agreement to another target, or set others: pass"
            )
        return calls

    def _given(self, delivery: ToDeliver, calls: Calls, attributes: dict[str, str], data: bytes) -> Given:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise PermanentFailure("the event's data is no JSON object")
        try:
            tables = self._lookups.tables(list(calls.lookups))
        except MappingError as error:
            raise DestinationFault(f"a lookup table cannot be used: {error}") from error
        return Given(value, attributes, delivery.partner, self.settings.values, tables)

    async def ask(self, request: Request) -> HttpAnswer:
        headers = [*READ, *request.headers, *([("Content-Type", "application/json")] if request.body is not None else [])]
        return await self._erp.ask(request.method, URL(address(self.settings.url, request), encoded=True), request.body, headers)

    async def close(self) -> None:
        await self._erp.close()


class _Attempt:
    """One delivery, from the first look to the end."""

    def __init__(self, target: Calling, delivery: ToDeliver, calls: Calls, given: Given) -> None:
        self._target, self._flow = target, flow(calls, given)
        self._is_open = delivery.unknown_outcome
        """Whether something may have been changed there."""
        self._has_changed = False
        """Whether something was: a request that changes was answered, and the flow went on."""
        self._last: HttpAnswer | None = None

    async def run(self) -> Confirmation:
        try:
            request = next(self._flow)
            while True:
                self._is_open |= not request.reads
                answer = await self._asked(request)
                changes = not request.reads
                request = self._flow.send(Answer(answer.status, _media(answer), answer.body))
                self._has_changed |= changes
        except StopIteration as ended:
            return self._confirmed(ended.value)
        except CallRefused as refused:
            text = f"refused by the mapping: {refused}"
            raise PermanentFailure(text, words=refused.words, in_doubt=self._has_changed, **self._shown(refused.answer)) from refused
        except CallLater as later:
            raise self._again(str(later), self._last) from later
        except CallFault as fault:
            raise DestinationFault(str(fault), **self._shown(fault.answer)) from fault
        except CallUnclear as unclear:
            raise self._again(str(unclear), self._last) from unclear
        except CallUnexplained as unexplained:
            raise self._by_http(str(unexplained)) from unexplained
        finally:
            self._flow.close()

    async def _asked(self, request: Request) -> HttpAnswer:
        try:
            self._last = await self._target.ask(request)
        except TemporaryFailure as failure:
            raise self._again(f"{request.step}: {failure}", None) from failure
        except DestinationFault as fault:
            raise DestinationFault(f"{request.step}: {fault}", status=fault.status, answer=fault.answer) from fault
        return self._last

    def _confirmed(self, done: Done) -> Confirmation:
        told = {"confirmed": done.confirmed, "did": list(done.did)}
        status = self._last.status if self._last else 0
        return Confirmation(status, json.dumps(told, ensure_ascii=False).encode(), looked_up=not done.did, confirmed=done.confirmed)

    def _again(self, text: str, answer: HttpAnswer | None) -> TemporaryFailure:
        """As long as nothing was changed there, nothing is in doubt."""
        kind = UnknownOutcome if self._is_open else TemporaryFailure
        return kind(text, retry_after=retry_after_in(answer) if answer else None, **self._shown(answer))

    def _by_http(self, text: str) -> CrossdockError:
        """What an answer means that the mapping has no line for."""
        assert self._last is not None, "it was answered"
        failure = failure_of(self._last.status, self._last.body, None)
        if isinstance(failure, PermanentFailure):
            refused = f"refused by the mapping: {text}: it will not take this"
            return PermanentFailure(refused, in_doubt=self._has_changed, **self._shown(self._last))
        if isinstance(failure, DestinationFault):
            return DestinationFault(f"{text}: its address or our credentials are wrong", **self._shown(self._last))
        return self._again(text, self._last)

    def _shown(self, answer: Any) -> dict[str, Any]:
        return {} if answer is None else {"status": answer.status, "answer": answer.body}


def address(url: str, request: Request) -> str:
    """Already escaped, as it is to be sent."""
    query = f"?{urlencode(request.query)}" if request.query else ""
    return f"{url.rstrip('/')}/{request.path}{query}"


def _media(answer: HttpAnswer) -> str:
    return next((value for name, value in answer.headers if name.lower() == "content-type"), "")
