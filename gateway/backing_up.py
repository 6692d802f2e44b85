"""A backup of an installation: a folder with all rows of one moment, the payload files that they name, and a manifest written last.

Made while nodes work; holds nobody up. What a backup cannot have is what came after its moment: `make_safe` of gateway.store.backup deals with that at a restore.
"""

import gzip
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.clock import SECOND, Clock, Instant, as_text, instant_of, now
from gateway.errors import StoreUnavailable
from gateway.store import backup as rows
from gateway.store import installation, nodes
from gateway.store.bucket import Bucket
from gateway.store.engine import Database, sync_folder
from gateway.store.payloads import PayloadDamaged, PayloadFiles
from gateway.store.spool import CHUNK
from gateway.store.store import Store

MANIFEST = "manifest.json"
FORMAT = 1
LEAST_AHEAD, AHEAD_PER_SECOND = 1000, 20
"""How far control numbers go on after a restore: no pair is given as many in a second. Gaps in them are legal, and they have nine digits."""


class BackupRefused(Exception):
    """It cannot be made or restored so; the text says why and what mends it."""


@dataclass
class Work:
    """How far it is, for whoever looks on from another thread."""

    what: str = "rows"
    done: int = 0
    result: dict[str, Any] | None = None
    failed: str | None = None
    damaged: list[str] = field(default_factory=list)

    def rows(self, table: str, done: int) -> None:
        self.what, self.done = f"rows of {table}", done


def make_backup(store: Store, folder: Path, *, version: str, work: Work, with_bucket: bool = False, clock: Clock = now) -> dict[str, Any]:
    """The manifest. Raises BackupRefused, StoreUnavailable; nothing is called `folder` then."""
    if folder.exists():
        raise BackupRefused(f"{folder} exists; a backup is a new folder")
    if not store.database.reads_beside_writer:
        raise BackupRefused("this SQLite is too old to be read beside a node that writes: stop the node first, or install pysqlite3")
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial.mkdir(mode=0o700)  # everything that partners sent is in it
    (partial / "tables").mkdir(mode=0o700)
    (partial / "payloads").mkdir(mode=0o700)
    with rows.snapshot(store.database) as tx:
        taken = nodes.database_now(tx) if not store.database.is_sqlite else clock()
        schema = rows.schema_of(tx)
        counts, files = rows.write_tables(tx, partial / "tables", work.rows)
    copied = size = 0
    in_bucket = store.files.bucket is not None and not with_bucket
    work.what, work.done = "payload files", 0
    for sha256 in () if in_bucket else files:
        try:
            size += _copy_out(store.files, sha256, partial / "payloads")
            copied += 1
        except PayloadDamaged as error:
            # A backup that stopped here would keep everything else from being saved.
            work.damaged.append(f"{sha256}: {error}")
        work.done = copied
    work.what, work.done = "syncing", 0
    manifest = {
        "format": FORMAT, "crossdock": version, "schema": schema, "taken_at": as_text(taken), "database": "sqlite" if store.database.is_sqlite else "postgresql",
        "tables": {name: {"rows": count, "sha256": _sha256(partial / "tables" / f"{name}.jsonl.gz")} for name, count in counts.items()},
        "payload_files": copied, "payload_bytes": size, "bucket": store.files.bucket.name if in_bucket and store.files.bucket else None, "damaged": work.damaged,
    }  # fmt: skip
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    _sync(partial)
    partial.rename(folder)
    sync_folder(folder.parent)
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """Raises BackupRefused."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BackupRefused(f"{folder} is no backup: it has no {MANIFEST}; one that ends in .partial was never finished") from None
    except ValueError as error:
        raise BackupRefused(f"{folder / MANIFEST} cannot be read: {error}") from None
    if manifest.get("format") != FORMAT:
        raise BackupRefused(f"{folder} is of format {manifest.get('format')}; this version reads {FORMAT}")
    return manifest


def check_backup(folder: Path, progress: Callable[[str, int], None] = lambda what, done: None) -> dict[str, Any]:
    """The manifest, after every byte of the backup was read and found as it was written. Raises BackupRefused."""
    manifest = read_manifest(folder)
    if strange := sorted(set(manifest["tables"]) - {table.name for table in rows.tables()}):
        raise BackupRefused(f"{folder} has a table {strange[0]!r} that this version does not know; restore it with the version that made it")
    for name, told in manifest["tables"].items():
        file = folder / "tables" / f"{name}.jsonl.gz"
        if not file.exists() or _sha256(file) != told["sha256"]:
            raise BackupRefused(f"{file} is not as it was written; take another backup")
        with gzip.open(file, "rb") as lines:
            found = sum(1 for _ in lines) - 1
        if found != told["rows"]:
            raise BackupRefused(f"{file} has {found} rows; the manifest says {told['rows']}")
        progress(name, found)
    payloads = list((folder / "payloads").glob("??/??/*"))
    if len(payloads) != manifest["payload_files"]:
        raise BackupRefused(f"{folder / 'payloads'} has {len(payloads)} files; the manifest says {manifest['payload_files']}")
    for done, path in enumerate(payloads, start=1):
        if _sha256(path) != path.name:
            raise BackupRefused(f"{path} is not as it was written; take another backup")
        progress("payload files", done)
    return manifest


def restore_backup(
    folder: Path, database: Database, files: PayloadFiles, *, ahead: int | None = None, work: Work, clock: Clock = now, take_bucket: bool = False
) -> dict[str, Any]:
    """Into an empty database, in one transaction: afterwards everything is there, or nothing. Raises BackupRefused.

    `take_bucket`: the bucket is this installation's from now on, whoever has it; else only if it is nobody's.
    """
    manifest = check_backup(folder, work.rows)
    if take_bucket and files.bucket is None:
        raise BackupRefused("there is no bucket to take; set payloads.bucket")
    if manifest["bucket"] is not None and files.bucket is None:
        raise BackupRefused(f"its payloads lie in {manifest['bucket']}; set payloads.bucket, or take a backup --with-bucket")
    work.what, work.done = "payload files", 0
    for path in (folder / "payloads").glob("??/??/*"):
        _copy_in(files, path)
        work.done += 1
    database.check_settings()
    database.migrate(manifest["schema"])
    with rows.in_one_transaction(database) as connection:
        if not rows.is_empty(connection):
            raise BackupRefused("the database is not empty; a backup is restored into an empty one, so that nothing is mixed")
        counts = rows.read_tables(connection, folder / "tables", list(manifest["tables"]), work.rows)
        ahead = usual_ahead(manifest["taken_at"], clock()) if ahead is None else ahead
        in_doubt = rows.make_safe(connection, taken=manifest["taken_at"], ahead=ahead, at=clock())
        has_bucket = _settle_bucket(connection, files.bucket, take_bucket) if files.bucket is not None else None
    database.migrate()
    return {
        "taken_at": manifest["taken_at"],
        "tables": counts,
        "payload_files": manifest["payload_files"],
        "in_doubt": in_doubt,
        "ahead": ahead,
        "bucket_is_ours": has_bucket,
    }


def _settle_bucket(tx: Any, bucket: Bucket, take: bool) -> bool:
    """Whether the bucket is that of this database, which is another installation than the one it is a copy of."""
    bucket.installation = installation.know(tx, [secrets.randbits(installation.BITS)])[0]
    if take:
        bucket.take()
    return bucket.is_ours()


def usual_ahead(taken_at: str, at: Instant) -> int:
    """How much further control numbers go on: more than a pair was given since the backup, also by an earlier restore of the same one."""
    return LEAST_AHEAD + AHEAD_PER_SECOND * max(0, at - instant_of(taken_at, at)) // SECOND


def _copy_out(files: PayloadFiles, sha256: str, into: Path) -> int:
    """Raises PayloadDamaged where the payload cannot be read whole, and OSError where the copy cannot be written; one that is not sound is not left."""
    target = into / sha256[:2] / sha256[2:4] / sha256
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest, size = hashlib.sha256(), 0
    try:
        with target.open("xb") as copy:
            for piece in _pieces(files, sha256):
                digest.update(piece)
                copy.write(piece)
                size += len(piece)
    except (OSError, PayloadDamaged):
        target.unlink(missing_ok=True)
        raise
    if digest.hexdigest() != sha256:
        target.unlink()
        raise PayloadDamaged(f"payload {sha256[:12]}… does not have the checksum it was stored with")
    return size


def _pieces(files: PayloadFiles, sha256: str) -> Iterator[bytes]:
    """Raises PayloadDamaged; what goes wrong with the copy is none of its business."""
    source = files.local(sha256)
    try:
        with source.open("rb") as file:
            while piece := file.read(CHUNK):
                yield piece
    except OSError as error:
        raise PayloadDamaged(f"payload {sha256[:12]}… cannot be read: {error.strerror}") from error


def _copy_in(files: PayloadFiles, path: Path) -> None:
    spooled = files.spool / f"restore-{path.name}"
    try:
        with path.open("rb") as file, spooled.open("wb") as copy:
            shutil.copyfileobj(file, copy, CHUNK)
            copy.flush()
            os.fsync(copy.fileno())
    except OSError:
        spooled.unlink(missing_ok=True)
        raise
    files.settle(spooled, path.name)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    """Every file and folder of a backup reaches the disk before it has its name."""
    try:
        for path in sorted(folder.rglob("*")):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(folder)
    except OSError as error:
        raise StoreUnavailable(f"the backup did not reach the disk: {error.strerror}") from error
