"""A message written: payload part, compression, signature, encryption, as agreed; and the MIC that its receipt must bring (RFC 4130, RFC 5402).

Each layer is made once, in its final bytes; what is hashed is what leaves. Knows no partner book and no store.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Literal
from urllib.parse import quote

from translators.as2.buffers import MemorySink, NewSink
from translators.as2.cms import algorithms
from translators.as2.cms.keys import Certificate, OurKey
from translators.as2.cms.write import KeyTransport, Pieces, Random, compressed, envelope, pieces_of, signed_around, signed_data
from translators.as2.headers import quoted_name

Fields = tuple[tuple[str, str], ...]
LINE = 57
"""Bytes that become one line of base64."""
SPELT = {"md5": "md5", "sha1": "sha1", "sha224": "sha-224", "sha256": "sha-256", "sha384": "sha-384", "sha512": "sha-512"}
"""Digests as we spell them in headers (RFC 5751 3.4.3.2)."""


@dataclass(frozen=True, slots=True)
class Security:
    """How messages to one partner are kept safe."""

    sign: str | None = "sha256"
    pss: bool = False
    attributes: bool = True
    opaque: bool = False
    """The content within the SignedData, in place of multipart/signed."""
    encrypt: str | None = "aes-256-cbc"
    key_transport: KeyTransport = "rsa-pkcs1-v1.5"
    compress: Literal["none", "before", "after"] = "none"
    """Before or after signing; without a signature both are the same."""
    encoding: Literal["binary", "base64"] = "binary"
    """Of the outermost body."""


@dataclass(frozen=True, slots=True)
class Document:
    """What is to be carried."""

    data: bytes | memoryview
    media_type: str
    file_name: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """The outermost entity: its headers, which become those of the request, and its body in pieces."""

    headers: Fields
    body: tuple[bytes | memoryview, ...]
    mic_over: tuple[bytes | memoryview, ...]
    mic_algorithm: str
    signed: tuple[bytes | memoryview, ...] = ()
    """The multipart/signed with its headers, where other layers hide it: what proves later what was sent."""

    @property
    def mic(self) -> str:
        return self.mic_by(self.mic_algorithm)

    def mic_by(self, algorithm: str) -> str:
        """The MIC in base64; `algorithm` as sha256."""
        return base64.b64encode(algorithms.digest_of(algorithm, *self.mic_over)).decode("ascii")


def write_message(
    documents: Sequence[Document],
    security: Security,
    *,
    signer: OurKey | None,
    recipients: Sequence[Certificate],
    at: datetime,
    random: Random,
    mic_algorithm: str | None = None,
    new_sink: NewSink = MemorySink,
) -> Written:
    """The message. `recipients`: certificates to encrypt to. `mic_algorithm`: what the receipt is asked for; default: the signature's, or SHA-256.

    Raises ValueError where a signature or encryption is agreed and there is no key for it.
    """
    fields, body = _payload(documents, random)
    plain = True
    hidden: tuple[bytes | memoryview, ...] = ()
    mic_over: tuple[bytes | memoryview, ...] | None = None
    if security.compress == "before" or (security.compress == "after" and security.sign is None):
        mic_over = (*block(fields), *body)
        fields, body = _compressed(fields, body, new_sink)
        plain = False
    if security.sign is not None:
        if signer is None:
            raise ValueError("a signature is agreed, and there is no signing key of ours")
        mic_over = (*block(fields), *body)
        fields, body = signed(mic_over, security, signer, at, random)
        plain = False
        if security.compress == "after" or security.encrypt is not None:
            hidden = (*block(fields), *body)
        if security.compress == "after":
            fields, body = _compressed(fields, body, new_sink)
    if security.encrypt is not None:
        if not recipients:
            raise ValueError("encryption is agreed, and there is no certificate of the partner's to encrypt to")
        mic_over = mic_over or (*block(fields), *body)
        sink = new_sink()
        envelope((*block(fields), *body), security.encrypt, recipients, random, sink.write, transport=security.key_transport)
        kind = "authEnveloped-data" if security.encrypt.endswith("gcm") else "enveloped-data"
        fields, body = _cms_fields(kind, "smime.p7m"), (sink.view(),)
        plain = False
    if security.encoding == "base64" and not fields[0][1].startswith("multipart/"):
        fields, body = _base64(fields, body, new_sink)
        if plain:
            mic_over = body
    return Written(fields, body, mic_over if mic_over is not None else body, mic_algorithm or security.sign or "sha256", hidden)


def block(fields: Fields) -> tuple[bytes]:
    """The header block with the empty line behind it."""
    return ("".join(f"{name}: {value}\r\n" for name, value in fields).encode("latin-1") + b"\r\n",)


def _payload(documents: Sequence[Document], random: Random) -> tuple[Fields, tuple[bytes | memoryview, ...]]:
    if len(documents) == 1:
        one = documents[0]
        return _document_fields(one), (one.data,)
    boundary, first = new_boundary(random), f"<{random(8).hex()}@crossdock>"
    body: list[bytes | memoryview] = []
    for number, one in enumerate(documents):
        identity = first if number == 0 else f"<{random(8).hex()}@crossdock>"
        body += [f"--{boundary}\r\n".encode("ascii"), *block((*_document_fields(one), ("Content-ID", identity))), one.data, b"\r\n"]
    body.append(f"--{boundary}--\r\n".encode("ascii"))
    kind = f'multipart/related; type="{documents[0].media_type}"; start="{first}"; boundary="{boundary}"'
    return (("Content-Type", kind),), tuple(body)


def _document_fields(one: Document) -> Fields:
    fields: list[tuple[str, str]] = [("Content-Type", one.media_type), ("Content-Transfer-Encoding", "binary")]
    if one.file_name:
        fields.append(("Content-Disposition", f"attachment; {_file_name(one.file_name)}"))
    return tuple(fields)


def _file_name(name: str) -> str:
    """RFC 6266: quoted, or percent-encoded where it is not ASCII."""
    clean = re.sub(r"[\x00-\x1f\x7f\"\\]", "_", name)
    return f'filename="{clean}"' if clean.isascii() else f"filename*=UTF-8''{quote(clean, safe='')}"


def new_boundary(random: Random) -> str:
    return f"=_crossdock_{random(16).hex()}"


def signed(part: Pieces, security: Security, signer: OurKey, at: datetime, random: Random) -> tuple[Fields, tuple[bytes | memoryview, ...]]:
    digest = security.sign or "sha256"
    content_digest = algorithms.digest_of(digest, *part)
    if security.opaque:
        pieces = signed_around(part, content_digest, digest, signer, at=at, pss=security.pss, attributes=security.attributes)
        return _cms_fields("signed-data", "smime.p7m"), pieces
    signature = signed_data(content_digest, digest, signer, at=at, pss=security.pss, attributes=security.attributes)
    boundary = new_boundary(random)
    kind = f'multipart/signed; protocol="application/pkcs7-signature"; micalg="{SPELT[digest]}"; boundary="{boundary}"'
    line = f"--{boundary}".encode("ascii")
    part_of_signature = block(
        (
            ("Content-Type", 'application/pkcs7-signature; name="smime.p7s"; smime-type=signed-data'),
            ("Content-Transfer-Encoding", "base64"),
            ("Content-Disposition", 'attachment; filename="smime.p7s"'),
        )
    )
    return (("Content-Type", kind),), (
        line + b"\r\n", *part, b"\r\n" + line + b"\r\n", *part_of_signature, _lines(signature), line + b"--\r\n",
    )  # fmt: skip


def _lines(data: bytes) -> bytes:
    """Base64 in lines of 76 characters, each with its CRLF."""
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def _cms_fields(kind: str, name: str) -> Fields:
    return (
        ("Content-Type", f'application/pkcs7-mime; smime-type={kind}; name="{name}"'),
        ("Content-Transfer-Encoding", "binary"),
        ("Content-Disposition", f'attachment; filename="{name}"'),
    )


def _compressed(fields: Fields, body: Pieces, new_sink: NewSink) -> tuple[Fields, tuple[bytes | memoryview, ...]]:
    return _cms_fields("compressed-data", "smime.p7z"), compressed((*block(fields), *body), new_sink)


def _base64(fields: Fields, body: Pieces, new_sink: NewSink) -> tuple[Fields, tuple[bytes | memoryview, ...]]:
    sink, held = new_sink(), b""
    for piece in pieces_of(body):
        data = held + bytes(piece)
        whole = len(data) - len(data) % LINE
        sink.write(_lines(data[:whole]))
        held = data[whole:]
    sink.write(_lines(held))
    kept = tuple((name, "base64" if name == "Content-Transfer-Encoding" else value) for name, value in fields)
    return kept, (sink.view(),)


@dataclass(frozen=True, slots=True)
class ReceiptWanted:
    """The receipt that we ask for."""

    signed: bool = True
    algorithms: tuple[str, ...] = ("sha256",)
    url: str | None = None
    """Where an asynchronous one is to come; None: in the response."""


def request_headers(
    *, as2_from: str, as2_to: str, message_id: str, at: datetime, receipt: ReceiptWanted | None, version: str = "1.2", subject: str = "EDI"
) -> Fields:
    """The AS2 headers of a request, without those of its entity (RFC 4130 6 and 7)."""
    fields = [
        ("AS2-Version", version), ("AS2-From", quoted_name(as2_from)), ("AS2-To", quoted_name(as2_to)), ("Message-ID", message_id),
        ("Date", format_datetime(at, usegmt=True)), ("Subject", subject), ("MIME-Version", "1.0"),
    ]  # fmt: skip
    if receipt is not None:
        fields.append(("Disposition-Notification-To", quoted_name(as2_from)))
        if receipt.signed:
            digests = ", ".join(SPELT[name] for name in receipt.algorithms)
            fields.append(
                ("Disposition-Notification-Options", f"signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, {digests}")
            )
        if receipt.url:
            fields.append(("Receipt-Delivery-Option", receipt.url))
    return tuple(fields)
