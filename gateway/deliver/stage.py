"""Deliver: claims lanes that are due, sends each head, commits what came of it (COMMIT 3).

Knows destinations only as `Destination`; what a failure means is decided in outcome.py.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from gateway import journal, traces
from gateway.clock import SECOND, Clock, Instant, span
from gateway.deliver.backoff import backoff
from gateway.errors import DestinationFault, LeaseLost, PermanentFailure, StoreUnavailable, TemporaryFailure, UnknownOutcome
from gateway.failpoints import reach
from gateway.records.deliveries import AttemptOutcome, Claimed, Renewal, Settled, ToDeliver
from gateway.scheduling import USUAL, BreakerTerms, LaneClaim, Quota, Quotas
from gateway.settings import Retries
from gateway.store import breaker
from gateway.store.payloads import DAMAGED, PayloadDamaged, checked
from gateway.store.store import Store, landed
from gateway.targets.base import Accepted, Confirmation, Destination
from gateway.wakeful import AFTER_TROUBLE

LEASE = timedelta(seconds=15)
LAST_ATTEMPTS = 10.0
"""Seconds that attempts under way have when the node stops."""
IDLE = 0.25
"""Seconds between looks while nothing wakes us."""
MOST_CLAIMED = 100
GOOD = frozenset({"delivered", "accepted"})
BUSY = frozenset({409, 425})
"""Answers about one request that is still at work: no sign that the destination fails."""


@dataclass(eq=False, slots=True)
class Attempt:
    """A delivery that is under way."""

    delivery: ToDeliver
    until: Instant
    """When its lease ends."""
    is_sending: bool = True
    """Until its outcome is known: only so long can a lost lease end it."""
    task: "asyncio.Task[None] | None" = None


class DeliverStage:
    """One loop a destination. `quotas` gives a destination's own and its partners' as they are now."""

    def __init__(
        self, store: Store, destinations: list[Destination], *, node: str, clock: Clock, retries: Retries, quotas: Callable[[str], tuple[Quota, Quotas]],
        breaker: BreakerTerms = USUAL, on_settled: Callable[[Settled], None] = lambda settled: None,
    ) -> None:  # fmt: skip
        self._store = store
        self._destinations = {destination.name: destination for destination in destinations}
        self._node = node
        self._clock = clock
        self._retries = retries
        self._quotas = quotas
        self._breaker = breaker
        self._states: dict[str, str] = {}
        self._on_settled = on_settled
        self._wakes = {name: asyncio.Event() for name in self._destinations}
        self._loops: list[asyncio.Task[None]] = []
        self.in_flight = dict.fromkeys(self._destinations, 0)

    def start(self) -> None:
        for destination in self._destinations.values():
            self._loops.append(asyncio.create_task(self._loop(destination), name=f"deliver {destination.name}"))

    def add(self, destination: Destination) -> None:
        """A destination that a profile brought while we run; one of the same name stays."""
        if destination.name not in self._destinations:
            self._destinations[destination.name] = destination
            self._wakes[destination.name] = asyncio.Event()
            self.in_flight[destination.name] = 0
            self._loops.append(asyncio.create_task(self._loop(destination), name=f"deliver {destination.name}"))

    def add_once(self, name: str, make: Callable[[], Destination]) -> None:
        """The same, made only if there is none of that name."""
        if name not in self._destinations:
            self.add(make())

    def wake(self) -> None:
        for event in self._wakes.values():
            event.set()

    async def stop(self) -> None:
        """Ends the loops; attempts under way are finished first, for some seconds. What came of one that is cut then, nobody knows, and the next attempt acts by that."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        for destination in self._destinations.values():
            await destination.close()

    async def _loop(self, destination: Destination) -> None:
        name, wake = destination.name, self._wakes[destination.name]
        attempts: set[Attempt] = set()
        renewing = asyncio.create_task(self._renew(attempts), name=f"renew {name}")
        try:
            while True:
                wake.clear()
                room = min(MOST_CLAIMED, destination.concurrency - len(attempts))
                claimed = await self._claim(destination, room) if room > 0 else Claimed([])
                for delivery in claimed.deliveries:
                    attempt = Attempt(delivery, claimed.until)
                    attempts.add(attempt)
                    attempt.task = asyncio.create_task(self._attempt(destination, attempt))
                    attempt.task.add_done_callback(partial(self._over, attempt, attempts, wake))
                self.in_flight[name] = len(attempts)
                if len(claimed.deliveries) < max(room, 1):
                    try:
                        async with asyncio.timeout(self._idle(claimed)):
                            await wake.wait()
                    except TimeoutError:
                        pass
        finally:
            if tasks := [attempt.task for attempt in attempts if attempt.task]:
                _, late = await asyncio.wait(tasks, timeout=LAST_ATTEMPTS)
                for task in late:
                    task.cancel()
                if late:
                    await asyncio.wait(late)
            renewing.cancel()

    @staticmethod
    def _over(attempt: Attempt, attempts: set[Attempt], wake: asyncio.Event, _: "asyncio.Task[None]") -> None:
        attempts.discard(attempt)
        wake.set()

    def _idle(self, claimed: Claimed) -> float:
        """Seconds until the next look, if nothing wakes us: no longer than until a quota lets the next one go."""
        if claimed.again is None:
            return IDLE
        return min(IDLE, max(0.001, (claimed.again - self._clock()) / SECOND))

    async def _claim(self, destination: Destination, room: int) -> Claimed:
        now = self._clock()
        own, partners = self._quotas(destination.name)
        claim = LaneClaim(
            destination=destination.name, node=self._node, now=now, until=now + span(LEASE), limit=room, mark_sending=destination.marks_sending,
            quota=replace(own, concurrency=destination.concurrency), partners=partners, breaker=self._breaker,
        )  # fmt: skip
        try:
            claimed = await landed(self._store.claim_lanes(claim))
        except Exception as error:
            # Whatever it is: a loop that ended here would leave the destination without a word.
            journal.trouble("deliver: claim", error)
            await asyncio.sleep(AFTER_TROUBLE)
            return Claimed([])
        claimed = replace(claimed, until=claim.until)
        if claimed.state != self._states.get(destination.name, breaker.CLOSED):
            self._states[destination.name] = claimed.state
            journal.steered(destination.name, claimed.state)
        if claimed.deliveries:
            reach("deliver.claimed")
        return claimed

    async def _attempt(self, destination: Destination, attempt: Attempt) -> None:
        """One try under its lease; whatever happens, one COMMIT 3 says what came of it, or the lease runs out and another holder goes on."""
        try:
            settled = await self._outcome(destination, attempt)
            attempt.is_sending = False
            if settled is not None:
                await self._settle(settled)
        except StoreUnavailable as error:
            journal.trouble("deliver: outcome", error)

    async def _settle(self, settled: Settled) -> None:
        reach("deliver.sent")
        try:
            ours = await landed(self._store.settle(settled))
        except StoreUnavailable as error:
            journal.trouble("deliver: COMMIT 3", error)
            return
        reach("deliver.committed")
        if ours and settled.outcome != "pending":
            self._on_settled(settled)
            journal.attempted(settled.delivery, settled.destination, settled.outcome, settled.status, settled.duration, settled.text or None)

    async def _send(self, destination: Destination, attempt: Attempt) -> Confirmation | Accepted:
        """Raises LeaseLost where this process slept past its lease: another node has sent it by now, or will."""
        delivery = attempt.delivery
        data = delivery.data
        if data is None:
            data = await asyncio.to_thread(self._store.files.read, delivery.sha256)
        else:
            checked(data, delivery.sha256)
        if self._clock() >= attempt.until:
            raise LeaseLost
        return await destination.deliver(delivery, data)

    async def _renew(self, attempts: set[Attempt]) -> None:
        """Every third of the lease, for all that is being sent: one task for a destination costs an attempt that is soon over nothing.

        A lease that is lost ends its attempt, because another holder may have begun one.
        """
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            renewed = await asyncio.gather(*[self._renew_one(attempt) for attempt in attempts if attempt.is_sending], return_exceptions=True)
            for error in renewed:
                if error is not None:
                    journal.trouble("deliver: renew", error)

    async def _renew_one(self, attempt: Attempt) -> None:
        lane, fence = attempt.delivery.lane, attempt.delivery.fence
        until = self._clock() + span(LEASE)
        try:
            ours = await landed(self._store.renew_lease(Renewal(lane, fence, until)))
        except StoreUnavailable:
            ours = False
        if ours:
            attempt.until = until
        if not ours and attempt.is_sending and attempt.task:
            attempt.task.cancel()

    async def _outcome(self, destination: Destination, attempt: Attempt) -> Settled | None:
        """What came of one try; None where its lease was lost."""
        if not traces.are_on():
            return await self._tried(destination, attempt)
        delivery = attempt.delivery
        started, above = self._clock(), json.loads(delivery.attributes).get("traceparent")
        own = traces.begin(above)
        attempt.delivery = replace(delivery, trace=own)
        settled = await self._tried(destination, attempt)
        if settled is not None and settled.outcome != "pending":
            traces.tell(
                f"deliver {delivery.destination}", own, above, started, self._clock(), kind="client", delivery=delivery.id, partner=delivery.partner,
                message=delivery.message, outcome=settled.outcome, status=settled.status, failed=None if settled.outcome in GOOD else settled.text,
            )  # fmt: skip
        return settled

    async def _tried(self, destination: Destination, attempt: Attempt) -> Settled | None:
        delivery, started = attempt.delivery, self._clock()
        try:
            said = await self._send(destination, attempt)
        except LeaseLost:
            return None
        except UnknownOutcome as error:
            return await self._later(delivery, started, "unknown", error, error.retry_after)
        except TemporaryFailure as error:
            return await self._later(delivery, started, "temporary", error, error.retry_after)
        except DestinationFault as error:
            return await self._later(delivery, started, "destination", error, self._retries.park)
        except PermanentFailure as error:
            settled = self._settled(delivery, started, "permanent", status=error.status, text=str(error), answer=error.answer, words=error.words)
            return replace(settled, in_doubt=settled.in_doubt or error.in_doubt)
        except PayloadDamaged as error:
            return self._settled(delivery, started, "permanent", text=f"{DAMAGED}: {error}")
        except StoreUnavailable as error:
            journal.trouble(f"deliver: {delivery.id}", error)
            ours = TemporaryFailure(f"not sent, for our own store could not be asked: {error}")
            ours.is_shared = True  # no failure of the destination's
            return await self._later(delivery, started, "temporary", ours, None)
        except asyncio.CancelledError:
            return None
        except Exception as error:
            journal.trouble(f"deliver: {delivery.id}", error)
            # Whatever it is, the request may have left: nothing goes to a fallback by our own fault.
            return replace(self._settled(delivery, started, "permanent", text=f"our own fault: {type(error).__name__}: {error}"), in_doubt=True)
        if isinstance(said, Accepted):
            return self._accepted(delivery, started, said)
        text = "it had it already" if said.looked_up else ""
        return self._settled(delivery, started, "delivered", status=said.status, answer=said.answer, text=text, confirmed=said.confirmed)

    def _accepted(self, delivery: ToDeliver, started: Instant, said: Accepted) -> Settled:
        outcome: AttemptOutcome = "accepted" if said.is_new else "pending"
        text, next_due = "it has this, and has not said yet what becomes of it", self._clock() + span(said.again)
        settled = self._settled(delivery, started, outcome, status=said.status, text=text, answer=said.answer, next_due=next_due)
        return replace(settled, accepted=said.ticket)

    async def _later(
        self, delivery: ToDeliver, started: Instant, outcome: AttemptOutcome, error: TemporaryFailure | DestinationFault, wait: timedelta | None
    ) -> Settled:
        """Come again after the back-off or what the other side asked, whichever is longer; past the schedule's end it is a dead letter."""
        now, asked = self._clock(), span(wait or timedelta(0))
        pause = asked if outcome == "destination" else max(span(backoff(delivery.attempts, self._retries)), asked)
        settled = self._settled(delivery, started, outcome, status=error.status, text=str(error), answer=error.answer, next_due=now + pause)
        is_shared = isinstance(error, TemporaryFailure) and error.is_shared
        settled = replace(settled, is_fault=error.status not in BUSY and not is_shared, asked=asked)
        if outcome == "destination" or not await self._is_over(delivery, now + pause):
            return settled
        in_doubt = settled.in_doubt or outcome == "unknown"
        return replace(settled, outcome="permanent", text=f"given up after {delivery.attempts + 1} attempts: {error}", in_doubt=in_doubt)

    async def _is_over(self, delivery: ToDeliver, at: Instant) -> bool:
        """Whether its schedule will have ended by then. Time in which its destination rested does not count: nothing could be tried."""
        tried = at - delivery.tried_from
        if tried <= span(self._retries.give_up):
            return False
        rested = await landed(self._store.read(lambda tx: breaker.rested(tx, delivery.destination, delivery.tried_from, at)))
        return tried - rested > span(self._retries.give_up)

    def _settled(
        self,
        delivery: ToDeliver,
        started: Instant,
        outcome: AttemptOutcome,
        *,
        status: int | None = None,
        text: str = "",
        answer: bytes = b"",
        next_due: Instant = 0,
        confirmed: str | None = None,
        words: str | None = None,
    ) -> Settled:
        now = self._clock()
        return Settled(
            delivery=delivery.id, lane=delivery.lane, fence=delivery.fence, partner=delivery.partner, destination=delivery.destination,
            message=delivery.message, node=self._node, on_dead=delivery.on_dead, started_at=started, duration=max(0, now - started),
            outcome=outcome, at=now, status=status, text=text, answer=answer, next_due=next_due, in_doubt=delivery.unknown_outcome,
            breaker=self._breaker, owed_since=delivery.created_at, confirmed=confirmed, words=words,
        )  # fmt: skip
