"""SignedData (RFC 5652 5): read, and verified against registered certificates.

Knows digests and signatures; knows no MIME. Certificates that ride along are counted, and never a reason to trust.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from translators.as2.cms import algorithms
from translators.as2.cms.algorithms import Algorithm
from translators.as2.cms.ber import INTEGER, OCTETS, SEQUENCE, SET, BerError, Reader, Value, header, set_of
from translators.as2.cms.keys import Certificate
from translators.as2.errors import AUTHENTICATION, INTEGRITY, SECURITY, As2Error
from translators.as2.limits import Limits, Policy

MAX_ATTRIBUTES = 64
MAX_SIGNATURE = 2048
"""Bytes."""
WEAK = {"sha1": "allow_sha1", "md5": "allow_md5"}


class SignerInfo(NamedTuple):
    """One signature, as it stands in the message."""

    issuer: bytes | None
    serial: int | None
    key_identifier: bytes | None
    digest: str
    attributes: bytes | None
    """As received, with the tag of a SET, which is what was signed; None: there are none."""
    content_type: bytes | None
    message_digest: bytes | None
    signature_algorithm: Algorithm
    signature: bytes

    @property
    def names(self) -> str:
        return f"serial {self.serial:x}" if self.serial is not None else f"key {(self.key_identifier or b'').hex()}"


class SignedData(NamedTuple):
    """What was signed, if it lies inside, and by whom."""

    content_type: bytes
    content: list[memoryview] | None
    signers: tuple[SignerInfo, ...]
    certificates: int
    reader: Reader


class Verified(NamedTuple):
    """A good signature: whose, over which digest, and which form of the content it fits."""

    signer: Certificate
    digest: str
    form: str


Forms = Sequence[tuple[str, Callable[[], Iterable[bytes | memoryview]]]]
"""Names of the content's forms and what makes their bytes, in the order they are tried: "exact" first, line-end variants after it."""


def read_signed(reader: Reader, value: Value, limits: Limits) -> SignedData:
    """The SignedData at that value. Raises BerError."""
    fields = reader.listed(value, 8)
    if len(fields) < 4 or fields[0].tag != INTEGER or fields[1].tag != SET:
        raise BerError(f"no SignedData at byte {value.start:,}")
    content_type, content = _encapsulated(reader, fields[2])
    certificates = 0
    for field in fields[3:-1]:
        if field.tag == 0xA0:
            certificates = len(reader.listed(field, limits.certificates))
    if fields[-1].tag != SET:
        raise BerError(f"no SignerInfos at byte {fields[-1].start:,}")
    signers = tuple(_signer(reader, one) for one in reader.listed(fields[-1], limits.signers))
    return SignedData(content_type, content, signers, certificates, reader)


def _encapsulated(reader: Reader, value: Value) -> tuple[bytes, list[memoryview] | None]:
    fields = reader.listed(value, 2)
    if not fields:
        raise BerError(f"no encapsulated content at byte {value.start:,}")
    if len(fields) == 1:
        return reader.oid(fields[0]), None
    inner = reader.listed(fields[1], 1)
    if not inner or inner[0].tag & ~0x20 != OCTETS:
        raise BerError(f"the signed content at byte {fields[1].start:,} is no octet string")
    return reader.oid(fields[0]), reader.octets(inner[0])


def _signer(reader: Reader, value: Value) -> SignerInfo:
    fields = reader.listed(value, 7)
    if len(fields) < 5:
        raise BerError(f"no SignerInfo at byte {value.start:,}")
    sid, digest, rest = fields[1], fields[2], fields[3:]
    issuer = serial = key_identifier = None
    if sid.tag == SEQUENCE:
        name, number = reader.listed(sid, 2)
        issuer, serial = reader.bytes_of(name), reader.integer(number)
    elif sid.tag & ~0x20 == 0x80:
        key_identifier = reader.joined(sid, 1024)
    else:
        raise BerError(f"a signer that is named neither by issuer and serial number nor by key identifier, at byte {sid.start:,}")
    digest_algorithm = algorithms.algorithm(reader, digest)
    name_of_digest = algorithms.DIGESTS.get(digest_algorithm.oid)
    if name_of_digest is None:
        raise BerError(f"an unknown digest at byte {digest.start:,}")
    attributes = content_type = message_digest = None
    if rest[0].tag == 0xA0:
        found = _attributes(reader, rest[0])
        content_type, message_digest = found.get(algorithms.CONTENT_TYPE), found.get(algorithms.MESSAGE_DIGEST)
        protected = found.get(algorithms.ALGORITHM_PROTECTION)
        if content_type is None or message_digest is None:
            raise BerError(f"signed attributes without content type or message digest at byte {rest[0].start:,}")
        if protected is not None and digest_algorithm.oid not in protected:
            raise BerError(f"the protected algorithm at byte {rest[0].start:,} is another than the signer's")
        content = reader.content_of(rest[0])
        attributes = header(SET, len(content)) + content
        rest = rest[1:]
    if len(rest) < 2 or rest[1].tag & ~0x20 != OCTETS:
        raise BerError(f"a SignerInfo without a signature at byte {value.start:,}")
    return SignerInfo(
        issuer, serial, key_identifier, name_of_digest, attributes, content_type, message_digest,
        algorithms.algorithm(reader, rest[0]), reader.joined(rest[1], MAX_SIGNATURE),
    )  # fmt: skip


def _attributes(reader: Reader, value: Value) -> dict[bytes, bytes]:
    """Attribute -> its one value: an identifier, the octets of a digest, or as it stands. Twice the same, or several values, is a fault."""
    found: dict[bytes, bytes] = {}
    for attribute in reader.listed(value, MAX_ATTRIBUTES):
        kind, values = reader.listed(attribute, 2)
        name = reader.oid(kind)
        if name not in (algorithms.CONTENT_TYPE, algorithms.MESSAGE_DIGEST, algorithms.ALGORITHM_PROTECTION):
            continue
        given = reader.listed(values, 2)
        if len(given) != 1 or name in found:
            raise BerError(f"a signed attribute that must come once at byte {attribute.start:,}")
        if name == algorithms.CONTENT_TYPE:
            found[name] = reader.oid(given[0])
        elif name == algorithms.MESSAGE_DIGEST:
            found[name] = reader.joined(given[0], 128)
        else:
            found[name] = reader.content_of(given[0])
    return found


def verify(signed: SignedData, forms: Forms, registered: Sequence[Certificate], policy: Policy, at: datetime, limits: Limits) -> Verified:
    """The first signature that is good, by a registered certificate. Raises As2Error with the modifier of RFC 4130 7.5.3.

    One good one is enough; of several bad ones the one that says most is told: tampered content before a stranger's name.
    """
    if not signed.signers:
        raise As2Error(AUTHENTICATION, "nobody signed: the signature holds no signer")
    strangers: list[As2Error] = []
    faults: list[As2Error] = []
    digests: dict[tuple[str, str], bytes] = {}
    left = limits.verifications
    for signer in signed.signers:
        candidates = [one for one in registered if one.is_named(signer.issuer, signer.serial, signer.key_identifier)]
        if not candidates:
            strangers.append(As2Error(AUTHENTICATION, f"the signer's certificate ({signer.names}) is not registered for this partner"))
        for candidate in candidates:
            if left <= 0:
                faults.append(As2Error(AUTHENTICATION, f"more than {limits.verifications} signatures to verify"))
                break
            left -= 1
            try:
                return _verified(signed, signer, forms, candidate, policy, at, digests)
            except As2Error as fault:
                faults.append(fault)
    order = {INTEGRITY: 0, SECURITY: 1}
    raise min(faults or strangers, key=lambda fault: order.get(fault.modifier, 2))


def _verified(
    signed: SignedData, signer: SignerInfo, forms: Forms, by: Certificate, policy: Policy, at: datetime, digests: dict[tuple[str, str], bytes]
) -> Verified:
    digest = signer.digest
    if digest in WEAK and not getattr(policy, WEAK[digest]):
        raise As2Error(SECURITY, f"the signature uses {digest}, which this partner may not; sign with SHA-256 or better")
    if isinstance(by.public_key, rsa.RSAPublicKey) and by.public_key.key_size < policy.smallest_rsa:
        raise As2Error(SECURITY, f"the signer's RSA key has {by.public_key.key_size} bits; {policy.smallest_rsa} are the least")
    if policy.check_dates and not by.valid(at):
        raise As2Error(
            AUTHENTICATION, f"the signer's certificate {by.subject} is valid from {by.not_before:%Y-%m-%d} to {by.not_after:%Y-%m-%d} only"
        )

    def digested(name: str, make: Callable[[], Iterable[bytes | memoryview]]) -> bytes:
        known = digests.get((name, digest))
        if known is None:
            known = digests[(name, digest)] = algorithms.digest_of(digest, *make())
        return known

    if signer.attributes is None:
        for name, make in forms:
            if _good(signed.reader, signer, by, digested(name, make)):
                return Verified(by, digest, name)
        raise As2Error(INTEGRITY, "the signature does not fit the content; one of them was changed on the way")
    if signer.content_type != signed.content_type:
        raise As2Error(AUTHENTICATION, "the signed content type is another than the content's")
    fits = next((name for name, make in forms if digested(name, make) == signer.message_digest), None)
    if fits is None:
        raise As2Error(INTEGRITY, f"the content's {digest} is not the one that was signed; it was changed on the way")
    if _good(signed.reader, signer, by, algorithms.digest_of(digest, signer.attributes), signer.attributes):
        return Verified(by, digest, fits)
    ordered = _in_der(signer.attributes)
    if ordered is not None and _good(signed.reader, signer, by, algorithms.digest_of(digest, ordered), ordered):
        return Verified(by, digest, fits)
    raise As2Error(AUTHENTICATION, f"the signature is not the one of {by.subject}")


def _in_der(attributes: bytes) -> bytes | None:
    """The attributes in the order that DER has; None where they are in it."""
    reader = Reader(memoryview(attributes))
    members = [reader.bytes_of(one) for one in reader.children(reader.outermost())]
    again = set_of(*members)
    return None if again == attributes else again


def _good(reader: Reader, signer: SignerInfo, by: Certificate, digest: bytes, attributes: bytes | None = None) -> bool:
    """Whether the signature fits the digest of what was signed (the attributes', or the content's own)."""
    wanted, parameters = signer.signature_algorithm.oid, signer.signature_algorithm.parameters
    name = algorithms.RSA_WITH.get(wanted) or algorithms.ECDSA_WITH.get(wanted) or signer.digest
    key = by.public_key
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            if wanted not in algorithms.ECDSA_WITH and wanted != algorithms.EC_PUBLIC_KEY:
                return False
        elif wanted != algorithms.RSA and wanted != algorithms.RSA_PSS and wanted not in algorithms.RSA_WITH:
            return False
        padded: rsa_padding.AsymmetricPadding = rsa_padding.PKCS1v15()
        if wanted == algorithms.RSA_PSS:
            given = algorithms.padding(reader, parameters)
            name = given.digest
            padded = rsa_padding.PSS(rsa_padding.MGF1(algorithms.HASHES[given.mask_digest]()), given.salt)
        if name != signer.digest:
            if attributes is None:
                return False
            digest = algorithms.digest_of(name, attributes)
        hashed = Prehashed(algorithms.HASHES[name]())
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signer.signature, digest, ec.ECDSA(hashed))
        else:
            key.verify(signer.signature, digest, padded, hashed)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, BerError):
        return False
    return True
