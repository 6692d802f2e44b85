"""Answers that say no: application/problem+json (RFC 9457), each type with a page of ours that explains it."""

import json
from datetime import timedelta
from typing import Any

from aiohttp import web

from gateway.errors import Refused, StoreUnavailable

KINDS = {
    "not-authenticated": (
        401,
        "The request proves no partner that we know",
        "Send `Authorization: Bearer TOKEN` with the token from your partner manager, or what was agreed in its place: a certificate, a signature.",
    ),
    "not-found": (404, "There is nothing here for you", "Check the address. Messages are visible only to the partner who sent them."),
    "method-not-allowed": (405, "This address does not take that method", "The Allow header lists the methods it takes."),
    "in-flight": (
        409,
        "A request with this Idempotency-Key is still being worked on",
        "Wait a moment, then send the same request again: you will get its answer.",
    ),
    "lease-lost": (
        409,
        "The lease on this document has passed to somebody else",
        "Fetch /v1/outbox again; the document is offered once more until it is acknowledged.",
    ),
    "too-many": (
        429,
        "You are handing over as many documents at once as this channel takes",
        "Wait for answers to those under way, then send it again; Retry-After says when. Several files may go in one request.",
    ),
    "too-large": (
        413,
        "The body is larger than this channel takes",
        "Send it in smaller interchanges, or ask your partner manager to raise channels.http.max_body.",
    ),
    "unsupported-encoding": (415, "The body is encoded in a way that this door does not open", "Send it as it is, or compressed with gzip."),
    "bad-encoding": (422, "The gzip body cannot be opened", "Compress the whole file with gzip and send all of it, or send it as it is."),
    "empty-body": (422, "The body is empty", "Send the document itself as the body of the request."),
    "key-reused": (
        422,
        "This Idempotency-Key was used with another body",
        "Use a new key for each new document, and the same key only to repeat the same bytes.",
    ),
    "bad-key": (422, "The Idempotency-Key cannot be used", "Use 1 to 200 printable ASCII characters."),
    "multipart": (422, "The multipart body cannot be taken", "Send 1 to 20 files as multipart/form-data, or one file itself as the body."),
    "not-agreed": (
        422,
        "Nothing is agreed with the partner that would send this",
        "Name a partner that is here and an event that one of its agreements sends; the partner's profile says which.",
    ),
    "cannot-be-written": (
        422,
        "The event cannot become the partner's document",
        "`problems` names each of the event's fields and what would mend it. Nothing was sent, and no control number was used.",
    ),
    "receipt-address": (
        403,
        "The receipt would go to an address that is not agreed",
        "Ask your partner manager to register the host of Receipt-Delivery-Option, or ask for a synchronous receipt.",
    ),
    "missing-scope": (403, "The token lacks a scope", "`scope` names it; `crossdock consumers change NAME --scope …` gives it."),
    "outside-filter": (
        403,
        "The consumer's filter leaves this out",
        "Ask for partners and streams that the consumer sees; `crossdock consumers change` widens its filter.",
    ),
    "unknown-contract": (
        406,
        "That version of the contract is not kept here",
        "Leave Crossdock-Contract out, or name a version that `detail` lists.",
    ),
    "bad-cursor": (400, "The cursor is none of ours, or belongs to another list", "Begin without a cursor, and pass on what `next` gives, as it is."),
    "cursor-set": (
        409,
        "The consumer's cursor was set anew since that one was given out",
        "Read again without `after`: the stream goes on where the cursor was set to. What comes may have come before; ids tell.",
    ),
    "quota-exceeded": (
        429,
        "The requests of this minute are used up",
        "Wait as long as Retry-After says. RateLimit tells what is left before it comes to that.",
    ),
    "bad-request": (400, "The request cannot be read", "Check its form against docs/reference/http.md."),
    "too-slow": (408, "The body came too slowly", "Send at least 1 KiB a second; a cut upload is never counted as a document."),
    "damaged": (
        500,
        "What we had kept is not whole any more, and we do not hand it on",
        "Ask your partner manager: people have been told. It is there again once it is mended.",
    ),
    "not-now": (503, "We cannot keep anything at the moment", "Nothing was taken. Send it again after the time in Retry-After."),
}
"""kind -> (status, title, mend). The page /problems/KIND shows the same."""


def problem(
    kind: str,
    detail: str,
    *,
    status: int | None = None,
    retry_after: timedelta | None = None,
    headers: dict[str, str] | None = None,
    members: dict[str, Any] | None = None,
) -> web.Response:
    default, title, mend = KINDS[kind]
    value: dict[str, Any] = {"type": f"/problems/{kind}", "title": title, "status": status or default, "detail": detail, "mend": mend} | (
        members or {}
    )
    more = dict(headers or {})
    if retry_after is not None:
        more["Retry-After"] = str(max(1, round(retry_after.total_seconds())))
    if value["status"] == 401:
        more["WWW-Authenticate"] = "Bearer"
    return web.Response(
        status=value["status"],
        body=json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"),
        content_type="application/problem+json",
        headers=more,
    )


@web.middleware
async def problems(request: web.Request, handler: Any) -> web.StreamResponse:
    """Every way a handler can end badly, as a problem answer."""
    try:
        answer: web.StreamResponse = await handler(request)
    except Refused as refused:
        return problem(refused.kind, refused.detail, status=refused.status, retry_after=refused.retry_after, members=refused.more)
    except StoreUnavailable as error:
        return problem("not-now", str(error), retry_after=timedelta(seconds=5))
    except web.HTTPNotFound:
        return problem("not-found", f"no address {request.path}")
    except web.HTTPMethodNotAllowed as error:
        return problem("method-not-allowed", f"{request.method} {request.path}", headers={"Allow": ", ".join(sorted(error.allowed_methods))})
    except web.HTTPRequestEntityTooLarge as error:
        return problem("too-large", error.text or "too large")
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return problem("bad-request", error.text or error.reason, status=error.status)
    return answer


async def explain(request: web.Request) -> web.Response:
    """The page behind a problem's type."""
    kind = request.match_info["kind"]
    if kind not in KINDS:
        return problem("not-found", f"no problem is called {kind}")
    status, title, mend = KINDS[kind]
    return web.Response(text=f"{kind} ({status})\n\n{title}.\n\n{mend}\n", content_type="text/plain")
