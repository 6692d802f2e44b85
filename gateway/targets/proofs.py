"""How we prove ourselves: HTTP Basic, and the three ways of an OAuth2 client.

Knows no request and no setting; the keys themselves stay in gateway/keys.py.
"""

import base64
import json
import secrets
from urllib.parse import quote_plus

from gateway.clock import SECOND, Instant
from gateway.keys import JwsKey, sign_jws
from gateway.targets.tokens import Proof

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFE = 120
"""Seconds."""


def basic(user: str, password: bytes) -> tuple[str, str]:
    """RFC 7617."""
    return "Authorization", f"Basic {base64.b64encode(user.encode() + b':' + password).decode()}"


def client_secret_basic(client: str, secret: bytes) -> Proof:
    """RFC 6749, 2.3.1: both are written as a form's values first."""
    return Proof(headers=(basic(quote_plus(client), quote_plus(secret.decode()).encode()),))


def client_secret_post(client: str, secret: bytes) -> Proof:
    return Proof(form={"client_id": client, "client_secret": secret.decode()})


def private_key_jwt(client: str, key: JwsKey, *, audience: str, key_id: str | None, at: Instant) -> Proof:
    """RFC 7523, 2.2: an assertion of our own, signed, for this request alone. Raises KeyRefused for a key that its algorithm cannot use."""
    head = {"alg": key.algorithm, "typ": "JWT"}
    if key_id is not None:
        head["kid"] = key_id
    if key.certificate is not None:
        head["x5t#S256"] = _base64url(bytes.fromhex(key.certificate))
    seconds = at // SECOND
    claims = {"iss": client, "sub": client, "aud": audience, "jti": secrets.token_urlsafe(16), "iat": seconds, "exp": seconds + ASSERTION_LIFE}
    signed = ".".join(_base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
    assertion = f"{signed}.{_base64url(sign_jws(key, signed.encode()))}"
    return Proof(form={"client_id": client, "client_assertion_type": ASSERTION, "client_assertion": assertion})


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
