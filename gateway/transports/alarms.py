"""Letters about alarms on their way: by mail, or to a webhook. To the deliver stage they are destinations like any other."""

import asyncio
import json
from datetime import timedelta

from gateway.alarms.wording import mail
from gateway.clock import Clock
from gateway.errors import DestinationFault, PermanentFailure
from gateway.records.deliveries import ToDeliver
from gateway.settings import AlarmMail, AlarmWebhook
from gateway.targets.base import Confirmation
from gateway.targets.http import open_session, send
from gateway.targets.signatures import standard_webhooks
from gateway.transports.mail import send_mail

MAX_ANSWER = 64 * 1024
PATIENCE = timedelta(seconds=30)


class AlarmByMail:
    marks_sending = False
    concurrency = 1

    def __init__(self, name: str, terms: AlarmMail, clock: Clock) -> None:
        self.name, self._terms, self._clock = f"alarm:{name}", terms, clock

    async def deliver(self, delivery: ToDeliver, data: bytes) -> Confirmation:
        terms = self._terms
        body = mail(json.loads(data), sender=terms.sender, to=terms.to, identity=delivery.id, at=delivery.created_at)
        return await asyncio.to_thread(send_mail, terms, terms.to, body)

    async def close(self) -> None:
        return None


class AlarmByWebhook:
    """A POST of the letter's JSON; its `text` is what Slack, Mattermost and their like show. Signed by Standard Webhooks where there is a secret."""

    marks_sending = False
    concurrency = 1

    def __init__(self, name: str, terms: AlarmWebhook, clock: Clock) -> None:
        self.name, self._terms, self._clock = f"alarm:{name}", terms, clock
        self._session = open_session(1, PATIENCE)

    async def deliver(self, delivery: ToDeliver, data: bytes) -> Confirmation:
        headers = [("Content-Type", "application/json"), ("Idempotency-Key", f'"{delivery.id}"'), ("User-Agent", "Crossdock")]
        if self._terms.token:
            headers.append(("Authorization", f"Bearer {self._terms.token}"))
        if self._terms.secret:
            headers += standard_webhooks([self._terms.key], identity=delivery.id, at=self._clock(), data=data)
        try:
            answer = await send(self._session, self._terms.url, data, headers, max_answer=MAX_ANSWER, patience=PATIENCE)
        except PermanentFailure as error:
            # A letter is never wrong by itself: what does not take it must be mended, and it waits.
            raise DestinationFault(str(error), status=error.status, answer=error.answer) from None
        return Confirmation(answer.status, answer.body)

    async def close(self) -> None:
        await self._session.close()
