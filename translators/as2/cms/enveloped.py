"""EnvelopedData and AuthEnvelopedData (RFC 5652 6, RFC 5083): our key is found among the recipients, the content opened.

Knows key transport, key agreement and ciphers; knows no MIME.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap
from cryptography.hazmat.primitives.padding import PKCS7

from translators.as2.buffers import NewSink, size_of
from translators.as2.cms import algorithms
from translators.as2.cms.algorithms import Algorithm, CipherOf
from translators.as2.cms.ber import INTEGER, OCTETS, SEQUENCE, SET, BerError, Reader, Value, octets, sequence, tlv
from translators.as2.cms.keys import OurKey
from translators.as2.errors import DECRYPTION, ENVELOPE_REFUSED, SECURITY, As2Error
from translators.as2.limits import Limits, Policy

MAX_WRAPPED = 2048
STEP = 64 * 1024
"""Bytes that are decrypted at a time."""


class Recipient(NamedTuple):
    """One RecipientInfo: whom it names, and the wrapped key."""

    issuer: bytes | None
    serial: int | None
    key_identifier: bytes | None
    algorithm: Algorithm
    wrapped: bytes
    originator: bytes | None = None
    """Key agreement: the sender's point."""
    material: bytes | None = None
    """Key agreement: what both sides mix in (ukm)."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What was inside, and how it was closed."""

    content: memoryview
    cipher: str
    key_transport: str
    key: OurKey
    authenticated: bool
    """True: the cipher proved that nothing was changed."""


def open_envelope(
    reader: Reader, value: Value, keys: Sequence[OurKey], policy: Policy, limits: Limits, new_sink: NewSink, *, authenticated: bool
) -> Opened:
    """The content of the envelope at that value. Raises BerError, As2Error; never tells padding, key or tag apart."""
    fields = reader.listed(value, 8)
    if fields and fields[0].tag == INTEGER:
        fields = fields[1:]
    if fields and fields[0].tag == 0xA0:
        fields = fields[1:]
    if len(fields) < 2 or fields[0].tag != SET:
        raise BerError(f"no envelope at byte {value.start:,}")
    recipients = [one for info in reader.listed(fields[0], limits.recipients) for one in _recipients(reader, info, limits)]
    _, algorithm_value, encrypted = _three(reader, fields[1])
    algorithm = algorithms.algorithm(reader, algorithm_value)
    cipher = algorithms.CIPHERS.get(algorithm.oid)
    if cipher is None or cipher.authenticated is not authenticated:
        name = algorithms.NEVER.get(algorithm.oid, "one we do not know")
        raise As2Error(SECURITY, f"the content cipher is {name}; use AES-128, AES-192 or AES-256 in CBC or GCM")
    if algorithm.oid == algorithms.TRIPLE_DES and not policy.allow_3des:
        raise As2Error(SECURITY, "the content cipher is 3DES, which this partner may not use; use AES")
    ours = [(one, key) for one in recipients for key in keys if key.certificate.is_named(one.issuer, one.serial, one.key_identifier)]
    if not ours:
        raise As2Error(DECRYPTION, f"none of the {len(recipients)} recipients is a key of ours; encrypt to the certificate we gave you")
    tag = b""
    if authenticated:
        tag_field = fields[-1]
        if tag_field.tag & ~0x20 != OCTETS:
            raise BerError(f"an authenticated envelope without its tag at byte {tag_field.start:,}")
        tag = reader.joined(tag_field, 64)
    extra = _authenticated_attributes(reader, fields) if authenticated else b""
    pieces = reader.octets(encrypted)
    if size_of(pieces) > limits.body:
        raise As2Error(DECRYPTION, f"the envelope holds more than {limits.body:,} bytes")
    for recipient, key in ours[: limits.verifications]:
        content_key = _unwrapped(reader, recipient, key, cipher)
        if content_key is None:
            continue
        sink = new_sink()
        try:
            context = _context(reader, algorithm, cipher, content_key, tag, extra)
            _decrypt(context, pieces, sink.write, block=0 if cipher.authenticated else 8 if cipher.name.startswith("des") else 16)
        except (InvalidTag, ValueError, UnsupportedAlgorithm):
            continue
        return Opened(sink.view(), cipher.name, _transport(reader, recipient), key, cipher.authenticated)
    raise As2Error(DECRYPTION, ENVELOPE_REFUSED)


def _three(reader: Reader, value: Value) -> tuple[Value, Value, Value]:
    fields = reader.listed(value, 3)
    if len(fields) != 3 or fields[2].tag & ~0x20 != 0x80:
        raise BerError(f"no encrypted content at byte {value.start:,}")
    return fields[0], fields[1], fields[2]


def _recipients(reader: Reader, value: Value, limits: Limits) -> list[Recipient]:
    if value.tag == SEQUENCE:
        return [_transported(reader, value)]
    if value.tag == 0xA1:
        return _agreed(reader, value, limits)
    return []  # passwords and keys agreed beforehand are not for us


def _transported(reader: Reader, value: Value) -> Recipient:
    fields = reader.listed(value, 4)
    if len(fields) != 4:
        raise BerError(f"no recipient at byte {value.start:,}")
    issuer, serial, identifier = _named(reader, fields[1])
    return Recipient(issuer, serial, identifier, algorithms.algorithm(reader, fields[2]), reader.joined(fields[3], MAX_WRAPPED))


def _named(reader: Reader, value: Value) -> tuple[bytes | None, int | None, bytes | None]:
    if value.tag == SEQUENCE:
        fields = reader.listed(value, 2)
        if len(fields) != 2:
            raise BerError(f"no issuer and serial number at byte {value.start:,}")
        return reader.bytes_of(fields[0]), reader.integer(fields[1]), None
    if value.tag == 0xA0:  # KeyAgreement's [0] RecipientKeyIdentifier
        return None, None, reader.joined(reader.listed(value, 3)[0], 1024)
    if value.tag == 0x80:
        return None, None, reader.joined(value, 1024)
    raise BerError(f"a recipient without a name at byte {value.start:,}")


def _agreed(reader: Reader, value: Value, limits: Limits) -> list[Recipient]:
    """KeyAgreeRecipientInfo (RFC 5652 6.2.2): one ephemeral key for several recipients."""
    fields = reader.listed(value, 5)
    if len(fields) < 4 or fields[1].tag != 0xA0:
        raise BerError(f"no key agreement at byte {value.start:,}")
    origin = reader.listed(fields[1], 1)
    if not origin or origin[0].tag != 0xA1:
        return []
    point = reader.listed(origin[0], 2)
    if len(point) != 2 or point[1].tag != 0x03:
        raise BerError(f"no public key of the sender at byte {origin[0].start:,}")
    originator = reader.content_of(point[1])[1:]
    rest, material = fields[2:], None
    if rest[0].tag == 0xA1:
        material = reader.joined(reader.listed(rest[0], 1)[0], 1024)
        rest = rest[1:]
    if len(rest) != 2:
        raise BerError(f"no key agreement at byte {value.start:,}")
    algorithm = algorithms.algorithm(reader, rest[0])
    found = []
    for one in reader.listed(rest[1], limits.recipients):
        inner = reader.listed(one, 2)
        if len(inner) != 2:
            raise BerError(f"no recipient at byte {one.start:,}")
        issuer, serial, identifier = _named(reader, inner[0])
        found.append(Recipient(issuer, serial, identifier, algorithm, reader.joined(inner[1], MAX_WRAPPED), originator, material))
    return found


def _authenticated_attributes(reader: Reader, fields: list[Value]) -> bytes:
    """What the tag covers besides the content: the attributes as a DER SET (RFC 5083 2.2)."""
    found = next((field for field in fields[2:] if field.tag == 0xA1), None)
    return b"" if found is None else tlv(SET, reader.content_of(found))


def _transport(reader: Reader, recipient: Recipient) -> str:
    if recipient.originator is not None:
        return f"ecdh-{algorithms.AGREEMENTS[recipient.algorithm.oid]}"
    if recipient.algorithm.oid == algorithms.RSA_OAEP:
        return f"rsa-oaep-{algorithms.padding(reader, recipient.algorithm.parameters).digest}"
    return "rsa-pkcs1-v1.5"


def _unwrapped(reader: Reader, recipient: Recipient, key: OurKey, cipher: CipherOf) -> bytes | None:
    """The content key; None where it does not unwrap. RSA v1.5 gives random bytes then (OpenSSL's implicit rejection, RFC 3218)."""
    private, algorithm = key.private, recipient.algorithm
    try:
        if recipient.originator is not None:
            return _agreed_key(reader, recipient, private) if isinstance(private, ec.EllipticCurvePrivateKey) else None
        if not isinstance(private, rsa.RSAPrivateKey):
            return None
        if algorithm.oid == algorithms.RSA_OAEP:
            given = algorithms.padding(reader, algorithm.parameters)
            oaep = rsa_padding.OAEP(rsa_padding.MGF1(algorithms.HASHES[given.mask_digest]()), algorithms.HASHES[given.digest](), given.label or None)
            found = private.decrypt(recipient.wrapped, oaep)
        elif algorithm.oid == algorithms.RSA:
            found = private.decrypt(recipient.wrapped, rsa_padding.PKCS1v15())
        else:
            return None
    except (ValueError, UnsupportedAlgorithm, InvalidUnwrap):
        return None
    if len(found) != cipher.key:
        # Going on with a key that cannot fit keeps time and answer alike.
        return (recipient.wrapped + bytes(cipher.key))[: cipher.key]
    return found


def _agreed_key(reader: Reader, recipient: Recipient, private: ec.EllipticCurvePrivateKey) -> bytes | None:
    """Ephemeral-static ECDH, X9.63, AES key wrap (RFC 5753 3.1)."""
    digest = algorithms.AGREEMENTS.get(recipient.algorithm.oid)
    if digest is None or recipient.algorithm.parameters is None or recipient.originator is None:
        return None
    wrap_value = recipient.algorithm.parameters
    length = algorithms.WRAPS.get(algorithms.algorithm(reader, wrap_value).oid)
    if length is None:
        return None
    peer = ec.EllipticCurvePublicKey.from_encoded_point(private.curve, recipient.originator)
    shared = private.exchange(ec.ECDH(), peer)
    material = tlv(0xA0, octets(recipient.material)) if recipient.material is not None else b""
    info = sequence(reader.bytes_of(wrap_value), material, tlv(0xA2, octets((length * 8).to_bytes(4, "big"))))
    wrapping = X963KDF(algorithms.HASHES[digest](), length, info).derive(shared)
    return aes_key_unwrap(wrapping, recipient.wrapped)


def _context(reader: Reader, algorithm: Algorithm, cipher: CipherOf, key: bytes, tag: bytes, extra: bytes) -> CipherContext:
    parameters = algorithm.parameters
    if parameters is None:
        raise BerError("a cipher without its parameters")
    if cipher.authenticated:
        fields = reader.listed(parameters, 2)
        nonce = reader.joined(fields[0], 64)
        length = reader.integer(fields[1]) if len(fields) > 1 else 12
        if length != len(tag) or not 12 <= length <= 16:
            raise As2Error(DECRYPTION, ENVELOPE_REFUSED)
        context = Cipher(AES(key), modes.GCM(nonce, tag, min_tag_length=12)).decryptor()
        if extra:
            context.authenticate_additional_data(extra)
        return context
    start = reader.joined(parameters, 64)
    return Cipher(TripleDES(key) if algorithm.oid == algorithms.TRIPLE_DES else AES(key), modes.CBC(start)).decryptor()


def _decrypt(context: CipherContext, pieces: list[memoryview], write: Callable[[bytes | memoryview], object], *, block: int) -> None:
    """All pieces in steps that reuse one buffer; with `block` the last block is held back and its padding taken off. Raises ValueError, InvalidTag."""
    buffer, held = bytearray(STEP + 32), b""
    view = memoryview(buffer)
    for piece in pieces:
        for start in range(0, len(piece), STEP):
            count = context.update_into(piece[start : start + STEP], buffer)
            if not block:
                write(view[:count])
            elif count:
                write(held)
                write(view[: count - block])
                held = bytes(view[count - block : count])
    context.finalize()
    if block:
        unpadder = PKCS7(block * 8).unpadder()
        write(unpadder.update(held) + unpadder.finalize())
