"""`crossdock dead …` and `crossdock skip`: what waits for a person, and what a person does about it."""

from pathlib import Path
from typing import Annotated, Any

import typer

dead = typer.Typer(help="What waits for a person: dead letters, held and rejected documents, blocked lanes.", invoke_without_command=True)

Json = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]
Data = Annotated[Path | None, typer.Option("--data-dir", help="Where the node keeps its data. Default: the setting data_dir, var.")]
Config = Annotated[Path | None, typer.Option("--config", "-c", help="A settings file (YAML).")]


@dead.callback()
def list_dead(context: typer.Context, data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """What waits for a person: dead letters, held and rejected documents, blocked lanes."""
    if context.invoked_subcommand is None:
        _operate("dead", {}, config, data_dir, as_json)


def skip(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="A dead delivery, a held or rejected document, a held message.")],
    because: Annotated[str, typer.Option(help="The reason; it stays with it.")],
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Give up what waits for a person, with a reason; a lane behind it goes on."""
    _operate("act", {"kind": "skip", "id": wanted, "reason": because}, config, data_dir, as_json)


def _operate(name: str, given: dict[str, Any], config: Path | None, data_dir: Path | None, as_json: bool) -> None:
    from gateway.commands.asking import run

    run(name, given, config, data_dir, as_json)
