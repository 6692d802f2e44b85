"""The command line. Heavy imports stand inside the commands, so that --help answers at once."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands import alarms as alarms_commands
from gateway.commands import as2 as as2_commands
from gateway.commands import asking
from gateway.commands import audit as audit_commands
from gateway.commands import backup as backup_commands
from gateway.commands import consumers as consumer_commands
from gateway.commands import dead as dead_commands
from gateway.commands import finding as finding_commands
from gateway.commands import library as library_commands
from gateway.commands import nodes as node_commands
from gateway.commands import partners as partner_commands
from gateway.commands import peers as peer_commands
from gateway.commands import receipts as receipts_commands
from gateway.commands import replays as replay_commands
from gateway.commands import sftp as sftp_commands
from gateway.commands import targets as target_commands
from gateway.commands.options import Config, Data, File, Guides, Json, OnlyPartner, UnderProfile

app = typer.Typer(
    name="crossdock",
    help="A B2B/EDI partner gateway: X12, XML and CSV in, canonical events out, every byte kept, every receipt owed sent.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(partner_commands.partners, name="partners")
app.add_typer(library_commands.guide, name="guide")
erp = typer.Typer(help="The ERP's side of the contract.", no_args_is_help=True)
app.add_typer(erp, name="erp")
app.add_typer(peer_commands.simulate, name="simulate")
app.add_typer(library_commands.maps, name="map")
app.add_typer(as2_commands.keys, name="keys")
app.add_typer(as2_commands.as2, name="as2")
app.add_typer(alarms_commands.alarms, name="alarms")
app.add_typer(receipts_commands.receipts, name="receipts")
app.command("bytes")(receipts_commands.stored_bytes)
app.command("messages")(finding_commands.messages)
app.command("find")(finding_commands.find)
app.command("shipment")(finding_commands.shipment)
app.command("order")(finding_commands.order)
app.command("stock")(finding_commands.stock)
app.add_typer(sftp_commands.sftp, name="sftp")
app.add_typer(target_commands.targets, name="targets")
app.add_typer(node_commands.nodes, name="nodes")
app.command("prune")(node_commands.prune)
app.command("backup")(backup_commands.backup)
app.command("restore")(backup_commands.restore)
app.add_typer(consumer_commands.consumers, name="consumers")
app.add_typer(audit_commands.audit, name="audit")
app.add_typer(dead_commands.dead, name="dead")
app.command("skip")(dead_commands.skip)
app.add_typer(replay_commands.replays, name="replays")
app.command("replay")(replay_commands.replay)

FileMapping = Annotated[
    str | None, typer.Option("--mapping", help="Read a CSV or XML file under this mapping, such as csv/status; default: the one whose form it has.")
]


@app.command()
def serve(
    config: Config = None,
    data_dir: Data = None,
    partner_port: Annotated[int | None, typer.Option(help="Port of the partner listener; 0 takes a free one.")] = None,
    admin_port: Annotated[int | None, typer.Option(help="Port of the admin listener; 0 takes a free one.")] = None,
) -> None:
    """Run a node until it is stopped (Ctrl-C or SIGTERM)."""
    from gateway.commands.serve import serve as run

    given: dict[str, Any] = {"data_dir": str(data_dir) if data_dir else None}
    if partner_port is not None:
        given["partner_listener"] = {"port": partner_port}
    if admin_port is not None:
        given["admin_listener"] = {"port": admin_port}
    raise typer.Exit(run(config, given))


@app.command()
def demo() -> None:
    """Start a gateway, a pretend ERP and three pretend partners, and tell what happens as a story."""
    from gateway.commands.demo import demo as run

    raise typer.Exit(run())


@app.command()
def check(
    file: File,
    partner: UnderProfile = None,
    allow: Annotated[list[str] | None, typer.Option(help="Switch a named leniency on; may be given again.")] = None,
    tolerant: Annotated[bool, typer.Option("--tolerant", help="Judge as most profiles do: element faults alone are accepted with errors.")] = False,
    mapping: FileMapping = None,
    guides: Guides = None,
    schema: Annotated[Path | None, typer.Option(help="Judge an XML file by this schema; what it includes is looked for beside it.")] = None,
    as_json: Json = False,
) -> None:
    """Explain a file's faults, with the bytes (X12) or the lines (CSV, XML). Exit 0: clean, 1: findings."""
    from gateway.commands.check import check as run

    strictness, allowed = _terms(partner, tolerant, allow)
    terms = asking.profile(partner)
    raise typer.Exit(
        run(file, strictness=strictness, allow=allowed, as_json=as_json, out=sys.stdout, partner=terms, mapping=mapping, schema=schema, guides=guides)
    )


@app.command()
def translate(file: File, partner: UnderProfile = None, mapping: FileMapping = None, as_json: Json = False) -> None:
    """Show the canonical events of a file, and what was not carried over, without a server. --json: one CloudEvent a line."""
    from gateway.commands.translate import translate as run

    raise typer.Exit(run(file, partner=asking.profile(partner), mapping=mapping, as_json=as_json, out=sys.stdout))


@app.command()
def compose(
    set_id: Annotated[str, typer.Argument(metavar="SET", help="The transaction set to write, such as 940.")],
    file: Annotated[Path, typer.Argument(help="An event: its data as JSON, or a whole CloudEvent.")],
    release: Annotated[str, typer.Option(help="The release to write: 004010 or 005010.")] = "004010",
    zone: Annotated[str | None, typer.Option(help="The partner's time zone, such as America/Chicago.")] = None,
    overlay: Annotated[list[str] | None, typer.Option(help="An overlay over the mapping; may be given again.")] = None,
) -> None:
    """Show the document that a mapping writes of an event, without a server. Exit 0: written, 1: refused, with the event's fields."""
    from gateway.commands.compose import compose_file

    raise typer.Exit(compose_file(set_id, file, release=release, zone=zone, overlays=tuple(overlay or ()), out=sys.stdout.buffer))


@app.command()
def show(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="A message, document, event or delivery.")],
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """The whole life of a message: what came, what it became, who was told, with each attempt."""
    asking.run("show", {"id": wanted}, config, data_dir, as_json)


@app.command()
def explain(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="An event's id; or a document of ours that a partner has answered.")],
    field: Annotated[
        str | None, typer.Argument(metavar="[FIELD]", help="One field, such as lines[0].shipped; lines.shipped for that of every line.")
    ] = None,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Where the fields of an event come from: bytes, element, rule and transform. Of a document of ours: what the partner refuses, against our own bytes."""
    asking.run("explain", {"id": event, "field": field}, config, data_dir, as_json)


@app.command()
def awaited(
    partner: OnlyPartner = None,
    state: Annotated[
        str | None, typer.Option(help="waiting, accepted, accepted with errors, partly accepted, rejected, disputed; overdue, late.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Acknowledgments that partners owe us for what we sent, and what they said."""
    asking.run("awaited", {"partner": partner, "state": state, "limit": limit}, config, data_dir, as_json)


@erp.command("check")
def erp_check(
    url: Annotated[str, typer.Argument(help="Where events go, such as https://erp.example.com/events.")],
    token: Annotated[str | None, typer.Option(envvar="CROSSDOCK_ERP_TOKEN", help="The bearer token that it wants.")] = None,
    look_up: Annotated[str | None, typer.Option(help="Its look-up address, with {id} in it.")] = None,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds to wait for an answer.")] = 30,
    as_json: Json = False,
) -> None:
    """Holds an ERP's endpoint to the contract, by events in the test stream, and says what it got wrong."""
    from datetime import timedelta

    from gateway.commands.erp import check
    from gateway.targets.terms import Target

    target = Target(url=url, token=token, timeout=timedelta(seconds=timeout), repeats="look_up" if look_up else "native_key", look_up_url=look_up)
    raise typer.Exit(check(target, as_json=as_json))


@erp.command("plan")
def erp_plan(
    mapping: Annotated[str, typer.Argument(help="A mapping of calls, such as erp/tryton, or with the event: erp/tryton/shipment.notified.")],
    event: Annotated[Path, typer.Argument(help="An event as JSON: its data, or a CloudEvent.")],
    partner: Annotated[str | None, typer.Option(help="Whose event it is; default: what the event says.")] = None,
    target: Annotated[str | None, typer.Option(help="Take values and lookup tables from this target of the settings.")] = None,
    lookups: Annotated[Path | None, typer.Option(help="A folder of lookup tables; default: the library's.")] = None,
    no_lookups: Annotated[bool, typer.Option("--no-lookups", help="As if the ERP called everything as the partner does.")] = False,
    value: Annotated[list[str] | None, typer.Option(help="NAME=TEXT, a value that the mapping wants.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Shows the requests that a mapping of calls would send for an event; nothing is sent."""
    from gateway.commands.erp_plan import plan_of

    raise typer.Exit(
        plan_of(
            mapping, event, partner=partner, target=target, folder=lookups, has_lookups=not no_lookups, values=value or [], config=config,
            as_json=as_json,
        )
    )  # fmt: skip


@app.command("config")
def show_config(config: Config = None, data_dir: Data = None) -> None:
    """The settings as a node would see them, secrets masked."""
    import json

    from gateway.settings import masked

    typer.echo(json.dumps(masked(asking.settings_of(config, data_dir).model_dump(mode="json")), indent=2))


def _terms(partner: str | None, tolerant: bool, allow: list[str] | None) -> tuple[Any, list[str]]:
    """Strictness and leniencies: the built-in strict profile's, or the named partner's."""
    profile = asking.profile(partner)
    if profile is None:
        return ("tolerant" if tolerant else "strict"), list(allow or [])
    return profile.strictness, sorted({*profile.allowed, *(allow or [])})


def main() -> None:
    app()


if __name__ == "__main__":
    main()
