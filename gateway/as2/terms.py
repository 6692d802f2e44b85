"""A partner's profile as the terms of AS2's own language: policy, limits, security, receipts. Knows no message and no store."""

from datetime import datetime
from urllib.parse import urlsplit

from partners.channels import As2Channel, As2Weakness
from translators.as2.limits import Limits, Policy
from translators.as2.write import Security


def excepted(channel: As2Channel, weakness: As2Weakness, at: datetime) -> bool:
    """Whether a dated exception lets the weakness pass; it counts up to its day."""
    exception = channel.receive.exceptions.get(weakness)
    return exception is not None and at.date() <= exception.until


def policy_of(channel: As2Channel, at: datetime) -> Policy:
    """What the partner must do today."""
    given = channel.receive
    return Policy(
        require_signature=given.require_signature,
        require_encryption=given.require_encryption,
        allow_sha1=excepted(channel, "sha1", at),
        allow_md5=excepted(channel, "md5", at),
        allow_3des=excepted(channel, "3des", at),
        smallest_rsa=1024 if excepted(channel, "rsa-1024", at) else 2048,
        check_dates=not excepted(channel, "expired", at),
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
        opaque=given.opaque,
        attributes=given.signed_attributes,
        encrypt={"none": None, "3des": "des-ede3-cbc"}.get(given.encrypt, given.encrypt),
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
