"""The values that the SFTP doors hand to the store and get back."""

from dataclasses import dataclass, field
from typing import Literal

from gateway.clock import Instant
from gateway.records import Incoming
from gateway.store.payloads import Payload

FileState = Literal["partial", "waiting", "taken", "empty", "marker", "refused", "replaced", "removed", "expired"]
LISTED: tuple[FileState, ...] = ("partial", "waiting", "taken", "empty", "marker")
"""States in which a name stands in its folder."""
UNFINISHED: tuple[FileState, ...] = ("partial", "waiting")
"""States in which the bytes are kept beside the messages."""


@dataclass(frozen=True, slots=True)
class FileRow:
    """One file that a partner has put into one of its folders, whole or not."""

    id: str
    partner: str
    folder: str
    name: str
    state: FileState
    size: int
    mtime: Instant
    """As the partner set it, else when the file came."""
    sha256: str | None
    payload: str | None
    """Unfinished and small: where its bytes are; None where they are a file among the parts."""
    message: str | None
    """What it became; of a repeat, the message that had the same bytes first."""
    duplicate: bool
    reason: str | None
    at: Instant
    who: str


@dataclass(frozen=True, slots=True)
class FilePut:
    """A file as it is from now on; with `incoming`, it becomes a message in the same commit. An earlier one of its name is replaced."""

    row: FileRow
    payload: Payload | None = None
    """The bytes of an unfinished small file, to be kept with its row."""
    incoming: Incoming | None = None
    is_new: bool = False
    """True if no row has its id yet."""


@dataclass(frozen=True, slots=True)
class FileKept:
    """`message` and `duplicate` as the commit found them; `leftovers` are the names of parts that nobody needs any more."""

    message: str | None
    duplicate: bool
    leftovers: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PickUp:
    """A document of ours that the partner has read whole."""

    delivery: str
    partner: str
    who: str
    at: Instant
    size: int


@dataclass(frozen=True, slots=True)
class SshKeyRow:
    """A key pair of ours: a host key of our server, or what we log in with at partners."""

    id: str
    """The fingerprint of its public half."""
    use: Literal["host", "client"]
    name: str
    kind: str
    public: str
    """As a line of authorized_keys."""
    private: bytes
    """Sealed."""
    state: Literal["active", "retired"]
    at: Instant
    who: str
