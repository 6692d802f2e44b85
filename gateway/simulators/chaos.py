"""How a chaotic ERP treats a request: decided by a seed, the event's key and how often it was asked, and by nothing else.

So the same seed gives the same faults, whatever the order and the pace of requests. Each event gets through after `most` faults.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "too many",
    "unavailable",
    "failed",
    "failed after commit",
    "cut before",
    "cut after commit",
    "slow",
    "held back",
    "garbage",
    "endless",
]
KINDS: dict[Kind, str] = {
    "too many": "429 with Retry-After, nothing done",
    "unavailable": "503, nothing done",
    "failed": "500, nothing done",
    "failed after commit": "500, and the effect has happened",
    "cut before": "the connection is cut, nothing done",
    "cut after commit": "the connection is cut, and the effect has happened",
    "slow": "it is answered a byte at a time",
    "held back": "it is answered after requests that came later",
    "garbage": "200, with an answer that is no JSON",
    "endless": "200, with an answer far larger than it should be",
}


@dataclass(frozen=True, slots=True)
class Chaos:
    seed: int
    often: float = 0.3
    """Of requests, how many meet a fault: 0 to 1."""
    most: int = 4
    """Faults that one event meets before it gets through."""

    def fault(self, key: str, asked: int) -> Kind | None:
        """What the request for `key` meets that is the `asked`-th for it, from 1 on."""
        if asked > self.most:
            return None
        chance = hashlib.sha256(f"{self.seed}\n{key}\n{asked}".encode()).digest()
        if int.from_bytes(chance[:4]) >= self.often * 2**32:
            return None
        return list(KINDS)[int.from_bytes(chance[4:8]) % len(KINDS)]
