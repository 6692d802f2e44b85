"""An operation as a command asks for it: run where the data are, shown to a person or a script, or ended with an exit code that says why not.

Knows nothing of what operations mean. Heavy imports stand inside the functions: every command imports this, also for --help.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gateway.errors import Refused, StoreUnavailable
from gateway.exits import FAILED, SERVICE_MISSING, SETTINGS

if TYPE_CHECKING:
    from gateway.settings import Settings


def settings_of(config: Path | None, data_dir: Path | None) -> "Settings":
    from gateway.settings import SettingsError, read_settings

    try:
        return read_settings(config, {"data_dir": str(data_dir) if data_dir else None})
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(SETTINGS) from None


def profile(partner: str | None) -> Any:
    """A profile by file, or by the name of one that ships or is live here."""
    if partner is None:
        return None
    from gateway.commands.operate import profile_of
    from partners.profile import ProfileError

    try:
        return profile_of(partner)
    except (Refused, StoreUnavailable, ProfileError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(FAILED) from None


def ask(name: str, given: dict[str, Any], config: Path | None, data_dir: Path | None) -> Any:
    """The operation's value: of the node that has the data directory, or of the store itself when none runs."""
    from gateway.commands.operate import operate

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
        from gateway.commands.shown import shown

        shown(name, value)
