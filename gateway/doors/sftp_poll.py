"""The door that we go through ourselves: fetches files from partners' SFTP servers when their folders are due, some at once."""

import asyncio
import threading
import time
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

from gateway import journal
from gateway.clock import Clock
from gateway.doors.sftp_turn import Polling, Turn
from gateway.errors import StoreUnavailable
from gateway.receive.stage import ReceiveStage
from gateway.sftp.records import Secret
from gateway.store.store import Store
from gateway.transports.sftp_remote import Remote
from partners.book import Book, Revision
from partners.channels import SftpPoll

LOOK = 1.0
"""Seconds between looks at what is due."""
TOGETHER = 8
"""Folders that are polled at once."""
GRACE = 3.0
"""Seconds for which the end of the node waits for polls that are under way; then it ends their connections, and waits once more."""


class Poller(Polling):
    """Polls the folders of all profiles when they are due."""

    def __init__(
        self, store: Store, receive: ReceiveStage, *, node: str, clock: Clock, book: Callable[[], Book], on_kept: Callable[[], None],
        connect: Callable[[SftpPoll, Secret], Remote] = Remote.connect,
    ) -> None:  # fmt: skip
        super().__init__(store, receive, node=node, clock=clock, on_kept=on_kept, connect=connect)
        self._book = book
        self._turns: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # Daemons: one that waits for a server that says nothing must not hold up the end of the process.
        self._threads = [threading.Thread(target=self._work, name=f"sftp-poll-{number}", daemon=True) for number in range(TOGETHER)]
        self._busy: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        for thread in self._threads:
            thread.start()
        self._task = asyncio.create_task(self._loop(), name="sftp poll")

    async def stop(self) -> None:
        """Polls that are under way end, in the middle of a file, too: what is not committed is fetched again. A server that says nothing is waited for no longer than GRACE."""
        self.stopping = True
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for _ in self._threads:
            self._turns.put(None)
        await asyncio.to_thread(self._join)
        self.hang_up()
        await asyncio.to_thread(self._join)

    def _join(self) -> None:
        until = time.monotonic() + GRACE
        for thread in self._threads:
            thread.join(max(0, until - time.monotonic()))

    def _work(self) -> None:
        while (turn := self._turns.get()) is not None:
            turn()

    def soon(self) -> None:
        """Looks at all folders again at once, whatever was known of when they are due."""
        self._not_before.clear()

    async def _loop(self) -> None:
        while True:
            for revision in self._book():
                for poll in revision.profile.channels.sftp_poll:
                    name = f"{revision.profile.partner}:{poll.name}"
                    if name not in self._busy and self._not_before.get(name, 0) <= self._clock():
                        self._busy.add(name)
                        self._turns.put(partial(self._turn, revision, poll, name))
            await asyncio.sleep(LOOK)

    def _turn(self, revision: Revision, poll: SftpPoll, name: str) -> None:
        try:
            if not self.stopping:
                Turn(self, revision, poll, name).run()
        except StoreUnavailable as error:
            journal.trouble("sftp: poll", error)
        except Exception as error:
            journal.trouble(f"sftp: poll {name}", error)
        finally:
            self._busy.discard(name)
