"""Backups as people ask for them: begun in the node that has the data, looked at until it is done."""

import threading
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from gateway.backing_up import BackupRefused, Work, make_backup
from gateway.clock import now
from gateway.errors import CrossdockError, Refused
from gateway.store.store import Store

Arguments = dict[str, Any]
_under_way: WeakKeyDictionary[Store, Work] = WeakKeyDictionary()
"""One at a time for a store; the last one stays, for who looks."""


def begin(store: Store, given: Arguments) -> Any:
    """Into a new folder of the node's machine."""
    folder = Path(str(given["folder"]))
    if not folder.is_absolute():
        raise Refused(400, "bad-request", f"{folder} is no absolute path")
    before = _under_way.get(store)
    if before is not None and before.result is None and before.failed is None:
        raise Refused(409, "bad-request", "a backup is under way already; wait for it")
    work = _under_way[store] = Work()

    def run() -> None:
        try:
            work.result = make_backup(store, folder, version=version("crossdock"), work=work, with_bucket=bool(given.get("with_bucket")), clock=now)
        except (BackupRefused, CrossdockError, OSError) as error:
            work.failed = str(error)
        except Exception as error:
            work.failed = f"our own fault: {type(error).__name__}: {error}"

    threading.Thread(target=run, name="backup", daemon=True).start()
    return look(store, given)


def look(store: Store, given: Arguments) -> Any:
    work = _under_way.get(store)
    if work is None:
        raise Refused(404, "not-found", "no backup was begun since this node started")
    return {"what": work.what, "done": work.done, "result": work.result, "failed": work.failed}


OPERATIONS: dict[str, Callable[[Store, Arguments], Any]] = {"backup.begin": begin, "backup.look": look}
