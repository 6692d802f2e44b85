"""Passwords at rest: argon2id, and a bound on how many are tried at once, since each try takes memory on purpose."""

import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

TRIED_AT_ONCE = 2
MOST_PASSWORD = 1024
_hasher = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
_room = threading.BoundedSemaphore(TRIED_AT_ONCE)
_nobodys = f"$argon2id$v=19$m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}${'A' * 22}${'A' * 43}"
"""A hash that no password has; trying it takes as long as any. Written down, since making one would cost each start half a second."""


def hash_of(password: str) -> str:
    """Its argon2id hash (RFC 9106), as a profile has it."""
    return _hasher.hash(password)


def fits(password: str, hashes: list[str]) -> bool:
    """Whether the password has one of these hashes. Without any it takes as long, so that the time does not tell who is known."""
    if len(password) > MOST_PASSWORD:
        return False
    with _room:
        return [one for one in hashes or [_nobodys] if _fits(password, one)] != [] and hashes != []


def _fits(password: str, one: str) -> bool:
    try:
        return _hasher.verify(one, password)
    except (VerificationError, InvalidHashError):
        return False
