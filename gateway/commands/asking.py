"""An operation as a command asks for it: run where the data are, shown to a person or a script, or ended with an exit code that says why not."""

import json
from pathlib import Path
from typing import Any

import typer

from gateway.commands.operate import operate
from gateway.commands.shown import shown
from gateway.errors import Refused, StoreUnavailable
from gateway.exits import FAILED, SERVICE_MISSING, SETTINGS
from gateway.settings import Settings, SettingsError, read_settings


def settings_of(config: Path | None, data_dir: Path | None) -> Settings:
    try:
        return read_settings(config, {"data_dir": str(data_dir) if data_dir else None})
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(SETTINGS) from None


def ask(name: str, given: dict[str, Any], config: Path | None, data_dir: Path | None) -> Any:
    """The operation's value: of the node that has the data directory, or of the store itself when none runs."""
    try:
        return operate(settings_of(config, data_dir), name, given)
    except Refused as refused:
        typer.echo(refused.detail, err=True)
        raise typer.Exit(FAILED) from None
    except StoreUnavailable as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(SERVICE_MISSING) from None


def run(name: str, given: dict[str, Any], config: Path | None, data_dir: Path | None, as_json: bool) -> Any:
    """The same, shown."""
    value = ask(name, given, config, data_dir)
    show(name, value, as_json)
    return value


def show(name: str, value: Any, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
    else:
        shown(name, value)
