"""`crossdock alarms …`: what is wrong now, and who is told."""

from typing import Annotated

import typer

from gateway.commands import asking
from gateway.commands.options import Config, Data, Json, OnlyPartner

alarms = typer.Typer(help="What is wrong now; each trouble once.", invoke_without_command=True)


@alarms.callback()
def listed(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Closed ones, too.")] = False,
    partner: OnlyPartner = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind, such as delivery.dead.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """The latest alarms that are open, each trouble once."""
    if context.invoked_subcommand is None:
        asking.run("alarms", {"all": everything, "partner": partner, "kind": kind, "limit": limit}, config, data_dir, as_json)


@alarms.command("close")
def close(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="An alarm's id, or how it begins.")],
    because: Annotated[str, typer.Option(help="The reason; it stays with the alarm.")],
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Ends an alarm. The same trouble again opens it anew."""
    asking.run("alarms.close", {"id": wanted, "reason": because}, config, data_dir, as_json)


@alarms.command("test")
def try_out(data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Raises an alarm that means nothing, so that you see whether alarms arrive where people look."""
    asking.run("alarms.test", {}, config, data_dir, as_json)
