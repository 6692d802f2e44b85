"""Who comes in by which token, as this node knows it: the rows of consumers, looked at every few seconds."""

import hashlib
from dataclasses import dataclass, field

from gateway.clock import Clock, Instant
from gateway.consumers.records import BUILT_IN, SCOPES, Consumer, Made
from gateway.contract.versions import CURRENT
from gateway.store import consumers
from gateway.store.store import Store, landed

LONGEST_TOKEN = 200


def built_in() -> Consumer:
    """The one whose token stands in the settings, as it begins."""
    return Consumer(BUILT_IN, frozenset(SCOPES), None, None, None, None, CURRENT)


@dataclass(slots=True)
class ConsumerBook:
    store: Store
    clock: Clock
    token: str | None
    """That of the settings, if there is one."""
    _consumers: dict[str, Consumer] = field(default_factory=dict)
    _tokens: dict[str, tuple[str, Instant | None]] = field(default_factory=dict)

    async def begin(self) -> None:
        """The built-in consumer has a row like any other, where it may come in at all; it begins to read where the feed begins."""
        if self.token:
            await landed(self.store.consumers.make(Made(built_in(), None, 0, "the settings", self.clock())))
        await self.refresh()

    async def refresh(self) -> None:
        """As the store has them now."""
        self._consumers, tokens = await landed(self.store.read(consumers.live))
        if self.token:
            tokens[_digest(self.token)] = (BUILT_IN, None)
        self._tokens = tokens

    def __bool__(self) -> bool:
        """Whether anybody may come in."""
        return bool(self._tokens)

    def by_token(self, token: str) -> Consumer | None:
        """Whose token it is, while it opens. What is looked up is its hash, so that the time it takes tells nothing of a token."""
        if not token or len(token) > LONGEST_TOKEN:
            return None
        name, until = self._tokens.get(_digest(token), ("", None))
        return self._consumers.get(name) if until is None or until > self.clock() else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
