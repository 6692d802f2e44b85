"""`crossdock audit …`: whether the audit log is whole, its heads, its records."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands import asking
from gateway.commands.options import Config, Data, Json
from gateway.exits import BAD_DATA, FAILED, USAGE

audit = typer.Typer(help="The audit log: verify its chains, note their heads, read their records.", no_args_is_help=True)


@audit.command("verify")
def verify(
    chain: Annotated[str | None, typer.Option(help="Only this chain: a partner, or consumer:NAME.")] = None,
    against: Annotated[Path | None, typer.Option(help="Heads that were noted earlier: what `crossdock audit heads --json` printed.")] = None,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Walk every chain from its first record. Exit 0: whole; 1: the rows that were altered or are missing, by chain and number."""
    given: dict[str, Any] = {"chain": chain, "noted": _noted(against) if against else None}
    whole: dict[str, Any] = {"checked": 0, "chains": 0, "faults": [], "more": False}
    while True:
        value = asking.ask("audit.verify", given, config, data_dir)
        for name in ("checked", "chains"):
            whole[name] += value[name]
        whole["faults"] += value["faults"]
        whole["more"] = value["more"] or (bool(value["at"]) and len(whole["faults"]) >= 100)
        if not value["at"] or whole["more"]:
            break
        given["at"] = value["at"]
    asking.show("audit.verify", whole, as_json)
    if whole["faults"]:
        raise typer.Exit(FAILED)


@audit.command("heads")
def heads(data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """The last record of each chain. Keep them where the database's owner cannot alter them; `verify --against` holds the log to them."""
    found: list[dict[str, Any]] = []
    while page := asking.ask("audit.heads", {"after": found[-1]["chain"] if found else ""}, config, data_dir):
        found += page
    asking.show("audit.heads", found, as_json)


@audit.command("show")
def records(
    chain: Annotated[str, typer.Argument(help="A partner, or consumer:NAME; consumer:- for calls that nobody could be found behind.")],
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    before: Annotated[int | None, typer.Option(help="Records before this number.")] = None,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """The records of a chain, the latest first."""
    asking.run("audit.records", {"chain": chain, "limit": limit, "before": before}, config, data_dir, as_json)


def _noted(file: Path) -> list[dict[str, Any]]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(value, list):
            raise TypeError("no list")
        return [{"chain": str(one["chain"]), "number": int(one["number"]), "hash": str(one["hash"])} for one in value]
    except OSError as error:
        typer.echo(f"{file}: {error.strerror}", err=True)
        raise typer.Exit(USAGE) from None
    except (ValueError, TypeError, KeyError):
        typer.echo(f"{file}: it is not what `crossdock audit heads --json` prints", err=True)
        raise typer.Exit(BAD_DATA) from None
