"""`crossdock nodes …`: who is there and does what; and `crossdock prune`: what is over and old goes."""

from pathlib import Path
from typing import Annotated

import typer

nodes = typer.Typer(help="The nodes of this database, and the work that one of them at a time does.", invoke_without_command=True)

Json = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]
Data = Annotated[Path | None, typer.Option("--data-dir", help="Where the node keeps its data. Default: the setting data_dir, var.")]
Config = Annotated[Path | None, typer.Option("--config", "-c", help="A settings file (YAML).")]


@nodes.callback()
def listed(context: typer.Context, data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Every node with its addresses, and each piece of shared work with who did it last."""
    from gateway.commands.asking import run

    if context.invoked_subcommand is None:
        run("nodes", {}, config, data_dir, as_json)


@nodes.command("forget")
def forget(
    name: Annotated[str, typer.Argument(help="A node that is stopped or lost.")], data_dir: Data = None, config: Config = None, as_json: Json = False
) -> None:
    """Take the row of a node away that will not come back."""
    from gateway.commands.asking import run

    run("nodes.forget", {"name": name}, config, data_dir, as_json)


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Let messages go that are older than their retention and that nothing needs; a node does it every hour by itself."""
    from gateway.commands.asking import run, settings_of

    kept = settings_of(config, data_dir).retention.messages
    messages = f"{int(kept.total_seconds())}s" if kept is not None else None
    run("prune.look" if dry_run else "prune", {"messages": messages}, config, data_dir, as_json)
