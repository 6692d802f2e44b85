"""Standard Webhooks signatures: what we put on a request, so that whoever has the secret knows that it is ours and when it left.

Knows no request.
"""

import base64
import hmac
from collections.abc import Iterable

from gateway.clock import SECOND, Instant

PREFIX = "whsec_"


def signing_key(secret: str) -> bytes:
    """The bytes of `whsec_` and Base64. Raises ValueError for anything else."""
    key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    if not secret.startswith(PREFIX) or not key:
        raise ValueError("a signing secret is whsec_ and Base64")
    return key


def standard_webhooks(keys: Iterable[bytes], *, identity: str, at: Instant, data: bytes) -> list[tuple[str, str]]:
    """The three headers, one signature for each key; none without a key. The time is that of the attempt, the id that of what is sent."""
    seconds = str(at // SECOND)
    codes = [hmac.digest(key, f"{identity}.{seconds}.".encode() + data, "sha256") for key in keys]
    if not codes:
        return []
    value = " ".join(f"v1,{base64.b64encode(code).decode()}" for code in codes)
    return [("webhook-id", identity), ("webhook-timestamp", seconds), ("webhook-signature", value)]
