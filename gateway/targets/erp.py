"""Requests to one ERP, each with our credentials: a token that is refused is renewed once, and the request repeated once.

Knows no event.
"""

from collections.abc import Iterable

from gateway.clock import Clock
from gateway.errors import DestinationFault
from gateway.targets.credentials import Credentials
from gateway.targets.http import Answer, open_session, send
from gateway.targets.terms import Target
from gateway.targets.tls import Keys


class Erp:
    def __init__(self, settings: Target, *, keys: Keys, clock: Clock) -> None:
        self._session = open_session(settings.concurrency, settings.timeout)
        self._credentials = Credentials(settings, self._session, keys=keys, clock=clock)
        self._max_answer = settings.max_answer

    async def post(self, url: str, data: bytes, headers: Iterable[tuple[str, str]], *, identity: str) -> Answer:
        """The answer of a 2xx; raises as gateway.targets.http.send does. `identity` is what a signature names."""
        return await self._send("POST", url, data, list(headers), identity)

    async def get(self, url: str) -> Answer:
        return await self._send("GET", url, None, [("Accept", "application/json"), ("User-Agent", "Crossdock")], "")

    async def _send(self, method: str, url: str, data: bytes | None, headers: list[tuple[str, str]], identity: str) -> Answer:
        context = self._credentials.context()
        for again in (False, True):
            token = await self._credentials.token()
            given = [*headers, *self._credentials.headers(token), *(self._credentials.signature(identity, data) if data is not None else [])]
            try:
                return await send(self._session, url, data, given, max_answer=self._max_answer, context=context, method=method)
            except DestinationFault as fault:
                # A token may be ended before its time; the next one is asked for, once.
                if again or fault.status != 401 or token is None:
                    raise
                self._credentials.refused(token)
        raise AssertionError

    async def close(self) -> None:
        await self._session.close()
