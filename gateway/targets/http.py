"""One request to somebody else's server: bounded in time and answer, no redirects, every trouble sorted once. Used by targets and transports."""

import asyncio
import ssl
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from gateway.errors import DestinationFault, TemporaryFailure, UnknownOutcome
from gateway.targets.addresses import NotFit
from gateway.targets.outcome import failure_of, retry_after_of

NEVER_LEFT = (aiohttp.ClientConnectorError, aiohttp.ClientProxyConnectionError, aiohttp.ServerFingerprintMismatch)


def open_session(concurrency: int, timeout: timedelta, resolver: AbstractResolver | None = None) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=concurrency + 4, keepalive_timeout=20, resolver=resolver),
        timeout=_patience(timeout, 10),
        # We ask for no compression, and take off what comes in spite of that ourselves, bounded: what cannot be read would be taken for what it is not.
        headers={"Accept-Encoding": "identity"},
        auto_decompress=False,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def _patience(whole: timedelta, connect: float) -> aiohttp.ClientTimeout:
    """A connection that does not come to be is given up before the whole is: then it is known that nothing has left us."""
    seconds = whole.total_seconds()
    return aiohttp.ClientTimeout(total=seconds, sock_connect=min(connect, 0.9 * seconds))


async def bounded_read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """At most `limit` bytes of the body; the rest is not waited for."""
    kept = bytearray()
    async for chunk in response.content.iter_any():
        kept += chunk
        if len(kept) >= limit:
            response.close()
            break
    return bytes(kept[:limit])


@dataclass(frozen=True, slots=True)
class Answer:
    """Its status, its headers in their order, and its body, cut to what was asked."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


async def ask(
    session: aiohttp.ClientSession,
    url: str | URL,
    data: Any,
    headers: Iterable[tuple[str, str]],
    *,
    max_answer: int,
    patience: timedelta | None = None,
    context: ssl.SSLContext | None = None,
    method: str = "POST",
) -> Answer:
    """One request; the answer, whatever its status.

    A request that may have arrived without an answer is an UnknownOutcome; one that never left is a plain TemporaryFailure.
    """
    more: dict[str, Any] = {} if patience is None else {"timeout": _patience(patience, 30)}
    if context is not None:
        more["ssl"] = context
    try:
        async with session.request(method, url, data=data, headers=list(headers), allow_redirects=False, **more) as response:
            answer = await bounded_read(response, max_answer)
            fields = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers)
            return Answer(response.status, fields, plain(answer, response.headers.get("Content-Encoding", ""), max_answer))
    except NEVER_LEFT as error:
        if isinstance(error.__cause__, NotFit) or isinstance(getattr(error, "os_error", None), NotFit):
            raise DestinationFault(str(error.__cause__ or error)) from error
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            raise DestinationFault(f"its certificate is not to be trusted: {getattr(error.certificate_error, 'verify_message', error)}") from error
        raise TemporaryFailure(
            f"cannot be reached: {error.os_error.strerror if isinstance(error, aiohttp.ClientConnectorError) else error}"
        ) from error
    except aiohttp.ConnectionTimeoutError as error:
        raise TemporaryFailure("cannot be reached: no connection came to be in time") from error
    except TimeoutError as error:
        raise UnknownOutcome("gave no answer in time; it may have taken it") from error
    except (aiohttp.ClientError, asyncio.IncompleteReadError, OSError) as error:
        raise UnknownOutcome(f"broke off before it had answered ({type(error).__name__}); it may have taken it") from error


def plain(body: bytes, coding: str, limit: int) -> bytes:
    """A body without its content coding, at most `limit` bytes of it; as it is where the coding is none that we know, or is not what the body has."""
    if coding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        return body
    try:
        return zlib.decompressobj(wbits=32 + zlib.MAX_WBITS).decompress(body, limit)
    except zlib.error:
        return body


async def send(
    session: aiohttp.ClientSession,
    url: str,
    data: Any,
    headers: Iterable[tuple[str, str]],
    *,
    max_answer: int,
    patience: timedelta | None = None,
    context: ssl.SSLContext | None = None,
    method: str = "POST",
) -> Answer:
    """One request; the answer of a 2xx. Everything else is raised as the failure that it is."""
    return good(await ask(session, url, data, headers, max_answer=max_answer, patience=patience, context=context, method=method))


def good(answer: Answer) -> Answer:
    """The same, if it is a 2xx; else raises what it means."""
    failure = failure_of(answer.status, answer.body, retry_after_in(answer))
    if failure is not None:
        raise failure
    return answer


def retry_after_in(answer: Answer) -> timedelta | None:
    return retry_after_of(next((value for name, value in answer.headers if name.lower() == "retry-after"), None), datetime.now(UTC))
