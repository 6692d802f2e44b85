"""The AS2 headers of a request: who, to whom, which message, and which receipt is asked for (RFC 4130 6 and 7).

Knows no body.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from translators.as2.errors import As2Error, NotAs2
from translators.as2.mime import Headers

MAX_NAME = 128
MAX_MESSAGE_ID = 998
DIGESTS = ("sha1", "sha224", "sha256", "sha384", "sha512", "md5")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


class Algorithm(NamedTuple):
    """A digest as it is called here, and as the partner spelt it: receipts repeat the partner's spelling."""

    name: str
    spelt: str


@dataclass(frozen=True, slots=True)
class ReceiptAsked:
    """The receipt that the sender wants."""

    signed: bool
    url: str | None
    """Where an asynchronous one goes; None: in the response."""
    algorithms: tuple[Algorithm, ...] = ()
    """Digests for the MIC in the sender's order, those we know; empty: none was named."""
    fault: As2Error | None = None
    """Why the wish cannot be met."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the headers say."""

    as2_from: str
    as2_to: str
    message_id: str
    """The exact text, with its brackets if it has them."""
    version: str
    receipt: ReceiptAsked | None


def read_request(headers: Headers) -> Request:
    """The AS2 headers. Raises NotAs2 for a name that is missing, comes twice or cannot be one, and for an id that is missing or holds controls."""
    return Request(
        as2_from=as2_name(_once(headers, "AS2-From"), "AS2-From"),
        as2_to=as2_name(_once(headers, "AS2-To"), "AS2-To"),
        message_id=_message_id(_once(headers, "Message-ID")),
        version=headers.get("AS2-Version") or "1.0",
        receipt=receipt_asked(headers),
    )


def _once(headers: Headers, name: str) -> str:
    found = headers.all(name)
    if len(found) != 1:
        raise NotAs2(f"{name} is missing" if not found else f"{name} comes {len(found)} times")
    return found[0]


def _message_id(text: str) -> str:
    if not text or len(text) > MAX_MESSAGE_ID or _CONTROLS.search(text):
        raise NotAs2(f"Message-ID is empty, longer than {MAX_MESSAGE_ID} characters or holds control characters")
    return text


def as2_name(text: str, header: str = "the name") -> str:
    """The bare name of an AS2-From or AS2-To, quoted or not (RFC 4130 6.2). Raises NotAs2."""
    name = text.strip()
    if len(name) >= 2 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    if not 0 < len(name) <= MAX_NAME or _CONTROLS.search(name) or not name.isascii():
        raise NotAs2(f"{header} must be 1 to {MAX_NAME} printable ASCII characters")
    return name


@lru_cache(1024)
def quoted_name(name: str) -> str:
    """The name as a header has it: quoted where it holds more than atom characters."""
    if re.fullmatch(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.]+", name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def receipt_asked(headers: Headers) -> ReceiptAsked | None:
    """What Disposition-Notification-To, -Options and Receipt-Delivery-Option ask; None: no receipt. The first header's value means nothing."""
    if not (headers.get("Disposition-Notification-To") or "").strip():
        return None
    url = headers.get("Receipt-Delivery-Option") or None
    options = _options(headers.get("Disposition-Notification-Options") or "")
    protocol, micalg = options.get("signed-receipt-protocol"), options.get("signed-receipt-micalg")
    known = tuple(Algorithm(name, spelt) for spelt in micalg or [] if (name := digest_name(spelt)) is not None)
    fault = None
    if protocol is not None and "pkcs7-signature" not in [word.lower().removeprefix("x-") for word in protocol]:
        fault = As2Error("unsupported format", f"we sign receipts as pkcs7-signature, not as {', '.join(protocol)[:80]}", kind="failure")
    elif micalg and not known:
        fault = As2Error("unsupported MIC-algorithms", f"we know {', '.join(DIGESTS)}, not {', '.join(micalg)[:80]}", kind="failure")
    return ReceiptAsked(protocol is not None, url, known, fault)


def _options(text: str) -> dict[str, list[str]]:
    """Parameter -> its values without their importance, which may be absent (RFC 4130 7.3)."""
    found: dict[str, list[str]] = {}
    for part in text.split(";"):
        name, equals, rest = part.partition("=")
        if not equals:
            continue
        values = [value.strip().strip('"').strip() for value in rest.split(",")]
        if values and values[0].lower() in ("optional", "required"):
            values = values[1:]
        found.setdefault(name.strip().lower(), [value for value in values if value])
    return found


def digest_name(spelt: str) -> str | None:
    """sha1, sha256 … for every spelling that is met: SHA-256, sha_256, rsa-sha256; None: unknown."""
    name = spelt.strip().strip('"').lower().replace("-", "").replace("_", "").replace(" ", "").removeprefix("rsa")
    return name if name in DIGESTS else None
