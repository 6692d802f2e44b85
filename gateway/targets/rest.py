"""An ERP API that takes CloudEvents over HTTP.

The event id is the Idempotency-Key, the same over every retry, node and restore.
"""

import json
from dataclasses import replace

from gateway.clock import Clock
from gateway.errors import DestinationFault, PermanentFailure, TemporaryFailure, UnknownOutcome
from gateway.records.deliveries import ToDeliver
from gateway.targets.base import Accepted, Confirmation
from gateway.targets.batch import Batches
from gateway.targets.cloudevents import STRUCTURED, binary_headers, structured, traced
from gateway.targets.erp import Erp
from gateway.targets.http import Answer
from gateway.targets.polling import Polling
from gateway.targets.terms import Target
from gateway.targets.tls import Keys
from translators.pointer import words_at

MOST_CONFIRMED = 200
MOST_WORDS = 400


class RestTarget:
    def __init__(self, name: str, settings: Target, *, keys: Keys, clock: Clock) -> None:
        self.name = name
        self.settings = settings
        self.concurrency = settings.concurrency
        self._erp = Erp(settings, keys=keys, clock=clock)
        self._polling = Polling(settings.accepted, settings, self._erp, clock) if settings.accepted else None
        self._batches = Batches(settings.batch, self._post_batch, max_answer=settings.max_answer) if settings.batch else None
        self.marks_sending = settings.repeats != "native_key" or (self._polling is not None and self._polling.by_id)

    async def deliver(self, delivery: ToDeliver, data: bytes) -> Confirmation | Accepted:
        terms = self.settings.answer
        try:
            said = await self._deliver(delivery, data)
        except PermanentFailure as failure:
            failure.words = words_at(failure.answer, terms.error, MOST_WORDS)
            raise
        if isinstance(said, Accepted):
            return said
        return replace(said, confirmed=words_at(said.answer, terms.confirmed, MOST_CONFIRMED))

    async def _deliver(self, delivery: ToDeliver, data: bytes) -> Confirmation | Accepted:
        attributes = json.loads(delivery.attributes)
        if delivery.accepted is not None and self._polling is not None:
            return await self._polling.asked(delivery.accepted)
        found = await self._known(delivery, attributes["id"])
        if found is not None:
            return found
        answer = await self._send(attributes, data, delivery.trace)
        if self._polling is not None and self._polling.is_accepted(answer.status):
            return self._polling.begun(attributes["id"], answer)
        return Confirmation(answer.status, answer.body)

    async def _send(self, attributes: dict[str, str], data: bytes, trace: str | None) -> Answer:
        """The answer about this event, by whatever way it went."""
        if self._batches is not None:
            together = await self._batches.send(attributes["id"], structured(attributes, data))
            if together is not None:
                return together
        body = structured(attributes, data) if self.settings.mode == "structured" else data
        return await self._erp.post(self.settings.url, body, self._headers(attributes, trace).items(), identity=attributes["id"])

    async def _post_batch(self, body: bytes, headers: list[tuple[str, str]], identity: str) -> Answer:
        return await self._erp.post(self.settings.url, body, headers, identity=identity)

    async def _known(self, delivery: ToDeliver, event_id: str) -> Confirmation | Accepted | None:
        """What the ERP says of an event that an earlier attempt may have brought; None if it is to be sent."""
        in_doubt = delivery.unknown_outcome or delivery.accepted is not None
        if in_doubt and self._polling is not None and self._polling.by_id:
            said = await self._polling.known(event_id)
            if said is not None:
                return said
        if in_doubt and self.settings.repeats == "unsafe":
            raise PermanentFailure(
                "an earlier attempt may have had its effect, and this target cannot say: look into it, then retry or skip this delivery by hand"
            )
        if (in_doubt or delivery.attempts) and self.settings.repeats == "look_up":
            return await self._look_up(event_id)
        return None

    async def _look_up(self, event_id: str) -> Confirmation | None:
        """The ERP's own word on whether it has the event. While it cannot be asked, the outcome stays unknown and nothing is sent."""
        assert self.settings.look_up_url is not None, "settings require it"
        try:
            answer = await self._erp.get(self.settings.look_up_url.replace("{id}", event_id))
        except TemporaryFailure as failure:
            text = f"{failure}, when asked whether it has the event"
            raise UnknownOutcome(text, status=failure.status, answer=failure.answer, retry_after=failure.retry_after) from failure
        except DestinationFault as fault:
            if fault.status == 404:
                return None
            raise
        return Confirmation(answer.status, answer.body, looked_up=True)

    def _headers(self, attributes: dict[str, str], trace: str | None) -> dict[str, str]:
        headers = {"Idempotency-Key": f'"{attributes["id"]}"', "User-Agent": "Crossdock"}
        if self.settings.mode == "structured":
            return headers | traced(attributes, trace) | {"Content-Type": STRUCTURED}
        return headers | {"Content-Type": "application/json"} | binary_headers(attributes, trace)

    async def close(self) -> None:
        if self._batches is not None:
            await self._batches.close()
        await self._erp.close()
