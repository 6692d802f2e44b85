"""What a consumer asks in the query of an address, read strictly: what is not known, given twice, or too long is refused by its name."""

from collections.abc import Sequence

from aiohttp import web

from gateway.clock import Clock, Instant, instant_of
from gateway.consumers.records import Consumer
from gateway.errors import Refused
from gateway.texts import check_text

USUAL, MOST = 50, 200
LONGEST = 200
"""Characters of a value; a cursor has its own bound."""
PAGING = ("cursor", "limit")


def query_of(request: web.Request, known: Sequence[str]) -> dict[str, str]:
    """The parameters, each of them known and there once, none empty. Raises Refused (400)."""
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name not in known:
            raise Refused(400, "bad-request", f"{name[:40]} is no parameter of this address; there are: {', '.join(known)}")
        if name in given:
            raise Refused(400, "bad-request", f"{name} is given twice")
        if not value or (len(value) > LONGEST and name not in ("cursor", "after")):
            raise Refused(400, "bad-request", f"{name} must have 1 to {LONGEST} characters")
        if any(ord(sign) < 32 for sign in value):
            raise Refused(400, "bad-request", f"{name} has control characters in it")
        check_text(value, name)
        given[name] = value
    return given


def id_of(request: web.Request, most: int) -> str:
    """The id that the address names, cut. Raises Refused (400)."""
    return check_text(request.match_info["id"][:most], "the id")


def since_of(given: dict[str, str], name: str, clock: Clock) -> Instant | None:
    if name not in given:
        return None
    try:
        return instant_of(given[name], clock())
    except (ValueError, OverflowError) as error:
        raise Refused(400, "bad-request", f"{name}: {error}") from None


def partners_of(given: dict[str, str], consumer: Consumer) -> tuple[str, ...] | None:
    """Whose rows are looked at: the one that is asked for, within those that the consumer sees. Raises Refused (403)."""
    wanted = given.get("partner")
    if wanted is None:
        return consumer.partners
    if not consumer.sees(wanted):
        raise Refused(403, "outside-filter", f"{consumer.name} has nothing to do with partner {wanted[:64]}")
    return (wanted,)
