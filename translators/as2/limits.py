"""Bounds on what a stranger can make us do, and what of it one partner may.

Knows numbers only.
"""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Each bound is on one message; sizes are bytes."""

    body: int = 200 * MIB
    """Of the body as it came, and of what any layer opens to."""
    ratio: int = 200
    """Decompressed to compressed, above `ratio_floor`; layers count together."""
    ratio_floor: int = 1_000_000
    layers: int = 8
    headers: int = 16 * 1024
    header_fields: int = 100
    parts: int = 100
    recipients: int = 64
    signers: int = 64
    certificates: int = 64
    verifications: int = 8


DEFAULT = Limits()


@dataclass(frozen=True, slots=True)
class Policy:
    """What one partner must do, and which weak things it may."""

    require_signature: bool = True
    require_encryption: bool = False
    allow_sha1: bool = False
    allow_md5: bool = False
    allow_3des: bool = False
    smallest_rsa: int = 2048
    """Bits of the signer's key."""
    check_dates: bool = True
    """False: a signer's certificate counts beyond its dates."""
    uniform_failures: bool = True
    """True: whatever is wrong inside a CBC envelope is told as decryption-failed, so that answers are no oracle of its padding."""


STRICT = Policy()
