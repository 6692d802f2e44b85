"""How many requests a consumer may make in a minute, over all nodes.

The minute's count is a row (`gateway.store.consumers.take`). A node takes a share of it at a time, so that not every request is a commit: what all nodes
let pass is never more than the rate; what a node took and did not use is not given to another.
"""

import asyncio
from dataclasses import dataclass, field

from gateway.clock import MINUTE, SECOND, Clock
from gateway.consumers.records import Asking, Consumer, Given
from gateway.store.store import Store, promised

SHARES = 20
"""A node takes a twentieth of the minute's requests at a time, and one at least."""
WINDOW = 60


@dataclass(slots=True)
class Limit:
    """What a request is told of its quota: so many a minute, so many left, so many seconds until the next minute."""

    rate: int
    left: int
    seconds: int
    passes: bool

    @property
    def headers(self) -> dict[str, str]:
        """The fields of draft-ietf-httpapi-ratelimit-headers."""
        return {"RateLimit-Policy": f'"default";q={self.rate};w={WINDOW}', "RateLimit": f'"default";r={self.left};t={self.seconds}'}


@dataclass(slots=True)
class _Share:
    rate: int
    minute: int = -1
    have: int = 0
    left: int = 0
    """In the row, when it was looked at last."""
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class RequestQuotas:
    store: Store
    clock: Clock
    _shares: dict[str, _Share] = field(default_factory=dict)

    async def take(self, consumer: Consumer) -> Limit | None:
        """One request of this minute; None for a consumer without a bound. Raises StoreUnavailable."""
        if consumer.rate is None:
            return None
        share = self._shares.get(consumer.name)
        if share is None or share.rate != consumer.rate:
            share = self._shares[consumer.name] = _Share(consumer.rate)
        if not self._has(share):
            async with share.asking:
                for _ in range(2):  # what was asked for just before the minute's turn comes as the old minute's: then once more
                    if not self._has(share) and not self._is_spent(share):
                        self._fill(share, await self._ask(consumer.name, share))
        passes = self._has(share)
        share.have -= passes
        now = self.clock()
        return Limit(consumer.rate, share.have + share.left, max(1, -(-(MINUTE - now % MINUTE) // SECOND)), passes)

    def _has(self, share: _Share) -> bool:
        return share.have > 0 and share.minute >= self.clock() // MINUTE

    def _is_spent(self, share: _Share) -> bool:
        return share.minute >= self.clock() // MINUTE and share.left == 0

    async def _ask(self, name: str, share: _Share) -> Given:
        return await promised(self.store.consumers.take(Asking(name, share.rate, self.clock() // MINUTE, max(1, share.rate // SHARES))))

    def _fill(self, share: _Share, given: Given) -> None:
        share.minute, share.have, share.left = given.minute, given.number, given.left
