"""An ERP API that takes CloudEvents over HTTP, binary content mode: attributes as ce-* headers, the event's data as the body.

The event id is the Idempotency-Key, the same over every retry, node and restore.
"""

import json

import aiohttp

from gateway.errors import PermanentFailure, TemporaryFailure, UnknownOutcome
from gateway.records import ToDeliver
from gateway.targets.base import Confirmation
from gateway.targets.cloud import binary_headers
from gateway.targets.http import bounded_read, open_session, post
from gateway.targets.outcome import failure_of
from gateway.targets.terms import Target


class RestTarget:
    def __init__(self, name: str, settings: Target) -> None:
        self.name = name
        self.settings = settings
        self.concurrency = settings.concurrency
        self.marks_sending = settings.repeats != "native_key"
        self._session = open_session(settings.concurrency, settings.timeout)

    async def deliver(self, delivery: ToDeliver, data: bytes) -> Confirmation:
        attributes = json.loads(delivery.attributes)
        if delivery.unknown_outcome and self.settings.repeats == "unsafe":
            raise PermanentFailure(
                "an earlier attempt may have had its effect, and this target cannot say: look into it, then retry or skip this delivery by hand"
            )
        if (delivery.unknown_outcome or delivery.attempts) and self.settings.repeats == "look_up":
            found = await self._look_up(attributes["id"])
            if found is not None:
                return found
        status, answer = await post(self._session, self.settings.url, data, self._headers(attributes), max_answer=self.settings.max_answer)
        return Confirmation(status, answer)

    async def _look_up(self, event_id: str) -> Confirmation | None:
        """The ERP's own word on whether it has the event. While it cannot be asked, the outcome stays unknown and nothing is sent."""
        assert self.settings.look_up_url is not None, "settings require it"
        url = self.settings.look_up_url.replace("{id}", event_id)
        try:
            async with self._session.get(url, headers=self._credentials(), allow_redirects=False) as response:
                answer = await bounded_read(response, self.settings.max_answer)
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnknownOutcome(f"could not be asked whether it has the event ({type(error).__name__})") from error
        if status == 404:
            return None
        failure = failure_of(status, answer, None)
        if isinstance(failure, TemporaryFailure):
            raise UnknownOutcome(f"answered {status} when asked whether it has the event", status=status, answer=answer)
        if failure is not None:
            raise failure
        return Confirmation(status, answer, looked_up=True)

    def _credentials(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.settings.token}"} if self.settings.token else {}

    def _headers(self, attributes: dict[str, str]) -> dict[str, str]:
        own = {"Content-Type": "application/json", "Idempotency-Key": f'"{attributes["id"]}"', "User-Agent": "Crossdock"}
        return own | binary_headers(attributes) | self._credentials()

    async def close(self) -> None:
        await self._session.close()
