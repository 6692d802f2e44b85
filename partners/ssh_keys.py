"""Public keys as OpenSSH writes them in a line: what they are, whether they are strong enough, and their fingerprint.

Reads the structure of RFC 4253, 6.6 only; proves nothing.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass

LEAST_RSA = 2048
CURVES = {"ecdsa-sha2-nistp256": b"nistp256", "ecdsa-sha2-nistp384": b"nistp384", "ecdsa-sha2-nistp521": b"nistp521"}
MOST_LINE = 16 * 1024


class SshKeyRefused(ValueError):
    """The line is no public key that we take; the text says why and what would mend it."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """`blob` is the key as it goes over the wire; two keys are the same when their blobs are."""

    kind: str
    blob: bytes

    def __str__(self) -> str:
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """As ssh-keygen -l shows it: SHA256:…"""
        return fingerprint(self.blob)


def fingerprint(blob: bytes) -> str:
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def read_public_key(line: str) -> PublicKey:
    """The key of a line such as `ssh-ed25519 AAAA… comment`. Raises SshKeyRefused."""
    words = line.split()
    if len(line) > MOST_LINE or len(words) < 2 or not words[0].startswith(("ssh-", "ecdsa-", "sk-")):
        raise SshKeyRefused("must be a public key as OpenSSH writes it, on one line: ssh-ed25519 AAAA… (the file that ends in .pub)")
    kind = words[0]
    try:
        blob = base64.b64decode(words[1], validate=True)
        fields = list(_fields(blob))
    except (ValueError, binascii.Error):
        raise SshKeyRefused("the key is cut or altered: what follows its kind is not whole") from None
    if not fields or fields[0] != kind.encode():
        raise SshKeyRefused(f"the line says {kind}, and the key within it is of another kind")
    if kind == "ssh-rsa":
        if len(fields) != 3:
            raise SshKeyRefused("the key is cut or altered: an RSA key has an exponent and a modulus")
        bits = int.from_bytes(fields[2]).bit_length()
        if bits < LEAST_RSA:
            raise SshKeyRefused(f"the RSA key has {bits} bits, and {LEAST_RSA} are the least; make another one: ssh-keygen -t ed25519")
    elif kind == "ssh-ed25519":
        if len(fields) != 2 or len(fields[1]) != 32:
            raise SshKeyRefused("the key is cut or altered: an Ed25519 key has 32 bytes")
    elif kind in CURVES:
        if len(fields) != 3 or fields[1] != CURVES[kind]:
            raise SshKeyRefused("the key is cut or altered: its curve is not that of its kind")
    else:
        raise SshKeyRefused(f"keys of the kind {kind} are not taken; make one of Ed25519, ECDSA or RSA: ssh-keygen -t ed25519")
    return PublicKey(kind, blob)


def _fields(blob: bytes) -> list[bytes]:
    """RFC 4251, 5: strings, each after its length. Raises ValueError where the last one is cut."""
    found, at = [], 0
    while at < len(blob):
        length = int.from_bytes(blob[at : at + 4])
        if at + 4 + length > len(blob):
            raise ValueError
        found.append(blob[at + 4 : at + 4 + length])
        at += 4 + length
    return found
