"""A message opened: layer after layer as the content has them, verified, and its MIC (RFC 4130 7.3.1, RFC 5402).

Thin over mime and cms; knows no partner book, no store and no receipt.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from translators.as2.buffers import MemorySink, NewSink
from translators.as2.cms import algorithms
from translators.as2.cms.ber import BerError, Reader
from translators.as2.cms.compressed import decompress
from translators.as2.cms.enveloped import open_envelope
from translators.as2.cms.keys import Certificate, OurKey
from translators.as2.cms.signed import Forms, SignedData, read_signed, verify
from translators.as2.errors import AUTHENTICATION, DECOMPRESSION, DECRYPTION, ENVELOPE_REFUSED, SECURITY, UNEXPECTED, As2Error
from translators.as2.limits import DEFAULT, STRICT, Limits, Policy
from translators.as2.mime import Entity, Headers, content, entity, file_name, parts, unbase64

PKCS7_MIME = ("application/pkcs7-mime", "application/x-pkcs7-mime")
BY_LABEL = {"enveloped-data": DECRYPTION, "authenveloped-data": DECRYPTION, "compressed-data": DECOMPRESSION, "signed-data": AUTHENTICATION}
BY_CONTENT = {
    algorithms.ENVELOPED: DECRYPTION,
    algorithms.AUTH_ENVELOPED: DECRYPTION,
    algorithms.COMPRESSED: DECOMPRESSION,
    algorithms.SIGNED: AUTHENTICATION,
}


@dataclass(frozen=True, slots=True)
class Payload:
    """One document that was carried."""

    data: memoryview
    media_type: str
    file_name: str | None


@dataclass(slots=True)
class Opened:
    """What a message held, and how it was kept safe."""

    layers: list[str] = field(default_factory=list)
    """Outermost first: enveloped, signed, compressed."""
    signer: Certificate | None = None
    digest: str | None = None
    """Of the signature."""
    form: str = "exact"
    """Which line-end form of the signed part verified."""
    cipher: str | None = None
    key_transport: str | None = None
    decrypted_with: Certificate | None = None
    compressed: str = "none"
    """"before": inside the signature, or unsigned; "after": around it."""
    payloads: tuple[Payload, ...] = ()
    report: Entity | None = None
    """A receipt instead of a document: the multipart/report."""
    mic_over: tuple[bytes | memoryview, ...] = ()
    """The bytes that the MIC is over; of a signed message those that were signed."""
    signature: memoryview | None = None
    """The SignedData that verified, as it came."""

    @property
    def encrypted(self) -> bool:
        return self.cipher is not None

    def mic(self, algorithm: str) -> str:
        """The MIC in base64; `algorithm` as sha256 (RFC 4130 7.3.1)."""
        return base64.b64encode(algorithms.digest_of(algorithm, *self.mic_over)).decode("ascii")


def open_message(
    headers: Headers,
    body: memoryview,
    *,
    keys: Sequence[OurKey],
    signers: Sequence[Certificate],
    at: datetime,
    policy: Policy = STRICT,
    limits: Limits = DEFAULT,
    new_sink: NewSink = MemorySink,
) -> Opened:
    """The documents of a message, or the receipt it is. `headers` and `body` are the HTTP request's, which are the outermost entity's.

    `keys`: all that decrypt for us. `signers`: all certificates registered for this partner. `at`: the time of receipt.
    Raises As2Error, and nothing else, whatever the bytes.
    """
    opening = _Opening(keys, signers, at, policy, limits, new_sink, wire=len(body))
    if len(body) > limits.body:
        raise As2Error(UNEXPECTED, f"the message has more than {limits.body:,} bytes")
    try:
        return opening.run(headers, body)
    except As2Error as fault:
        # Whatever garbled CBC content can bring is told alike, or the answers would be an oracle of its padding (as RFC 3218 warns).
        if policy.uniform_failures and opening.unproven and fault.modifier != DECRYPTION:
            raise As2Error(DECRYPTION, ENVELOPE_REFUSED) from fault
        raise


class _Opening:
    """One message on its way from the wire to its payload."""

    def __init__(
        self, keys: Sequence[OurKey], signers: Sequence[Certificate], at: datetime, policy: Policy, limits: Limits, new_sink: NewSink, *, wire: int
    ) -> None:
        self.keys, self.signers, self.at, self.policy, self.limits, self.new_sink, self.wire = keys, signers, at, policy, limits, new_sink, wire
        self.opened = Opened()
        self.unproven = False
        """True within a cipher that proves nothing, until a signature did."""

    def run(self, headers: Headers, body: memoryview) -> Opened:
        opened = self.opened
        here = Entity(headers, body, body)
        wire = True
        while True:
            kind = here.headers.content_type
            if kind.value == "multipart/signed":
                self._count()
                here = self._signed_multipart(here)
            elif kind.value in PKCS7_MIME or self._named_as_cms(here):
                self._count()
                here = self._cms(here)
            else:
                break
            wire = False
        if not opened.mic_over:
            opened.mic_over = (here.body if wire else here.whole,)
        kind = here.headers.content_type
        if kind.value == "multipart/report":
            opened.report = here
            return opened
        self._enough()
        opened.payloads = self._payloads(here)
        return opened

    def _count(self) -> None:
        if len(self.opened.layers) >= self.limits.layers:
            raise As2Error(UNEXPECTED, f"more than {self.limits.layers} layers within each other")

    @staticmethod
    def _named_as_cms(here: Entity) -> bool:
        """Some products label CMS as octets and give it away by its name only; a positive receipt for something unopened must not be."""
        kind = here.headers.content_type
        if kind.value != "application/octet-stream":
            return False
        name = (kind.given.get("name") or file_name(here.headers) or "").lower()
        return name.endswith((".p7m", ".p7z"))

    def _enough(self) -> None:
        if self.policy.require_signature and self.opened.signer is None:
            raise As2Error(SECURITY, "the agreement asks for a signature, and the message has none that was verified")
        if self.policy.require_encryption and not self.opened.encrypted:
            raise As2Error(SECURITY, "the agreement asks for encryption, and the message was not encrypted")

    # The layers.

    def _cms(self, here: Entity) -> Entity:
        smime = here.headers.content_type.given.get("smime-type", "").lower()
        modifier = BY_LABEL.get(smime, UNEXPECTED)
        data = here.body
        try:
            if here.headers.encoding == "base64":
                data = memoryview(unbase64(data))
            reader = Reader(data)
            fields = reader.listed(reader.outermost(), 2)
            kind = reader.oid(fields[0]) if fields else b""
            modifier = BY_CONTENT.get(kind, UNEXPECTED)
            inner = reader.listed(fields[1], 1) if len(fields) == 2 else []
            if kind not in BY_CONTENT or not inner:
                raise As2Error(UNEXPECTED, "the pkcs7-mime content is neither signed, enveloped nor compressed data")
            if kind == algorithms.COMPRESSED:
                return self._compressed(decompress(reader, inner[0], self.limits, self.new_sink, wire=self.wire))
            if kind == algorithms.SIGNED:
                return self._opaque(read_signed(reader, inner[0], self.limits))
            self.opened.layers.append("enveloped")
            found = open_envelope(
                reader, inner[0], self.keys, self.policy, self.limits, self.new_sink, authenticated=kind == algorithms.AUTH_ENVELOPED
            )
        except (BerError, ValueError) as fault:
            raise As2Error(modifier, f"the CMS content is broken: {fault}") from None
        self.opened.cipher, self.opened.key_transport, self.opened.decrypted_with = found.cipher, found.key_transport, found.key.certificate
        self.unproven = self.unproven or not found.authenticated
        return entity(found.content, self.limits)

    def _compressed(self, data: memoryview) -> Entity:
        opened = self.opened
        opened.layers.append("compressed")
        if opened.compressed == "none":
            opened.compressed = "before"
        return entity(data, self.limits)

    def _opaque(self, signed: SignedData) -> Entity:
        if signed.content is None:
            raise As2Error(AUTHENTICATION, "a signature alone, without what it signs")
        pieces = signed.content
        whole = pieces[0] if len(pieces) == 1 else memoryview(b"".join(pieces))
        return self._verified(signed, whole)

    def _signed_multipart(self, here: Entity) -> Entity:
        body = here.body
        if here.headers.encoding == "base64":
            body = memoryview(unbase64(body))
        found = parts(body, here.headers.content_type.given.get("boundary", ""), self.limits)
        if len(found) != 2:
            raise As2Error(UNEXPECTED, f"a multipart/signed has two parts; this one has {len(found)}")
        signature = entity(found[1], self.limits)
        raw = content(signature.headers, signature.body)
        if bytes(raw[:1]) != b"0":
            raw = memoryview(unbase64(raw))
        try:
            reader = Reader(raw)
            fields = reader.listed(reader.outermost(), 2)
            if len(fields) != 2 or reader.oid(fields[0]) != algorithms.SIGNED:
                raise As2Error(AUTHENTICATION, "the signature part holds no SignedData")
            return self._verified(read_signed(reader, reader.listed(fields[1], 1)[0], self.limits), found[0])
        except (BerError, ValueError, IndexError) as fault:
            raise As2Error(AUTHENTICATION, f"the signature is broken: {fault}") from None

    def _verified(self, signed: SignedData, data: memoryview) -> Entity:
        opened = self.opened
        opened.layers.append("signed")
        found = verify(signed, forms_of(data), self.signers, self.policy, self.at, self.limits)
        form = data if found.form == "exact" else memoryview(_form(found.form, data))
        if opened.signer is None:
            opened.signer, opened.digest, opened.form, opened.mic_over = found.signer, found.digest, found.form, (form,)
            whole = signed.reader.outermost()
            opened.signature = signed.reader.data[whole.start : whole.end]
            if opened.compressed == "before":
                opened.compressed = "after"
        self.unproven = False
        return entity(form, self.limits)

    # The payload.

    def _payloads(self, here: Entity) -> tuple[Payload, ...]:
        kind = here.headers.content_type
        if kind.value != "multipart/related":
            return (self._payload(here, kind.value),)
        found = []
        for part in parts(here.body, kind.given.get("boundary", ""), self.limits):
            one = entity(part, self.limits)
            inner = one.headers.content_type.value
            if inner.startswith("multipart/") or inner in PKCS7_MIME:
                raise As2Error(UNEXPECTED, f"an attachment is {inner}; attachments must be documents")
            found.append(self._payload(one, inner))
        return tuple(found)

    @staticmethod
    def _payload(one: Entity, media_type: str) -> Payload:
        return Payload(content(one.headers, one.body), media_type, file_name(one.headers))


# The ladder: line-end forms of a signed part, tried where the exact bytes do not fit (gateways on the way change line ends).

_BARE_LF = re.compile(rb"(?<!\r)\n")
_FOLD = re.compile(rb"\r\n[ \t]+")


def forms_of(data: memoryview) -> Forms:
    """The exact bytes first. The others are made only when they are tried; each still needs the good signature."""
    rungs = ("crlf", "headers-crlf", "less-crlf", "more-crlf", "unfolded")
    return [("exact", lambda: (data,)), *((rung, partial(_pieces, rung, data)) for rung in rungs)]


def _pieces(rung: str, data: memoryview) -> tuple[bytes, ...]:
    return (_form(rung, data),)


def _form(rung: str, data: memoryview) -> bytes:
    raw = bytes(data)
    match rung:
        case "crlf":
            return _BARE_LF.sub(b"\r\n", raw)
        case "headers-crlf":
            head, empty, body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
            return (head + empty).replace(b"\n", b"\r\n") + body
        case "less-crlf":
            return raw[:-2] if raw.endswith(b"\r\n") else raw
        case "more-crlf":
            return raw + b"\r\n"
        case _:
            head, empty, body = raw.partition(b"\r\n\r\n")
            return _FOLD.sub(b" ", head) + empty + body
