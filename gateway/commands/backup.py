"""`crossdock backup` and `crossdock restore`."""

import json
import os
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands import asking
from gateway.commands.options import Config, Data, Json

LOOK = 0.3
"""Seconds between two looks at one that is under way."""


def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    check: Annotated[bool, typer.Option("--check", help="Make none: read this one through, every byte.")] = False,
    with_bucket: Annotated[bool, typer.Option("--with-bucket", help="Copy what lies in the bucket, too.")] = False,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Everything of one moment into a new folder, while the node works: rows, and the payload files that they name."""
    from gateway.exits import FAILED

    manifest = _checked(folder) if check else _made(folder.absolute(), with_bucket, config, data_dir)
    if as_json:
        typer.echo(json.dumps(manifest, indent=2))
    else:
        _tell(folder, manifest, check)
    if manifest["damaged"]:
        raise typer.Exit(FAILED)  # a nightly job must not call that a backup without a word


def _tell(folder: Path, manifest: dict[str, Any], check: bool) -> None:
    rows = sum(one["rows"] for one in manifest["tables"].values())
    where = f"{manifest['payload_files']:,} payload files" if manifest["bucket"] is None else f"payloads stay in {manifest['bucket']}"
    typer.echo(f"{folder}: {rows:,} rows as of {manifest['taken_at']}, {where}{', every byte as it was written' if check else ''}")
    typer.echo("The secret that opens private keys is not in it (the setting key_secret, or keys.secret in the data directory): keep that apart.")
    for one in manifest["damaged"]:
        typer.echo(f"damaged before, and not in it: {one}", err=True)


def restore(
    folder: Annotated[Path, typer.Argument(help="A backup.")],
    ahead: Annotated[
        int | None,
        typer.Option("--ahead", min=0, help="How much further control numbers go on, if not 1,000 and 20 for each second since the backup."),
    ] = None,
    take_bucket: Annotated[
        bool, typer.Option("--take-bucket", help="The bucket is this installation's from now on; the one that had it never runs again.")
    ] = False,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """A backup into an empty database, of either kind. What was due is marked as in doubt, so that nothing has its effect twice."""
    from gateway.backing_up import BackupRefused, Work, restore_backup
    from gateway.data_directory import lock
    from gateway.errors import StoreUnavailable
    from gateway.exits import FAILED, SERVICE_MISSING
    from gateway.store.bucket import open_bucket
    from gateway.store.engine import Database, faults_told
    from gateway.store.payloads import PayloadFiles

    settings, work = asking.settings_of(config, data_dir), Work()
    try:
        held = lock(settings.data_dir)
        bucket = open_bucket(settings.payloads) if settings.payloads is not None else None
        database = Database(settings.database_url)
        (settings.data_dir / "payloads").mkdir(parents=True, exist_ok=True, mode=0o700)
        with _Watched(work), faults_told():
            result = restore_backup(
                folder, database, PayloadFiles(settings.data_dir / "payloads", bucket), ahead=ahead, work=work, take_bucket=take_bucket
            )
        database.close()
        os.close(held)
    except BackupRefused as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(FAILED) from None
    except (StoreUnavailable, OSError) as error:
        words = f"the disk does not take it: {error.strerror}" if isinstance(error, OSError) else str(error)
        typer.echo(f"{words}; nothing is restored: empty the data directory, make room, and begin again", err=True)
        raise typer.Exit(SERVICE_MISSING) from None
    if as_json:
        typer.echo(json.dumps(result, indent=2))
        return
    typer.echo(f"restored: {sum(result['tables'].values()):,} rows as of {result['taken_at']}, {result['payload_files']:,} payload files")
    typer.echo(
        f"{result['in_doubt']:,} deliveries are in doubt and are looked up, or wait for a person, before they are sent again; control numbers go on {result['ahead']:,} further."
    )
    if result["bucket_is_ours"] is False:
        typer.echo(
            "The bucket belongs to another installation, and nothing is removed from it. Give this one a bucket of its own before it works; or restore again with --take-bucket, if the other never runs again.",
            err=True,
        )
    typer.echo(
        "The node that this backup is of must never run again on its old data. What partners and the ERP have sent since then, they must send again."
    )


def _made(folder: Path, with_bucket: bool, config: Path | None, data_dir: Path | None) -> dict[str, Any]:
    from gateway.backup_people import OPERATIONS
    from gateway.commands.operate import node_of
    from gateway.exits import FAILED

    given = {"folder": str(folder), "with_bucket": with_bucket}
    if node_of(asking.settings_of(config, data_dir).data_dir) is not None:
        look = asking.ask("backup.begin", given, config, data_dir)
        while look["result"] is None and look["failed"] is None:
            time.sleep(LOOK)
            look = asking.ask("backup.look", {}, config, data_dir)
            _say(look["what"], look["done"])
        _say("", 0)
    else:
        look = _alone(OPERATIONS, given, config, data_dir)
    if look["failed"] is not None:
        typer.echo(look["failed"], err=True)
        raise typer.Exit(FAILED)
    result: dict[str, Any] = look["result"]
    return result


def _alone(operations: dict[str, Any], given: dict[str, Any], config: Path | None, data_dir: Path | None) -> dict[str, Any]:
    """No node runs: on the store itself, opened under its lock."""
    from gateway.commands.operate import alone
    from gateway.errors import StoreUnavailable
    from gateway.exits import SERVICE_MISSING

    try:
        with alone(asking.settings_of(config, data_dir)) as store:
            look: dict[str, Any] = operations["backup.begin"](store, given)
            while look["result"] is None and look["failed"] is None:
                time.sleep(LOOK / 10)
                look = operations["backup.look"](store, {})
                _say(look["what"], look["done"])
            _say("", 0)
            return look
    except StoreUnavailable as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(SERVICE_MISSING) from None


def _checked(folder: Path) -> dict[str, Any]:
    from gateway.backing_up import BackupRefused, Work, check_backup
    from gateway.exits import FAILED

    work = Work()
    try:
        with _Watched(work):
            return check_backup(folder, work.rows)
    except BackupRefused as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(FAILED) from None


class _Watched:
    """Says how far work is that this thread does, from another."""

    def __init__(self, work: Any) -> None:
        self._work, self._over = work, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._over.wait(LOOK):
            _say(self._work.what, self._work.done)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        _say("", 0)


def _say(what: str, done: int) -> None:
    """On a terminal only: one line, written over."""
    import sys

    if sys.stderr.isatty():
        line = f"{what}: {done:,}" if what else ""
        sys.stderr.write(f"\r{line:<60}\r")
        sys.stderr.flush()
