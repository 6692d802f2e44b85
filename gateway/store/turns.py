"""Whose turn it is: the lanes of one destination that are due, class before class, and within a class partner after partner.

Classes go in the order of their priority, but of each twelve places one is kept for each of the lower three, so that nobody starves. Within a class
partners take turns, as many lanes a turn as their weight says. The row `turns` keeps who had the last one. So a claim looks at a few partners from
there on, however many partners and lanes wait.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

from sqlalchemy import Connection, text

from gateway.clock import Instant
from gateway.scheduling import Quotas
from gateway.store.sql import many, rows_of

CLASSES = 4
PLACES = 12
GUARANTEED = {3: 1, 7: 2, 11: 3}
"""Place among twelve -> the class that it is kept for."""
MOST_VISITED = 4096
"""Partners of one class that one claim looks at."""

_PUT_TURN = text(
    "INSERT INTO turns (destination, priority, partner, remaining) VALUES (:destination, :priority, :partner, :remaining)"
    " ON CONFLICT (destination, priority) DO UPDATE SET partner = excluded.partner, remaining = excluded.remaining"
)
_NEAR = (
    "WITH RECURSIVE near (priority, partner, n, start, wrapped, remaining) AS ("
    " SELECT CAST(column1 AS INTEGER), CAST(COALESCE(t.partner, '') AS VARCHAR), 0, CAST(COALESCE(t.partner, '') AS VARCHAR),"
    " CASE WHEN t.partner IS NULL THEN 1 ELSE 0 END, COALESCE(t.remaining, 0)"
    " FROM (VALUES (0), (1), (2), (3)) classes LEFT JOIN turns t ON t.destination = :destination AND t.priority = column1"
    " UNION ALL"
    " SELECT near.priority, (SELECT l.partner FROM lanes l WHERE l.destination = :destination AND l.priority = near.priority"
    " AND l.partner > COALESCE(near.partner, '') AND l.next_due IS NOT NULL ORDER BY l.partner LIMIT 1), near.n + 1, near.start,"
    " CASE WHEN near.partner IS NULL THEN 1 ELSE near.wrapped END, near.remaining FROM near"
    " WHERE near.n < :most AND NOT (near.wrapped = 1 AND near.partner IS NULL)"
    " AND NOT (near.wrapped = 1 AND near.start <> '' AND near.partner >= near.start))"
)
"""From who had the last turn on, partner after partner that has anything waiting, each by one step into the index; after the last the first."""
_DUE = (
    "SELECT x.id FROM lanes x WHERE x.destination = :destination AND x.priority = {priority} AND x.partner = {partner}"
    " AND x.next_due IS NOT NULL AND x.next_due <= :now AND x.lease_until <= :now ORDER BY x.next_due LIMIT {most}"
)
_SCAN = text(
    f"{_NEAR} SELECT near.priority, near.partner, near.n, near.remaining, ({_DUE.format(priority='near.priority', partner='near.partner', most='1')}) AS lane FROM near"  # noqa: S608 - ours
)
_MORE = text(_DUE.format(priority=":priority", partner=":partner", most=":most"))


class Turn(NamedTuple):
    """Who had the last one in a class, and what remains of it."""

    partner: str
    remaining: int


More = Callable[[int, str, int], list[str]]
"""(class, partner, how many) -> its lanes that are due, the longest due first."""


@dataclass(slots=True)
class Share:
    """One partner's lanes of one class that are due: the first of them, until more are asked for."""

    partner: str
    lanes: list[str]
    turn: int
    """Lanes that it may still take in its present turn."""
    taken: list[str] = field(default_factory=list)
    is_whole: bool = False


@dataclass(slots=True)
class Ring:
    """A class: its partners, next turn first."""

    shares: list[Share] = field(default_factory=list)
    is_whole: bool = True
    """False where more partners may have something due than were looked at."""
    last: Turn | None = None


def put_turns(tx: Connection, destination: str, turns: dict[int, Turn]) -> None:
    rows = [
        {"destination": destination, "priority": priority, "partner": turn.partner, "remaining": turn.remaining} for priority, turn in turns.items()
    ]
    many(tx, _PUT_TURN, sorted(rows, key=lambda row: row["priority"]))


def due_rings(tx: Connection, destination: str, now: Instant, partners: Quotas, *, most: int) -> dict[int, Ring]:
    """For each class who has lanes that are due: of `most` partners from the present turn on."""
    rings = {priority: Ring() for priority in range(CLASSES)}
    seen: set[tuple[int, str]] = set()
    steps = dict.fromkeys(range(CLASSES), 0)
    found = rows_of(tx, _SCAN, {"destination": destination, "now": now, "most": most})
    rows: list[tuple[int, str, int, int, str | None]] = sorted(map(tuple, found), key=itemgetter(2))
    for priority, partner, n, remaining, lane in rows:
        steps[priority] = n
        # The partner that had the last turn is the first: what remains of that turn comes now, and a new one after all others.
        turn = remaining if n == 0 else partners.of(partner).weight
        if lane is None or not turn or (priority, partner) in seen:
            continue
        seen.add((priority, partner))
        rings[priority].shares.append(Share(partner, [lane], turn))
    for priority, ring in rings.items():
        ring.is_whole = steps[priority] < most
    return rings


def more_of(tx: Connection, destination: str, now: Instant) -> More:
    def more(priority: int, partner: str, most: int) -> list[str]:
        values = {"destination": destination, "priority": priority, "partner": partner, "now": now, "most": most}
        return [row.id for row in rows_of(tx, _MORE, values)]

    return more


def allot(rings: dict[int, Ring], room: int, claimed: int, left: dict[str, int], partners: Quotas, more: More) -> list[str]:
    """Up to `room` lanes in the order of classes and turns. `left` says what each partner may still take, and is counted down.

    `claimed` is how many this destination has given before: of each twelve places three are kept for the lower classes.
    """
    kept = Counter(place for number in range(claimed, claimed + room) if (place := GUARANTEED.get(number % PLACES)) is not None)
    taken: list[str] = []
    for priority in sorted(kept):
        taken += _take(priority, rings[priority], min(kept[priority], room - len(taken)), room, left, partners, more)
    for priority in sorted(rings):
        taken += _take(priority, rings[priority], room - len(taken), room, left, partners, more)
    return taken


def _take(priority: int, ring: Ring, room: int, whole: int, left: dict[str, int], partners: Quotas, more: More) -> list[str]:
    """Turn after turn; a partner that has nothing more, or may take nothing more, steps out. `whole`: the room of all classes."""
    taken: list[str] = []
    while len(taken) < room and ring.shares:
        share = ring.shares[0]
        wanted = min(room - len(taken), share.turn, left[share.partner])
        if wanted > len(share.lanes) and not share.is_whole:
            before = set(share.taken)
            share.lanes = [lane for lane in more(priority, share.partner, len(before) + min(whole, left[share.partner])) if lane not in before]
            share.is_whole = True
        number = min(wanted, len(share.lanes))
        taken += share.lanes[:number]
        share.taken += share.lanes[:number]
        del share.lanes[:number]
        left[share.partner] -= number
        share.turn -= number
        is_spent = left[share.partner] <= 0 or (share.is_whole and not share.lanes)
        if number:
            ring.last = Turn(share.partner, 0 if is_spent else max(0, share.turn))
        if is_spent:
            ring.shares.pop(0)
        elif share.turn <= 0:
            share.turn = partners.of(share.partner).weight
            ring.shares.append(ring.shares.pop(0))
    return taken
