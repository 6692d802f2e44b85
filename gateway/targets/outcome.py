"""What an HTTP answer means, as tables and small functions: temporary, unknown, permanent, or the destination's own fault."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from gateway.errors import CrossdockError, DestinationFault, PermanentFailure, TemporaryFailure, UnknownOutcome

TEMPORARY = frozenset({409, 425, 429})
DESTINATION = frozenset({401, 403, 404, 405, 407})
LONGEST_WAIT = timedelta(hours=6)
"""Retry-After is believed up to here."""


def failure_of(status: int, answer: bytes, retry_after: timedelta | None) -> CrossdockError | None:
    """None for 2xx; else the failure that says whether to come again.

    409 is temporary: to a repeated key it says that the first request is still at work. After 408 and 5xx the effect may have happened. What the destination itself must mend
    (credentials, address, a redirect) parks it; what only another document can mend is a dead letter.
    """
    if 200 <= status < 300:
        return None
    if status in TEMPORARY:
        return TemporaryFailure(f"answered {status}: not now", status=status, answer=answer, retry_after=retry_after)
    if status == 408 or status >= 500:
        return UnknownOutcome(f"answered {status}; it may have taken it", status=status, answer=answer, retry_after=retry_after)
    if status in DESTINATION or 300 <= status < 400:
        return DestinationFault(f"answered {status}: its address or our credentials are wrong", status=status, answer=answer)
    return PermanentFailure(f"answered {status}: it will not take this document", status=status, answer=answer)


def retry_after_of(header: str | None, now: datetime) -> timedelta | None:
    """Retry-After in either form (RFC 9110 10.2.3), within bounds; None for none or nonsense."""
    if not header:
        return None
    text = header.strip()
    if text.isascii() and text.isdecimal() and len(text) < 10:
        wait = timedelta(seconds=int(text))
    else:
        try:
            when = parsedate_to_datetime(text)
            wait = (when if when.tzinfo else when.replace(tzinfo=UTC)) - now
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(wait, timedelta(0)), LONGEST_WAIT)
