"""CMS written in DER: SignedData, EnvelopedData, AuthEnvelopedData, CompressedData (RFC 5652, RFC 5083, RFC 3274).

The length of everything but compressed content is known before it is made, so that a message of any size is written in one pass.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Literal

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from translators.as2.buffers import NewSink, size_of
from translators.as2.cms import algorithms
from translators.as2.cms.ber import BIT_STRING, NULL_VALUE, OCTETS, SEQUENCE, encoded_oid, header, integer, octets, oid, sequence, set_of, tlv
from translators.as2.cms.keys import Certificate, OurKey

Pieces = Sequence[bytes | memoryview]
Random = Callable[[int], bytes]
"""Gives so many bytes that nobody can guess."""
Write = Callable[[bytes | memoryview], object]
KeyTransport = Literal["rsa-pkcs1-v1.5", "rsa-oaep-sha1", "rsa-oaep-sha256"]
STEP = 64 * 1024
TAG = 16
NONCE = 12
UTC_TIME = 0x17
DIGEST_OIDS = {name: encoded for encoded, name in algorithms.DIGESTS.items()}
ECDSA_OIDS = {name: encoded for encoded, name in algorithms.ECDSA_WITH.items()}
CIPHER_OIDS = {cipher.name: (encoded, cipher) for encoded, cipher in algorithms.CIPHERS.items()}
AGREEMENT = encoded_oid("1.3.132.1.11.1")
WRAP = encoded_oid("2.16.840.1.101.3.4.1.45")
"""Of what we write: ECDH with SHA-256, AES-256 key wrap."""


DIGEST_ALGORITHMS = {name: sequence(oid(encoded), NULL_VALUE) for name, encoded in DIGEST_OIDS.items()}
RSA_ALGORITHM = sequence(oid(algorithms.RSA), NULL_VALUE)
DATA_TYPE = sequence(oid(algorithms.DATA))
CONTENT_TYPE_ATTRIBUTE = sequence(oid(algorithms.CONTENT_TYPE), set_of(oid(algorithms.DATA)))
SIGNING_TIME_NAME, MESSAGE_DIGEST_NAME = oid(algorithms.SIGNING_TIME), oid(algorithms.MESSAGE_DIGEST)
SIGNED_NAME, VERSION_1 = oid(algorithms.SIGNED), integer(1)


def signed_data(content_digest: bytes, digest: str, key: OurKey, *, at: datetime, pss: bool = False, attributes: bool = True) -> bytes:
    """A detached SignedData over content with that digest, with our certificate in it."""
    return b"".join(signed_around(None, content_digest, digest, key, at=at, pss=pss, attributes=attributes))


def signed_around(
    content: Pieces | None, content_digest: bytes, digest: str, key: OurKey, *, at: datetime, pss: bool = False, attributes: bool = True
) -> tuple[bytes | memoryview, ...]:
    """A SignedData in pieces, with the content inside (opaque), or detached where `content` is None.

    `attributes`: False for the oldest partners, who want the signature over the content itself.
    """
    signed = b""
    hashed = content_digest
    if attributes:
        signed = b"".join(
            sorted(
                (
                    CONTENT_TYPE_ATTRIBUTE,
                    sequence(SIGNING_TIME_NAME, set_of(tlv(UTC_TIME, f"{at:%y%m%d%H%M%SZ}".encode("ascii")))),
                    sequence(MESSAGE_DIGEST_NAME, set_of(octets(content_digest))),
                )
            )
        )
        hashed = algorithms.digest_of(digest, header(0x31, len(signed)) + signed)
    named = key.certificate
    signer = sequence(
        VERSION_1,
        named.issuer_and_serial,
        DIGEST_ALGORITHMS[digest],
        tlv(0xA0, signed) if attributes else b"",
        *_signature(hashed, digest, key, pss=pss),
    )
    before, after = VERSION_1 + set_of(DIGEST_ALGORITHMS[digest]), tlv(0xA0, named.der) + set_of(signer)
    if content is None:
        return (sequence(SIGNED_NAME, tlv(0xA0, sequence(before, DATA_TYPE, after))),)
    size = size_of(content)
    inner = header(OCTETS, size)
    kind = oid(algorithms.DATA) + header(0xA0, len(inner) + size) + inner
    before += header(SEQUENCE, len(kind) + size) + kind
    length = len(before) + size + len(after)
    body = header(SEQUENCE, length)
    wrapped = SIGNED_NAME + header(0xA0, len(body) + length) + body
    return header(SEQUENCE, len(wrapped) + length) + wrapped + before, *content, after


def _signature(hashed: bytes, digest: str, key: OurKey, *, pss: bool) -> tuple[bytes, bytes]:
    """(signature algorithm, signature)."""
    made = Prehashed(algorithms.HASHES[digest]())
    if isinstance(key.private, ec.EllipticCurvePrivateKey):
        return sequence(oid(ECDSA_OIDS[digest])), octets(key.private.sign(hashed, ec.ECDSA(made)))
    if pss:
        salt = made.digest_size
        mask = rsa_padding.MGF1(algorithms.HASHES[digest]())
        given = (
            tlv(0xA0, DIGEST_ALGORITHMS[digest]),
            tlv(0xA1, sequence(oid(algorithms.MGF1), DIGEST_ALGORITHMS[digest])),
            tlv(0xA2, integer(salt)),
        )
        # All three have SHA-1's values as their defaults, which DER leaves out.
        algorithm = sequence(oid(algorithms.RSA_PSS), sequence() if digest == "sha1" else sequence(*given))
        return algorithm, octets(key.private.sign(hashed, rsa_padding.PSS(mask, salt), made))
    return RSA_ALGORITHM, octets(key.private.sign(hashed, rsa_padding.PKCS1v15(), made))


def envelope(
    pieces: Pieces, cipher: str, recipients: Sequence[Certificate], random: Random, write: Write, *, transport: KeyTransport = "rsa-pkcs1-v1.5"
) -> None:
    """The pieces one after another, encrypted to each recipient; RSA keys by `transport`, elliptic ones by key agreement.

    Written in one pass. Raises KeyError for an unknown cipher.
    """
    encoded, known = CIPHER_OIDS[cipher]
    content_key, start = random(known.key), random(NONCE if known.authenticated else 8 if encoded == algorithms.TRIPLE_DES else 16)
    infos = [_recipient(one, content_key, transport) for one in recipients]
    agreed = any(info[0] == 0xA1 for info in infos)
    size = size_of(pieces)
    block = 8 if encoded == algorithms.TRIPLE_DES else 16
    sealed = size if known.authenticated else size + block - size % block
    parameters = sequence(octets(start), integer(TAG)) if known.authenticated else octets(start)
    algorithm = sequence(oid(encoded), parameters)
    content_head = oid(algorithms.DATA) + algorithm + header(0x80, sealed)
    before = integer(2 if agreed and not known.authenticated else 0) + set_of(*infos)
    before += header(SEQUENCE, len(content_head) + sealed) + content_head
    after = header(OCTETS, TAG) if known.authenticated else b""
    length = len(before) + sealed + len(after) + (TAG if known.authenticated else 0)
    kind = oid(algorithms.AUTH_ENVELOPED if known.authenticated else algorithms.ENVELOPED)
    body = header(SEQUENCE, length)
    wrapped = header(0xA0, len(body) + length)
    write(header(SEQUENCE, len(kind) + len(wrapped) + len(body) + length) + kind + wrapped + body + before)
    if known.authenticated:
        sealing = Cipher(AES(content_key), modes.GCM(start)).encryptor()
        _pour(pieces, sealing.update_into, write)
        write(sealing.finalize())
        write(after + sealing.tag)
        return
    chaining = Cipher(TripleDES(content_key) if encoded == algorithms.TRIPLE_DES else AES(content_key), modes.CBC(start)).encryptor()
    _pour(pieces, chaining.update_into, write)
    padding = block - size % block
    write(chaining.update(bytes((padding,)) * padding) + chaining.finalize())


def _pour(pieces: Pieces, update_into: Callable[[memoryview, bytearray], int], write: Write) -> None:
    """All pieces through a cipher, in steps that reuse one buffer; the sink copies what it is given."""
    buffer = bytearray(STEP + 32)
    view = memoryview(buffer)
    for piece in pieces:
        whole = memoryview(piece)
        for start in range(0, len(whole), STEP):
            count = update_into(whole[start : start + STEP], buffer)
            if count:
                write(view[:count])


def _recipient(one: Certificate, content_key: bytes, transport: KeyTransport) -> bytes:
    named = one.issuer_and_serial
    if isinstance(one.public_key, ec.EllipticCurvePublicKey):
        return _agreement(one.public_key, named, content_key)
    if transport == "rsa-pkcs1-v1.5":
        return sequence(integer(0), named, RSA_ALGORITHM, octets(one.public_key.encrypt(content_key, rsa_padding.PKCS1v15())))
    digest = transport.removeprefix("rsa-oaep-")
    made = algorithms.HASHES[digest]
    wrapped = one.public_key.encrypt(content_key, rsa_padding.OAEP(rsa_padding.MGF1(made()), made(), None))
    parameters = sequence()
    if digest != "sha1":  # which is the default, and DER leaves defaults out
        mask = sequence(oid(algorithms.MGF1), DIGEST_ALGORITHMS[digest])
        parameters = sequence(tlv(0xA0, DIGEST_ALGORITHMS[digest]), tlv(0xA1, mask))
    return sequence(integer(0), named, sequence(oid(algorithms.RSA_OAEP), parameters), octets(wrapped))


def _agreement(public: ec.EllipticCurvePublicKey, named: bytes, content_key: bytes) -> bytes:
    """KeyAgreeRecipientInfo with a key pair made for this message (RFC 5753 3.1)."""
    ours = ec.generate_private_key(public.curve)
    point = ours.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    wrap = sequence(oid(WRAP))
    info = sequence(wrap, tlv(0xA2, octets((256).to_bytes(4, "big"))))
    wrapping = X963KDF(algorithms.HASHES["sha256"](), 32, info).derive(ours.exchange(ec.ECDH(), public))
    originator = tlv(0xA0, tlv(0xA1, sequence(oid(algorithms.EC_PUBLIC_KEY)), tlv(BIT_STRING, b"\0" + point)))
    keys = sequence(sequence(named, octets(aes_key_wrap(wrapping, content_key))))
    return tlv(0xA1, integer(3), originator, sequence(oid(AGREEMENT), wrap), keys)


def compressed(pieces: Pieces, new_sink: NewSink) -> tuple[bytes, memoryview]:
    """CompressedData of the pieces as (its beginning, the compressed bytes)."""
    sink, state = new_sink(), zlib.compressobj(6)
    for piece in pieces:
        whole = memoryview(piece)
        for start in range(0, len(whole), STEP):
            if packed := state.compress(whole[start : start + STEP]):
                sink.write(packed)
    sink.write(state.flush())
    content = sink.view()
    inner = header(OCTETS, len(content))
    kind = oid(algorithms.DATA)
    size = len(inner) + len(content)
    encapsulated = kind + header(0xA0, size) + inner
    before = integer(0) + sequence(oid(algorithms.ZLIB)) + header(SEQUENCE, len(encapsulated) + len(content)) + encapsulated
    length = len(before) + len(content)
    body = header(SEQUENCE, length) + before
    outer = oid(algorithms.COMPRESSED) + header(0xA0, len(body) + len(content)) + body
    return header(SEQUENCE, len(outer) + len(content)) + outer, content


def pieces_of(data: Pieces) -> Iterator[memoryview]:
    """The pieces in steps."""
    for piece in data:
        whole = memoryview(piece)
        for start in range(0, len(whole), STEP):
            yield whole[start : start + STEP]
