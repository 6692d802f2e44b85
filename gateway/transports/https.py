"""To a partner's own HTTPS addresses: documents, for those who would rather be called than ask, and word of what became of their messages."""

import json
from collections.abc import Callable

from gateway.errors import DestinationFault
from gateway.records.deliveries import ToDeliver
from gateway.targets.base import Confirmation
from gateway.transports.outward import Outward
from partners.book import Book
from partners.channels import HttpChannel

CONCURRENCY = 8
MAX_ANSWER = 64 * 1024
BookNow = Callable[[], Book]


class HttpsPush:
    """Documents to `push_url`."""

    marks_sending = False
    concurrency = CONCURRENCY

    def __init__(self, partner: str, *, book: BookNow, outward: Outward) -> None:
        self.name = f"push:{partner}"
        self._partner, self._book, self._outward = partner, book, outward

    async def deliver(self, delivery: ToDeliver, data: bytes) -> Confirmation:
        channel = _channel(self._book(), self._partner)
        if not channel.push_url:
            raise DestinationFault(f"{self._partner} has no push_url in its profile any more")
        attributes = json.loads(delivery.attributes)
        headers = [
            ("Content-Type", attributes["media_type"]),
            ("Content-Disposition", f'attachment; filename="{attributes["file_name"]}"'),
            ("Idempotency-Key", f'"{delivery.id}"'),
            ("User-Agent", "Crossdock"),
        ]
        if "answers" in attributes:
            headers.append(("X-Crossdock-Answers", attributes["answers"]))
        answer = await self._outward.post(channel.push_url, data, headers, channel.push, identity=delivery.id, max_answer=MAX_ANSWER)
        return Confirmation(answer.status, answer.body)

    async def close(self) -> None:
        await self._outward.close()


class HttpsHook:
    """Word to the partner's webhook."""

    marks_sending = False
    concurrency = CONCURRENCY

    def __init__(self, partner: str, *, book: BookNow, outward: Outward) -> None:
        self.name = f"hook:{partner}"
        self._partner, self._book, self._outward = partner, book, outward

    async def deliver(self, delivery: ToDeliver, data: bytes) -> Confirmation:
        hook = _channel(self._book(), self._partner).webhook
        if hook is None:
            raise DestinationFault(f"{self._partner} has no webhook in its profile any more")
        headers = [("Content-Type", "application/json"), ("Idempotency-Key", f'"{delivery.id}"'), ("User-Agent", "Crossdock")]
        answer = await self._outward.post(hook.url, data, headers, hook, identity=delivery.id, max_answer=MAX_ANSWER)
        return Confirmation(answer.status, answer.body)

    async def close(self) -> None:
        await self._outward.close()


def _channel(book: Book, partner: str) -> HttpChannel:
    revision = book.by_name(partner)
    if revision is None:
        raise DestinationFault(f"there is no partner {partner} any more")
    return revision.profile.channels.http
