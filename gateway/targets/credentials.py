"""What we bring to one ERP so that it knows us, and over which TLS: by the target's settings.

Knows no event. Raises DestinationFault for whatever is missing: the target rests, with an alarm, until it is there.
"""

import ssl
from datetime import timedelta

import aiohttp

from gateway.clock import Clock, wall
from gateway.errors import DestinationFault
from gateway.keys import JwsKey, jws_key, read_jws_key
from gateway.targets.erp_terms import OAuth2Client, same_server
from gateway.targets.http import Answer, send
from gateway.targets.proofs import basic, client_secret_basic, client_secret_post, private_key_jwt
from gateway.targets.signatures import signing_key, standard_webhooks
from gateway.targets.terms import ErpServer, Target
from gateway.targets.tls import Keys, TlsTerms, key_named
from gateway.targets.tokens import MOST_TOKEN, Proof, Tokens
from translators.as2.cms.keys import KeyRefused


class TokenServer:
    """Where one OAuth2 client gets its tokens."""

    def __init__(
        self, terms: OAuth2Client, session: aiohttp.ClientSession, tls: TlsTerms | None, *, timeout: timedelta, keys: Keys, clock: Clock
    ) -> None:
        self._terms, self._session, self._tls, self._timeout, self._keys = terms, session, tls, timeout, keys
        form = ({"scope": terms.scope} if terms.scope else {}) | terms.more
        self.tokens = Tokens(terms.token_url, self._ask, form=form, proof=self._proof, clock=clock)

    async def _ask(self, form: bytes, headers: list[tuple[str, str]]) -> Answer:
        context = self._tls.context() if self._tls else None
        return await send(self._session, self._terms.token_url, form, headers, max_answer=MOST_TOKEN, patience=self._timeout, context=context)

    def _proof(self) -> Proof:
        terms = self._terms
        if terms.proof == "private_key_jwt":
            audience = terms.audience or terms.token_url
            return private_key_jwt(terms.client_id, self._key(), audience=audience, key_id=terms.key_id, at=wall())
        assert terms.secret is not None, "settings require it"
        by = client_secret_post if terms.proof == "client_secret_post" else client_secret_basic
        return by(terms.client_id, terms.secret.encode())

    def _key(self) -> JwsKey:
        terms = self._terms
        try:
            if terms.key is not None:
                return read_jws_key(terms.key.read_bytes(), terms.algorithm)
            assert terms.our_key is not None, "settings require it"
            ours = key_named(terms.our_key, self._keys)
            return jws_key(ours.private, ours.certificate.der, terms.algorithm)
        except (OSError, KeyRefused) as error:
            words = error.strerror if isinstance(error, OSError) else error
            raise DestinationFault(f"{terms.key or terms.our_key}: {words}") from error


class Credentials:
    """Of one target."""

    def __init__(self, settings: ErpServer, session: aiohttp.ClientSession, *, keys: Keys, clock: Clock) -> None:
        self._tls = TlsTerms(settings.tls, keys) if settings.tls else None
        self._tokens: Tokens | None = None
        self._fixed: list[tuple[str, str]] = []
        if settings.token is not None:
            self._fixed.append(("Authorization", f"Bearer {settings.token}"))
        if settings.basic is not None:
            self._fixed.append(basic(settings.basic.user, settings.basic.password.encode()))
        if settings.api_key is not None:
            self._fixed.append((settings.api_key.header, settings.api_key.secret))
        if settings.oauth2 is not None:
            tls = self._tls_of(settings.oauth2, settings, keys)
            self._tokens = TokenServer(settings.oauth2, session, tls, timeout=settings.timeout, keys=keys, clock=clock).tokens
        self._signing = [signing_key(secret) for secret in (settings.signing_secrets if isinstance(settings, Target) else [])]

    def _tls_of(self, terms: OAuth2Client, settings: ErpServer, keys: Keys) -> TlsTerms | None:
        """What is agreed for the target's own server is for no other."""
        if terms.tls is not None:
            return TlsTerms(terms.tls, keys)
        return self._tls if same_server(terms.token_url, settings.url) else None

    def context(self) -> ssl.SSLContext | None:
        """None means the public authorities, and no certificate of ours."""
        return self._tls.context() if self._tls else None

    async def token(self) -> str | None:
        """The bearer token of now; None where none is agreed that can run out."""
        return await self._tokens.token() if self._tokens else None

    def refused(self, token: str) -> None:
        if self._tokens is not None:
            self._tokens.refused(token)

    def headers(self, token: str | None) -> list[tuple[str, str]]:
        return self._fixed if token is None else [*self._fixed, ("Authorization", f"Bearer {token}")]

    def signature(self, identity: str, data: bytes) -> list[tuple[str, str]]:
        return standard_webhooks(self._signing, identity=identity, at=wall(), data=data)
