"""`crossdock dead …` and `crossdock skip`: what waits for a person, and what a person does about it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands import asking
from gateway.commands.options import Config, Data, Json, OnlyPartner

dead = typer.Typer(help="What waits for a person: dead letters, held and rejected documents, blocked lanes.", invoke_without_command=True)


Target = Annotated[str | None, typer.Option(help="Only deliveries to this target, or other destination such as as2:acme.")]
Type = Annotated[str | None, typer.Option("--type", help="Only of this set, such as 856, or type of event, such as shipment.status.")]
CauseOption = Annotated[str | None, typer.Option("--cause", help="Only for this cause, as the list names it.")]
Words = Annotated[str | None, typer.Option("--text", help="Only where the reason has these words.")]
Since = Annotated[str | None, typer.Option(help="Only what waits since then or later: 2h, 3d, 2026-11-01, or RFC 3339.")]
Until = Annotated[str | None, typer.Option(help="Only what waits since before then.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Deliveries, events, documents, messages; without them a search or --all.")]
All = Annotated[bool, typer.Option("--all", help="All that waits.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count what it would be.")]


@dead.callback()
def list_dead(
    context: typer.Context,
    partner: OnlyPartner = None,
    target: Target = None,
    type_: Type = None,
    cause: CauseOption = None,
    words: Words = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Of each kind.")] = 50,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """What waits for a person: dead letters, held and rejected documents, blocked lanes; each with its cause and runbook."""
    if context.invoked_subcommand is None:
        given: dict[str, Any] = {
            "partner": partner,
            "target": target,
            "type": type_,
            "cause": cause,
            "text": words,
            "since": since,
            "until": until,
            "limit": limit,
        }
        asking.run("dead", given, config, data_dir, as_json)


@dead.command("retry")
def retry(
    ids: Ids = None,
    partner: OnlyPartner = None,
    target: Target = None,
    type_: Type = None,
    cause: CauseOption = None,
    words: Words = None,
    since: Since = None,
    until: Until = None,
    everything: All = False,
    because: Annotated[str, typer.Option(help="The reason; it stays with each.")] = "",
    dry_run: DryRun = False,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Send dead deliveries again under their own ids; read held documents and messages again under the live profile."""
    given: dict[str, Any] = {"partner": partner, "target": target, "type": type_, "cause": cause, "text": words, "since": since, "until": until}
    given |= {"act": "retry", "ids": ids, "all": everything, "reason": because, "dry_run": dry_run}
    asking.run("dead.act", given, config, data_dir, as_json)


@dead.command("skip")
def skip_many(
    ids: Ids = None,
    partner: OnlyPartner = None,
    target: Target = None,
    type_: Type = None,
    cause: CauseOption = None,
    words: Words = None,
    since: Since = None,
    until: Until = None,
    everything: All = False,
    because: Annotated[str, typer.Option(help="The reason; it stays with each. Needed.")] = "",
    dry_run: DryRun = False,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Give up what waits, with a reason; lanes behind it go on."""
    given: dict[str, Any] = {"partner": partner, "target": target, "type": type_, "cause": cause, "text": words, "since": since, "until": until}
    given |= {"act": "skip", "ids": ids, "all": everything, "reason": because, "dry_run": dry_run}
    asking.run("dead.act", given, config, data_dir, as_json)


@dead.command("edit")
def edit(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="A dead delivery or event, a held or rejected document, a held message.")],
    file: Annotated[Path | None, typer.Option("--file", help="The edited text: a document's bytes, or an event's JSON.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write what it says now to this file, to be edited. Default: standard output.")] = None,
    because: Annotated[str, typer.Option(help="The reason; it stays with what is made of it. Needed with --file.")] = "",
    override: Annotated[str | None, typer.Option(help="conflict: take another meaning under an original purpose as a correction.")] = None,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print what a dead letter says; with --file, check the edited text as if it came today, and send it in its place, beside the original."""
    import base64
    import sys

    from gateway.exits import USAGE

    if file is None:
        data = base64.b64decode(asking.ask("dead.edit", {"id": wanted}, config, data_dir)["data"])
        if out is None:
            sys.stdout.buffer.write(data)
        else:
            out.write_bytes(data)
        return
    try:
        edited = base64.b64encode(file.read_bytes()).decode()
    except OSError as error:
        typer.echo(f"{file}: {error.strerror}", err=True)
        raise typer.Exit(USAGE) from None
    asking.run("dead.edit", {"id": wanted, "data": edited, "reason": because, "override": override}, config, data_dir, as_json)


def skip(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="A delivery that is dead or still due, a held or rejected document, a held message.")],
    because: Annotated[str, typer.Option(help="The reason; it stays with it.")],
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Give up what waits for a person, or a delivery that is still due, with a reason; a lane behind it goes on."""
    asking.run("act", {"kind": "skip", "id": wanted, "reason": because}, config, data_dir, as_json)
