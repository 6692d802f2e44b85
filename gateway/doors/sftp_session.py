"""One SFTP session: paths in; entries, handles and refusals out.

Knows nothing of SSH and of packets. What a path means is decided in gateway/sftp.
"""

import os
from typing import Any, Protocol

import paramiko
from paramiko.sftp import (
    SFTP_OK,
)

from gateway.clock import SECOND, Instant
from gateway.doors.sftp_entries import READ_ONLY, WRITE_ONLY, file_entry, folder_entry
from gateway.doors.sftp_handles import DocumentHandle, TextHandle, UploadHandle
from gateway.sftp.caller import Caller
from gateway.sftp.documents import Documents
from gateway.sftp.files import Files
from gateway.sftp.paths import DENIED, FAILURE, NO_SUCH_FILE, Place, Refusal, Tree, resolve, text_of
from partners.book import Revision


class Login(Protocol):
    """Who is behind a session, as its connection knows it."""

    address: str
    files: Files
    documents: Documents

    def revision(self) -> Revision:
        """The user's terms as they are now. Raises Refusal once the login is ended."""

    def session_ended(self, partner: str) -> None: ...


class Session(paramiko.SFTPServerInterface):
    """One SFTP session: paths in, entries and handles out."""

    def __init__(self, server: Login, *args: Any, **given: Any) -> None:
        super().__init__(server, *args, **given)
        self._login = server
        self._partner = server.revision().profile.partner
        self.lost = False
        """True once the session is over: what is open then was never closed by its client."""

    def session_ended(self) -> None:
        self.lost = True

    def over(self) -> None:
        self._login.session_ended(self._partner)

    def most_handles(self) -> int:
        return self._caller().channel.handles

    def _caller(self) -> Caller:
        revision = self._login.revision()
        if revision.profile.partner != self._partner:
            raise Refusal(DENIED, "this login has ended")
        return Caller(revision, f"{self._partner} by sftp from {self._login.address}"[:80])

    def _where(self, path: str) -> tuple[Caller, Tree, Place]:
        caller = self._caller()
        return caller, Tree.of(caller.channel), resolve(path)

    # ---- looking

    def canonicalize(self, path: str) -> str:
        try:
            return text_of(resolve(path))
        except Refusal:
            return "/"

    def list_folder(self, path: str) -> Any:
        caller, tree, place = self._where(path)
        kind = tree.kind(place)
        if kind is None:
            raise Refusal(NO_SUCH_FILE, f"there is no folder {text_of(place)}")
        found = [folder_entry(name) for name in tree.inner(place)]
        return found + [file_entry(name, *facts) for name, facts in sorted(self._inside(caller, kind, place).items())]

    def _inside(self, caller: Caller, kind: str, place: Place) -> dict[str, tuple[int, Instant, int]]:
        """Name -> (size, time, mode) of the files of a folder."""
        if kind == "in":
            found = self._login.files.listed(caller, "/".join(place))
            return {name: (size, at, WRITE_ONLY) for name, (size, at) in found.items()}
        if kind == "out":
            return {name: (one.size, one.at, READ_ONLY) for name, one in self._login.documents.waiting(caller).items()}
        if kind == "error":
            return {name: (len(text), at, READ_ONLY) for name, (text, at) in self._login.documents.errors(caller).items()}
        return {}

    def stat(self, path: str) -> Any:
        caller, tree, place = self._where(path)
        if tree.kind(place) is not None:
            return folder_entry(place[-1] if place else "/")
        facts = self._facts(caller, tree, place)
        if facts is None:
            raise Refusal(NO_SUCH_FILE, f"there is no {text_of(place)}")
        return file_entry(place[-1], *facts)

    lstat = stat

    def _facts(self, caller: Caller, tree: Tree, place: Place) -> tuple[int, Instant, int] | None:
        kind, name, login = tree.kind(place[:-1]), place[-1], self._login
        if kind == "in":
            found = login.files.stat(caller, "/".join(place[:-1]), name)
            return None if found is None else (*found, WRITE_ONLY)
        if kind == "out":
            waiting = login.documents.find(caller, name)
            return None if waiting is None else (waiting.size, waiting.at, READ_ONLY)
        if kind == "error":
            return self._inside(caller, kind, place[:-1]).get(name)
        return None

    # ---- files

    def open(self, path: str, flags: int, attr: Any) -> Any:
        caller, tree, place = self._where(path)
        kind, name = tree.kind(place[:-1]) if place else None, place[-1] if place else ""
        if tree.kind(place) is not None:
            raise Refusal(FAILURE, f"{text_of(place)} is a folder")
        if kind is None:
            raise Refusal(NO_SUCH_FILE, f"there is no folder {text_of(place[:-1])}")
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT)
        login = self._login
        if writes:
            if kind != "in":
                raise Refusal(DENIED, f"nothing can be put here; put files into /{caller.channel.folders.into[0]}")
            upload = login.files.open(
                caller, "/".join(place[:-1]), name, create=bool(flags & os.O_CREAT), truncate=bool(flags & os.O_TRUNC), exclusive=bool(flags & os.O_EXCL),
                append=bool(flags & os.O_APPEND),
            )  # fmt: skip
            return UploadHandle(upload, is_lost=lambda: self.lost)
        if kind == "in":
            if login.files.stat(caller, "/".join(place[:-1]), name) is None:
                raise Refusal(NO_SUCH_FILE, f"there is no {text_of(place)}")
            raise Refusal(DENIED, "what was put here is not given out again")
        if kind == "out":
            return DocumentHandle(login.documents.open(caller, name), is_lost=lambda: self.lost)
        if kind == "error" and (told := login.documents.errors(caller).get(name)) is not None:
            return TextHandle(told[0], told[1])
        raise Refusal(NO_SUCH_FILE, f"there is no {text_of(place)}")

    def remove(self, path: str) -> int:
        caller, tree, place = self._where(path)
        kind = tree.kind(place[:-1]) if place else None
        if kind == "in":
            self._login.files.remove(caller, "/".join(place[:-1]), place[-1])
        elif kind == "out":
            self._login.documents.remove(caller, place[-1])
        elif kind == "error":
            raise Refusal(DENIED, "these go by themselves")
        else:
            raise Refusal(NO_SUCH_FILE, f"there is no {text_of(place)}")
        return SFTP_OK

    def rename(self, oldpath: str, newpath: str) -> int:
        caller, tree, place = self._where(oldpath)
        to = resolve(newpath)
        if tree.kind(place) is not None or tree.kind(to) is not None:
            raise Refusal(DENIED, "folders stay as they are")
        if (tree.kind(place[:-1]), tree.kind(to[:-1])) != ("in", "in"):
            raise Refusal(DENIED, "files are renamed within the folders that you put them into, nowhere else")
        self._login.files.rename(caller, "/".join(place[:-1]), place[-1], "/".join(to[:-1]), to[-1])
        return SFTP_OK

    posix_rename = rename

    def chattr(self, path: str, attr: Any) -> int:
        """Times are kept. Modes and owners mean nothing here, and clients that set them are not troubled with it."""
        caller, tree, place = self._where(path)
        if tree.kind(place) is not None:
            return SFTP_OK
        if not place or tree.kind(place[:-1]) != "in":
            raise Refusal(DENIED, "nothing can be altered here")
        folder = "/".join(place[:-1])
        found = self._login.files.stat(caller, folder, place[-1])
        if found is None:
            raise Refusal(NO_SUCH_FILE, f"there is no {text_of(place)}")
        if attr._flags & attr.FLAG_SIZE and attr.st_size != found[0]:
            raise Refusal(DENIED, "a file's size is altered while it is open, and not afterwards")
        if attr._flags & attr.FLAG_AMTIME:
            self._login.files.set_time(caller, folder, place[-1], attr.st_mtime * SECOND)
        return SFTP_OK

    def mkdir(self, path: str, attr: Any) -> int:
        _, tree, place = self._where(path)
        if tree.kind(place) is not None:
            raise Refusal(FAILURE, f"{text_of(place)} is there already")
        raise Refusal(DENIED, "folders are set up with the profile; ask us for another one")

    def rmdir(self, path: str) -> int:
        raise Refusal(DENIED, "folders stay as they are")

    def readlink(self, path: str) -> Any:
        raise Refusal(NO_SUCH_FILE, "there are no links here")

    def symlink(self, target_path: str, path: str) -> int:
        raise Refusal(DENIED, "there are no links here")
