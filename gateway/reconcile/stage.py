"""Reconcile: writes the answers that we still owe (TA1, 824), each once, and finds the answers that we are owed too long.

Knows the store's rows; what is worded is wording.py's business.
"""

import asyncio
from collections.abc import Callable

from gateway import journal
from gateway.clock import SECOND, Clock, new_id
from gateway.errors import StoreUnavailable
from gateway.live_profiles import ProfileText
from gateway.reconcile.wording import word
from gateway.records.answers import OwedAnswer, WrittenAnswer
from gateway.store.owed import due_answers
from gateway.store.store import Store, landed
from gateway.wakeful import Wakeful
from partners.guides import shipped_guides
from partners.profile import Profile, read_profile

TOGETHER = 100
OVERDUE_EVERY = 5 * SECOND
"""Between looks for answers that are overdue."""


class ReconcileStage(Wakeful):
    name = "reconcile"
    idle = 0.5

    def __init__(self, store: Store, *, clock: Clock, profile_text: ProfileText, on_written: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self._profile_text = profile_text
        self._on_written = on_written
        self._profiles: dict[tuple[str, int], Profile] = {}
        self._looked = 0

    async def _look(self) -> bool:
        more = await self._write_owed()
        await self._find_overdue()
        return more

    async def _write_owed(self) -> bool:
        """One batch; True if there may be more."""
        due = await landed(self._store.read(lambda tx: due_answers(tx, limit=TOGETHER)))
        if not due:
            return False
        for waiting in [self._store.write_answer(await self._worded(one)) for one in due]:
            await landed(waiting)
        self._on_written()
        return len(due) == TOGETHER

    async def _find_overdue(self) -> None:
        now = self._clock()
        if abs(now - self._looked) >= OVERDUE_EVERY:
            self._looked = now
            journal.overdue(await landed(self._store.mark_overdue(now)))

    async def _worded(self, owed: OwedAnswer) -> WrittenAnswer:
        profile = await self._profile(owed.partner, owed.profile_revision)
        at = self._clock()
        return await asyncio.to_thread(word, owed, profile, shipped_guides(), reference=new_id(at), at=at)

    async def _profile(self, partner: str, revision: int) -> Profile:
        key = (partner, revision)
        if key not in self._profiles:
            try:
                self._profiles[key] = read_profile(await self._profile_text(partner, revision), partner)
            except ValueError as error:
                raise StoreUnavailable(f"revision {revision} of {partner} cannot be read any more: {error}") from error
        return self._profiles[key]
