"""`crossdock consumers …`: who reads from us, by which token, up to where."""

from typing import Annotated, Any

import typer

from gateway.commands import asking
from gateway.commands.options import Config, Data, Json

consumers = typer.Typer(help="Consumers of the ERP-facing API: add, list, change, rotate, retire, replay.", invoke_without_command=True)

Name = Annotated[str, typer.Argument(help="The consumer's name.")]
Because = Annotated[str, typer.Option(help="The reason; it stays in the audit log.")]
Scopes = Annotated[list[str] | None, typer.Option("--scope", help="What it may ask for, such as events:read; may be given again.")]
Partners = Annotated[list[str] | None, typer.Option("--partner", help="Only this partner's rows; may be given again. Default: all.")]
Types = Annotated[list[str] | None, typer.Option("--type", help="Only events of this type, such as shipment.status; may be given again.")]
Stream = Annotated[str | None, typer.Option(help="production, test, or both.")]
Rate = Annotated[int | None, typer.Option(min=0, help="Requests a minute; 0 for no bound.")]
Contract = Annotated[str | None, typer.Option(help="The version of the contract that it was written for. Default: today's.")]
Reads = Annotated[bool | None, typer.Option("--audit-reads/--no-audit-reads", help="Whether each of its reads is in the audit log.")]


@consumers.callback()
def listed(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Retired ones, too.")] = False,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Every consumer: scopes, filter, rate, and how far it is behind."""
    if context.invoked_subcommand is None:
        asking.run("consumers", {"all": everything}, config, data_dir, as_json)


@consumers.command("show")
def show(name: Name, data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """One consumer: its terms, its tokens' ages, its cursor."""
    asking.run("consumers.show", {"name": name}, config, data_dir, as_json)


@consumers.command("add")
def add(
    name: Name,
    scopes: Scopes = None,
    partners: Partners = None,
    types: Types = None,
    stream: Stream = None,
    rate: Rate = None,
    contract: Contract = None,
    audit_reads: Reads = None,
    since: Annotated[str, typer.Option("--from", help="Since when it reads events: now, start, 30d, 2026-11-01.")] = "now",
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a consumer and its token. The token is shown this once."""
    given = _terms(scopes, partners, types, stream, rate, contract, audit_reads) | {"name": name, "from": since}
    asking.run("consumers.add", given, config, data_dir, as_json)


@consumers.command("change")
def change(
    name: Name,
    because: Because,
    scopes: Scopes = None,
    partners: Partners = None,
    types: Types = None,
    stream: Stream = None,
    rate: Rate = None,
    contract: Contract = None,
    audit_reads: Reads = None,
    all_partners: Annotated[bool, typer.Option("--all-partners", help="All partners' rows.")] = False,
    all_types: Annotated[bool, typer.Option("--all-types", help="Events of all types.")] = False,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Give a consumer other terms. What is not named stays as it is; a list that is named takes the place of the whole list."""
    given = _terms(scopes, partners, types, stream, rate, contract, audit_reads) | {"name": name, "because": because}
    given |= ({"partners": []} if all_partners else {}) | ({"types": []} if all_types else {})
    asking.run("consumers.change", given, config, data_dir, as_json)


@consumers.command("rotate")
def rotate(
    name: Name,
    keep: Annotated[str, typer.Option(help="How long the token before it still opens; 0s if it leaked.")] = "24h",
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a new token, shown this once. The one before it opens for a while."""
    asking.run("consumers.rotate", {"name": name, "keep": keep}, config, data_dir, as_json)


@consumers.command("retire")
def retire(name: Name, because: Because, data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Take a consumer out for good. Its records stay, and its name is not given again."""
    asking.run("consumers.retire", {"name": name, "because": because}, config, data_dir, as_json)


@consumers.command("replay")
def replay(
    name: Name,
    because: Because,
    since: Annotated[str, typer.Option("--from", help="Where it reads again: start, 30d, 2026-11-01T08:00:00Z, or now.")],
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Set a consumer's cursor anew: it gets the events since then again. Nobody else is touched."""
    asking.run("consumers.replay", {"name": name, "because": because, "from": since}, config, data_dir, as_json)


def _terms(
    scopes: list[str] | None, partners: list[str] | None, types: list[str] | None, stream: str | None, rate: int | None, contract: str | None,
    audit_reads: bool | None,
) -> dict[str, Any]:  # fmt: skip
    """What was named, and nothing else."""
    given = {
        "scopes": scopes, "partners": partners, "types": types, "stream": stream, "rate": rate, "contract": contract, "audit_reads": audit_reads,
    }  # fmt: skip
    return {name: value for name, value in given.items() if value is not None and value != []}
