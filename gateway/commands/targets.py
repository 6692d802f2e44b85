"""`crossdock targets …`: how destinations stand, and what a person does with one."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands import asking
from gateway.commands.options import Config, Data, Json

targets = typer.Typer(help="Destinations: how they stand; pause, resume, open, close, probe one.", invoke_without_command=True)

Name = Annotated[str, typer.Argument(help="A target, such as erp; or a destination's whole name, such as push:acme.")]
Because = Annotated[str, typer.Option(help="The reason; it stays with the destination.")]


@targets.callback()
def listed(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Partners' destinations, too, also those that are well.")] = False,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """How the targets stand, and every other destination that is not well."""
    if context.invoked_subcommand is None:
        asking.run("targets", {"all": everything}, config, data_dir, as_json)


@targets.command("show")
def show(name: Name, data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """One destination, with what was done with it, by whom and why."""
    asking.run("targets.show", {"name": name}, config, data_dir, as_json)


def _steer(act: str, name: str, because: str, config: Path | None, data_dir: Path | None, as_json: bool) -> None:
    asking.run("targets.steer", {"act": act, "name": name, "because": because}, config, data_dir, as_json)


@targets.command("pause")
def pause(name: Name, because: Because, data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Send nothing there until `resume`; everything waits, and nothing dies of it."""
    _steer("pause", name, because, config, data_dir, as_json)


@targets.command("resume")
def resume(name: Name, because: Because, data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Let a paused destination go on, slowly first."""
    _steer("resume", name, because, config, data_dir, as_json)


@targets.command("open")
def open_(name: Name, because: Because, data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Open its breaker: nothing is sent but a probe from time to time, and the first that is answered closes it."""
    _steer("open", name, because, config, data_dir, as_json)


@targets.command("close")
def close(name: Name, because: Because, data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Close its breaker: send at full concurrency from now on."""
    _steer("close", name, because, config, data_dir, as_json)


@targets.command("probe")
def probe(name: Name, because: Because, data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Try one delivery now, in place of when the rest is over."""
    _steer("probe", name, because, config, data_dir, as_json)
