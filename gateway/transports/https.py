"""Pushes a document to a partner's own HTTPS address: the way back for partners who would rather be called than ask."""

import json
from datetime import timedelta

from gateway.records import ToDeliver
from gateway.targets.base import Confirmation
from gateway.targets.http import open_session, post

CONCURRENCY = 8
MAX_ANSWER = 64 * 1024
TIMEOUT = timedelta(seconds=30)


class HttpsPush:
    marks_sending = False
    concurrency = CONCURRENCY

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.url = url
        self._session = open_session(CONCURRENCY, TIMEOUT)

    async def deliver(self, delivery: ToDeliver, data: bytes) -> Confirmation:
        attributes = json.loads(delivery.attributes)
        headers = {
            "Content-Type": attributes["media_type"],
            "Content-Disposition": f'attachment; filename="{attributes["file_name"]}"',
            "Idempotency-Key": f'"{delivery.id}"',
            "User-Agent": "Crossdock",
        }
        if "answers" in attributes:
            headers["X-Crossdock-Answers"] = attributes["answers"]
        status, answer = await post(self._session, self.url, data, headers, max_answer=MAX_ANSWER)
        return Confirmation(status, answer)

    async def close(self) -> None:
        await self._session.close()
