"""`crossdock replay` and `crossdock replays …`: one thing again, or many as a job."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands import asking
from gateway.commands.options import Config, Data, Json, OnlyPartner
from gateway.exits import FAILED, USAGE

replays = typer.Typer(help="Replays of many documents: list, show, diff, pause, resume, cancel.", invoke_without_command=True)

Job = Annotated[str, typer.Argument(metavar="ID", help="A replay, as `crossdock replays` lists them.")]
LOOK = 0.5
SPOKEN = 2
"""Seconds between two lines of progress where they go to no terminal."""


def replay(
    wanted: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A message, document, event or delivery; without one, many: see the options.")
    ] = None,
    override: Annotated[str | None, typer.Option(help="rejected, conflict, foreign-sender or latest: do it in spite of that.")] = None,
    because: Annotated[str, typer.Option(help="The reason; it stays in the message's life.")] = "",
    partner: Annotated[str | None, typer.Option(help="Of many: this partner's.")] = None,
    since: Annotated[str | None, typer.Option(help="Of many: that came since then: 30d, 12h, 2026-11-01, or RFC 3339.")] = None,
    until: Annotated[str | None, typer.Option(help="Of many: that came before then. Default: now.")] = None,
    set_id: Annotated[str | None, typer.Option("--set", help="Of many: this transaction set or kind of file, such as 856.")] = None,
    value: Annotated[str | None, typer.Option(help="Of many: that carry this reference, as `crossdock find` finds them.")] = None,
    revision: Annotated[str | None, typer.Option(help="Read under: live (default), original, or a revision's number.")] = None,
    into: Annotated[str | None, typer.Option(help="nowhere (default: compare alone), test, or live.")] = None,
    target: Annotated[str | None, typer.Option(help="With --into test: this target in place of the agreements' test_target.")] = None,
    redeliver: Annotated[bool, typer.Option("--redeliver", help="Of many: read nothing again; send their events again under the same ids.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Of many: tell how far it is until it is done.")] = False,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Read a message or document again under the live profile, or send an event or delivery again under its own id. With --partner, --since, --value,
    --revision or --into: a job over many documents, which compares (nowhere), tells a test target, or reads again (live)."""
    many = {
        "partner": partner, "since": since, "until": until, "set": set_id, "value": value, "revision": revision, "into": into, "target": target,
        "redeliver": redeliver or None,
    }  # fmt: skip
    if not any(many.values()):
        if wanted is None:
            typer.echo("name a message, document, event or delivery; or many, by --partner, --since or --value", err=True)
            raise typer.Exit(USAGE)
        asking.run("replay", {"id": wanted, "override": override, "reason": because}, config, data_dir, as_json)
        return
    given = many | {"id": wanted, "override": override, "reason": because}
    if not wait:
        asking.run("replays.start", given, config, data_dir, as_json)
        return

    _follow(asking.ask("replays.start", given, config, data_dir)["id"], config, data_dir, as_json)


@replays.callback()
def list_replays(
    context: typer.Context,
    partner: OnlyPartner = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """The latest replays of many documents, and how far they are."""
    if context.invoked_subcommand is None:
        asking.run("replays", {"partner": partner, "limit": limit}, config, data_dir, as_json)


@replays.command("show")
def show_replay(
    job: Job,
    wait: Annotated[bool, typer.Option("--wait", help="Tell how far it is until it is done.")] = False,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """What a replay means, how far it is, and what it counted."""
    if wait:
        _follow(job, config, data_dir, as_json)
    else:
        asking.run("replays.show", {"id": job}, config, data_dir, as_json)


@replays.command("diff")
def diff_replay(job: Job, data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """What differs: events added and removed, fields changed, documents that come to another state; with counts and samples."""
    asking.show("replays.diff", asking.ask("replays.show", {"id": job}, config, data_dir), as_json)


@replays.command("pause")
def pause_replay(job: Job, data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Stop a replay after the chunk that it is at; it keeps its place."""
    asking.run("replays.change", {"id": job, "state": "pause"}, config, data_dir, as_json)


@replays.command("resume")
def resume_replay(job: Job, data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Let a paused or failed replay go on from its place."""
    asking.run("replays.change", {"id": job, "state": "resume"}, config, data_dir, as_json)


@replays.command("cancel")
def cancel_replay(job: Job, data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """End a replay for good; what it has done stands."""
    asking.run("replays.change", {"id": job, "state": "cancel"}, config, data_dir, as_json)


def _follow(job: str, config: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Tells on standard error how far it is until it is at rest, then shows it. Exit 1 where it did not come to its end."""
    from gateway.commands.operate import node_of

    told = 0.0
    while (value := asking.ask("replays.show", {"id": job}, config, data_dir))["state"] == "running":
        if node_of(asking.settings_of(config, data_dir).data_dir) is None:
            typer.echo("no node runs here; the replay goes on when one does", err=True)
            break
        on_terminal = sys.stderr.isatty()
        if on_terminal or time.monotonic() - told >= SPOKEN:
            told = time.monotonic()
            typer.echo(f"{_how_far(value)}", err=True, nl=not on_terminal)
            if on_terminal:
                typer.echo("\r", err=True, nl=False)
        time.sleep(LOOK)
    asking.show("replays.show", value, as_json)
    raise typer.Exit(0 if value["state"] in ("done", "running", "paused") else FAILED)


def _how_far(value: dict[str, Any]) -> str:
    messages, total = value["counts"].get("messages", 0), value["total"]
    part = f" of {total:,} ({messages / total:.0%})" if total else ""
    return f"{value['id']}: {messages:,}{part} messages, {value['counts'].get('documents', 0):,} documents"
