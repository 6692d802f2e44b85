"""`crossdock nodes …`: who is there and does what; and `crossdock prune`: what is over and old goes."""

from typing import Annotated

import typer

from gateway.commands import asking
from gateway.commands.options import Config, Data, Json

nodes = typer.Typer(help="The nodes of this database, and the work that one of them at a time does.", invoke_without_command=True)


@nodes.callback()
def listed(context: typer.Context, data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Every node with its addresses, and each piece of shared work with who did it last."""
    if context.invoked_subcommand is None:
        asking.run("nodes", {}, config, data_dir, as_json)


@nodes.command("forget")
def forget(
    name: Annotated[str, typer.Argument(help="A node that is stopped or lost.")], data_dir: Data = None, config: Config = None, as_json: Json = False
) -> None:
    """Take the row of a node away that will not come back."""
    asking.run("nodes.forget", {"name": name}, config, data_dir, as_json)


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Let messages go that are older than their retention and that nothing needs; a node does it every hour by itself."""
    kept = asking.settings_of(config, data_dir).retention.messages
    messages = f"{int(kept.total_seconds())}s" if kept is not None else None
    asking.run("prune.look" if dry_run else "prune", {"messages": messages}, config, data_dir, as_json)
