"""Names as SFTP clients give them, and the folders that a partner sees. There is no path of this machine behind any of them.

Knows no rows and no wire.
"""

import unicodedata
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from partners.channels import SftpChannel

MOST_NAME = 255
"""Bytes of UTF-8."""
MOST_PATH = 4096
DEEPEST = 32
Place = tuple[str, ...]
Kind = Literal["in", "out", "error", "above"]

NO_SUCH_FILE, DENIED, FAILURE, UNSUPPORTED = 2, 3, 4, 8
"""Status codes (draft-ietf-secsh-filexfer-02, 7)."""


class Refusal(Exception):
    """A request that is not done; code and words go to the client."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


def resolve(path: str) -> Place:
    """The place that a path names, seen from the root; `..` stops there. Raises Refusal."""
    if len(path) > MOST_PATH:
        raise Refusal(FAILURE, f"the path has {len(path)} characters, and {MOST_PATH} may be")
    place: list[str] = []
    for name in path.split("/"):
        if name == "..":
            del place[-1:]
        elif name not in ("", "."):
            place.append(checked(name))
    if len(place) > DEEPEST:
        raise Refusal(FAILURE, f"the path is {len(place)} folders deep, and {DEEPEST} may be")
    return tuple(place)


def checked(name: str) -> str:
    """The name, if it can stand in a listing. Raises Refusal for control and formatting signs, which would forge lines or hide endings."""
    if len(name.encode("utf-8", "surrogatepass")) > MOST_NAME:
        raise Refusal(FAILURE, f"the name is longer than {MOST_NAME} bytes")
    if any(unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp") for one in name):
        raise Refusal(FAILURE, "the name has signs that cannot be seen; use letters, digits, points, hyphens")
    return name


def text_of(place: Place) -> str:
    return "/" + "/".join(place)


@dataclass(frozen=True, slots=True)
class Tree:
    """The folders of one partner."""

    folders: dict[Place, Kind]

    @classmethod
    def of(cls, channel: SftpChannel) -> "Tree":
        named: list[tuple[str, Kind]] = [(one, "in") for one in channel.folders.into]
        named += [(channel.folders.out, "out"), (channel.folders.error, "error")]
        folders: dict[Place, Kind] = {(): "above"}
        for name, kind in named:
            place = tuple(name.split("/"))
            for depth in range(1, len(place)):
                folders.setdefault(place[:depth], "above")
            folders[place] = kind
        return cls(folders)

    def kind(self, place: Place) -> Kind | None:
        """What sort of folder it is; None where there is none."""
        return self.folders.get(place)

    def inner(self, place: Place) -> list[str]:
        """Names of the folders within one."""
        return sorted(one[-1] for one in self.folders if len(one) == len(place) + 1 and one[: len(place)] == place)


def temporary(name: str, channel: SftpChannel) -> bool:
    """Whether a file has this name only until it is whole."""
    return any(fnmatchcase(name.casefold(), pattern.casefold()) for pattern in channel.temporary)


Fate = Literal["wait", "take", "marker"]


def fate(name: str, channel: SftpChannel, *, renamed: bool) -> Fate:
    """What becomes of a file that was closed, or got a name: it waits, it is whole, or it is the marker of another one."""
    if temporary(name, channel):
        return "wait"
    if channel.complete == "marker":
        return "marker" if name.endswith(channel.marker) else "wait"
    if channel.complete == "rename" and not renamed:
        return "wait"
    return "take"


def marked(marker: str, channel: SftpChannel) -> tuple[str, str]:
    """Whose marker it is: of the file of this name, or of one with this name and any ending."""
    base = marker.removesuffix(channel.marker)
    return base, f"{base}."


def markers_of(name: str, channel: SftpChannel) -> list[str]:
    """The names that a file's marker may have: a.edi.done, a.done."""
    stem = name.rpartition(".")[0]
    return [name + channel.marker, *([stem + channel.marker] if stem else [])]
