"""The values that the SFTP doors hand to the store and get back."""

from dataclasses import dataclass, field
from typing import Literal

from gateway.clock import Instant
from gateway.records.incoming import Incoming
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
class Secret:
    """What opens a partner's server: a private key as PEM, or a password."""

    private: bytes | None = None
    password: str | None = None


@dataclass(frozen=True, slots=True)
class SshKeyRow:
    """A key pair of ours: a host key of our server, or what we log in with at partners; or a password for there."""

    id: str
    """The fingerprint of its public half."""
    use: Literal["host", "client", "secret"]
    name: str
    kind: str
    public: str
    """As a line of authorized_keys."""
    private: bytes
    """Sealed."""
    state: Literal["active", "retired"]
    at: Instant
    who: str


# ---- polling ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PollClaim:
    """A node wants to poll a folder, if it is due and no other node does."""

    id: str
    partner: str
    node: str
    now: Instant
    until: Instant


@dataclass(frozen=True, slots=True)
class PollEnd:
    """What came of it; the lease ends. With `until`, it is only renewed."""

    id: str
    fence: int
    now: Instant
    next_due: Instant = 0
    failures: int = 0
    told: str = ""
    until: Instant = 0


@dataclass(frozen=True, slots=True)
class PolledRow:
    """One file of a partner's folder, as it was listed with this size and time."""

    poll: str
    name: str
    size: int
    mtime: int
    partner: str
    state: Literal["seen", "stored", "done"]
    """Done: it is gone there, by us or by others; its row goes, too, so that another file of its name is a new one."""
    seen_at: Instant
    listed_at: Instant
    sha256: str | None = None
    message: str | None = None
    moved: str | None = None

    @property
    def key(self) -> tuple[str, int, int]:
        return self.name, self.size, self.mtime


@dataclass(frozen=True, slots=True)
class PolledPut:
    """A file as it is from now on; with `incoming`, it becomes a message in the same commit."""

    row: PolledRow
    fence: int
    incoming: Incoming | None = None
