"""`crossdock receipts …` and `crossdock bytes`: what became of each message, step by step, and the stored bytes behind it."""

import base64
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands import asking
from gateway.commands.options import Config, Data, Json, OnlyPartner
from gateway.exits import FAILED

receipts = typer.Typer(help="What became of each message, step by step, and whether every receipt is there.", invoke_without_command=True)

Since = Annotated[str | None, typer.Option(help="From then on: 2026-11-30, 2026-11-30T08:00 (UTC), or a span back from now such as 24h.")]


@receipts.callback()
def matrix(
    context: typer.Context,
    partner: OnlyPartner = None,
    message: Annotated[str | None, typer.Option("--id", help="Only this message.")] = None,
    sent: Annotated[bool, typer.Option("--sent", help="What we sent, in place of what we received.")] = False,
    since: Since = None,
    until: Annotated[str | None, typer.Option(help="Before then, written alike.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Received, receipts, translated, delivered, confirmed: each with its time and the id of the bytes that prove it."""
    if context.invoked_subcommand is None:
        asking.run(
            "receipts", {"partner": partner, "id": message, "sent": sent, "since": since, "until": until, "limit": limit}, config, data_dir, as_json
        )


@receipts.command("check")
def check(since: Since = None, data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Whether every receipt that we owe is there, once. Exit 0, or 1 with what is wrong."""
    if asking.run("receipts.check", {"since": since}, config, data_dir, as_json)["wrong"]:
        raise typer.Exit(FAILED)


def stored_bytes(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="A message, document, event or delivery; as2:ID, mdn:ID, answer:DELIVERY.")],
    to: Annotated[Path | None, typer.Option(help="Into this file, in place of the standard output.")] = None,
    data_dir: Data = None,
    config: Config = None,
) -> None:
    """The stored bytes behind an id, as they are."""
    data = base64.b64decode(asking.ask("bytes", {"id": wanted}, config, data_dir)["base64"])
    if to is not None:
        to.write_bytes(data)
    else:
        sys.stdout.buffer.write(data)
