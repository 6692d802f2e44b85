"""Payload bytes: small ones in a row of their own, larger ones in content-addressed files that are on the disk before any row names them.

Knows nothing of what the bytes mean.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway.errors import Refused, StoreUnavailable
from gateway.store.bucket import Bucket, NotInBucket, Stored
from gateway.store.engine import sync_folder
from gateway.store.spool import CHUNK, INLINE_LIMIT, Spool

DAMAGED = "its stored bytes are damaged and are not handed on"
"""How the reason of what is laid aside for it begins: the causes of dead letters know it by that."""


class PayloadDamaged(Refused):
    """Stored bytes are not those that were stored; they are not handed on."""

    def __init__(self, detail: str) -> None:
        super().__init__(500, "damaged", detail)


@dataclass(frozen=True, slots=True)
class Payload:
    """Bytes to be kept under an id of ours; `data` is None where they lie in the file that `sha256` names."""

    id: str
    partner: str
    size: int
    sha256: str
    data: bytes | None

    @classmethod
    def inline(cls, payload_id: str, partner: str, data: bytes) -> "Payload":
        return cls(payload_id, partner, len(data), hashlib.sha256(data).hexdigest(), data)

    def row(self) -> dict[str, object]:
        location = None if self.data is not None else self.sha256
        return {"id": self.id, "partner": self.partner, "size": self.size, "sha256": self.sha256, "data": self.data, "location": location}


class PayloadFiles:
    """The folder of large payloads: name = SHA-256, two levels of folders, written once and never altered.

    With a bucket the payloads are there, for all nodes, and the folder has copies of them.
    """

    def __init__(self, folder: Path, bucket: Bucket | None = None) -> None:
        self.folder = folder
        self.bucket = bucket
        self.spool = folder / "spool"
        self.parts = folder / "parts"
        """Bytes of files that are not whole yet, each under an id of ours."""
        for inner in (self.spool, self.parts):
            inner.mkdir(parents=True, exist_ok=True, mode=0o700)
        sync_folder(folder)
        sync_folder(folder.parent)

    def _path(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / sha256[2:4] / sha256

    def local(self, sha256: str) -> Path:
        """The file with these bytes on this machine; from the bucket, if it is not here yet. Raises PayloadDamaged, StoreUnavailable."""
        path = self._path(sha256)
        if self.bucket is not None:
            try:
                os.utime(path)  # the copies that nobody has used for long go first
            except FileNotFoundError:
                self._fetch(sha256)
        return path

    def _fetch(self, sha256: str) -> None:
        """A checked copy from the bucket."""
        assert self.bucket is not None
        spool = Spool(self, memory=0)
        try:
            for piece in self.bucket.pieces(named(sha256)):
                spool.write(piece)
            if spool.settled_hash() != sha256:
                raise PayloadDamaged(f"payload {sha256[:12]}… does not have the checksum it was stored with")
            spool.settle_copy(self._make_folders(sha256))
        except NotInBucket as error:
            raise PayloadDamaged(f"payload {sha256[:12]}… is not in {self.bucket.name}") from error
        finally:
            spool.discard()

    def _make_folders(self, sha256: str) -> Path:
        """Where a file of this name belongs, its folders made durably."""
        target = self._path(sha256)
        for folder in (target.parent.parent, target.parent):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
                sync_folder(folder.parent)
        return target

    def settle(self, spooled: Path, sha256: str) -> None:
        """Moves a synced spool file to its name and syncs the folders; after this the bytes survive a power cut.

        With a bucket they are there by then, and survive this machine.
        """
        if self.bucket is not None:
            self.bucket.put(named(sha256), spooled, spooled.stat().st_size)
        try:
            target = self._make_folders(sha256)
            os.replace(spooled, target)
            sync_folder(target.parent)
        except OSError as error:
            raise StoreUnavailable(f"the payload could not be kept: {error.strerror}") from error

    def settle_part(self, part: str, sha256: str) -> None:
        """The same for a part. Where it was settled already, and only the commit was missing, nothing is left to do."""
        path = self.part(part, sha256)
        if path.exists() or not self._path(sha256).exists():
            self.settle(path, sha256)

    def part(self, part: str, sha256: str | None) -> Path:
        """The file of a part; with a bucket the one that `sha256` says, of whichever node. It may not exist. Raises StoreUnavailable."""
        path = self.parts / part
        if self.bucket is None or sha256 is None or (path.exists() and _hash_of(path) == sha256):
            return path
        spool = Spool(self, memory=0)
        try:
            for piece in self.bucket.pieces(f"parts/{part}"):
                spool.write(piece)
            if spool.settled_hash() == sha256:
                spool.settle_copy(path)
        except NotInBucket:
            pass
        finally:
            spool.discard()
        return path

    def share_part(self, part: str) -> None:
        """A part that lies here may be gone on with at any node."""
        if self.bucket is not None:
            self.bucket.put_over(f"parts/{part}", self.parts / part)

    def drop_parts(self, parts: Iterable[str]) -> None:
        for part in parts:
            (self.parts / part).unlink(missing_ok=True)
            if self.bucket is not None:
                self.bucket.delete([f"parts/{part}"])

    def remove(self, sha256: str) -> None:
        """A payload that no row names any more, for good (payload_rows). Raises StoreUnavailable."""
        if self.bucket is not None:
            self.bucket.delete([named(sha256)])
        try:
            self._path(sha256).unlink(missing_ok=True)
        except OSError as error:
            raise StoreUnavailable(f"payload {sha256[:12]}… could not be removed: {error.strerror}") from error

    def stored(self) -> Iterator[list[Stored]]:
        """Every payload that is kept, whether a row names it or not, some at a time; its name is the SHA-256."""
        if self.bucket is not None:
            for page in self.bucket.pages("sha256"):
                yield [replace(one, name=one.name.rpartition("/")[2]) for one in page]
            return
        for first in sorted(self.folder.iterdir()):
            if len(first.name) == 2:
                found = [path for path in first.glob("*/*") if len(path.name) == 64]
                yield [Stored(path.name, told.st_size, told.st_mtime_ns // 1000) for path in found for told in [path.stat()]]

    def shed(self, most: int, unused_since: float) -> int:
        """With a bucket: removes copies, those used least lately first, until the others take `most` bytes. One used since then stays. How many went."""
        if self.bucket is None:
            return 0
        copies = sorted((told.st_mtime, told.st_size, path) for path in self.folder.glob("??/??/*") for told in [path.stat()])
        left, removed = sum(size for _, size, _ in copies), 0
        for used, size, path in copies:
            if left <= most or used >= unused_since:
                break
            path.unlink(missing_ok=True)
            left, removed = left - size, removed + 1
        return removed

    def keep_in_commit(self, payload: Payload) -> Payload:
        """Like `keep`, from within a commit: with a bucket the bytes stay in their row, however many, for a commit does not wait for a network."""
        return payload if self.bucket is not None else self.keep(payload)

    def keep(self, payload: Payload) -> Payload:
        """An inline payload over the limit goes to a file; smaller ones pass. Call it before the commit that names them."""
        if payload.data is None or payload.size <= INLINE_LIMIT:
            return payload
        return self.keep_pieces(payload.id, payload.partner, [payload.data])

    def keep_pieces(self, payload_id: str, partner: str, pieces: Iterable[bytes | memoryview]) -> Payload:
        """The pieces one after another as one payload, durable under its hash where it is large; no more than a chunk is copied at a time."""
        spool = Spool(self)
        try:
            for piece in pieces:
                whole = memoryview(piece)
                for start in range(0, len(whole), CHUNK):
                    spool.write(bytes(whole[start : start + CHUNK]))
            digest, inline = spool.finish()
        finally:
            spool.discard()
        return Payload(payload_id, partner, spool.size, digest, inline)

    def bytes_of(self, row: Any) -> bytes:
        """The bytes of a row of payloads (`data`, `sha256`), from it or from its file. Raises PayloadDamaged."""
        return checked(bytes(row.data), row.sha256) if row.data is not None else self.read(row.sha256)

    def verify_row(self, data: bytes | None, sha256: str) -> None:
        """Looks at the bytes of a row, or of its file. Raises PayloadDamaged."""
        if data is None:
            self.verify(sha256)
        else:
            checked(data, sha256)

    def read(self, sha256: str) -> bytes:
        """All bytes of a file, checked. Raises PayloadDamaged, StoreUnavailable."""
        try:
            data = self.local(sha256).read_bytes()
            if self.bucket is not None and not sound(data, sha256):
                self._fetch(sha256)  # a copy that a power cut has spoilt
                data = self._path(sha256).read_bytes()
        except OSError as error:
            raise PayloadDamaged(f"payload {sha256[:12]}… cannot be read: {error.strerror}") from error
        return checked(data, sha256)

    def verify(self, sha256: str) -> None:
        """Reads a file through, without keeping it. Raises PayloadDamaged, StoreUnavailable."""
        path = self.local(sha256)
        try:
            is_sound = _hash_of(path) == sha256
        except OSError as error:
            raise PayloadDamaged(f"payload {sha256[:12]}… cannot be read: {error.strerror}") from error
        if not is_sound and self.bucket is not None:
            self._fetch(sha256)
        elif not is_sound:
            raise PayloadDamaged(f"payload {sha256[:12]}… does not have the checksum it was stored with")

    def sweep(self, older_than_seconds: float, now_seconds: float) -> int:
        """Removes spool files that a crash left behind: their sender was never told yes."""
        removed = 0
        for path in self.spool.iterdir():
            if now_seconds - path.stat().st_mtime > older_than_seconds:
                path.unlink(missing_ok=True)
                removed += 1
        return removed


def named(sha256: str) -> str:
    """Its object in a bucket."""
    return f"sha256/{sha256[:2]}/{sha256}"


def _hash_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def sound(data: bytes, sha256: str) -> bool:
    return hashlib.sha256(data).hexdigest() == sha256


def checked(data: bytes, sha256: str) -> bytes:
    """The same bytes. Raises PayloadDamaged where they are not those that were stored."""
    if not sound(data, sha256):
        raise PayloadDamaged(f"payload {sha256[:12]}… does not have the checksum it was stored with")
    return data
