"""What an ERP has only taken in (202), and decides later: where it is asked what became of it, and what its answer means.

Knows no event. What it needs to ask again is a ticket, which is kept with the delivery: a crash forgets none.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from gateway.clock import Clock, Instant, span
from gateway.errors import DestinationFault, PermanentFailure, TemporaryFailure, UnknownOutcome
from gateway.targets.base import Accepted, Confirmation
from gateway.targets.erp import Erp
from gateway.targets.erp_terms import AcceptedTerms, same_server
from gateway.targets.http import Answer
from gateway.targets.outcome import retry_after_of
from gateway.targets.terms import Target
from translators.pointer import words_at

PLACE = re.compile(r"\{(/[^}]*)\}")
"""A JSON pointer in an address."""
NOT_THERE = (404, 410)
SEE_OTHER = 303
MOST_ADDRESS = 2000


class Polling:
    """Of one target. `within` counts from when it took an event."""

    def __init__(self, terms: AcceptedTerms, settings: Target, erp: Erp, clock: Clock) -> None:
        self._terms, self._settings, self._erp, self._clock = terms, settings, erp, clock
        self.by_id = "{id}" in terms.poll and not PLACE.search(terms.poll)
        """Whether it can be asked of an event of which no answer has come."""

    def is_accepted(self, status: int) -> bool:
        return status in self._terms.statuses

    def begun(self, event_id: str, answer: Answer) -> Accepted:
        """Raises UnknownOutcome where the answer does not tell whom to ask."""
        url = self._address(event_id, answer)
        if url is None:
            text = f"answered {answer.status}, and names no address to ask what becomes of it ({self._terms.poll})"
            raise UnknownOutcome(text, status=answer.status, answer=answer.body)
        if not self._may_ask(url):
            text = f"answered {answer.status}, and names an address of another server to ask what becomes of it; we do not go there"
            raise UnknownOutcome(text, status=answer.status, answer=answer.body)
        return self._ask_later(answer, url, self._clock(), is_new=True)

    async def asked(self, ticket: str) -> Confirmation | Accepted:
        """What became of it. Raises PermanentFailure if it failed or took too long, the others while it cannot be asked."""
        kept: dict[str, Any] = json.loads(ticket)
        url, since = str(kept["poll"]), int(kept["since"])
        if not self._may_ask(url):
            raise DestinationFault(f"{url} is to be asked what became of it, and is no address of this target any more")
        try:
            answer = await self._erp.get(url)
        except TemporaryFailure as failure:
            text = f"{failure}, when asked what became of it"
            raise TemporaryFailure(text, status=failure.status, answer=failure.answer, retry_after=failure.retry_after) from failure
        except DestinationFault as fault:
            if fault.status == SEE_OTHER and self._terms.state is None:
                return Confirmation(SEE_OTHER, fault.answer)
            if fault.status not in NOT_THERE:
                raise
            answer = Answer(fault.status, (), fault.answer)
        except PermanentFailure as failure:
            if failure.status not in NOT_THERE:
                raise self._refusal(failure) from failure
            answer = Answer(failure.status or 0, (), failure.answer)
        said = self._judged(answer, url, since)
        if isinstance(said, Accepted) and self._clock() - since > span(self._terms.within):
            text = f"it took this at first, and did not say within {_minutes(self._terms.within)} what became of it: look into it, then retry or skip this delivery by hand"
            raise PermanentFailure(text, status=answer.status, answer=answer.body)
        return said

    async def known(self, event_id: str) -> Confirmation | Accepted | None:
        """What it says of an event that may have reached it; None if it does not know it. While it cannot be asked the outcome stays unknown."""
        url = self._terms.poll.replace("{id}", quote(event_id, safe=""))
        try:
            answer = await self._erp.get(url)
        except (TemporaryFailure, DestinationFault) as failure:
            if failure.status in NOT_THERE:
                return None
            text = f"{failure}, when asked whether it has the event"
            raise UnknownOutcome(text, status=failure.status, answer=failure.answer) from failure
        except PermanentFailure as failure:
            if failure.status in NOT_THERE:
                return None
            refusal = self._refusal(failure)
            if isinstance(refusal, DestinationFault):
                raise UnknownOutcome(str(refusal), status=failure.status, answer=failure.answer) from failure
            raise refusal from failure
        return self._judged(answer, url, self._clock(), is_new=True)

    def _refusal(self, failure: PermanentFailure) -> PermanentFailure | DestinationFault:
        """A 4xx is its word on the event, unless a word in its answers says how it is: then it is about how we ask."""
        if self._terms.state is None:
            return PermanentFailure(f"it took this at first, and refuses it since: {failure}", status=failure.status, answer=failure.answer)
        return DestinationFault(f"{failure}, when asked what became of an event", status=failure.status, answer=failure.answer)

    def _judged(self, answer: Answer, url: str, since: Instant, *, is_new: bool = False) -> Confirmation | Accepted:
        terms = self._terms
        if 200 <= answer.status < 300:
            if terms.state is None:
                if answer.status != 202:
                    return Confirmation(answer.status, answer.body)
            else:
                word = (words_at(answer.body, terms.state, 100) or "").casefold()
                if word in terms.done:
                    return Confirmation(answer.status, answer.body)
                if word in terms.failed:
                    raise PermanentFailure(f"it took this at first, and says now: {word}", status=answer.status, answer=answer.body)
        return self._ask_later(answer, url, since, is_new=is_new)

    def _ask_later(self, answer: Answer, url: str, since: Instant, *, is_new: bool) -> Accepted:
        ticket = json.dumps({"poll": url, "since": since})
        asked = retry_after_of(next((value for name, value in answer.headers if name.lower() == "retry-after"), None), datetime.now(UTC))
        again = max(self._terms.every, min(asked or timedelta(0), self._terms.within))
        return Accepted(answer.status, answer.body, ticket=ticket, again=again, is_new=is_new)

    def _address(self, event_id: str, answer: Answer) -> str | None:
        poll = self._terms.poll
        if poll == "location":
            found = next((value for name, value in answer.headers if name.lower() == "location"), None)
        elif poll.startswith("/"):
            found = words_at(answer.body, poll, MOST_ADDRESS + 1)
        else:
            values = {pointer: words_at(answer.body, pointer, MOST_ADDRESS) for pointer in PLACE.findall(poll)}
            if None in values.values():
                return None
            found = PLACE.sub(lambda place: quote(values[place[1]] or "", safe=""), poll).replace("{id}", quote(event_id, safe=""))
        if not found or len(found) > MOST_ADDRESS:
            return None
        try:
            return str(urljoin(self._settings.url, found.strip()))
        except ValueError:
            return None

    def _may_ask(self, url: str) -> bool:
        """Only servers that stand in the settings: what an answer names is somebody else's word, and our credentials go along."""
        ours = [self._settings.url] + ([self._terms.poll] if self._terms.poll.startswith("http") else [])
        try:
            return "@" not in urlsplit(url).netloc and any(same_server(url, one) for one in ours)
        except ValueError:
            return False


def _minutes(time: timedelta) -> str:
    seconds = int(time.total_seconds())
    return f"{seconds // 60} min" if seconds >= 60 and seconds % 60 == 0 else f"{seconds} s"
