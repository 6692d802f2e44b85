"""Requests of ours to a partner's own addresses: with the credentials of its profile, over TLS as it is pinned, and nowhere that they must not go.

Used by pushes, webhooks and AS2.
"""

import ssl
from collections.abc import Callable, Iterable
from datetime import timedelta
from urllib.parse import urlsplit

import aiohttp

from gateway.as2.ring import KeyRing
from gateway.clock import Clock
from gateway.errors import DestinationFault
from gateway.keys import pem_of_key
from gateway.targets.addresses import GuardedResolver, check_literal
from gateway.targets.http import Answer, open_session, send
from gateway.targets.proofs import basic, client_secret_basic
from gateway.targets.signatures import standard_webhooks
from gateway.targets.tls import client_context, key_named
from gateway.targets.tokens import MOST_TOKEN, Tokens
from partners.channels import Basic, Credentials, OAuth2

PATIENCE = timedelta(seconds=30)
Secrets = Callable[[str], bytes | None]
"""The bytes behind a secret's name, or None."""


class Outward:
    """For one partner. Tokens and TLS contexts are kept for the next request."""

    def __init__(self, partner: str, *, ring: KeyRing, secrets: Secrets, clock: Clock, concurrency: int) -> None:
        self._partner, self._ring, self._secrets, self._clock, self._concurrency = partner, ring, secrets, clock, concurrency
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._tokens: dict[tuple[OAuth2, str | None, bool], Tokens] = {}

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()

    async def post(
        self, url: str, data: bytes, headers: Iterable[tuple[str, str]], terms: Credentials, *, identity: str, max_answer: int, patience: timedelta = PATIENCE,
    ) -> Answer:  # fmt: skip
        """The answer of a 2xx; raises as gateway.targets.http.send does, and DestinationFault for an address that is not fit."""
        session = self._session(url, private=terms.private)
        context = tls_context(self._ring, self._partner, terms.certificate)
        given = [*headers, *self._signed(terms, data, identity)]
        for again in (False, True):
            authorization = await self._authorization(terms)
            try:
                return await send(session, url, data, [*given, *authorization], max_answer=max_answer, patience=patience, context=context)
            except DestinationFault as fault:
                # A token may be ended before its time; the next one is asked for, once.
                if again or fault.status != 401 or terms.oauth2 is None:
                    raise
                self._tokens_of(terms.oauth2, terms).refused(authorization[0][1].removeprefix("Bearer "))
        raise AssertionError

    def _session(self, url: str, *, private: bool) -> aiohttp.ClientSession:
        host = urlsplit(url).hostname or ""
        # An address of this machine in plain sight is a trial that somebody wants.
        trial = host in ("127.0.0.1", "::1", "localhost")
        check_literal(host, private=private or trial)
        if (private or trial) not in self._sessions:
            self._sessions[private or trial] = open_session(self._concurrency, PATIENCE, GuardedResolver(private=private or trial))
        return self._sessions[private or trial]

    def _secret(self, name: str) -> bytes:
        return known(name, self._secrets)

    def _signed(self, terms: Credentials, data: bytes, identity: str) -> list[tuple[str, str]]:
        return standard_webhooks(map(self._secret, terms.sign), identity=identity, at=self._clock(), data=data)

    async def _authorization(self, terms: Credentials) -> list[tuple[str, str]]:
        if terms.bearer is not None:
            return [("Authorization", f"Bearer {self._secret(terms.bearer).decode()}")]
        if terms.basic is not None:
            return [basic_header(terms.basic, self._secrets)]
        if terms.oauth2 is not None:
            return [("Authorization", f"Bearer {await self._tokens_of(terms.oauth2, terms).token()}")]
        return []

    def _tokens_of(self, oauth2: OAuth2, terms: Credentials) -> Tokens:
        key = oauth2, terms.certificate, terms.private
        if key not in self._tokens:

            async def ask(form: bytes, headers: list[tuple[str, str]]) -> Answer:
                session = self._session(oauth2.token_url, private=terms.private)
                context = tls_context(self._ring, self._partner, terms.certificate)
                return await send(session, oauth2.token_url, form, headers, max_answer=MOST_TOKEN, patience=PATIENCE, context=context)

            self._tokens[key] = Tokens(
                oauth2.token_url, ask, form={"scope": oauth2.scope} if oauth2.scope else {},
                proof=lambda: client_secret_basic(oauth2.client_id, self._secret(oauth2.secret)), clock=self._clock,
            )  # fmt: skip
        return self._tokens[key]


def known(name: str, secrets: Secrets) -> bytes:
    """Raises DestinationFault for a secret that nobody has given yet."""
    found = secrets(name)
    if found is None:
        raise DestinationFault(f"no secret is called {name}; give it with `crossdock keys secret {name}`")
    return found


def basic_header(terms: Basic, secrets: Secrets) -> tuple[str, str]:
    return basic(terms.user, known(terms.secret, secrets))


_contexts: dict[tuple[tuple[str, ...], str | None], ssl.SSLContext] = {}


def tls_context(ring: KeyRing, partner: str, certificate: str | None = None) -> ssl.SSLContext | None:
    """TLS to the partner: by the public authorities, or only by the certificates that are pinned for it; with our certificate, if it wants one.

    None where nothing is agreed, which means the public authorities. Raises DestinationFault for a key that we do not have.
    """
    pinned = ring.tls(partner)
    key = key_named(certificate, ring.signing) if certificate is not None else None
    if not pinned and key is None:
        return None
    name = tuple(sorted(one.fingerprint for one in pinned)), key.certificate.fingerprint if key else None
    if name not in _contexts:
        _contexts[name] = client_context([one.der for one in pinned], pem_of_key(key) if key else None)
    return _contexts[name]
