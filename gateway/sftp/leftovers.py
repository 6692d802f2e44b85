"""Parts of files by SFTP that no unfinished file needs any more: a crash came between a commit and their removal, or another node took or ended the file.

Their callers say how old such a part must be; younger ones may be before their commit.
"""

from collections.abc import Iterator

from gateway.store import sftp as rows
from gateway.store.payloads import PayloadFiles
from gateway.store.store import Store

AT_ONCE = 500


def sweep_here(store: Store, before: float) -> int:
    """Removes those on this node's own disk that were last written before then (seconds since 1970); how many. Raises StoreUnavailable."""
    old = sorted(path.name for path in store.files.parts.iterdir() if path.stat().st_mtime < before)
    removed = 0
    for start in range(0, len(old), AT_ONCE):
        for part in _left(store, old[start : start + AT_ONCE]):
            (store.files.parts / part).unlink(missing_ok=True)
            removed += 1
    return removed


def in_bucket(files: PayloadFiles, before: int) -> Iterator[list[str]]:
    """Names of all parts there that were put before then (microseconds), some at a time. Raises StoreUnavailable."""
    if files.bucket is not None:
        for page in files.bucket.pages("parts"):
            yield [one.name.rpartition("/")[2] for one in page if one.at < before]


def drop_left(store: Store, parts: list[str]) -> int:
    """Removes those of them that are left over, for all nodes; how many. Raises StoreUnavailable."""
    left = _left(store, parts)
    store.files.drop_parts(left)
    return len(left)


def _left(store: Store, parts: list[str]) -> list[str]:
    needed = store.look(lambda tx: rows.unfinished(tx, parts))
    return [part for part in parts if part not in needed]
