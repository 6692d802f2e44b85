"""What the settings of an ERP over HTTP are made of: how we prove ourselves to it, over which TLS, what its answers mean.

Knows shapes only.
"""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urljoin, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gateway.targets.signatures import signing_key
from partners.terms import Model, Size, Span
from translators.pointer import POINTER

OURS = frozenset({"host", "content-type", "content-length", "transfer-encoding", "connection", "idempotency-key", "user-agent", "traceparent"})
"""Headers that are not for credentials."""


def _header_value(value: str) -> str:
    if not value or not value.isascii() or not value.isprintable() or value != value.strip():
        raise ValueError("must be printable ASCII, without blanks around it: it is sent in a header")
    return value


def _header_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", value):
        raise ValueError(f"{value!r} is no name of a header")
    if value.lower() in OURS or value.lower().startswith(("ce-", "webhook-")):
        raise ValueError(f"{value} is a header that says something else already")
    return value


def _signing_secret(value: str) -> str:
    try:
        signing_key(value)
    except ValueError:
        raise ValueError("must be whsec_ and Base64") from None
    return value


def _pointer(value: str) -> str:
    if not POINTER.fullmatch(value):
        raise ValueError(f"{value!r} is no JSON pointer such as /data/id")
    return value


def _split(value: Any) -> Any:
    return value.split() if isinstance(value, str) else value


JsonPointer = Annotated[str, AfterValidator(_pointer)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
SigningSecrets = Annotated[list[Annotated[str, AfterValidator(_signing_secret)]], BeforeValidator(_split)]
KeyName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
WebAddress = Annotated[str, Field(pattern=r"^https?://[^\s/@]+(/\S*)?$")]


class ApiKey(Model):
    """A word that never changes, in a header of the ERP's own."""

    header: Annotated[str, AfterValidator(_header_name)] = "X-API-Key"
    secret: HeaderValue


class Login(Model):
    """HTTP Basic."""

    user: str = Field(min_length=1, max_length=200, pattern=r"^[^:\x00-\x1f\x7f]+$")
    password: str = Field(min_length=1)


class ClientTls(Model):
    """Whom we trust, and what we show. Files are read again when they change."""

    authorities: Path | None = Field(
        default=None, description="certificates, PEM: only what these issued, or are, is spoken to; default: the public authorities"
    )
    certificate: Path | None = Field(default=None, description="PEM: our certificate, and those between it and the authority")
    key: Path | None = Field(default=None, description="PEM: its private key, without a password")
    our_key: KeyName | None = Field(default=None, description="in their place: the name of a key of ours (crossdock keys)")

    @model_validator(mode="after")
    def _one_certificate(self) -> "ClientTls":
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        if self.certificate is not None and self.our_key is not None:
            raise ValueError("certificate with key, or our_key: keep one of them")
        return self


class OAuth2Client(Model):
    """Client credentials (RFC 6749, 4.4)."""

    token_url: WebAddress
    client_id: str = Field(min_length=1, max_length=200)
    proof: Literal["client_secret_basic", "client_secret_post", "private_key_jwt"] = Field(
        default="client_secret_basic", description="how we prove ourselves to the token server"
    )
    secret: str | None = Field(default=None, min_length=1, description="for client_secret_…")
    our_key: KeyName | None = Field(default=None, description="for private_key_jwt: the name of a key of ours (crossdock keys)")
    key: Path | None = Field(default=None, description="for private_key_jwt, in its place: a private key, PEM")
    algorithm: Literal["ES256", "RS256", "PS256"] | None = Field(default=None, description="default: what the key can, ES256 or RS256")
    key_id: str | None = Field(default=None, max_length=200, description="what the token server calls the key (kid)")
    audience: str | None = Field(default=None, max_length=500, description="whom the assertion is for; default: token_url")
    scope: str | None = Field(default=None, max_length=1000)
    more: dict[str, str] = Field(default_factory=dict, description="further fields of the request, such as resource or audience")
    tls: ClientTls | None = Field(
        default=None, description="to the token server; default: as to the target if it is the same server, else the public authorities"
    )

    @model_validator(mode="after")
    def _can_prove(self) -> "OAuth2Client":
        keys = sum(one is not None for one in (self.our_key, self.key))
        if self.proof == "private_key_jwt" and (keys != 1 or self.secret is not None):
            raise ValueError("proof: private_key_jwt needs our_key or key, one of them, and no secret")
        if self.proof != "private_key_jwt" and (self.secret is None or keys):
            raise ValueError(f"proof: {self.proof} needs a secret, and no key")
        return self


class AnswerTerms(Model):
    """Where in the ERP's JSON answers what stands."""

    confirmed: JsonPointer | None = Field(default=None, description="the id under which it has the thing")
    error: JsonPointer | None = Field(default=None, description="a refusal's words for a person: they may go to the partner")


class CsrfTerms(Model):
    """A token against forged requests, fetched with its cookie before something is changed, as SAP Gateway wants it."""

    fetch: str | None = Field(
        default=None, max_length=2000, pattern=r"^(/|https?://)\S+$", description="where it is fetched by GET; default: the target's url"
    )
    header: Annotated[str, AfterValidator(_header_name)] = "x-csrf-token"

    def address(self, url: str) -> str:
        return urljoin(url, self.fetch) if self.fetch else url


def same_server(one: str, other: str) -> bool:
    """Whether two addresses have the same scheme, host and port. Raises ValueError for a port that is none."""
    return _server(one) == _server(other)


def _server(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme.lower())


def _small(value: Any) -> Any:
    return [str(one).casefold() for one in ([value] if isinstance(value, str) else value)]


Outcomes = Annotated[list[str], BeforeValidator(_small)]


class AcceptedTerms(Model):
    """An ERP that only takes an event in at first, and can be asked later what became of it."""

    poll: str = Field(
        max_length=2000,
        description="where it is asked: an address with {id} for the event's id or {/pointer} for what its answer says, location, or a JSON pointer",
    )
    statuses: list[Annotated[int, Field(ge=200, le=299)]] = Field(default=[202], min_length=1, description="answers that mean: taken, not done")
    every: Span = Field(default=timedelta(seconds=5), ge=timedelta(milliseconds=100), description="how often it is asked")
    within: Span = Field(default=timedelta(minutes=10), description="after it a person has to look")
    state: JsonPointer | None = Field(
        default=None, description="where in its answer the word stands that says how it is; default: by the HTTP status"
    )
    done: Outcomes = Field(default_factory=list, description="words that mean: done")
    failed: Outcomes = Field(default_factory=list, description="words that mean: failed; all others: still at work")

    @model_validator(mode="after")
    def _can_be_asked(self) -> "AcceptedTerms":
        if self.poll.startswith("/"):
            _pointer(self.poll)
        elif self.poll.startswith(("http:", "https:")):
            for place in re.findall(r"\{([^}]*)\}", self.poll):
                if place != "id":
                    _pointer(place if place.startswith("/") else f"{{{place}}}")
            if "{" not in self.poll:
                raise ValueError("poll needs {id} in it, or a place in the answer such as {/jobId}")
            if not re.match(r"https?://[^\s/@{]+/\S*$", self.poll):
                raise ValueError("poll: {…} may stand behind the server's name only, and no user or password in it")
        elif self.poll != "location":
            raise ValueError("poll must be an address with {id}, location (the header), or a JSON pointer such as /links/self")
        if (self.state is None) != (not self.done) or (self.failed and not self.done):
            raise ValueError("state and done go together, and failed goes with them")
        return self


class BatchTerms(Model):
    """Several events in one request."""

    most: int = Field(default=20, ge=2, le=1000, description="events of one request")
    within: Span = Field(
        default=timedelta(milliseconds=200), ge=timedelta(milliseconds=1), le=timedelta(seconds=5), description="how long the first waits for others"
    )
    largest: Size = Field(default=1 << 20, ge=1024, description="bytes of one request; a larger event goes alone")
    results: JsonPointer = Field(default="", description="where in its answer the list of results stands; default: the answer is that list")
