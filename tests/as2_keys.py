"""Keys for tests, made once a process."""

from datetime import UTC, datetime
from functools import lru_cache

from gateway.keys import Vault, generate
from translators.as2.cms.keys import OurKey, certificate

AT = datetime(2026, 11, 2, 8, 0, 5, tzinfo=UTC)


@lru_cache
def key(name: str, kind: str = "rsa-2048") -> OurKey:
    made = generate(name, at=AT, kind=kind)
    vault = Vault(b"tests")
    return vault.open(vault.seal(made.private, certificate(made.certificate).fingerprint), made.certificate)
