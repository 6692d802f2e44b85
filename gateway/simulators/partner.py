"""A pretend partner: posts documents as a real one would (it retries until it has its 202), picks up what is waiting for it, remembers both."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp

from partners.guides import shipped_guides
from translators.x12.acknowledge import SetVerdict, functional_ack, stamp
from translators.x12.envelope import outline
from translators.x12.options import Options
from translators.x12.reader import read_sets


@dataclass
class Delivered:
    """A document that the partner believes delivered: it has seen the 202."""

    name: str
    body: bytes
    message: str
    answer: dict[str, Any]
    status: int


def acknowledged(document: bytes, control: int) -> bytes:
    """The 997 with which a partner accepts a document of ours, under a control number of its own."""

    def read(offset: int, length: int) -> bytes:
        return document[offset : offset + length]

    (interchange,) = outline(read, len(document), Options()).interchanges
    (group,) = interchange.groups
    sets = [SetVerdict(one.set_id, one.control, one.verdict) for one in read_sets(read, interchange, group, shipped_guides(), Options())]
    composed = functional_ack(
        interchange, group, sets, sender_qualifier=interchange.receiver_qualifier, sender=interchange.receiver, sender_code=group.receiver
    )
    when = datetime.now(UTC)
    return stamp(composed, interchange_control=control, group_control=control, date6=f"{when:%y%m%d}", date8=f"{when:%Y%m%d}", time4=f"{when:%H%M}")


@dataclass
class PretendPartner:
    name: str
    token: str
    url: str
    """Of the gateway's partner listener; changed when the gateway comes back on another port."""
    delivered: list[Delivered] = field(default_factory=list)
    picked_up: dict[str, bytes] = field(default_factory=dict)
    """Documents from the outbox by their id there, each counted once however often it was offered."""

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def send(
        self, session: aiohttp.ClientSession, name: str, body: bytes, *, key: str | None = None, tries: int = 1, pause: float = 0.1
    ) -> tuple[int, dict[str, Any]]:
        """(status, answer). No answer, or 5xx, 409 and 429, are tried again with the same key, as often as `tries` says."""
        headers = self.headers() | {"Content-Type": "application/edi-x12", "X-File-Name": name}
        if key:
            headers["Idempotency-Key"] = key
        last: Exception | None = None
        for attempt in range(tries):
            if attempt:
                await asyncio.sleep(pause)
            try:
                async with session.post(f"{self.url}/v1/inbox", data=body, headers=headers) as response:
                    answer = await response.json(content_type=None)
                    if response.status in (409, 429) or response.status >= 500:
                        last = RuntimeError(f"answered {response.status}")
                        continue
                    if response.status == 202:
                        self.delivered.append(Delivered(name, body, answer["id"], answer, response.status))
                    return response.status, answer
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                last = error
        raise ConnectionError(f"{self.name} could not send {name}: {last}")

    async def status(self, session: aiohttp.ClientSession, message: str) -> dict[str, Any]:
        async with session.get(f"{self.url}/v1/messages/{message}", headers=self.headers()) as response:
            answer: dict[str, Any] = await response.json(content_type=None)
            return answer

    async def pick_up(self, session: aiohttp.ClientSession, *, limit: int = 50, lease: int = 60) -> int:
        """Takes what waits in the outbox, keeps it, and says so. How many documents were new; `lease` is in seconds."""
        new = 0
        asked = {"limit": str(limit), "lease": str(lease)}
        async with session.get(f"{self.url}/v1/outbox", params=asked, headers=self.headers()) as response:
            offered = (await response.json(content_type=None)).get("documents", [])
        for document in offered:
            async with session.get(f"{self.url}{document['content_url']}", headers=self.headers()) as response:
                body = await response.read()
            if document["id"] not in self.picked_up:
                self.picked_up[document["id"]] = body
                new += 1
            async with session.post(f"{self.url}{document['ack_url']}", json={"lease": document["lease"]}, headers=self.headers()) as response:
                await response.read()
        return new
