"""Certificates and private keys as CMS uses them: found by what names them, loaded once.

Knows X.509; knows no store, no file and no partner.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from translators.as2.cms.ber import BerError, Reader, integer, sequence

MAX_NAME_PARTS = 64
BMP_STRING = 0x1E
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class KeyRefused(Exception):
    """A certificate or key that cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A registered end certificate: trusted because it is registered, not by whom it was issued."""

    der: bytes
    issuer: bytes
    """As DER."""
    serial: int
    key_identifier: bytes | None
    public_key: PublicKey
    not_before: datetime
    not_after: datetime
    subject: str
    issuer_name: str
    issuer_text: str
    """In a form that does not depend on how its strings are encoded."""
    fingerprint: str
    """SHA-256, hexadecimal."""
    issuer_and_serial: bytes
    """As DER, by which CMS names it."""

    def valid(self, at: datetime) -> bool:
        return self.not_before <= at <= self.not_after

    def is_named(self, issuer: bytes | None, serial: int | None, key_identifier: bytes | None) -> bool:
        """Whether a signer or recipient is meant by it: by key identifier, or by issuer and serial number."""
        if key_identifier is not None:
            return key_identifier == self.key_identifier
        if serial != self.serial or issuer is None:
            return False
        if issuer == self.issuer:
            return True
        try:
            return normalised(issuer) == self.issuer_text
        except (BerError, ValueError):
            return False


def certificate(data: bytes) -> Certificate:
    """From PEM or DER. Raises KeyRefused for what is none, and for keys that are neither RSA nor elliptic."""
    try:
        found = x509.load_pem_x509_certificate(data) if b"-----BEGIN" in data else x509.load_der_x509_certificate(data)
        public = found.public_key()
        issuer = found.issuer.public_bytes()
        text = normalised(issuer)
    except (ValueError, TypeError, BerError) as fault:
        raise KeyRefused(f"this is no certificate: {fault}") from None
    if not isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise KeyRefused(f"its key is {type(public).__name__}; AS2 takes RSA and elliptic curves")
    return Certificate(
        der=found.public_bytes(serialization.Encoding.DER),
        issuer=issuer,
        serial=found.serial_number,
        key_identifier=_key_identifier(found, public),
        public_key=public,
        not_before=found.not_valid_before_utc.astimezone(UTC),
        not_after=found.not_valid_after_utc.astimezone(UTC),
        subject=found.subject.rfc4514_string(),
        issuer_name=found.issuer.rfc4514_string(),
        issuer_text=text,
        fingerprint=found.fingerprint(hashes.SHA256()).hex(),
        issuer_and_serial=sequence(issuer, integer(found.serial_number)),
    )


def _key_identifier(found: x509.Certificate, public: PublicKey) -> bytes | None:
    """The extension, or what senders put where there is none: the SHA-1 of the key (RFC 5280 4.2.1.2)."""
    try:
        return found.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except (x509.ExtensionNotFound, ValueError):
        return x509.SubjectKeyIdentifier.from_public_key(public).digest


def normalised(name: bytes) -> str:
    """A name by its values, case, spaces and kind of string aside, because some stacks encode the strings anew. Raises BerError."""
    reader = Reader(memoryview(name))
    texts = []
    for part in reader.listed(reader.outermost(), MAX_NAME_PARTS):
        for pair in reader.listed(part, MAX_NAME_PARTS):
            kind, value = reader.listed(pair, 2)
            raw = reader.content_of(value)
            text = raw.decode("utf-16-be", "replace") if value.tag == BMP_STRING else raw.decode("utf-8", "replace")
            texts.append(f"{reader.oid(kind).hex()}={' '.join(text.split()).casefold()}")
    return "|".join(texts)


@dataclass(frozen=True, slots=True)
class OurKey:
    """A private key of ours with its certificate."""

    private: PrivateKey
    certificate: Certificate


def our_key(private: bytes, certificate_data: bytes, password: bytes | None = None) -> OurKey:
    """From PEM or DER. Raises KeyRefused."""
    try:
        load = serialization.load_pem_private_key if b"-----BEGIN" in private else serialization.load_der_private_key
        found = load(private, password)
    except (ValueError, TypeError) as fault:
        raise KeyRefused(f"this is no private key that opens: {fault}") from None
    if not isinstance(found, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise KeyRefused(f"it is {type(found).__name__}; AS2 takes RSA and elliptic curves")
    return OurKey(found, certificate(certificate_data))
