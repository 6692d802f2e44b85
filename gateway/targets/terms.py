"""What an installation sets for its targets: a model for each kind, all with the quotas that every kind has.

Imports nothing heavy: every command reads the settings. What a kind's target is, is in a file of its own.
"""

import re
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, field_validator, model_validator

from gateway.targets.erp_terms import (
    AcceptedTerms,
    AnswerTerms,
    ApiKey,
    BatchTerms,
    ClientTls,
    CsrfTerms,
    HeaderValue,
    Login,
    OAuth2Client,
    SigningSecrets,
    same_server,
)
from partners.terms import Model, Size, Span


class TargetQuota(Model):
    """What a target takes, of whatever kind: exact over all nodes."""

    kind: str
    rate: float = Field(default=1000, gt=0)
    burst: float = Field(default=1000, ge=1)
    concurrency: int = Field(default=32, ge=1, le=1000)
    daily: int | None = Field(default=None, ge=1, description="events begun in a day of UTC; what exceeds it waits")


class ErpServer(TargetQuota):
    """An ERP over HTTP: where it is, what we bring so that it knows us, how long we wait for it."""

    url: str = Field(pattern=r"^https?://")
    token: HeaderValue | None = Field(default=None, description="bearer token; CROSSDOCK_TARGETS__NAME__TOKEN or …_FILE keeps it out of the file")
    basic: Login | None = Field(default=None, description="HTTP Basic")
    oauth2: OAuth2Client | None = Field(default=None, description="bearer tokens by client credentials")
    api_key: ApiKey | None = Field(default=None, description="a word in a header of the ERP's own")
    csrf: CsrfTerms | None = Field(default=None, description="a token of its own for requests that change something, as SAP wants it")
    tls: ClientTls | None = Field(default=None, description="whom we trust there, and the certificate that we show")
    timeout: Span = timedelta(seconds=30)
    max_answer: Size = 1 << 20

    @model_validator(mode="after")
    def _one_way_in(self) -> "ErpServer":
        named = self.api_key is not None and self.api_key.header.lower() == "authorization"
        if sum((self.token is not None, self.basic is not None, self.oauth2 is not None, named)) > 1:
            raise ValueError("token, basic, oauth2 and an api_key in Authorization are ways to say one thing; keep one of them")
        if self.tls is not None and self.url.startswith("http:"):
            raise ValueError("tls needs a url that begins with https")
        if self.csrf is not None and self.csrf.fetch and not same_server(self.csrf.address(self.url), self.url):
            raise ValueError("csrf.fetch is an address of the target's own server, or a path at it")
        return self


class Target(ErpServer):
    """An ERP API that takes CloudEvents over HTTP."""

    kind: Literal["rest"] = "rest"
    mode: Literal["binary", "structured"] = Field(
        default="binary", description="an event's attributes as headers and its data as the body, or all of it as one JSON object"
    )
    batch: BatchTerms | None = Field(default=None, description="several events in one request")
    repeats: Literal["native_key", "look_up", "unsafe"] = Field(
        default="native_key",
        description="how it avoids doing a thing twice: it honours Idempotency-Key; we look our id up before a repeat; or a person decides",
    )
    look_up_url: str | None = Field(default=None, description="with {id} for the event's id; 200 means it has it, 404 that it has not")
    signing_secrets: SigningSecrets = Field(
        default_factory=list, max_length=3, description="whsec_…: each POST is signed by Standard Webhooks; several while one replaces another"
    )
    answer: AnswerTerms = Field(default=AnswerTerms(), description="JSON pointers: where in its answers what stands")
    accepted: AcceptedTerms | None = Field(default=None, description="its 202 means taken, not done: where it is asked what became of it")

    @model_validator(mode="after")
    def _fits_together(self) -> "Target":
        if self.batch is not None and self.batch.most > self.concurrency:
            raise ValueError(
                f"batch.most: {self.batch.most} events never come together with concurrency: {self.concurrency}; raise the one or lower the other"
            )
        if self.batch is not None and self.accepted is not None and self.accepted.poll == "location":
            raise ValueError("accepted.poll: location cannot tell the events of a batch apart; use an address with {id}, or a JSON pointer")
        return self

    @model_validator(mode="after")
    def _look_up_needs_a_url(self) -> "Target":
        if self.repeats == "look_up" and not (self.look_up_url and "{id}" in self.look_up_url):
            raise ValueError("repeats: look_up needs look_up_url with {id} in it, the address that tells whether the ERP has an event")
        return self


class CallsTarget(ErpServer):
    """An ERP's own API, asked as a mapping of calls says."""

    kind: Literal["calls"]
    mapping: str = Field(pattern=r"^erp/[a-z0-9][a-z0-9_-]{0,62}$", description="such as erp/tryton")
    values: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,60}$")], str] = Field(
        default_factory=dict, description="what the mapping wants to be told of this installation"
    )
    lookups: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,60}$")], Path] = Field(
        default_factory=dict, description="lookup tables that lie elsewhere than in the library's lookups/: a YAML or CSV file each"
    )
    others: Literal["refuse", "pass"] = Field(
        default="refuse", description="events that the mapping has no calls for: a dead letter, or delivered without a word to the ERP"
    )
    concurrency: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="events at once, over all nodes: with more than one, two that concern one order may look at the same time",
    )


class Folder(TargetQuota):
    """A folder that takes each event as a file of its own."""

    kind: Literal["folder"]
    path: Path = Field(description="the folder; made if it is not there")


SUBJECT_PARTS = ("stream", "type", "partner", "subject", "id")
"""What a subject's template may name: the event's own words, each made fit for a subject."""
NAME_OF_A_STREAM = r"^[A-Za-z0-9_-]{1,200}$"


class Nats(TargetQuota):
    """A stream of NATS JetStream."""

    kind: Literal["nats"]
    servers: list[Annotated[str, StringConstraints(pattern=r"^(nats|tls)://[^\s@/]+$")]] = Field(
        min_length=1, description="every server of the cluster, such as nats://bus-1.example:4222; tls:// for TLS. In the environment with commas"
    )
    subject: str = Field(default="crossdock.{stream}.{type}", description="of each event; in braces: stream, type, partner, subject, id")
    stream: str | None = Field(default=None, pattern=NAME_OF_A_STREAM, description="the stream that takes them; none: whichever takes the subject")
    create_stream: bool = Field(default=False, description="make that stream where no stream takes the subject")
    replicas: int = Field(default=1, ge=1, le=5, description="of a stream that we make")
    user: str | None = None
    password: str | None = Field(default=None, description="CROSSDOCK_TARGETS__NAME__PASSWORD or …_FILE keeps it out of the file")
    token: str | None = None
    nkey: Path | None = Field(default=None, description="a file with the seed of our nkey")
    credentials: Path | None = Field(default=None, description="a .creds file: JWT and seed")
    authority: Path | None = Field(default=None, description="PEM: who signs the servers' certificates; none: the system's authorities")
    certificate: Path | None = Field(default=None, description="PEM: ours, where the servers ask for one")
    key: Path | None = Field(default=None, description="PEM: its private key, without a password")
    timeout: Span = Field(default=timedelta(seconds=30), description="for one attempt with all its repeats")
    ack_wait: Span = Field(default=timedelta(seconds=5), description="how long an acknowledgment is waited for before the same id is sent again")

    @field_validator("servers", mode="before")
    @classmethod
    def _with_commas(cls, value: object) -> object:
        return [one.strip() for one in value.split(",")] if isinstance(value, str) else value

    @field_validator("subject")
    @classmethod
    def _is_a_subject(cls, value: str) -> str:
        if unknown := set(re.findall(r"\{(.*?)\}", value)) - set(SUBJECT_PARTS):
            raise ValueError(f"{{{sorted(unknown)[0]}}} is not known; there are {', '.join(f'{{{one}}}' for one in SUBJECT_PARTS)}")
        if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", re.sub(r"\{\w+\}", "x", value)):
            raise ValueError("subject is words of letters, digits, - and _ with dots between them, such as crossdock.{stream}.{type}")
        return value

    @model_validator(mode="after")
    def _can_be_used(self) -> "Nats":
        if find_spec("nats") is None:
            raise ValueError("kind nats needs its client library, an extra: pip install 'crossdock[nats]'")
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        if sum(one is not None for one in (self.user, self.token, self.nkey, self.credentials)) > 1:
            raise ValueError("give one of user with password, token, nkey and credentials")
        if (self.nkey or self.credentials) and find_spec("nkeys") is None:
            raise ValueError("nkey and credentials need the library nkeys, of the same extra: pip install 'crossdock[nats]'")
        if len({urlsplit(one).scheme for one in self.servers}) > 1:
            raise ValueError("servers are all nats:// or all tls://")
        if (self.authority or self.certificate) and not self.has_tls:
            raise ValueError("authority and certificate are for servers with tls://")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        if self.create_stream and self.stream is None:
            raise ValueError("create_stream needs stream, the name of the stream to make")
        if self.ack_wait > self.timeout:
            raise ValueError("ack_wait is within timeout")
        return self

    @property
    def has_tls(self) -> bool:
        return self.servers[0].startswith("tls://")
