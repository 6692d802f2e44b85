"""A folder that takes each event as a file of its own, EVENT-ID.json: the CloudEvent in structured form. For people, for scripts, as a fallback.

A file is written under a temporary name, synced, renamed, and the folder synced, before the event counts as delivered. The name is the event's id, so
that a repeat meets its own file.
"""

import asyncio
import errno
import json
import os
from pathlib import Path

from gateway.errors import DestinationFault, PermanentFailure, TemporaryFailure
from gateway.records.deliveries import ToDeliver
from gateway.targets.base import Confirmation
from gateway.targets.cloudevents import structured
from gateway.targets.terms import Folder

PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EAGAIN, errno.EMFILE, errno.ENFILE})
"""Troubles of a disk that may pass; all others are the folder's own: its path, its rights."""


class FolderTarget:
    def __init__(self, name: str, settings: Folder) -> None:
        self.name = name
        self.settings = settings
        self.concurrency = settings.concurrency
        self.marks_sending = False

    async def deliver(self, delivery: ToDeliver, data: bytes) -> Confirmation:
        if delivery.kind != "event":
            raise PermanentFailure("a folder takes events alone")
        attributes = json.loads(delivery.attributes)
        body = structured(attributes, data) + b"\n"
        file = self.settings.path / f"{attributes['id']}.json"
        try:
            was_there = await asyncio.to_thread(put_once, file, body, delivery.fence)
        except FileExistsError as error:
            raise PermanentFailure(f"{file} is there already and holds something else; move it away, then retry this delivery") from error
        except OSError as error:
            kind = TemporaryFailure if error.errno in PASSING else DestinationFault
            raise kind(f"{file.parent}: {error.strerror}") from error
        return Confirmation(0, str(file).encode(), looked_up=was_there)

    async def close(self) -> None:
        """Nothing is held open."""


def put_once(file: Path, body: bytes, mark: int) -> bool:
    """Puts the file there, whole and durable, or finds that it is there already (True). Raises FileExistsError if that is another one."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None  # a trouble of the folder, not of this file
    temporary = file.with_name(f".{file.name}.{os.getpid()}.{mark}.part")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
    try:
        with open(descriptor, "wb", buffering=0) as opened:
            view = memoryview(body)
            while view:
                view = view[opened.write(view) :]
            os.fsync(descriptor)
        try:
            os.link(temporary, file)  # unlike a rename it never replaces what is there
            was_there = False
        except FileExistsError:
            if file.read_bytes() != body:
                raise
            was_there = True
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return was_there
