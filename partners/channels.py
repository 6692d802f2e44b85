"""A partner's channels: how its documents come in and how ours go out. Part of the profile's model.

Knows nothing of agreements.
"""

import ipaddress
import re
from datetime import date, timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from partners.ssh_keys import SshKeyRefused, read_public_key
from partners.terms import MAIL_ADDRESS, Model, Names, Size, Span


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise ValueError(f"must be an address or a network such as 203.0.113.7 or 203.0.113.0/24, got {value!r}") from None


Network = Annotated[str, AfterValidator(_network)]
SecretName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
"""Of a secret that `crossdock keys secret` keeps."""


def _address(value: str) -> str:
    if not re.match(r"https://[^\s/@]+|http://(127\.0\.0\.1|localhost|\[::1\])(:|/|$)", value) or re.search(r"\s", value):
        raise ValueError("must be https (plain http only to this machine, for trials), without a user or password in it")
    return value


Address = Annotated[str, AfterValidator(_address)]


class Basic(Model):
    user: str = Field(min_length=1, max_length=200, pattern=r"^[^:\x00-\x1f]+$")
    secret: SecretName = Field(description="the name of the password")


class OAuth2(Model):
    """Client credentials (RFC 6749, 4.4) at the partner's token server."""

    token_url: Address
    client_id: str = Field(min_length=1, max_length=200)
    secret: SecretName = Field(description="the name of the client's secret")
    scope: str | None = Field(default=None, max_length=500)


class Credentials(Model):
    """How we prove ourselves to the partner's address, and where that address may be."""

    bearer: SecretName | None = Field(default=None, description="the name of a token that never changes")
    basic: Basic | None = None
    oauth2: OAuth2 | None = None
    sign: list[SecretName] = Field(
        default_factory=list, max_length=3, description="names of secrets with which each request is signed, by Standard Webhooks"
    )
    certificate: str | None = Field(default=None, description="the name of a key of ours (crossdock keys), whose certificate we show over TLS")
    private: bool = Field(default=False, description="whether its name may stand for an address of a private network, or of this machine")

    @model_validator(mode="after")
    def _one_authorization(self) -> "Credentials":
        if sum(one is not None for one in (self.bearer, self.basic, self.oauth2)) > 1:
            raise ValueError("bearer, basic and oauth2 are three ways to say one thing; keep one of them")
        return self


class Webhook(Credentials):
    """An address that is told what became of each message of the partner."""

    url: Address


Proof = Literal["token", "certificate", "signature"]


class HttpChannel(Model):
    require: list[Proof] = Field(default_factory=list, description="what every request must bring: all of these; default: any one of them")
    signatures: Names = Field(
        default_factory=list,
        max_length=5,
        description="names of secrets (crossdock keys secret) with which it signs, by Standard Webhooks; several while one replaces another",
    )
    addresses: list[Network] = Field(default_factory=list, description="from where it may come; default: from anywhere")
    way_back: Literal["outbox", "push"] = "outbox"
    push_url: Address | None = Field(default=None, description="where we POST documents to, for way_back: push")
    push: Credentials = Credentials()
    webhook: Webhook | None = Field(default=None, description="is told what became of each message, by whatever channel it came")
    max_body: Size = Field(default=100 * 2**20, gt=0, le=10 * 2**30)
    in_flight: int = Field(default=100, ge=1, le=10_000, description="documents that it may be handing over at once, at one node")
    duplicate_window: Span = Field(default=timedelta(hours=24), description="identical bytes without a key within it are the same message")

    @model_validator(mode="after")
    def _push_needs_a_url(self) -> "HttpChannel":
        if self.way_back == "push" and not self.push_url:
            raise ValueError("way_back: push needs push_url, the partner's https address")
        if "signature" in self.require and not self.signatures:
            raise ValueError("require: signature needs signatures, the name of a secret that the partner has, too")
        return self


class DatedException(Model):
    """A weak thing that one partner may for a while."""

    until: date = Field(description="the last day")
    because: str = Field(min_length=3, description="who needs it")


As2Weakness = Literal["sha1", "md5", "3des", "rsa-1024", "expired"]


class As2Receive(Model):
    """What the partner's AS2 messages must be."""

    require_signature: bool = True
    require_encryption: bool = True
    exceptions: dict[As2Weakness, DatedException] = Field(
        default_factory=dict, description="sha1, md5, 3des, rsa-1024 (keys under 2048 bits), expired (its signing certificate): each until a day"
    )
    uniform_failures: bool = Field(
        default=True, description="whatever is wrong within a CBC envelope is told as decryption-failed, so that answers are no padding oracle"
    )
    mic: Literal["sha256", "sha1"] = Field(default="sha256", description="the MIC of unsigned messages that name no algorithm")
    max_body: Size = Field(default=200 * 2**20, gt=0, le=10 * 2**30)
    duplicate_window: Span = Field(default=timedelta(days=30), description="the same Message-ID within it gets the stored receipt again")
    receipt_hosts: Names = Field(default_factory=list, description="hosts that asynchronous receipts may go to, beside that of `url`")


class As2Send(Model):
    """How we send to the partner by AS2."""

    sign: Literal["sha256", "sha384", "sha512", "sha1", "none"] = "sha256"
    pss: bool = Field(default=False, description="RSA signatures as PSS")
    signed_attributes: bool = Field(default=True, description="false for the oldest products")
    opaque: bool = Field(default=False, description="the content within the signature, in place of multipart/signed")
    key: str | None = Field(
        default=None, pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$", description="which key of ours signs; default: the oldest that is valid"
    )
    encrypt: Literal["aes-256-cbc", "aes-192-cbc", "aes-128-cbc", "aes-256-gcm", "aes-192-gcm", "aes-128-gcm", "3des", "none"] = "aes-256-cbc"
    key_transport: Literal["rsa-pkcs1-v1.5", "rsa-oaep-sha1", "rsa-oaep-sha256"] = "rsa-pkcs1-v1.5"
    compress: Literal["none", "before", "after"] = Field(default="none", description="before or after signing")
    compress_from: Size = Field(default=4096, description="smaller documents are not compressed")
    encoding: Literal["binary", "base64"] = "binary"
    chunked: bool = Field(default=False, description="HTTP chunks in place of Content-Length")
    file_name: bool = Field(default=True, description="whether the document's file name goes with it")
    subject: str = Field(default="EDI", min_length=1, max_length=100, pattern=r"^[ -~]+$")
    version: Literal["1.0", "1.1", "1.2", "1.3"] = "1.2"
    receipt: Literal["sync", "async", "none"] = "sync"
    receipt_signed: bool = True
    receipt_within: Span = Field(default=timedelta(hours=1), description="after it the receipt is overdue")
    resends: int = Field(
        default=3, ge=0, le=20, description="how often a message whose asynchronous receipt is overdue goes out again, under its own id"
    )
    retry: Span = Field(default=timedelta(minutes=5), description="the first wait after an answer without a receipt; it doubles up to eight times")
    accept: list[Literal["unsigned", "other-algorithm", "no-mic"]] = Field(
        default_factory=list, description="receipts that prove less, and count all the same"
    )
    timeout: Span = Field(default=timedelta(minutes=5), description="for the answer")
    basic: Basic | None = Field(default=None, description="HTTP Basic, for products that want it beside the signature")
    certificate: str | None = Field(default=None, description="the name of a key of ours (crossdock keys), whose certificate we show over TLS")


class As2Channel(Model):
    """The partner by AS2."""

    id: str = Field(min_length=1, max_length=128, pattern=r"^[ -~]+$", description="its AS2 name, compared exactly")
    url: str | None = Field(default=None, pattern=r"^https?://[^\s]+$", description="where we POST its documents; without one we only receive")
    receive: As2Receive = As2Receive()
    send: As2Send = As2Send()

    @model_validator(mode="after")
    def _weak_only_by_exception(self) -> "As2Channel":
        for weak in {self.send.sign, self.send.encrypt} & {"sha1", "3des"}:
            if weak not in self.receive.exceptions:
                raise ValueError(f"send with {weak} needs a dated exception: receive.exceptions.{weak}, with until and because")
        return self

    @property
    def receipt_hosts(self) -> frozenset[str]:
        """Hosts, with the port where one is named, that receipts may go to."""
        own = {urlsplit(self.url).netloc.lower()} if self.url else set()
        return frozenset(own | {host.lower() for host in self.receive.receipt_hosts})


def _public_key(value: str) -> str:
    try:
        return str(read_public_key(value))
    except SshKeyRefused as error:
        raise ValueError(str(error)) from None


def _argon2(value: str) -> str:
    if not re.fullmatch(r"\$argon2id\$v=19\$m=\d{4,7},t=\d{1,2},p=\d{1,2}\$[A-Za-z0-9+/]{16,}\$[A-Za-z0-9+/]{22,}", value):
        raise ValueError("must be an argon2id hash; `crossdock sftp password` makes one")
    return value


def _folder(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}){0,4}", value):
        raise ValueError(f"must be a folder such as in or in/stock, without a leading slash, got {value!r}")
    return value


PublicKey = Annotated[str, AfterValidator(_public_key)]
Folder = Annotated[str, AfterValidator(_folder)]


class Dated(Model):
    """What is good between two days; both are included."""

    since: date | None = Field(default=None, description="the first day")
    until: date | None = Field(default=None, description="the last day")

    def good(self, day: date) -> bool:
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)


class SftpKey(Dated):
    key: PublicKey = Field(description="as in authorized_keys: ssh-ed25519 AAAA…")
    note: str = ""


class SftpPassword(Dated):
    argon2: Annotated[str, AfterValidator(_argon2)] = Field(description="its argon2id hash")
    note: str = ""


class SftpFolders(Model):
    """What the partner's folders are called at our server."""

    into: list[Folder] = Field(
        default_factory=lambda: ["in"], min_length=1, description="where it puts files; several, such as in/orders and in/stock"
    )
    out: Folder = Field(default="out", description="where our documents wait")
    error: Folder = Field(default="error", description="what was wrong with its files, in words")

    @model_validator(mode="after")
    def _all_different(self) -> "SftpFolders":
        names = [*self.into, self.out, self.error]
        for one in names:
            if sum(other == one or other.startswith(f"{one}/") for other in names) > 1 and one in (self.out, self.error):
                raise ValueError(f"the folders {one} and those of the others must not be one within the other")
        if len(set(names)) < len(names):
            raise ValueError("each folder needs a name of its own")
        return self


class SftpChannel(Model):
    """The partner as a client of our SFTP server."""

    user: str | None = Field(default=None, pattern=r"^[a-z0-9._-]{1,64}$", description="its login; default: the partner's name")
    keys: list[SftpKey] = Field(default_factory=list, max_length=20, description="its public keys; several while one replaces another")
    passwords: list[SftpPassword] = Field(default_factory=list, max_length=5, description="only for partners who have no keys")
    addresses: list[Network] = Field(default_factory=list, description="from where it may come; default: from anywhere")
    folders: SftpFolders = SftpFolders()
    complete: Literal["close", "rename", "marker"] = Field(
        default="close", description="a file is whole when it is closed, when it gets its last name, or when its marker comes"
    )
    temporary: Names = Field(
        default_factory=lambda: ["*.tmp", "*.part", "*.filepart", ".*"], description="names that a file only has until it is whole, in every mode"
    )
    marker: str = Field(default=".done", pattern=r"^\.[A-Za-z0-9]{1,16}$", description="for complete: marker; the end of the marker's name")
    delivered: Literal["read", "removed"] = Field(
        default="read", description="a document of ours is delivered when it was read whole, or when the partner has removed it after that"
    )
    max_body: Size = Field(default=100 * 2**20, gt=0, le=10 * 2**30, description="of one file")
    quota: Size = Field(default=10 * 2**30, gt=0, description="of files that are not whole yet")
    files: int = Field(default=10_000, ge=1, le=1_000_000, description="names that are listed at once")
    sessions: int = Field(default=5, ge=1, le=100)
    handles: int = Field(default=100, ge=1, le=1000, description="open files and folders of one session")
    idle: Span = Field(default=timedelta(minutes=10), description="after it a session ends")
    keep: Span = Field(default=timedelta(hours=24), description="how long files stay listed, and unfinished ones are kept")
    duplicate_window: Span = Field(default=timedelta(hours=24), description="identical bytes within it are the same message")


def _host_key(value: str) -> str:
    if re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}", value):
        return value
    return _public_key(value)


def _remote_folder(value: str) -> str:
    if not value.strip() or any(ord(one) < 32 for one in value) or len(value) > 1000:
        raise ValueError(f"must be a folder at the partner's server, such as /outbox or out, got {value!r}")
    return value.rstrip("/") or "/"


HostKey = Annotated[str, AfterValidator(_host_key)]
RemoteFolder = Annotated[str, AfterValidator(_remote_folder)]


class SftpRemote(Model):
    """The partner's SFTP server, and how we log in there."""

    host: str = Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:_-]+$")
    port: int = Field(default=22, ge=1, le=65535)
    user: str = Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f]+$")
    hostkeys: list[HostKey] = Field(
        min_length=1, description="its host keys, as lines of known_hosts without the name, or as SHA256 fingerprints; no other server is spoken to"
    )
    key: str | None = Field(
        default=None, description="the name of the key pair of ours that opens (crossdock sftp key-generate); default: the oldest"
    )
    password: str | None = Field(
        default=None, pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$", description="the name of a secret (crossdock keys secret), where it takes no keys"
    )
    timeout: Span = Field(default=timedelta(seconds=60), description="for the connection, and for each answer")


class SftpPoll(SftpRemote):
    """A folder at the partner's server from which we fetch."""

    name: str = Field(default="poll", pattern=r"^[a-z0-9][a-z0-9_-]{0,30}$", description="what we call it; one for each folder")
    folder: RemoteFolder
    files: Names = Field(default_factory=lambda: ["*"], description="which names are fetched")
    temporary: Names = Field(
        default_factory=lambda: ["*.tmp", "*.part", "*.filepart", ".*"], description="which names are not, because they are not whole yet"
    )
    whole: Literal["stable", "marker", "listed"] = Field(
        default="stable",
        description="when a file is whole: size and time have not changed for `stable`; its marker is there; or at once, for partners who rename",
    )
    stable: Span = Field(default=timedelta(seconds=30))
    marker: str = Field(default=".done", pattern=r"^\.[A-Za-z0-9]{1,16}$")
    order: Literal["name", "time"] = "name"
    every: Span = Field(default=timedelta(minutes=5), ge=timedelta(seconds=1))
    longest_wait: Span = Field(default=timedelta(hours=1), ge=timedelta(seconds=1), description="between polls while the server cannot be had")
    after: Literal["delete", "archive", "keep"] = Field(default="delete", description="what becomes of a file there once it is kept here")
    archive: RemoteFolder | None = Field(default=None, description="for after: archive; a folder at the same server")
    max_body: Size = Field(default=100 * 2**20, gt=0, le=10 * 2**30)
    most: int = Field(default=1000, ge=1, le=100_000, description="files fetched at one time")
    duplicate_window: Span = Field(default=timedelta(hours=24), description="identical bytes within it are the same message")

    @model_validator(mode="after")
    def _archive_has_a_folder(self) -> "SftpPoll":
        if (self.after == "archive") != (self.archive is not None):
            raise ValueError("after: archive and archive, a folder at the partner's server, go together")
        if self.archive is not None and self.archive == self.folder:
            raise ValueError("archive must be another folder than folder")
        return self


PLACEHOLDERS = ("file_name", "stem", "ending", "set", "date", "time", "id")


def _template(value: str) -> str:
    unknown = [one for one in re.findall(r"{([^{}]*)}", value) if one not in PLACEHOLDERS]
    rest = re.sub(r"{[^{}]*}", "", value)
    if unknown or "{" in rest or "}" in rest or not re.fullmatch(r"[A-Za-z0-9._-]{0,100}", rest) or not value or value.startswith("."):
        raise ValueError(f"must be letters, digits, points, hyphens and {', '.join('{' + one + '}' for one in PLACEHOLDERS)}, got {value!r}")
    return value


class SftpPush(SftpRemote):
    """A folder at the partner's server into which we put what we write."""

    folder: RemoteFolder
    name: Annotated[str, AfterValidator(_template)] = Field(default="{file_name}", description="what files are called there")
    temporary: Literal["hidden", "suffix"] = Field(default="suffix", description="until it is whole a file is called NAME.part, or .NAME.part")
    connections: int = Field(default=2, ge=1, le=20, description="at once")
    marker: str | None = Field(default=None, pattern=r"^\.[A-Za-z0-9]{1,16}$", description="puts an empty file NAME.done, or so, after each")


class MailChannel(Model):
    """Where the partner's people read what we remind them of."""

    to: list[Annotated[str, StringConstraints(pattern=MAIL_ADDRESS)]] = Field(min_length=1, max_length=20)


class Channels(Model):
    http: HttpChannel = HttpChannel()
    mail: MailChannel | None = Field(default=None, description="where reminders go if there is no webhook; documents never do")
    as2: As2Channel | None = Field(default=None, description="without it the partner has no AS2")
    sftp: SftpChannel | None = Field(default=None, description="without it the partner has no login at our SFTP server")
    sftp_poll: list[SftpPoll] = Field(default_factory=list, max_length=20, description="folders at its own server that we fetch from")
    sftp_push: SftpPush | None = Field(default=None, description="a folder at its own server that we put what we write into")

    @model_validator(mode="after")
    def _polls_have_names(self) -> "Channels":
        names = [one.name for one in self.sftp_poll]
        if len(set(names)) < len(names):
            raise ValueError("each sftp_poll needs a name of its own")
        return self
