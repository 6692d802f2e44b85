"""Cursors: where a consumer goes on, as a text that only we can make and only that consumer can use, for the same list under the same filters.

Each holds the key of the last row that was looked at, so what is added or altered meanwhile moves nothing. That row may be one which the consumer does
not see: so the key is hidden, its length, too. The same key is the same cursor, for a page's tag is over it.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.errors import Refused
from gateway.keys import Vault

PURPOSE = "cursor"
STEP = 64
"""A cursor's text is filled up to a multiple of these bytes."""
LONGEST = 2_000

Key = Sequence[str | int]


@dataclass(frozen=True, slots=True)
class Place:
    """Whose cursor, of which list, under which filters."""

    consumer: str
    list: str
    filters: Mapping[str, str]

    def digest(self) -> str:
        return hashlib.sha256(json.dumps([self.consumer, self.list, sorted(self.filters.items())]).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Cursors:
    vault: Vault

    def give(self, place: Place, key: Key) -> str:
        body = json.dumps([place.digest(), *key], ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
        body = body.ljust(-(-len(body) // STEP) * STEP)
        return base64.urlsafe_b64encode(self.vault.hide(PURPOSE, body)).decode().rstrip("=")

    def read(self, text: str, place: Place, shape: Sequence[type]) -> list[Any]:
        """The key, of this shape. Raises Refused (400) for anything that we did not give for this place."""
        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True) if len(text) <= LONGEST else b""
        except (binascii.Error, ValueError):
            data = b""
        body = self.vault.reveal(PURPOSE, data)
        if body is None:
            raise Refused(400, "bad-cursor", "it was not given out here")
        digest, *rest = json.loads(body)
        key: list[Any] = rest
        if digest != place.digest() or [type(one) for one in key] != list(shape):
            raise Refused(400, "bad-cursor", "it was given to another consumer, or for another list or other filters")
        return key
