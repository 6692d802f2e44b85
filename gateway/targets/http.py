"""One request to somebody else's server: bounded in time and answer, no redirects, every trouble sorted once. Used by targets and transports."""

import asyncio
import ssl
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
        timeout=aiohttp.ClientTimeout(total=timeout.total_seconds(), sock_connect=10),
        auto_decompress=False,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    )


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
    more: dict[str, Any] = {} if patience is None else {"timeout": aiohttp.ClientTimeout(total=patience.total_seconds(), sock_connect=30)}
    if context is not None:
        more["ssl"] = context
    try:
        async with session.request(method, url, data=data, headers=list(headers), allow_redirects=False, **more) as response:
            answer = await bounded_read(response, max_answer)
            fields = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers)
            return Answer(response.status, fields, answer)
    except NEVER_LEFT as error:
        if isinstance(error.__cause__, NotFit) or isinstance(getattr(error, "os_error", None), NotFit):
            raise DestinationFault(str(error.__cause__ or error)) from error
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            raise DestinationFault(f"its certificate is not to be trusted: {getattr(error.certificate_error, 'verify_message', error)}") from error
        raise TemporaryFailure(
            f"cannot be reached: {error.os_error.strerror if isinstance(error, aiohttp.ClientConnectorError) else error}"
        ) from error
    except TimeoutError as error:
        raise UnknownOutcome("gave no answer in time; it may have taken it") from error
    except (aiohttp.ClientError, asyncio.IncompleteReadError, OSError) as error:
        raise UnknownOutcome(f"broke off before it had answered ({type(error).__name__}); it may have taken it") from error


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
