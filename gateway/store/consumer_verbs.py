"""What the store does for consumers, as the doors see it: each verb a member of the writer's next commit."""

from concurrent.futures import Future
from dataclasses import dataclass

from gateway.clock import Instant
from gateway.consumers.records import Asking, Behind, Change, Commit, Given, Made, Noted, Retirement, Rewind, Rotation, Standing
from gateway.store import consumers, feed
from gateway.store.writer import Writer


@dataclass(frozen=True, slots=True)
class ConsumerVerbs:
    writer: Writer

    def make(self, item: Made) -> "Future[bool]":
        return self.writer.submit(consumers.make, item)

    def change(self, item: Change) -> "Future[bool]":
        return self.writer.submit(consumers.change, item)

    def rotate(self, item: Rotation) -> "Future[bool]":
        return self.writer.submit(consumers.rotate, item)

    def retire(self, item: Retirement) -> "Future[bool]":
        return self.writer.submit(consumers.retire, item)

    def take(self, item: Asking) -> "Future[Given]":
        return self.writer.submit(consumers.take, item)

    def note(self, item: Noted) -> "Future[None]":
        return self.writer.submit(consumers.note, item)

    def place(self, now: Instant) -> "Future[int]":
        return self.writer.submit(feed.place, now, rides=True)

    def commit(self, item: Commit) -> "Future[Standing | None]":
        return self.writer.submit(feed.commit, item)

    def rewind(self, item: Rewind) -> "Future[Standing | None]":
        return self.writer.submit(feed.rewind, item)

    def warn_of_behind(self, item: Behind) -> "Future[None]":
        return self.writer.submit(feed.warn_of_behind, item)

    def prune_feed(self, after: int) -> "Future[int]":
        return self.writer.submit(feed.prune, after)

    def restart(self, now: Instant) -> "Future[int]":
        return self.writer.submit(feed.restart, now)
