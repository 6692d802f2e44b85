"""Entries of SFTP's listings: files and folders as a client is shown them.

Knows nothing of where they are; nothing of this machine's own files is behind them.
"""

import stat
from typing import Any

import paramiko

from gateway.clock import SECOND, Instant

READ_ONLY, WRITE_ONLY, FOLDER = stat.S_IFREG | 0o440, stat.S_IFREG | 0o640, stat.S_IFDIR | 0o750


def folder_entry(name: str) -> Any:
    found = paramiko.SFTPAttributes()
    found.filename, found.st_mode, found.st_size, found.st_uid, found.st_gid = name, FOLDER, 0, 0, 0
    found.st_atime = found.st_mtime = 0
    return found


def file_entry(name: str, size: int, at: Instant, mode: int) -> Any:
    found = paramiko.SFTPAttributes()
    found.filename, found.st_mode, found.st_size, found.st_uid, found.st_gid = name, mode, size, 0, 0
    found.st_atime = found.st_mtime = min(max(at // SECOND, 0), 2**32 - 1)
    return found
