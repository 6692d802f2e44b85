"""Requests to one ERP, each with our credentials: a token that is refused is renewed once, and the request repeated once.

Knows no event.
"""

from collections.abc import Iterable

from yarl import URL

from gateway.clock import Clock
from gateway.targets.credentials import Credentials
from gateway.targets.csrf import CHANGING, Csrf
from gateway.targets.http import Answer, ask, good, open_session
from gateway.targets.terms import ErpServer
from gateway.targets.tls import Keys

READ = [("Accept", "application/json"), ("User-Agent", "Crossdock")]


class Erp:
    def __init__(self, settings: ErpServer, *, keys: Keys, clock: Clock) -> None:
        self._session = open_session(settings.concurrency, settings.timeout)
        self._credentials = Credentials(settings, self._session, keys=keys, clock=clock)
        self._csrf = Csrf(settings.csrf, settings.url, self._fetch) if settings.csrf else None
        self._max_answer = settings.max_answer

    async def post(self, url: str, data: bytes, headers: Iterable[tuple[str, str]], *, identity: str) -> Answer:
        """The answer of a 2xx; raises as gateway.targets.http.send does. `identity` is what a signature names."""
        return good(await self.ask("POST", url, data, list(headers), identity=identity))

    async def get(self, url: str) -> Answer:
        return good(await self.ask("GET", url, None, READ))

    async def ask(self, method: str, url: str | URL, data: bytes | None, headers: list[tuple[str, str]], *, identity: str = "") -> Answer:
        """The answer, whatever its status; raises where there is none. A URL is sent as it is, of a text what must be is escaped."""
        if self._csrf is None or method not in CHANGING:
            return await self._asked(method, url, data, headers, identity)
        held = await self._csrf.headers()
        answer = await self._asked(method, url, data, [*headers, *held], identity)
        if self._csrf.is_refusal(answer):
            self._csrf.refused(held)
            answer = await self._asked(method, url, data, [*headers, *await self._csrf.headers()], identity)
        return answer

    async def _asked(self, method: str, url: str | URL, data: bytes | None, headers: list[tuple[str, str]], identity: str) -> Answer:
        context = self._credentials.context()
        for again in (False, True):
            token = await self._credentials.token()
            given = [*headers, *self._credentials.headers(token), *(self._credentials.signature(identity, data) if data is not None else [])]
            answer = await ask(self._session, url, data, given, max_answer=self._max_answer, context=context, method=method)
            # A token may be ended before its time; the next one is asked for, once.
            if again or answer.status != 401 or token is None:
                return answer
            self._credentials.refused(token)
        raise AssertionError

    async def _fetch(self, url: str, headers: list[tuple[str, str]]) -> Answer:
        return await self._asked("GET", url, None, [*headers, ("User-Agent", "Crossdock")], "")

    async def close(self) -> None:
        await self._session.close()
