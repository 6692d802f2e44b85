"""What an installation sets: from the command line over the environment (CROSSDOCK_*) over a file over these defaults.

`crossdock config` shows each value as a node would see it, secrets masked.
"""

import base64
import ipaddress
import os
import re
from datetime import timedelta
from functools import reduce
from importlib.util import find_spec
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Discriminator, Field, StringConstraints, Tag, ValidationError, field_validator, model_validator

from gateway.targets.kinds import KINDS
from gateway.targets.terms import TargetQuota
from partners.positioned import PositionedError, load
from partners.terms import MAIL_ADDRESS, Model, Name, Size, Span

PREFIX = "CROSSDOCK_"
SECRET = re.compile(r"token|secret|password|authorization", re.I)


class SettingsError(ValueError):
    """The settings cannot be used; the text says which and how to mend it."""


class Listener(Model):
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535, description="0 takes a free port and tells which")


class Tls(Model):
    """A certificate of our own for a listener. Both files are read again when they change."""

    certificate: Path = Field(description="PEM: our certificate, and those between it and the authority")
    key: Path = Field(description="PEM: its private key, without a password")


class PartnerListener(Listener):
    port: int = Field(default=8080, ge=0, le=65535)
    tls: Tls | None = Field(default=None, description="without it, plain HTTP: put a proxy with TLS in front")
    proxies: list[str] = Field(
        default_factory=list,
        description="addresses or networks of proxies whose X-Forwarded-For and Client-Cert (RFC 9440) are believed; no others are",
    )

    @field_validator("proxies")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        for one in value:
            try:
                ipaddress.ip_network(one)
            except ValueError:
                raise ValueError(f"{one!r} is no address or network such as 10.0.0.5 or 10.0.0.0/24") from None
        return value


class AdminListener(Listener):
    port: int = Field(default=8081, ge=0, le=65535)


class ErpListener(Listener):
    port: int = Field(default=8082, ge=0, le=65535)
    token: str | None = Field(
        default=None,
        min_length=16,
        description="the ERP's bearer token; without one this listener is not opened. CROSSDOCK_ERP_LISTENER__TOKEN or …_FILE",
    )


class SftpListener(Listener):
    port: int = Field(default=2222, ge=0, le=65535, description="opened once a partner's profile has channels.sftp; 0 takes a free port")
    connections: int = Field(default=500, ge=1, le=10_000)
    connections_of_address: int = Field(default=20, ge=1, le=10_000)


class Bucket(Model):
    """A bucket that all nodes keep their payload files in, S3 or what speaks as S3 does. What is in the data directory is then a copy."""

    bucket: str = Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]{2,62}(/[^\s]*)?$", description="s3://NAME, or s3://NAME/FOLDER")
    endpoint: str | None = Field(default=None, pattern=r"^https?://[^\s]+$", description="where it is; none: Amazon's, of the region")
    region: str = "us-east-1"
    virtual_hosted: bool = Field(default=False, description="the bucket's name in the host's, where its provider wants it so")
    access_key: str | None = Field(default=None, description="none: by the machine's role")
    secret_key: str | None = Field(default=None, description="CROSSDOCK_PAYLOADS__SECRET_KEY or …_FILE keeps it out of the file")
    timeout: Span = Field(default=timedelta(seconds=30), description="for one request with its repeats")
    cache: Size = Field(default=10 << 30, description="copies that the data directory keeps; those used least lately go first")

    @model_validator(mode="after")
    def _can_be_used(self) -> "Bucket":
        if find_spec("obstore") is None:
            raise ValueError("a bucket needs its client library, an extra: pip install 'crossdock[s3]'")
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("access_key and secret_key go together")
        return self


class Traces(Model):
    """Where spans go, by OTLP over HTTP (OpenTelemetry)."""

    endpoint: str = Field(pattern=r"^https?://[^\s]+$", description="the collector's address, such as http://collector:4318/v1/traces")
    headers: dict[str, str] = Field(default_factory=dict, description="that it wants, such as an Authorization")
    ratio: float = Field(default=1.0, ge=0, le=1, description="of the traces that begin here; one that a partner or the ERP began is told as it says")
    service: str = Field(default="crossdock", min_length=1, description="our name there")

    @model_validator(mode="after")
    def _can_be_used(self) -> "Traces":
        if find_spec("opentelemetry") is None:
            raise ValueError("traces need the libraries of an extra: pip install 'crossdock[otel]'")
        return self


class Retention(Model):
    """How long what is over is kept. Nothing goes that an open duty needs, however old it is."""

    messages: Span | None = Field(
        default=None,
        ge=timedelta(days=1),
        description="messages with their documents, events and receipts, and what knows them for duplicates; none: for ever. A profile may say otherwise",
    )


class Limits(Model):
    """What a stranger may take from us."""

    header_time: Span = timedelta(seconds=10)
    body_grace: Span = timedelta(seconds=10)
    body_rate: Size = Field(default=1024, description="bytes a second, after the grace")
    body_time: Span = timedelta(minutes=30)
    connections: int = Field(default=1000, ge=1)
    disk_free: Size = Field(default=1 << 30, description="below it nothing is accepted (503)")


def _kind_of(value: Any) -> str:
    return str(value.get("kind", "rest")) if isinstance(value, dict) else str(value.kind)


if TYPE_CHECKING:
    AnyTarget = TargetQuota
else:
    AnyTarget = Annotated[
        reduce(or_, [Annotated[kind.settings, Tag(name)] for name, kind in KINDS.items()]),
        Discriminator(_kind_of, custom_error_type="target_kind", custom_error_message=f"kind must be {' or '.join(KINDS)}"),
    ]
"""The settings of a target, by its kind."""


class Breaker(Model):
    """When a destination counts as failing. It then rests, and is probed; nothing that waits for it dies of that."""

    failures: int = Field(default=10, ge=1, le=1000, description="more failures than successes by this many open it")
    pause: Span = Field(default=timedelta(seconds=30), description="how long it rests before each probe")


class Retries(Model):
    first: Span = timedelta(seconds=2)
    factor: float = Field(default=2.0, ge=1)
    longest: Span = timedelta(hours=2)
    give_up: Span = Field(default=timedelta(hours=28), description="after it a delivery is a dead letter")
    park: Span = Field(default=timedelta(seconds=60), description="how long a destination rests after a fault of its own")


class AlarmChannel(Model):
    """Somewhere people look."""

    least: Literal["note", "soon", "now"] = Field(default="soon", description="the least urgent kind of alarm that is told there")
    kinds: list[str] = Field(default_factory=lambda: ["*"], min_length=1, description="which kinds, such as as2.*")
    partners: list[str] = Field(default_factory=list, description="only about these partners; none: about all")


class MailServer(Model):
    """What takes our mails."""

    host: str = Field(min_length=1, description="the mail server that takes it")
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = Field(default="starttls", description="none: only without a password")
    user: str | None = None
    password: str | None = Field(default=None, description="CROSSDOCK_ALARMS__MAIL__NAME__PASSWORD or …_FILE keeps it out of the file")
    sender: str = Field(pattern=MAIL_ADDRESS, description="the address it is from")
    timeout: Span = timedelta(seconds=30)

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> "MailServer":
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        if self.password is not None and self.security == "none":
            raise ValueError("security: none would send the password in the clear; use starttls or tls")
        return self


class AlarmMail(AlarmChannel, MailServer):
    to: list[Annotated[str, StringConstraints(pattern=MAIL_ADDRESS)]] = Field(min_length=1, max_length=50)


class AlarmWebhook(AlarmChannel):
    url: str = Field(pattern=r"^https?://[^\s]+$")
    token: str | None = Field(default=None, description="bearer token")
    secret: str | None = Field(default=None, description="whsec_…: signs each letter by Standard Webhooks")

    @model_validator(mode="after")
    def _can_be_used(self) -> "AlarmWebhook":
        host = urlsplit(self.url).hostname or ""
        if self.url.startswith("http:") and host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("url must be https; plain http only goes to this machine")
        try:
            _ = self.key
        except ValueError:
            raise ValueError("secret must be whsec_ and base64") from None
        return self

    @property
    def key(self) -> bytes:
        return base64.b64decode((self.secret or "").removeprefix("whsec_"), validate=True)


class Alarms(Model):
    """Who is told of alarms, and how often."""

    gather: Span = Field(default=timedelta(seconds=30), description="what is new within it goes into one letter")
    again_after: Span = Field(default=timedelta(hours=4), description="the same alarm is not told again before")
    outbox_after: Span = Field(
        default=timedelta(hours=24), description="documents that nobody has fetched from a partner's outbox for so long raise an alarm"
    )
    consumer_after: Span = Field(
        default=timedelta(hours=4), description="an event that a consumer of the stream has not taken for so long raises an alarm"
    )
    runbooks: str = Field(default="docs/runbooks", description="where the runbooks are, such as an address of yours; letters link there")
    mail: dict[Name, AlarmMail] = Field(default_factory=dict)
    webhook: dict[Name, AlarmWebhook] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_are_different(self) -> "Alarms":
        if both := self.mail.keys() & self.webhook.keys():
            raise ValueError(f"{', '.join(sorted(both))} cannot be both a mail and a webhook; give one of them another name")
        return self

    def channels(self) -> list[tuple[str, AlarmChannel]]:
        return [*self.mail.items(), *self.webhook.items()]


class Settings(Model):
    data_dir: Path = Path("var")
    database: str | None = Field(default=None, description="sqlite:///PATH or postgresql://…; default: SQLite in the data directory")
    partner_listener: PartnerListener = PartnerListener()
    admin_listener: AdminListener = AdminListener()
    erp_listener: ErpListener = ErpListener()
    sftp_listener: SftpListener = SftpListener()
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+(/[^\s]*)?$",
        description="our partner listener as partners reach it, such as https://edi.example.com",
    )
    key_secret: str | None = Field(
        default=None,
        min_length=32,
        description="seals private keys at rest; without it a secret is made in the data directory. CROSSDOCK_KEY_SECRET_FILE",
    )
    library: Path | None = Field(default=None, description="a folder with your own mappings/, guides/, schemas/ and lookups/")
    workers: int = Field(default=2, ge=1, le=64, description="translation processes")
    worker_memory: Size = Field(default=1 << 30, description="address space of one")
    payloads: Bucket | None = Field(default=None, description="a bucket for payloads over 64 KiB, which several nodes need; none: files here")
    retention: Retention = Retention()
    traces: Traces | None = Field(default=None, description="each step of each message's way as a span; none: the journal and metrics alone")
    drain: Span = Field(
        default=timedelta(0),
        le=timedelta(minutes=5),
        description="from SIGTERM on: so long /readyz is 503 while the doors still take everything, for a balancer to see it",
    )
    limits: Limits = Limits()
    retries: Retries = Retries()
    alarms: Alarms = Alarms()
    partner_mail: MailServer | None = Field(default=None, description="by which partners are reminded whose profile has channels.mail")
    breaker: Breaker = Breaker()
    targets: dict[Name, AnyTarget] = Field(default_factory=dict)

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{(self.data_dir / 'crossdock.db').absolute()}"


def read_settings(file: Path | None, given: dict[str, Any] | None = None, environment: dict[str, str] | None = None) -> Settings:
    """Raises SettingsError with the name of the setting and the mend."""
    environment = dict(os.environ) if environment is None else environment
    file = file or (Path(environment["CROSSDOCK_CONFIG"]) if "CROSSDOCK_CONFIG" in environment else None)
    value: dict[str, Any] = {}
    if file is not None:
        try:
            value, _ = load(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(f"{file}: {error.strerror}") from None
        except PositionedError as error:
            raise SettingsError(f"{file}: {error}") from None
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise SettingsError(f"{file}: settings are a list of names and values, such as 'workers: 2'")
    _merge(value, _from_environment(environment))
    _merge(value, {key: one for key, one in (given or {}).items() if one is not None})
    try:
        return Settings.model_validate(value)
    except ValidationError as error:
        lines = [f"{_place(one['loc'])}: {one['msg']}" for one in error.errors()]
        raise SettingsError("\n".join(lines)) from None


def _place(path: tuple[int | str, ...]) -> str:
    """A setting's name; the kind of a target, by which its model was chosen, is no part of it."""
    steps = list(map(str, path))
    if len(steps) > 2 and steps[0] == "targets" and steps[2] in KINDS:
        del steps[2]
    return ".".join(steps)


IGNORED = {"CONFIG", "FAILPOINTS", "FAILPOINTS_LOG", "DEMO_EXIT", "DEMO_DEAD_ERP", "PARTNER_TOKEN", "CORPUS", "TEST_POSTGRESQL", "DEMO_DIR"}


def _from_environment(environment: dict[str, str]) -> dict[str, Any]:
    """CROSSDOCK_TARGETS__ERP__URL=… and CROSSDOCK_TARGETS__ERP__TOKEN_FILE=…"""
    value: dict[str, Any] = {}
    for key, text in sorted(environment.items()):
        name = key.removeprefix(PREFIX)
        if name == key or name in IGNORED:
            continue
        if name.endswith("_FILE"):
            name = name.removesuffix("_FILE")
            try:
                text = Path(text).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise SettingsError(f"{key}: {error.strerror}: {text}") from None
        box = value
        *path, last = name.lower().split("__")
        for part in path:
            box = box.setdefault(part, {})
        box[last] = text
    return value


def _merge(into: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def masked(value: Any, name: str = "") -> Any:
    """The settings for showing: secrets and passwords in URLs as ***."""
    if isinstance(value, dict):
        return {key: masked(one, str(key)) for key, one in value.items()}
    if isinstance(value, list):
        return [masked(one, name) for one in value]
    if isinstance(value, str):
        return "***" if SECRET.search(name) and not name.endswith("_url") else re.sub(r"(://[^:/@]+:)[^@]+@", r"\1***@", value)
    return value
