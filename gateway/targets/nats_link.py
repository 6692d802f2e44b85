"""A connection to one NATS server, over which messages leave and their answers are awaited.

Knows no events. Nothing is kept for a later connection: what waits when this one is lost fails at once, so nothing leaves after its attempt was given up.
"""

import asyncio
import random
import re
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from datetime import datetime
from itertools import count
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from gateway.errors import DestinationFault, TemporaryFailure
from gateway.targets.terms import Nats

CONNECT_SECONDS = 5
CLOSE_SECONDS = 2
PING_SECONDS = 10
AT_ONCE = 500
"""Headers that one look asks for."""
NO_RESPONDERS = "503"
DENIED = re.compile(r'permissions violation for publish to "([^"]+)"')
INBOX_DENIED = "permissions violation for subscription"
CREDENTIALS = re.compile("authorization|authentication|credentials", re.I)


class Passing(Exception):
    """It may go another time, perhaps in a moment; the text says what was in the way."""


class Lost(Passing):
    """The connection is gone; what was sent may have arrived."""


class Silent(Passing):
    """No answer in time."""

    def __init__(self, text: str, *, heard: bool) -> None:
        """`heard`: whether the server said anything at all meanwhile."""
        super().__init__(text)
        self.heard = heard


class Unheard(Passing):
    """The server says that nobody is there who takes this subject."""


class NoTls(nats.errors.Error):
    """A server that should speak TLS does not offer it."""


class Link:
    """Opened by `open_link`, used by many attempts at once, closed once."""

    def __init__(self) -> None:
        self.streams: dict[str, Any] = {}
        """What the user of this connection has learned over it."""
        self._client = Client()
        self._waiting: dict[str, tuple[str, asyncio.Future[Msg]]] = {}
        self._numbers = count()
        self._inbox = ""
        self._fault: str | None = None
        self._last: Exception | None = None

    @property
    def is_open(self) -> bool:
        return self._client.is_connected

    @property
    def max_payload(self) -> int:
        """Bytes of a message, headers and data, that the server takes."""
        return self._client.max_payload

    async def open(self, server: str, settings: Nats, context: ssl.SSLContext | None) -> None:
        """Raises OSError, TimeoutError or nats.errors.Error."""
        try:
            await self._connect(server, settings, context)
        except nats.errors.NoServersError as error:
            raise self._last or error from error
        if settings.has_tls and not self._has_tls():
            raise NoTls("it does not offer TLS")
        self._inbox = self._client.new_inbox()
        await self._client.subscribe(f"{self._inbox}.*", cb=self._answered)

    async def _connect(self, server: str, settings: Nats, context: ssl.SSLContext | None) -> None:
        await self._client.connect(
            [server], name="crossdock", allow_reconnect=False, max_reconnect_attempts=1, connect_timeout=CONNECT_SECONDS, pending_size=0,
            ping_interval=PING_SECONDS, max_outstanding_pings=2, tls=context, error_cb=self._trouble, closed_cb=self._gone,
            user=self._guarded(settings.user, settings), password=self._guarded(settings.password, settings),
            token=self._guarded(settings.token, settings),
            nkeys_seed=str(settings.nkey) if settings.nkey else None, user_credentials=settings.credentials,
        )  # fmt: skip

    def _guarded(self, secret: str | None, settings: Nats) -> Callable[[], str] | None:
        """A secret that is only given away once the line is what it should be: a server, or somebody between, can leave TLS out of its greeting."""
        if secret is None:
            return None
        known = secret

        def give() -> str:
            if settings.has_tls and not self._has_tls():
                raise NoTls("it does not offer TLS")
            return known

        return give

    def _has_tls(self) -> bool:
        return bool(self._client._server_info.get("tls_required"))

    async def ask(self, subject: str, data: bytes = b"", headers: dict[str, str] | None = None, *, wait: float) -> bytes:
        """One message, and what is answered to it. Raises Lost, Silent, Unheard, or DestinationFault where we may not publish there."""
        if self._fault is not None:
            raise DestinationFault(self._fault)
        token = str(next(self._numbers))
        answer: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()
        self._waiting[token] = (subject, answer)
        before = self._client.stats["in_msgs"]
        try:
            async with asyncio.timeout(wait):
                await self._client.publish(subject, data, reply=f"{self._inbox}.{token}", headers=headers)
                message = await answer
        except TimeoutError:
            raise Silent(f"gave no answer within {wait:g} s", heard=self._client.stats["in_msgs"] > before) from None
        except (nats.errors.Error, OSError) as error:
            raise Lost(f"the connection was lost ({type(error).__name__})") from error
        finally:
            self._waiting.pop(token, None)
        if message.headers and message.headers.get("Status") == NO_RESPONDERS:
            raise Unheard(f"nobody takes {subject} now")
        return message.data

    async def ids_since(self, stream: str, subject: str, since: datetime, *, after: int, wait: float) -> AsyncGenerator[tuple[int, str], None]:
        """(sequence, Nats-Msg-Id) of each message of this subject that the stream has taken since then, or after that sequence if there is one.

        Headers alone are read. Raises Passing.
        """
        start: dict[str, Any] = {"deliver_policy": DeliverPolicy.BY_START_TIME, "opt_start_time": since}
        if after:
            start = {"deliver_policy": DeliverPolicy.BY_START_SEQUENCE, "opt_start_seq": after + 1}
        context = self._client.jetstream(timeout=wait)
        config = ConsumerConfig(
            **start, headers_only=True, ack_policy=AckPolicy.NONE, mem_storage=True,
            inactive_threshold=30, num_replicas=1,
        )  # fmt: skip
        look = None
        try:
            look = await context.pull_subscribe(subject, stream=stream, config=config)
            left = (await look.consumer_info()).num_pending or 0
            while left:
                for message in await look.fetch(min(AT_ONCE, left), timeout=wait):
                    left = message.metadata.num_pending
                    yield message.metadata.sequence.stream, (message.headers or {}).get("Nats-Msg-Id", "")
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise Passing(f"could not be asked what stream {stream} holds ({error})") from error
        finally:
            if look is not None:
                with suppress(nats.errors.Error, TimeoutError, OSError):  # the server forgets it by itself, a little later
                    await look.unsubscribe()
                    await context.delete_consumer(stream, (await look.consumer_info()).name)

    async def close(self) -> None:
        """Whatever the server does, nothing is open afterwards."""
        self._fail_all()
        with suppress(Exception):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._client.close()
        writer = getattr(self._client._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()

    async def _answered(self, message: Msg) -> None:
        _, answer = self._waiting.get(message.subject.rpartition(".")[2], ("", None))
        if answer is not None and not answer.done():
            answer.set_result(message)

    async def _trouble(self, error: Exception) -> None:
        """What a server says beside its answers: where we may not publish there will be none."""
        self._last = error
        if INBOX_DENIED in str(error).lower():
            self._fault = "we may not subscribe to _INBOX.>, where answers come; permit it to our user"
            for _, answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(DestinationFault(self._fault))
        elif denied := DENIED.search(str(error).lower()):
            for subject, answer in self._waiting.values():
                if subject.lower() == denied[1] and not answer.done():
                    answer.set_exception(DestinationFault(f"we may not publish to {subject}; permit it to our user"))

    async def _gone(self) -> None:
        self._fail_all()

    def _fail_all(self) -> None:
        for _, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(Lost("the connection was lost"))


async def open_link(settings: Nats) -> Link:
    """A connection to the first server that takes us, in an order by chance.

    Raises TemporaryFailure if none can be reached, DestinationFault if none of those reached can be used: credentials, certificates, TLS.
    """
    context = _context(settings)
    for file in (settings.nkey, settings.credentials):
        _readable(file)
    faults: list[str] = []
    troubles: list[str] = []
    for server in random.sample(settings.servers, len(settings.servers)):
        link = Link()
        try:
            await link.open(server, settings, context)
        except BaseException as error:
            await link.close()
            if not isinstance(error, (OSError, TimeoutError, nats.errors.Error, ValueError)):
                raise
            (faults if _is_fault(error) else troubles).append(f"{server} {_words(error)}")
            continue
        return link
    if faults:
        raise DestinationFault("; ".join(faults))
    raise TemporaryFailure("; ".join(troubles))


def _is_fault(error: Exception) -> bool:
    return isinstance(error, (ssl.SSLCertVerificationError, NoTls, nats.errors.AuthorizationError, ValueError)) or (
        isinstance(error, nats.errors.Error) and CREDENTIALS.search(str(error)) is not None
    )


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"has a certificate that is not to be trusted: {error.verify_message}"
    if isinstance(error, NoTls):
        return "does not offer TLS, and its address says tls://"
    if _is_fault(error):
        return f"does not take our credentials: {str(error).removeprefix('nats: ')}"
    if isinstance(error, TimeoutError):
        return f"did not answer within {CONNECT_SECONDS} s"
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).removeprefix("nats: ")
    return f"cannot be reached: {reason}"


def _context(settings: Nats) -> ssl.SSLContext | None:
    if not settings.has_tls:
        return None
    for file in (settings.authority, settings.certificate, settings.key):
        _readable(file)
    try:
        context = ssl.create_default_context(cafile=settings.authority)
        if settings.certificate is not None:
            context.load_cert_chain(settings.certificate, settings.key)
    except (ssl.SSLError, OSError) as error:
        raise DestinationFault(f"authority, certificate and key cannot be used: {error}") from error
    return context


def _readable(file: Any) -> None:
    try:
        if file is not None:
            file.open("rb").close()
    except OSError as error:
        raise DestinationFault(f"{file}: {error.strerror}") from error
