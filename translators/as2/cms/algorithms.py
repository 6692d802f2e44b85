"""The algorithms of CMS by their identifiers: digests, signatures, ciphers, key transport.

Knows identifiers and parameters; verifies and decrypts nothing.
"""

import hashlib
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes

from translators.as2.cms.ber import BerError, Reader, Value, encoded_oid

DATA = encoded_oid("1.2.840.113549.1.7.1")
SIGNED = encoded_oid("1.2.840.113549.1.7.2")
ENVELOPED = encoded_oid("1.2.840.113549.1.7.3")
AUTH_ENVELOPED = encoded_oid("1.2.840.113549.1.9.16.1.23")
COMPRESSED = encoded_oid("1.2.840.113549.1.9.16.1.9")
ZLIB = encoded_oid("1.2.840.113549.1.9.16.3.8")
CONTENT_TYPE = encoded_oid("1.2.840.113549.1.9.3")
MESSAGE_DIGEST = encoded_oid("1.2.840.113549.1.9.4")
SIGNING_TIME = encoded_oid("1.2.840.113549.1.9.5")
ALGORITHM_PROTECTION = encoded_oid("1.2.840.113549.1.9.52")
RSA = encoded_oid("1.2.840.113549.1.1.1")
RSA_OAEP = encoded_oid("1.2.840.113549.1.1.7")
RSA_PSS = encoded_oid("1.2.840.113549.1.1.10")
MGF1 = encoded_oid("1.2.840.113549.1.1.8")
TRIPLE_DES = encoded_oid("1.2.840.113549.3.7")

DIGESTS = {
    encoded_oid("1.2.840.113549.2.5"): "md5",
    encoded_oid("1.3.14.3.2.26"): "sha1",
    encoded_oid("2.16.840.1.101.3.4.2.4"): "sha224",
    encoded_oid("2.16.840.1.101.3.4.2.1"): "sha256",
    encoded_oid("2.16.840.1.101.3.4.2.2"): "sha384",
    encoded_oid("2.16.840.1.101.3.4.2.3"): "sha512",
}
RSA_WITH = {
    encoded_oid("1.2.840.113549.1.1.4"): "md5",
    encoded_oid("1.2.840.113549.1.1.5"): "sha1",
    encoded_oid("1.2.840.113549.1.1.14"): "sha224",
    encoded_oid("1.2.840.113549.1.1.11"): "sha256",
    encoded_oid("1.2.840.113549.1.1.12"): "sha384",
    encoded_oid("1.2.840.113549.1.1.13"): "sha512",
}
ECDSA_WITH = {
    encoded_oid("1.2.840.10045.4.1"): "sha1",
    encoded_oid("1.2.840.10045.4.3.1"): "sha224",
    encoded_oid("1.2.840.10045.4.3.2"): "sha256",
    encoded_oid("1.2.840.10045.4.3.3"): "sha384",
    encoded_oid("1.2.840.10045.4.3.4"): "sha512",
}
EC_PUBLIC_KEY = encoded_oid("1.2.840.10045.2.1")


class CipherOf(NamedTuple):
    """A content cipher: its name in reports, bytes of its key, and whether it proves what it opens."""

    name: str
    key: int
    authenticated: bool


CIPHERS = {
    encoded_oid("2.16.840.1.101.3.4.1.2"): CipherOf("aes-128-cbc", 16, False),
    encoded_oid("2.16.840.1.101.3.4.1.22"): CipherOf("aes-192-cbc", 24, False),
    encoded_oid("2.16.840.1.101.3.4.1.42"): CipherOf("aes-256-cbc", 32, False),
    encoded_oid("2.16.840.1.101.3.4.1.6"): CipherOf("aes-128-gcm", 16, True),
    encoded_oid("2.16.840.1.101.3.4.1.26"): CipherOf("aes-192-gcm", 24, True),
    encoded_oid("2.16.840.1.101.3.4.1.46"): CipherOf("aes-256-gcm", 32, True),
    TRIPLE_DES: CipherOf("des-ede3-cbc", 24, False),
}
NEVER = {
    encoded_oid("1.2.840.113549.3.2"): "rc2-cbc",
    encoded_oid("1.2.840.113549.3.4"): "rc4",
    encoded_oid("1.3.14.3.2.7"): "des-cbc",
}
WRAPS = {
    encoded_oid("2.16.840.1.101.3.4.1.5"): 16,
    encoded_oid("2.16.840.1.101.3.4.1.25"): 24,
    encoded_oid("2.16.840.1.101.3.4.1.45"): 32,
}
"""AES key wrap -> bytes of its key (RFC 3394)."""
AGREEMENTS = {
    encoded_oid("1.3.133.16.840.63.0.2"): "sha1",
    encoded_oid("1.3.132.1.11.0"): "sha224",
    encoded_oid("1.3.132.1.11.1"): "sha256",
    encoded_oid("1.3.132.1.11.2"): "sha384",
    encoded_oid("1.3.132.1.11.3"): "sha512",
}
"""Ephemeral-static ECDH with the X9.63 derivation -> its digest (RFC 5753 7.1.4)."""
HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "md5": hashes.MD5,
    "sha1": hashes.SHA1,
    "sha224": hashes.SHA224,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


class Algorithm(NamedTuple):
    """An AlgorithmIdentifier: the encoded identifier, and where its parameters stand."""

    oid: bytes
    parameters: Value | None


def algorithm(reader: Reader, value: Value) -> Algorithm:
    """The AlgorithmIdentifier at that value (RFC 5280 4.1.1.2)."""
    inner = reader.listed(value, 2)
    if not inner:
        raise BerError(f"an algorithm without an identifier at byte {value.start:,}")
    return Algorithm(reader.oid(inner[0]), inner[1] if len(inner) > 1 else None)


class Padding(NamedTuple):
    """Parameters of PSS or OAEP: both digests, the salt's length in bytes (PSS), the label (OAEP)."""

    digest: str
    mask_digest: str
    salt: int
    label: bytes


def padding(reader: Reader, parameters: Value | None) -> Padding:
    """RSASSA-PSS-params or RSAES-OAEP-params (RFC 4055 3.1, 4.1); what is absent has its default, SHA-1."""
    digest, mask, salt, label = "sha1", "sha1", 20, b""
    for field in reader.listed(parameters, 4) if parameters is not None and parameters.tag == 0x30 else []:
        inner = reader.listed(field, 1)
        if not inner:
            raise BerError(f"an empty parameter at byte {field.start:,}")
        match field.tag:
            case 0xA0:
                digest = _digest(reader, inner[0])
            case 0xA1:
                generator = algorithm(reader, inner[0])
                if generator.oid != MGF1 or generator.parameters is None:
                    raise BerError(f"a mask generation that is not MGF1 at byte {field.start:,}")
                mask = _digest(reader, generator.parameters)
            case 0xA2 if inner[0].tag == 0x02:
                salt = reader.integer(inner[0])
            case 0xA2:
                label = _label(reader, inner[0])
            case 0xA3:
                pass
            case _:
                raise BerError(f"an unknown parameter at byte {field.start:,}")
    if not 0 <= salt <= 512:
        raise BerError("a salt length that cannot be")
    return Padding(digest, mask, salt, label)


def _label(reader: Reader, value: Value) -> bytes:
    fields = reader.listed(value, 2)
    return reader.joined(fields[1], 1024) if len(fields) == 2 else b""


def _digest(reader: Reader, value: Value) -> str:
    found = DIGESTS.get(algorithm(reader, value).oid)
    if found is None:
        raise BerError(f"an unknown digest at byte {value.start:,}")
    return found


def digest_of(name: str, *pieces: bytes | memoryview) -> bytes:
    """Digest of the pieces one after another; `name` is one of DIGESTS' values."""
    state = hashlib.new(name, usedforsecurity=name not in ("md5", "sha1"))
    for piece in pieces:
        state.update(piece)
    return state.digest()
