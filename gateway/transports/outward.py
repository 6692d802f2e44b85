"""Requests of ours to a partner's own addresses: with the credentials of its profile, over TLS as it is pinned, and nowhere that they must not go.

Used by pushes, webhooks and AS2.
"""

import base64
import hmac
import json
import os
import ssl
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import aiohttp

from gateway.as2.ring import KeyRing
from gateway.clock import SECOND, Clock
from gateway.errors import DestinationFault, TemporaryFailure
from gateway.keys import pem_of_key
from gateway.targets.addresses import GuardedResolver, check_literal
from gateway.targets.http import Answer, open_session, send
from partners.channels import Basic, Credentials, OAuth2

EARLY = 60
"""Seconds before its end at which a token is not used any more."""
MOST_TOKEN = 64 * 1024
PATIENCE = timedelta(seconds=30)
Secrets = Callable[[str], bytes | None]
"""The bytes behind a secret's name, or None."""


class Outward:
    """For one partner. Tokens and TLS contexts are kept for the next request."""

    def __init__(self, partner: str, *, ring: KeyRing, secrets: Secrets, clock: Clock, concurrency: int) -> None:
        self._partner, self._ring, self._secrets, self._clock, self._concurrency = partner, ring, secrets, clock, concurrency
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._tokens: dict[OAuth2, tuple[str, int]] = {}

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
            authorization = await self._authorization(terms, context)
            try:
                return await send(session, url, data, [*given, *authorization], max_answer=max_answer, patience=patience, context=context)
            except DestinationFault as fault:
                # A token may be ended before its time; the next one is asked for, once.
                if again or fault.status != 401 or terms.oauth2 is None or self._tokens.pop(terms.oauth2, None) is None:
                    raise
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
        """Standard Webhooks: the time is that of the attempt, the id that of the delivery."""
        if not terms.sign:
            return []
        at = str(self._clock() // SECOND)
        codes = [hmac.digest(self._secret(name), f"{identity}.{at}.".encode() + data, "sha256") for name in terms.sign]
        value = " ".join(f"v1,{base64.b64encode(code).decode()}" for code in codes)
        return [("webhook-id", identity), ("webhook-timestamp", at), ("webhook-signature", value)]

    async def _authorization(self, terms: Credentials, context: ssl.SSLContext | None) -> list[tuple[str, str]]:
        if terms.bearer is not None:
            return [("Authorization", f"Bearer {self._secret(terms.bearer).decode()}")]
        if terms.basic is not None:
            return [basic_header(terms.basic, self._secrets)]
        if terms.oauth2 is not None:
            return [("Authorization", f"Bearer {await self._token(terms.oauth2, terms, context)}")]
        return []

    async def _token(self, oauth2: OAuth2, terms: Credentials, context: ssl.SSLContext | None) -> str:
        now = self._clock() // SECOND
        token, until = self._tokens.get(oauth2, ("", 0))
        if now < until:
            return token
        form = {"grant_type": "client_credentials"} | ({"scope": oauth2.scope} if oauth2.scope else {})
        user = quote_plus(oauth2.client_id) + ":" + quote_plus(self._secret(oauth2.secret).decode())
        headers = [("Authorization", f"Basic {base64.b64encode(user.encode()).decode()}"), ("Content-Type", "application/x-www-form-urlencoded")]
        session = self._session(oauth2.token_url, private=terms.private)
        answer = await send(session, oauth2.token_url, urlencode(form).encode(), headers, max_answer=MOST_TOKEN, patience=PATIENCE, context=context)
        try:
            value: dict[str, Any] = json.loads(answer.body)
            token, seconds = str(value["access_token"]), int(value.get("expires_in", 300))
        except (ValueError, KeyError, TypeError):
            raise TemporaryFailure(f"{oauth2.token_url} answered with no token", status=answer.status, answer=answer.body[:1000]) from None
        if not token.isascii() or not token.isprintable():
            raise TemporaryFailure(f"{oauth2.token_url} answered with no token")
        self._tokens[oauth2] = token, now + max(seconds - EARLY, 1)
        return token


def known(name: str, secrets: Secrets) -> bytes:
    """Raises DestinationFault for a secret that nobody has given yet."""
    found = secrets(name)
    if found is None:
        raise DestinationFault(f"no secret is called {name}; give it with `crossdock keys secret {name}`")
    return found


def basic_header(terms: Basic, secrets: Secrets) -> tuple[str, str]:
    """RFC 7617."""
    both = f"{terms.user}:".encode() + known(terms.secret, secrets)
    return "Authorization", f"Basic {base64.b64encode(both).decode()}"


_contexts: dict[tuple[tuple[str, ...], str | None], ssl.SSLContext] = {}


def tls_context(ring: KeyRing, partner: str, certificate: str | None = None) -> ssl.SSLContext | None:
    """TLS to the partner: by the public authorities, or only by the certificates that are pinned for it; with our certificate, if it wants one.

    None where nothing is agreed, which means the public authorities. Raises DestinationFault for a key that we do not have.
    """
    pinned = ring.tls(partner)
    key = ring.signing(certificate) if certificate is not None else None
    if certificate is not None and key is None:
        raise DestinationFault(f"no key of ours is called {certificate}, or it is not in use today (crossdock keys list)")
    if not pinned and key is None:
        return None
    name = tuple(sorted(one.fingerprint for one in pinned)), key.certificate.fingerprint if key else None
    if name not in _contexts:
        context = ssl.create_default_context() if not pinned else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        for one in pinned:
            context.load_verify_locations(cadata=one.der)
        if key is not None:
            # The library reads keys from files only: this one lies in memory, and has no name in any folder.
            descriptor = os.memfd_create("tls", os.MFD_CLOEXEC)
            try:
                os.write(descriptor, pem_of_key(key))
                context.load_cert_chain(f"/proc/self/fd/{descriptor}")
            finally:
                os.close(descriptor)
        _contexts[name] = context
    return _contexts[name]
