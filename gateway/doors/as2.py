"""The AS2 door: POST /as2 takes messages and receipts, GET says what it is.

Thin: headers as they came, the body into a spool within size and time, the answer after the commit.
"""

from typing import Any

from aiohttp import web

from gateway.as2.receiving import Answer, Receiver
from gateway.doors.pace import pour
from gateway.errors import Refused
from gateway.failpoints import reach
from gateway.receive.stage import ReceiveStage
from gateway.settings import Limits
from translators.as2.limits import DEFAULT
from translators.as2.mime import Headers

HIDDEN = frozenset({"connection", "keep-alive", "transfer-encoding", "authorization", "proxy-authorization", "cookie"})
"""Headers of the hop, or secret: not kept."""


class As2Door:
    def __init__(self, receive: ReceiveStage, receiver: Receiver, limits: Limits) -> None:
        self._receive, self._receiver, self._limits = receive, receiver, limits

    def routes(self, app: web.Application) -> None:
        app.router.add_post("/as2", self.message)
        app.router.add_get("/as2", self.about)

    async def about(self, request: web.Request) -> web.Response:
        return web.Response(text="This address takes AS2 messages (RFC 4130) by POST.\n")

    async def message(self, request: web.Request) -> web.StreamResponse:
        headers = _headers(request)
        source = request.remote or ""
        caller = self._receiver.identify(headers, source)
        if isinstance(caller, Answer):
            return await _send(request, caller)
        most = caller.channel.receive.max_body
        if request.content_length is not None and request.content_length > most:
            raise Refused(413, "too-large", f"{request.content_length} bytes; this channel takes {most}")
        spool = self._receive.spool()
        try:
            await pour(request.content.readany, spool, most=most, limits=self._limits)
            settled = await self._receive.finish(spool)
            answer = await self._receiver.take(caller, headers, spool, settled, source)
        finally:
            spool.discard()
        return await _send(request, answer)


def _headers(request: web.Request) -> Headers:
    """Names and values in their order, as they came."""
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]
    if len(fields) > DEFAULT.header_fields or sum(len(name) + len(value) for name, value in fields) > DEFAULT.headers:
        raise Refused(431, "bad-request", f"more than {DEFAULT.header_fields} headers or {DEFAULT.headers:,} bytes of them")
    return Headers([(name, value.strip()) for name, value in fields if name.lower() not in HIDDEN])


async def _send(request: web.Request, answer: Answer) -> web.StreamResponse:
    headers: Any = [(name, value) for name, value in answer.headers]
    response = web.Response(status=answer.status, body=answer.body or None, headers=headers)
    if not answer.headers and answer.body:
        response.content_type = "text/plain"
    await response.prepare(request)
    await response.write_eof()
    reach("receive.answered")
    return response
