"""Who calls over HTTP, and by what proof: a token, a certificate, a signature. The answer to everybody else is one and the same.

Knows headers and profiles; takes no bodies, but signs for those that others take.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from gateway import journal
from gateway.clock import MINUTE, SECOND, Clock
from gateway.doors.keys import traceparent_of
from gateway.errors import Refused
from gateway.keys import Vault
from gateway.sftp.gatekeeper import comes_from
from partners.book import Book, Revision
from partners.channels import Proof

CHANNEL = "http"
SKEW = 5 * MINUTE
"""How old, or how much ahead of us, a signature may be (Standard Webhooks)."""
TOKEN_LIFE = 3600
"""Seconds that a token of ours opens."""
PREFIX = "cdt1."
MOST_CERTIFICATE = 16 * 1024


@dataclass(slots=True)
class Signing:
    """A signature to be checked once the whole body has come: HMAC-SHA256 over id, time and body."""

    claimed: list[bytes]
    codes: list[Any]

    def update(self, data: bytes) -> None:
        for code in self.codes:
            code.update(data)

    def holds(self) -> bool:
        made = [code.digest() for code in self.codes]
        return any(hmac.compare_digest(one, other) for one in made for other in self.claimed)


@dataclass(slots=True)
class Caller:
    """Who calls. With `signing`, only if that holds when the body is whole."""

    revision: Revision
    proofs: set[Proof] = field(default_factory=set)
    signing: Signing | None = None
    message: str | None = None
    """The webhook-id of a signed request: what makes it one and the same."""
    source: str = ""
    traceparent: str | None = None

    def finish(self) -> None:
        """The body is whole. Raises Refused where its signature is not its own."""
        if self.signing is not None and not self.signing.holds():
            refuse("the signature is not that of this body")


def refuse(why: str) -> None:
    journal.refused(None, CHANNEL, 401, f"not-authenticated: {why}")
    raise Refused(401, "not-authenticated", "no partner is proven by this request")


class Callers:
    """Finds a partner. `certificates` gives the fingerprints of a partner's TLS certificates, `secrets` the bytes behind the names of its secrets."""

    def __init__(
        self, vault: Vault, clock: Clock, *, certificates: Callable[[str], Iterable[str]], secrets: Callable[[str], Iterable[bytes]], proxies: list[str],
    ) -> None:  # fmt: skip
        self._vault, self._clock, self._certificates, self._secrets, self._proxies = vault, clock, certificates, secrets, proxies
        self.book = Book([])

    def who(self, request: web.Request, named: str | None = None, *, signed: bool = False) -> Caller:
        """The partner whose proof this request brings; `named` is the one that the address names. Raises Refused (401).

        With `signed`, a signature is a proof, too: the caller takes the body, tells it to `signing`, and calls `finish`.
        """
        source = self.source(request)
        caller = self._by_token(request) or self._by_certificate(request)
        if caller is None and named is not None and (revision := self.book.by_name(named)) is not None:
            caller = Caller(revision)
        if caller is None or (named is not None and caller.revision.profile.partner != named):
            refuse("no token, certificate or signature that we know")
        assert caller is not None
        certificate = self._by_certificate(request)
        if certificate is not None and certificate.revision.profile.partner == caller.revision.profile.partner:
            caller.proofs.add("certificate")
        if signed:
            self._signature(request, caller)
        channel = caller.revision.profile.channels.http
        required = set(channel.require) if signed else set(channel.require) - {"signature"}
        if not caller.proofs or not required <= caller.proofs:
            refuse(f"{caller.revision.profile.partner} brings {', '.join(sorted(caller.proofs)) or 'no proof'}")
        if not comes_from(source, channel.addresses):
            refuse(f"{caller.revision.profile.partner} may not come from {source}")
        caller.source, caller.traceparent = source, traceparent_of(request.headers.get("traceparent"))
        return caller

    def source(self, request: web.Request) -> str:
        """Where the request comes from: the connection's other end, or who stands behind the proxies that we believe."""
        address = request.remote or ""
        if not self._trusts(address):
            return address
        hops = [one.strip() for one in ",".join(request.headers.getall("X-Forwarded-For", [])).split(",") if one.strip()]
        for one in reversed(hops):
            address = one
            if not self._trusts(one):
                break
        return address

    def _trusts(self, address: str) -> bool:
        return bool(self._proxies) and comes_from(address, self._proxies)

    def _by_token(self, request: web.Request) -> Caller | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return None
        token = token.strip()
        revision = self._issued_to(token) if token.startswith(PREFIX) else self.book.by_token(token)
        return Caller(revision, {"token"}) if revision else None

    # ---- certificates

    def _by_certificate(self, request: web.Request) -> Caller | None:
        der = self._certificate(request)
        if der is None:
            return None
        shown = hashlib.sha256(der).hexdigest()
        for revision in self.book:
            if shown in self._certificates(revision.profile.partner):
                return Caller(revision, {"certificate"})
        return None

    def _certificate(self, request: web.Request) -> bytes | None:
        """DER: of the connection, or, from a proxy that we believe, of its Client-Cert header (RFC 9440)."""
        inside = request.transport.get_extra_info("ssl_object") if request.transport else None
        if inside is not None and (der := inside.getpeercert(binary_form=True)):
            return bytes(der)
        header = request.headers.get("Client-Cert", "")
        if not header or not self._trusts(request.remote or "") or len(header) > MOST_CERTIFICATE:
            return None
        try:
            return base64.b64decode(header.strip().strip(":"), validate=True)
        except binascii.Error:
            return None

    # ---- signatures

    def _signature(self, request: web.Request, caller: Caller) -> None:
        """Standard Webhooks: webhook-id, webhook-timestamp, webhook-signature. What they say counts once the body is whole."""
        given, identity, at = (request.headers.get(f"webhook-{name}", "") for name in ("signature", "id", "timestamp"))
        secrets = list(self._secrets(caller.revision.profile.partner))
        if not given or not secrets:
            return
        if not (identity and len(identity) <= 200 and at.isascii() and at.isdigit() and len(at) <= 12):
            refuse("webhook-id or webhook-timestamp is none")
        if abs(self._clock() - int(at) * SECOND) > SKEW:
            refuse("the signature is too old, or of a time to come")
        claimed = [_decoded(one.partition(",")[2]) for one in given.split()[:10] if one.startswith("v1,")]
        codes = [hmac.new(secret, f"{identity}.{at}.".encode(), "sha256") for secret in secrets]
        caller.signing, caller.message = Signing(claimed, codes), identity
        caller.proofs.add("signature")

    # ---- tokens that we give out

    def token(self, client: str, secret: str) -> dict[str, Any]:
        """A bearer token for an OAuth2 client (RFC 6749, 4.4 and 5.1). Raises Refused (401)."""
        revision = self.book.by_client(client, secret)
        if revision is None:
            refuse("no OAuth2 client has this id and secret")
        until = self._clock() // SECOND + TOKEN_LIFE
        body = _encoded(json.dumps({"c": client, "e": until}, separators=(",", ":")).encode())
        return {
            "access_token": f"{PREFIX}{body}.{_encoded(self._vault.mac('token', body.encode()))}",
            "token_type": "Bearer",
            "expires_in": TOKEN_LIFE,
        }

    def _issued_to(self, token: str) -> Revision | None:
        """Whose token of ours this is, while it opens, and while its client is there."""
        body, _, code = token.removeprefix(PREFIX).partition(".")
        if len(token) > 1000 or not hmac.compare_digest(_encoded(self._vault.mac("token", body.encode("utf-8", "replace"))), code):
            return None
        said = json.loads(_decoded(body))
        return self.book.by_client(said["c"]) if said["e"] > self._clock() // SECOND else None


def secret_bytes(secret: str) -> bytes:
    """whsec_ and Base64, as Standard Webhooks writes secrets; anything else is taken as it is."""
    if secret.startswith("whsec_"):
        return _decoded(secret.removeprefix("whsec_"))
    return secret.encode()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    """Base64 of either alphabet; nothing for what is none."""
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""
