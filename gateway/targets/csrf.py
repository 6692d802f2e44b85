"""The token dance of SAP Gateway: a token is fetched with its cookies before something is changed; both go with each such request until it is refused.

Knows no event.
"""

import asyncio
from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie

from gateway.errors import DestinationFault
from gateway.targets.erp_terms import CsrfTerms
from gateway.targets.http import Answer

FETCH, REQUIRED = "Fetch", "required"
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
MOST_COOKIES = 50


class Csrf:
    """Of one target: the token and cookies of its present session."""

    def __init__(self, terms: CsrfTerms, url: str, ask: Callable[[str, list[tuple[str, str]]], Awaitable[Answer]]) -> None:
        """`ask` sends a GET with credentials and these headers, and gives the answer, whatever its status."""
        self._terms, self._url, self._ask = terms, terms.address(url), ask
        self._held: list[tuple[str, str]] | None = None
        self._fetching = asyncio.Lock()

    async def headers(self) -> list[tuple[str, str]]:
        """The token and its cookies, fetched once for all that wait. Raises DestinationFault where it gives none."""
        async with self._fetching:
            if self._held is None:
                answer = await self._ask(self._url, [(self._terms.header, FETCH), ("Accept", "application/json")])
                token = _header(answer, self._terms.header)
                if not token or token.lower() == REQUIRED or not token.isascii() or not token.isprintable():
                    said = f"answered {answer.status} without a {self._terms.header}"
                    raise DestinationFault(f"it gives no token for changes: {self._url} {said}", status=answer.status, answer=answer.body)
                self._held = [(self._terms.header, token), *_cookies(answer)]
            return self._held

    def is_refusal(self, answer: Answer) -> bool:
        """403 with `x-csrf-token: Required`: the token is not good any more, and nothing was done."""
        return answer.status == 403 and (_header(answer, self._terms.header) or "").lower() == REQUIRED

    def refused(self, held: list[tuple[str, str]]) -> None:
        if self._held is held:
            self._held = None


def _header(answer: Answer, name: str) -> str | None:
    return next((value.strip() for key, value in answer.headers if key.lower() == name.lower()), None)


def _cookies(answer: Answer) -> list[tuple[str, str]]:
    """What the session's cookies say, as one header; attributes such as Path are the browser's business."""
    pairs: dict[str, str] = {}
    for key, value in answer.headers:
        if key.lower() == "set-cookie" and len(pairs) < MOST_COOKIES:
            try:
                pairs |= {name: morsel.coded_value for name, morsel in SimpleCookie(value).items()}
            except CookieError:
                continue
    return [("Cookie", "; ".join(f"{name}={value}" for name, value in pairs.items()))] if pairs else []
