"""Access tokens by OAuth2 client credentials (RFC 6749, 4.4): kept until shortly before their end, and fetched once however many wait for one.

Knows no event: whatever becomes of asking for a token, nothing of what it was wanted for has left.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from gateway.clock import SECOND, Clock, Instant
from gateway.errors import DestinationFault, PermanentFailure, TemporaryFailure
from gateway.targets.http import Answer

EARLY = 60 * SECOND
"""So long before its end a token is not used any more; one that lives shorter than twice that, for half its life."""
USUAL_LIFE = 300
"""Seconds, where the token server says nothing."""
MOST_TOKEN = 64 * 1024


@dataclass(frozen=True, slots=True)
class Proof:
    """How a client proves itself to its token server: headers, and fields of the form."""

    headers: tuple[tuple[str, str], ...] = ()
    form: Mapping[str, str] = field(default_factory=dict)


Ask = Callable[[bytes, list[tuple[str, str]]], Awaitable[Answer]]
"""POSTs a form with headers to the token server."""


class Tokens:
    """One client's, at one token server. `form` are fields of every request, `proof` is made for each."""

    def __init__(self, url: str, ask: Ask, *, form: Mapping[str, str], proof: Callable[[], Proof], clock: Clock) -> None:
        self._url, self._ask, self._form, self._proof, self._clock = url, ask, form, proof, clock
        self._token, self._until = "", 0
        self._fetching: asyncio.Task[None] | None = None

    async def token(self) -> str:
        """Raises TemporaryFailure or DestinationFault where there is none to be had."""
        if self._clock() >= self._until:
            if self._fetching is None:
                self._fetching = asyncio.create_task(self._fetch(), name=f"token of {self._url}")
                self._fetching.add_done_callback(self._fetched)
            await asyncio.shield(self._fetching)
        return self._token

    def refused(self, token: str) -> None:
        """It was ended before its time. The next is fetched once, however many were told so of the same one."""
        if token == self._token:
            self._until = 0

    def _fetched(self, task: "asyncio.Task[None]") -> None:
        self._fetching = None
        if not task.cancelled():
            task.exception()

    async def _fetch(self) -> None:
        begun = self._clock()
        proof = self._proof()
        form = urlencode({"grant_type": "client_credentials", **self._form, **proof.form}).encode()
        headers = [*proof.headers, ("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")]
        try:
            answer = await self._ask(form, headers)
        except TemporaryFailure as failure:
            raise TemporaryFailure(f"the token server {self._url} {failure}", answer=failure.answer, retry_after=failure.retry_after) from failure
        except (DestinationFault, PermanentFailure) as failure:
            raise DestinationFault(f"the token server {self._url} gives no token: {_why(failure)}", answer=failure.answer) from failure
        self._token, seconds = _read(answer, self._url)
        self._until = use_until(begun, seconds)


def use_until(begun: Instant, seconds: int) -> Instant:
    """When a token that lives for so long is not used any more; its life counts from before it was asked for."""
    life = max(0, seconds) * SECOND
    return begun + life - min(EARLY, life // 2)


def _why(failure: DestinationFault | PermanentFailure) -> str:
    """The token server's own word (RFC 6749, 5.2), or ours for what came."""
    try:
        value = json.loads(failure.answer)
        return f"{failure.status} {' '.join(str(value['error']).split())[:100]}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"it answered {failure.status}" if failure.status else str(failure)


def _read(answer: Answer, url: str) -> tuple[str, int]:
    """(token, seconds that it lives)."""
    try:
        value: dict[str, Any] = json.loads(answer.body)
        token, seconds, kind = str(value["access_token"]), int(value.get("expires_in") or USUAL_LIFE), str(value.get("token_type") or "Bearer")
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise TemporaryFailure(f"the token server {url} answered with no token") from None
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise TemporaryFailure(f"the token server {url} answered with no token")
    if kind.lower() != "bearer":
        raise DestinationFault(f"the token server {url} gives tokens of the kind {kind[:20]!r}; we can use bearer tokens")
    return token, seconds
