"""A partner's profile as the terms of AS2's own language: policy, limits, security, receipts. Knows no message and no store."""

from datetime import datetime
from urllib.parse import urlsplit

from partners.profile import As2Channel
from translators.as2.limits import Limits, Policy
from translators.as2.write import Security


def policy_of(channel: As2Channel, at: datetime) -> Policy:
    """What the partner must do today; an exception counts up to its day."""
    given = channel.receive

    def allowed(weakness: str) -> bool:
        exception = given.exceptions.get(weakness)  # type: ignore[call-overload]
        return exception is not None and at.date() <= exception.until

    return Policy(
        require_signature=given.require_signature,
        require_encryption=given.require_encryption,
        allow_sha1=allowed("sha1"),
        allow_md5=allowed("md5"),
        allow_3des=allowed("3des"),
        smallest_rsa=1024 if allowed("rsa-1024") else 2048,
        check_dates=not allowed("expired"),
        uniform_failures=given.uniform_failures,
    )


def limits_of(channel: As2Channel) -> Limits:
    return Limits(body=channel.receive.max_body)


def security_of(channel: As2Channel, size: int) -> Security:
    """How a document of that size is sent."""
    given = channel.send
    return Security(
        sign=None if given.sign == "none" else given.sign,
        pss=given.pss,
        attributes=given.signed_attributes,
        encrypt=None if given.encrypt == "none" else given.encrypt,
        key_transport=given.key_transport,
        compress=given.compress if size >= given.compress_from else "none",
        encoding=given.encoding,
    )


def may_receive(channel: As2Channel, url: str) -> bool:
    """Whether an asynchronous receipt may go there: only to a host that is registered for the partner, by http or https, without a password."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or any(ord(one) < 33 or ord(one) == 127 for one in url):
        return False
    return bool({parts.netloc.lower(), host} & channel.receipt_hosts)
