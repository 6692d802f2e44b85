"""The values that AS2 hands to the store and gets back. No behaviour beyond small conversions."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.clock import Instant
from gateway.records.incoming import Incoming
from gateway.store.payloads import Payload

Fields = tuple[tuple[str, str], ...]
Asked = Literal["sync", "async", "none"]


def key_of(direction: str, as2_from: str, as2_to: str, message_id: str) -> str:
    """What makes a message the same message: for ours without brackets, as receipts name it either way."""
    if direction == "out":
        message_id = message_id.strip().strip("<>").strip()
    return hashlib.sha256(f"{direction}\n{as2_from}\n{as2_to}\n{message_id}".encode("utf-8", "surrogateescape")).hexdigest()


def as_json(fields: Fields) -> str:
    return json.dumps([list(field) for field in fields], ensure_ascii=False, separators=(",", ":"))


def as_fields(text: str | None) -> Fields:
    return tuple((name, value) for name, value in json.loads(text or "[]"))


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request as it came: what is known of it before it is opened."""

    id: str
    partner: str
    as2_from: str
    as2_to: str
    message_id: str
    headers: Fields
    payload: Payload
    source: str
    receipt: Asked
    receipt_signed: bool
    receipt_url: str | None
    profile_revision: int
    at: Instant
    keyed: bool = True
    """False: its id was used before with other content; it is kept beside the first one, which keeps its place."""

    @property
    def key(self) -> str | None:
        return None if not self.keyed else key_of("in", self.as2_from, self.as2_to, self.message_id)


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """A receipt of ours: made once."""

    headers: Fields
    payload: Payload
    disposition: str
    url: str | None
    """Where it goes by itself; None: in the response."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a message that came: its documents, or why it is refused; and the receipt that says so."""

    arrived: Arrived
    documents: tuple[Incoming, ...]
    report: dict[str, Any]
    mic: str | None
    mic_algorithm: str | None
    receipt: StoredReceipt | None
    refusal: str | None
    used: tuple[str, ...]
    """Fingerprints of certificates that proved or opened it."""
    at: Instant
    kept: bool = False
    """Its row is there already (asynchronous): it changes."""
    replaces: str | None = None
    """An earlier row under the same id that makes room: refused, or older than the window."""


@dataclass(frozen=True, slots=True)
class As2Row:
    """One row of as2_messages."""

    id: str
    partner: str
    direction: str
    message_id: str
    as2_from: str
    as2_to: str
    message: str | None
    delivery: str | None
    state: str
    reason: str | None
    headers: str
    payload: str
    size: int
    sha256: str
    source: str | None
    report: str | None
    mic: str | None
    mic_algorithm: str | None
    disposition: str | None
    receipt: str
    receipt_signed: bool
    receipt_url: str | None
    receipt_headers: str | None
    receipt_payload: str | None
    receipt_at: Instant | None
    profile_revision: int
    at: Instant
    resends: int


@dataclass(frozen=True, slots=True)
class AsideAs2:
    """A kept message whose stored bytes are damaged."""

    id: str
    partner: str
    message_id: str
    reason: str
    at: Instant


@dataclass(frozen=True, slots=True)
class Frozen:
    """A message of ours in its final bytes: what every attempt sends."""

    id: str
    partner: str
    delivery: str
    message_id: str
    as2_from: str
    as2_to: str
    headers: Fields
    payload: Payload
    signed: Payload | None
    """The signed entity, where encryption or compression hides it."""
    report: dict[str, Any]
    mic: str
    mic_algorithm: str
    receipt: Asked
    receipt_signed: bool
    receipt_span: Instant
    resends: int
    profile_revision: int
    at: Instant


@dataclass(frozen=True, slots=True)
class Answered:
    """What a partner said of a message of ours, or that it said nothing."""

    row: str
    partner: str
    state: str
    """As2 state that comes of it: awaiting, delivered, failed, disputed, unproven; "" where nothing is proven and nothing changes."""
    judgment: str
    """translators.as2.receipts.State, or "sent"."""
    text: str
    disposition: str
    headers: Fields
    payload: Payload | None
    at: Instant
    by: str
    """Fingerprint of the certificate that signed it; "" for none."""
    source: str = ""


@dataclass(frozen=True, slots=True)
class As2Claim:
    node: str
    now: Instant
    until: Instant
    limit: int


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """One row of certificates; `private` is sealed."""

    id: str
    owner: str
    name: str
    use: str
    fingerprint: str
    subject: str
    issuer: str
    serial: str
    strength: str
    der: bytes
    private: bytes | None
    not_before: Instant
    not_after: Instant
    from_at: Instant
    until_at: Instant | None
    state: str
    changed_at: Instant
    who: str
    used_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class CertificateChange:
    """What a person changes of one: its state, or when it is used."""

    id: str
    who: str
    at: Instant
    changes: dict[str, Any] = field(default_factory=dict)
