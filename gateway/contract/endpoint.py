"""Holds an ERP's endpoint to the contract: sends what a gateway would send, also what it sends in bad moments, and says what the endpoint got wrong.

It is an ERP to which this happens, so everything goes in the test stream, under ids and subjects of this run alone.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from gateway.clock import Instant, now
from gateway.errors import CrossdockError, DestinationFault, PermanentFailure, TemporaryFailure, UnknownOutcome
from gateway.records.deliveries import ToDeliver
from gateway.targets.base import Accepted, Confirmation, Destination

AT_ONCE = 5
NOT_NOW = (429, 503)
PATIENCE, LONGEST_PAUSE = 8, 5.0
"""How often an event is sent again that is answered "not now", and the longest pause before it, in seconds."""
LARGE = 900_000
"""Bytes: events come inline up to one MiB."""
LARGEST_ANSWER = 64 * 1024
"""Of an answer so much is kept."""
NEW_FIELD = "field_of_a_later_version"
FOREIGN = "Åström & Søn 東京 “quoted” % /"


@dataclass(frozen=True, slots=True)
class Tried:
    """One clause of the contract and how the endpoint stood it."""

    name: str
    says: str
    state: Literal["held", "wrong", "not tried"]
    words: str = ""
    """What the endpoint got wrong, or why it was not tried."""
    mend: str = ""


class NotTried(Exception):
    """The text says what is missing."""


class Endpoint:
    """An ERP's endpoint as `destination` reaches it. `strangers` reach it with wrong credentials, or none (by what they have); none where none are used."""

    def __init__(
        self, destination: Destination, *, strangers: dict[str, Destination], samples: list[dict[str, Any]], looks_up: bool, run: str | None = None
    ) -> None:
        self._destination, self.strangers = destination, strangers
        self.samples, self.looks_up = samples, looks_up
        self.run = run or secrets.token_hex(4)
        self._serial = 0

    def event(self, sample: int = 0, **attributes: str) -> dict[str, Any]:
        """One of the samples under an id of its own."""
        self._serial += 1
        given = self.samples[sample % len(self.samples)]
        identity = f"check-{self.run}-{self._serial}"
        own = {
            "id": f"{identity}-r1",
            "subject": f"{given['subject'].partition('/')[0]}/CHECK-{self.run}-{self._serial}",
            "stream": "test",
            "sequence": "0000000001",
        }
        return given | own | attributes

    async def send(self, event: dict[str, Any], *, body: bytes | None = None, attempts: int = 0, by: Destination | None = None) -> Confirmation:
        said = await (by or self._destination).deliver(_delivery(event, now(), attempts=attempts), _body(event) if body is None else body)
        return Confirmation(said.status, said.answer) if isinstance(said, Accepted) else said

    async def outcome(self, event: dict[str, Any], **more: Any) -> Confirmation | CrossdockError:
        """As a gateway, it comes again to who says "not now", after as long as that asks."""
        for turn in range(PATIENCE + 1):
            try:
                return await self.send(event, **more)
            except CrossdockError as error:
                if turn == PATIENCE or not isinstance(error, TemporaryFailure) or error.status not in NOT_NOW:
                    return error
                asked = error.retry_after.total_seconds() if error.retry_after is not None else 0.5
                await asyncio.sleep(min(asked, LONGEST_PAUSE))
        raise AssertionError("the last turn returns")

    async def taken(self, event: dict[str, Any]) -> None:
        """Raises what it is answered, if that is no yes."""
        outcome = await self.outcome(event)
        if not isinstance(outcome, Confirmation):
            raise outcome


def _body(event: dict[str, Any]) -> bytes:
    return json.dumps(event["data"], ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _delivery(event: dict[str, Any], at: Instant, *, attempts: int) -> ToDeliver:
    attributes = {name: value for name, value in event.items() if name not in ("data", "specversion", "datacontenttype")}
    return ToDeliver(
        id=f"event:{event['id']}", lane="check", fence=1, partner="check", destination="target:check", kind="event", message="", document=None, event=event["id"],
        payload="", attributes=json.dumps(attributes), attempts=attempts, unknown_outcome=False, on_dead="pass", created_at=at, data=None, location=None,
        sha256="", tried_from=at,
    )  # fmt: skip


def _words(outcome: Confirmation | CrossdockError) -> str:
    if isinstance(outcome, Confirmation):
        return f"it was answered {outcome.status}"
    status = getattr(outcome, "status", None)
    return f"it was answered {status}" if status else str(outcome)


# ---- the clauses: what each gives is what was wrong, or None


async def takes_every_kind(to: Endpoint) -> str | None:
    for number, sample in enumerate(to.samples):
        outcome = await to.outcome(to.event(number))
        if not isinstance(outcome, Confirmation):
            return f"{sample['type']}: {_words(outcome)}"
    return None


async def repeats_are_one(to: Endpoint) -> str | None:
    event = to.event()
    answers = [await to.outcome(event) for _ in range(3)]
    if failed := next((one for one in answers if not isinstance(one, Confirmation)), None):
        return f"the repeat: {_words(failed)}"
    if (different := _same(answers)) is None:
        await _must_tell(to, answers[0])
    return different


async def repeats_at_once_are_one(to: Endpoint) -> str | None:
    event = to.event(1)
    answers = await asyncio.gather(*[to.outcome(event) for _ in range(AT_ONCE)])
    for one in answers:
        if not isinstance(one, Confirmation) and not (isinstance(one, TemporaryFailure) and one.status in (409, 425, 429)):
            return f"of {AT_ONCE} at once: {_words(one)}"
    taken = [one for one in answers if isinstance(one, Confirmation)]
    if not taken:
        return "none of them was taken"
    if (different := _same(taken)) is None:
        await _must_tell(to, taken[0])
    return different


async def _must_tell(to: Endpoint, answer: Any) -> None:
    """Raises NotTried where another event gets the same answer: then equal answers prove nothing."""
    other = to.event()
    said = await to.outcome(other)
    if isinstance(said, Confirmation) and isinstance(answer, Confirmation) and said.answer == answer.answer:
        raise NotTried(f"it answers every event alike, so its answers do not tell; look how often it has booked what is about CHECK-{to.run}-…")


def _same(answers: list[Any]) -> str | None:
    different = {one.answer for one in answers}
    if len(different) > 1:
        shown = " and ".join(sorted(repr(one[:80].decode("utf-8", "replace")) for one in different)[:2])
        return f"the same event got different answers, {shown}: it may have taken effect more than once"
    return None


async def look_up_tells(to: Endpoint) -> str | None:
    if not to.looks_up:
        raise NotTried("no look-up address was given (--look-up)")
    known, unknown = to.event(), to.event()
    await to.taken(known)
    found = await to.outcome(known, attempts=1)
    if not isinstance(found, Confirmation) or not found.looked_up:
        return f"asked for an event that it has, it did not say so ({_words(found)})"
    absent = await to.outcome(unknown, attempts=1)
    if not isinstance(absent, Confirmation) or absent.looked_up:
        return f"asked for an event that it has not, it did not answer 404 ({_words(absent)})"
    return None


async def corrections_are_taken(to: Endpoint) -> str | None:
    first = to.event()
    await to.taken(first)
    second = first | {"id": first["id"].removesuffix("r1") + "r2", "supersedes": first["id"], "sequence": "0000000002"}
    outcome = await to.outcome(second)
    return None if isinstance(outcome, Confirmation) else _words(outcome)


async def new_fields_are_passed_over(to: Endpoint) -> str | None:
    event = to.event()
    outcome = await to.outcome(event | {"data": event["data"] | {NEW_FIELD: {"of": ["some", "later", "version"]}}})
    return None if isinstance(outcome, Confirmation) else _words(outcome)


async def all_characters_are_taken(to: Endpoint) -> str | None:
    event = to.event()
    outcome = await to.outcome(event | {"subject": f"{event['subject']}-{FOREIGN}", "data": event["data"] | {"note": FOREIGN}})
    return None if isinstance(outcome, Confirmation) else _words(outcome)


async def large_events_are_taken(to: Endpoint) -> str | None:
    event = to.event()
    outcome = await to.outcome(event | {"data": event["data"] | {"note": "x" * LARGE}})
    return None if isinstance(outcome, Confirmation) else f"{LARGE:,} bytes: {_words(outcome)}"


async def unknown_types_are_refused_for_good(to: Endpoint) -> str | None:
    return _refused_for_good(await to.outcome(to.event(type="org.crossdock.from.the.future.v9")), may_take=True)


async def nonsense_is_refused_for_good(to: Endpoint) -> str | None:
    return _refused_for_good(await to.outcome(to.event(), body=b'{"half": '), may_take=False)


def _refused_for_good(outcome: Confirmation | CrossdockError, *, may_take: bool) -> str | None:
    if isinstance(outcome, PermanentFailure) or (may_take and isinstance(outcome, Confirmation)):
        return None
    if isinstance(outcome, UnknownOutcome | TemporaryFailure):
        return f"{_words(outcome)}, which means: come again. It would be sent again for 28 hours"
    if isinstance(outcome, DestinationFault):
        return f"{_words(outcome)}, which means that its address or our credentials are wrong. All events would wait"
    return f"{_words(outcome)}, as if it were fine"


async def strangers_are_sent_away(to: Endpoint) -> str | None:
    if not to.strangers:
        raise NotTried("no credentials were given (--token), so everybody is a stranger")
    for having, stranger in to.strangers.items():
        outcome = await to.outcome(to.event(), by=stranger)
        if not isinstance(outcome, DestinationFault) or outcome.status not in (401, 403):
            return f"with {having} {_words(outcome)}"
    return None


async def answers_are_short(to: Endpoint) -> str | None:
    outcome = await to.outcome(to.event())
    if not isinstance(outcome, Confirmation):
        return _words(outcome)
    return f"an answer has {len(outcome.answer):,} bytes; {LARGEST_ANSWER:,} are kept" if len(outcome.answer) > LARGEST_ANSWER else None


Clause = tuple[str, str, Callable[[Endpoint], Awaitable[str | None]], str]
CLAUSES: list[Clause] = [
    ("kinds", "the kinds of events that partners send daily are taken", takes_every_kind, "Answer 2xx once the event is yours to keep, whether you use this kind or not."),
    (
        "repeats",
        "the same event three times is one effect",
        repeats_are_one,
        "Keep the Idempotency-Key beside what you made of the event, in one transaction; give the first answer again.",
    ),
    (
        "at-once",
        f"the same event {AT_ONCE} times at once is one effect",
        repeats_at_once_are_one,
        "Make the key unique in the database, or answer 409 while the first one is at work.",
    ),
    ("look-up", "its look-up says which events it has", look_up_tells, "GET with the event's id: 200 if you have it, 404 if not."),
    ("corrections", "a revision replaces the event before it", corrections_are_taken, "ce-supersedes names the event that this one takes the place of."),
    ("new-fields", "a field that it does not know is passed over", new_fields_are_passed_over, "Read what you need; a later version of the same type may say more."),
    ("characters", "any character may stand in data and headers", all_characters_are_taken, "Bodies are UTF-8; header values are percent-encoded, to be decoded."),
    ("large", "an event of nearly a MiB is taken", large_events_are_taken, "Raise the limit of your server or gateway to 2 MiB."),
    ("unknown-type", "a type that it does not know is taken, or refused for good", unknown_types_are_refused_for_good, "Answer 422 with words that say so, or take it and pass it over."),
    ("nonsense", "a body that it cannot read is refused for good", nonsense_is_refused_for_good, "Answer 400 with words that say what is wrong."),
    ("strangers", "nobody else may send", strangers_are_sent_away, "Answer 401 to a request without the right credentials."),
    ("answers", "answers are short", answers_are_short, "Answer with your number for it and little more."),
]  # fmt: skip


async def held_to_it(to: Endpoint) -> list[Tried]:
    """Every clause, one after another. Raises TemporaryFailure if nobody answers at all."""
    first = await to.outcome(to.event())
    if isinstance(first, TemporaryFailure) and not isinstance(first, UnknownOutcome) and first.status is None:
        raise first
    tried = []
    for name, says, clause, mend in CLAUSES:
        try:
            wrong = await clause(to)
        except NotTried as error:
            tried.append(Tried(name, says, "not tried", str(error)))
            continue
        except CrossdockError as error:
            wrong = f"what it takes elsewhere was not taken here: {_words(error)}"
        tried.append(Tried(name, says, "held") if wrong is None else Tried(name, says, "wrong", wrong, mend))
    return tried
