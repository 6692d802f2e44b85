"""What a client has open by SFTP: a file that it puts, a document that it gets, a text of ours.

Knows nothing of paths; sftp_session.py has found what is opened.
"""

from collections.abc import Callable
from typing import Any

import paramiko
from paramiko.sftp import (
    SFTP_OK,
)

from gateway.clock import SECOND, Instant
from gateway.doors.sftp_entries import READ_ONLY, WRITE_ONLY, file_entry
from gateway.doors.sftp_packets import MOST_DATA
from gateway.sftp.documents import Reading
from gateway.sftp.paths import DENIED, Refusal
from gateway.sftp.uploads import Upload


class UploadHandle(paramiko.SFTPHandle):
    def __init__(self, upload: Upload, *, is_lost: Callable[[], bool]) -> None:
        super().__init__()
        self._upload, self._is_lost = upload, is_lost

    def write(self, offset: int, data: bytes) -> int:
        self._upload.write(offset, data)
        return SFTP_OK

    def read(self, offset: int, length: int) -> Any:
        raise Refusal(DENIED, "what was put here is not given out again")

    def stat(self) -> Any:
        return file_entry(self._upload.name, self._upload.size, self._upload.mtime, WRITE_ONLY)

    def chattr(self, attr: Any) -> int:
        if attr._flags & attr.FLAG_SIZE:
            self._upload.cut(attr.st_size)
        if attr._flags & attr.FLAG_AMTIME:
            self._upload.mtime = attr.st_mtime * SECOND
        return SFTP_OK

    def sync(self) -> None:
        self._upload.sync()

    def close(self) -> None:
        if self._is_lost():
            # paramiko closes what a lost connection left open; the client has said nothing of the kind.
            self._upload.abort()
        else:
            self._upload.close()


class DocumentHandle(paramiko.SFTPHandle):
    def __init__(self, reading: Reading, *, is_lost: Callable[[], bool]) -> None:
        super().__init__()
        self._reading, self._is_lost = reading, is_lost

    def read(self, offset: int, length: int) -> Any:
        return self._reading.read(offset, min(length, MOST_DATA))

    def write(self, offset: int, data: bytes) -> int:
        raise Refusal(DENIED, "it is open for reading only")

    def stat(self) -> Any:
        return file_entry(self._reading.waiting.name, self._reading.size, self._reading.waiting.at, READ_ONLY)

    def chattr(self, attr: Any) -> int:
        raise Refusal(DENIED, "nothing can be altered here")

    def sync(self) -> None:
        return None

    def close(self) -> None:
        if self._is_lost():
            self._reading.abort()
        else:
            self._reading.close()


class TextHandle(paramiko.SFTPHandle):
    def __init__(self, text: bytes, at: Instant) -> None:
        super().__init__()
        self._text, self._at = text, at

    def read(self, offset: int, length: int) -> Any:
        return self._text[offset : offset + min(length, MOST_DATA)]

    def write(self, offset: int, data: bytes) -> int:
        raise Refusal(DENIED, "it is open for reading only")

    def stat(self) -> Any:
        return file_entry("", len(self._text), self._at, READ_ONLY)

    def chattr(self, attr: Any) -> int:
        raise Refusal(DENIED, "nothing can be altered here")

    def sync(self) -> None:
        return None

    def close(self) -> None:
        return None
