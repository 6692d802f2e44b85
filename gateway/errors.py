"""Every way a step can end badly, as one small tree.

    CrossdockError
    ├── Refused             the other side asked for something we will not do; carries the HTTP status and the problem type
    ├── TemporaryFailure    come again, perhaps after `retry_after`
    │   └── UnknownOutcome  the request left, no answer came: the effect may have happened
    ├── PermanentFailure    coming again cannot help; the answer is kept with the dead letter
    ├── DestinationFault    the destination itself is wrong (its address, its credentials): park it, nothing dies
    └── StoreUnavailable    we cannot keep anything now: 503, and the partner keeps the document
        └── StoreBroken     a write may not have reached the disk: stop the node, never try again (fsync)

Faults of a document are values (translators.document.Finding), never exceptions.
"""

from datetime import timedelta
from typing import Any


class CrossdockError(Exception):
    """The root; its text is for a person."""


class Refused(CrossdockError):
    def __init__(self, status: int, kind: str, detail: str, *, retry_after: timedelta | None = None, more: dict[str, Any] | None = None) -> None:
        """`more` are further members of the problem answer, such as the faults one by one."""
        super().__init__(detail)
        self.more = more or {}
        self.status = status
        self.kind = kind
        self.detail = detail
        self.retry_after = retry_after


class LeaseLost(CrossdockError):
    """Another holder has this by now, or may have."""


class TemporaryFailure(CrossdockError):
    def __init__(self, text: str, *, status: int | None = None, answer: bytes = b"", retry_after: timedelta | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.answer = answer
        self.retry_after = retry_after
        self.is_shared = False
        """Whether it is that of a request which another delivery tells of already: one request is one failure to the destination's breaker."""


class UnknownOutcome(TemporaryFailure):
    pass


class PermanentFailure(CrossdockError):
    def __init__(self, text: str, *, status: int | None = None, answer: bytes = b"", words: str | None = None, in_doubt: bool = False) -> None:
        """`words` are what of the answer may be told to a partner, where that is known; `in_doubt`: something had its effect before this was refused."""
        super().__init__(text)
        self.words = words
        self.in_doubt = in_doubt
        self.status = status
        self.answer = answer


class DestinationFault(CrossdockError):
    def __init__(self, text: str, *, status: int | None = None, answer: bytes = b"") -> None:
        super().__init__(text)
        self.status = status
        self.answer = answer


class StoreUnavailable(CrossdockError):
    pass


class StoreBroken(StoreUnavailable):
    pass
