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
from gateway.commands import nodes as node_commands
from gateway.commands import receipts as receipts_commands
from gateway.commands import replays as replay_commands
from gateway.commands import sftp as sftp_commands
from gateway.commands import targets as target_commands
from gateway.commands.options import Config, Data, Json
from gateway.exits import BAD_DATA, FAILED, USAGE

app = typer.Typer(
    name="crossdock",
    help="A B2B/EDI partner gateway: X12 in, canonical events out, every byte kept, every receipt owed sent.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
partners = typer.Typer(help="Partners' profiles: check, apply, list, show, make a token.", no_args_is_help=True)
app.add_typer(partners, name="partners")
guide = typer.Typer(help="Guides of transaction sets: show one, import one's own.", no_args_is_help=True)
app.add_typer(guide, name="guide")
erp = typer.Typer(help="The ERP's side of the contract.", no_args_is_help=True)
app.add_typer(erp, name="erp")
simulate = typer.Typer(help="Pretend peers as processes of their own: an ERP, a partner.", no_args_is_help=True)
app.add_typer(simulate, name="simulate")
maps = typer.Typer(help="Mappings: check, show, test, compare.", no_args_is_help=True)
app.add_typer(maps, name="map")
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

File = Annotated[Path, typer.Argument(help="A file.")]
Guides = Annotated[Path | None, typer.Option("--guides", help="A folder of your own guides, over those that ship.")]
FileMapping = Annotated[
    str | None, typer.Option("--mapping", help="Read a CSV or XML file under this mapping, such as csv/status; default: the one whose form it has.")
]
Partner = Annotated[str | None, typer.Option("--partner", help="Read it under this partner's profile: a name, or a profile's file.")]


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
    partner: Partner = None,
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
    terms = _profile(partner)
    raise typer.Exit(
        run(file, strictness=strictness, allow=allowed, as_json=as_json, out=sys.stdout, partner=terms, mapping=mapping, schema=schema, guides=guides)
    )


@app.command()
def translate(file: File, partner: Partner = None, mapping: FileMapping = None, as_json: Json = False) -> None:
    """Show the canonical events of a file, and what was not carried over, without a server. --json: one CloudEvent a line."""
    from gateway.commands.translate import translate as run

    raise typer.Exit(run(file, partner=_profile(partner), mapping=mapping, as_json=as_json, out=sys.stdout))


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
@app.command()
def awaited(
    partner: Annotated[str | None, typer.Option(help="Only this partner's.")] = None,
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


@simulate.command("erp")
def simulate_erp(
    port: Annotated[int, typer.Option(help="0 takes a free port and tells which.")] = 8090,
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    chaos: Annotated[int | None, typer.Option(metavar="SEED", help="It misbehaves at random; the same seed gives the same faults.")] = None,
    often: Annotated[float, typer.Option(min=0, max=1, help="With --chaos: of requests, how many meet a fault.")] = 0.3,
    staged: Annotated[
        float | None, typer.Option(min=0, max=3600, metavar="SECONDS", help="It only takes events in (202), and is done with each so much later.")
    ] = None,
) -> None:
    """A pretend ERP that keeps a ledger of effects and misbehaves when told to (POST /behave), or by chance (--chaos)."""
    from gateway.commands.simulate import erp
    from gateway.simulators.chaos import Chaos

    raise typer.Exit(erp(host, port, None if chaos is None else Chaos(chaos, often), staged))


@simulate.command("partner")
def simulate_partner(
    name: str,
    files: Annotated[list[Path] | None, typer.Argument(help="Files to send, in order.")] = None,
    token: Annotated[str, typer.Option(envvar="CROSSDOCK_PARTNER_TOKEN", help="Its bearer token.")] = "",
    url: Annotated[str, typer.Option(help="The gateway's partner listener.")] = "http://127.0.0.1:8080",
    wait: Annotated[float, typer.Option(help="Seconds to go on picking up what comes back.")] = 5.0,
) -> None:
    """A pretend partner: sends files as a real one would, then picks its acknowledgments up."""
    from gateway.commands.simulate import partner

    raise typer.Exit(partner(name, token, url, list(files or []), wait))


def _simulated(role: str, says: str, known_as: str) -> None:
    """A command of its own for each role; all have the same options."""

    def act(
        name: Annotated[str, typer.Argument(help="Its name: the partner's, and its login by SFTP.")] = known_as,
        url: Annotated[
            str, typer.Option(help="The gateway: http://… for HTTP, sftp://HOST:PORT for SFTP, …/as2 with --as2 for AS2.")
        ] = "http://127.0.0.1:8080",
        token: Annotated[str, typer.Option(envvar="CROSSDOCK_PARTNER_TOKEN", help="HTTP: its bearer token.")] = "",
        key: Annotated[Path | None, typer.Option(help="SFTP: its private key. AS2: a PEM file with its key and certificate.")] = None,
        host_key: Annotated[str, typer.Option(help="SFTP: the gateway's host key or its fingerprint.")] = "",
        as2: Annotated[str, typer.Option(metavar="NAME", help="AS2: its AS2 name.")] = "",
        certificate: Annotated[Path | None, typer.Option(help="AS2: the gateway's certificate.")] = None,
        stale_key: Annotated[Path | None, typer.Option(help="AS2, fault stale-certificate: its key and certificate of before (PEM).")] = None,
        retired_certificate: Annotated[Path | None, typer.Option(help="AS2, fault stale-certificate: the gateway's certificate of before.")] = None,
        listen: Annotated[int, typer.Option(help="AS2: the port where it takes our messages; 0 takes a free one.")] = 0,
        seed: Annotated[int, typer.Option(help="Partners with one seed speak of the same orders.")] = 1,
        orders: Annotated[int, typer.Option(min=0, max=9_999, help="Of how many orders it speaks by itself.")] = 5,
        fault: Annotated[list[str] | None, typer.Option(help=f"Faults of the trade: {', '.join(SIMULATED_FAULTS)}; more than once.")] = None,
        often: Annotated[float, typer.Option(min=0, max=1, help="How many of its files have each fault.")] = 0.3,
        bill: Annotated[bool, typer.Option("--bill", help="A carrier's 210s, too.")] = False,
        order_set: Annotated[str | None, typer.Option("--with", metavar="SET", help="By what a customer orders: 940 (without it) or 850.")] = None,
        isa: Annotated[str | None, typer.Option(metavar="QUALIFIER:ID", help="Its identity in the ISA; default: the shipped profile's.")] = None,
        at_once: Annotated[int, typer.Option(min=1, max=64, help="Of how many orders it sends side by side, each in its order.")] = 1,
        pace: Annotated[float, typer.Option(min=0, help="Seconds between its files.")] = 0.0,
        wait: Annotated[float, typer.Option(min=0, help="Seconds to go on answering what comes.")] = 5.0,
    ) -> None:
        from gateway.commands.simulate import Line, trade

        line = Line(url, token, key, host_key, as2, certificate, listen, stale_key, retired_certificate)
        code = trade(
            role, name, line, isa=isa, seed=seed, orders=orders, faults=fault or [], often=often, bill=bill, order_set=order_set,
            at_once=at_once, pace=pace, wait=wait,
        )  # fmt: skip
        raise typer.Exit(code)

    simulate.command(role, help=f"A pretend {role} that lives: {says}. It answers what it gets.")(act)


SIMULATED_FAULTS = ("late", "short", "unknown-item", "doubled", "out-of-order", "wrong-parents", "stale-certificate", "no-997")
for _role, _says, _name in (
    ("customer", "orders by 940, or by 850", "harbor"),
    ("3pl", "ships orders and says so by 945, also those that we send it", "lake3pl"),
    ("carrier", "announces shipments by 856 and tells by 214 where they are", "northway"),
):
    _simulated(_role, _says, _name)


@app.command("config")
def show_config(config: Config = None, data_dir: Data = None) -> None:
    """The settings as a node would see them, secrets masked."""
    import json

    from gateway.settings import masked

    typer.echo(json.dumps(masked(asking.settings_of(config, data_dir).model_dump(mode="json")), indent=2))


@guide.command("show")
def guide_show(
    set_id: Annotated[str, typer.Argument(metavar="SET", help="A transaction set, such as 856.")],
    release: Annotated[str | None, typer.Option(help="A release, such as 004010. Default: the newest there is.")] = None,
    partner: Partner = None,
    guides: Guides = None,
    order: Annotated[bool, typer.Option("--order", help="Only the order of the segments, without their elements.")] = False,
) -> None:
    """Print a guide as a person reads an implementation guide."""
    from gateway.commands.guide import show as run

    raise typer.Exit(run(set_id, release=release, partner=_profile(partner), own=guides, order_only=order, out=sys.stdout))


@guide.command("import")
def guide_import(
    source: Annotated[Path, typer.Argument(help="A pyx12 map file, a folder of CSV tables, or one JSON file.")],
    to: Annotated[Path, typer.Option("--to", help="The folder of your own guides; made if it is not there.")],
    sets: Annotated[list[str] | None, typer.Option("--set", help="Only this set; may be given again.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Put an imported guide in the place of one that is there.")] = False,
) -> None:
    """Make guides of tables that you own: pyx12's maps, or your licensed tables in one layout."""
    from gateway.commands.guide_import import import_guides

    raise typer.Exit(import_guides(source, to, sets=tuple(sets or ()), replace=replace, out=sys.stdout))


@partners.command("check")
def partners_check(file: File) -> None:
    """Whether a profile can be used; each mistake with line, column, path and mend."""
    from partners.profile import ProfileError, read_profile

    try:
        profile = read_profile(_read(file), file.name)
    except ProfileError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(FAILED) from None
    problems = _mapping_problems(profile)
    for problem in problems:
        typer.echo(f"{file.name}: {problem}", err=True)
    if problems:
        raise typer.Exit(FAILED)
    told = [f"{verb} {', '.join(sets)}" for verb, sets in (("takes", profile.receives), ("sends", profile.sends)) if sets]
    typer.echo(f"{file.name}: {profile.partner} can be used: {', '.join(told)}")


@partners.command("apply")
def partners_apply(
    file: File,
    state: Annotated[str, typer.Option("--as", help="live, or draft: a revision that treats nothing until it is promoted.")] = "live",
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a profile the partner's live revision, or keep it as a draft."""
    from partners.profile import ProfileError, read_profile

    text = _read(file)
    try:
        problems = _mapping_problems(read_profile(text, file.name))
    except ProfileError as error:
        problems = str(error).splitlines()
    if problems:
        typer.echo("\n".join(problems), err=True)
        raise typer.Exit(FAILED)
    asking.run("partners.apply", {"text": text, "file": file.name, "as": state}, config, data_dir, as_json)


@partners.command("promote")
def partners_promote(
    partner: str,
    revision: Annotated[int | None, typer.Option(help="Which draft; default: the newest.")] = None,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a draft the partner's live revision."""
    asking.run("partners.promote", {"partner": partner, "revision": revision}, config, data_dir, as_json)


@partners.command("rollback")
def partners_rollback(
    partner: str,
    revision: Annotated[int | None, typer.Option("--to", help="Which revision; default: the one that was live before.")] = None,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Go back to a revision that was live before."""
    asking.run("partners.rollback", {"partner": partner, "revision": revision}, config, data_dir, as_json)


Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Mappings, such as x12/856; all that ship without one.")]
Overlays = Annotated[list[str] | None, typer.Option("--overlay", help="An overlay over the mapping; may be given again.")]


@maps.command("check")
def map_check(names: Names = None) -> None:
    """Say whether mappings and their overlays can be used; each mistake with file, line, column and mend."""
    from gateway.commands.map import check

    raise typer.Exit(check(list(names or []), out=sys.stdout))


@maps.command("show")
def map_show(
    name: Annotated[str, typer.Argument(help="A mapping, such as x12/856.")],
    overlay: Overlays = None,
    table: Annotated[bool, typer.Option("--table", help="What becomes of every element of the guide, instead.")] = False,
    release: Annotated[str, typer.Option(help="The guide's release, for --table.")] = "004010",
    as_json: Json = False,
) -> None:
    """The effective mapping, base and overlays; or which elements it carries, drops on purpose, or would list as not carried over."""
    from gateway.commands.map import show

    raise typer.Exit(show(name, overlays=tuple(overlay or ()), table=table, release=release, as_json=as_json, out=sys.stdout))


@maps.command("test")
def map_test(names: Names = None) -> None:
    """Read and write the fixtures beside mappings: the events must be those kept beside them, and must come back."""
    from gateway.commands.map import test

    raise typer.Exit(test(list(names or []), out=sys.stdout))


@maps.command("diff")
def map_diff(name: Annotated[str, typer.Argument(help="A mapping, such as x12/945.")], overlay: Overlays = None) -> None:
    """What overlays change: in the mapping's lines, and in the events of its fixtures."""
    from gateway.commands.map import diff

    raise typer.Exit(diff(name, tuple(overlay or ()), out=sys.stdout))


@partners.command("list")
def partners_list(data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Every partner with its live revision."""
    asking.run("partners.list", {}, config, data_dir, as_json)


@partners.command("show")
def partners_show(
    partner: str,
    revision: Annotated[int | None, typer.Option(help="An older revision.")] = None,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """A partner's profile and the revisions before it."""
    asking.run("partners.show", {"partner": partner, "revision": revision}, config, data_dir, as_json)


@partners.command("token")
def partners_token() -> None:
    """Make a bearer token: give the token to the partner, put the sha256 into its profile."""
    import hashlib
    import secrets

    token = secrets.token_urlsafe(32)
    typer.echo(f"token:  {token}\nsha256: {hashlib.sha256(token.encode()).hexdigest()}")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        typer.echo(f"{file}: {error.strerror}", err=True)
        raise typer.Exit(USAGE) from None
    except UnicodeDecodeError:
        typer.echo(f"{file}: it is no UTF-8 text", err=True)
        raise typer.Exit(BAD_DATA) from None


def _profile(partner: str | None) -> Any:
    """A profile by file, or by the name of one that ships or is live here."""
    if partner is None:
        return None
    from gateway.commands.operate import profile_of
    from gateway.errors import Refused, StoreUnavailable
    from partners.profile import ProfileError

    try:
        return profile_of(partner)
    except (Refused, StoreUnavailable, ProfileError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(FAILED) from None


def _terms(partner: str | None, tolerant: bool, allow: list[str] | None) -> tuple[Any, list[str]]:
    """Strictness and leniencies: the built-in strict profile's, or the named partner's."""
    profile = _profile(partner)
    if profile is None:
        return ("tolerant" if tolerant else "strict"), list(allow or [])
    return profile.strictness, sorted({*profile.allowed, *(allow or [])})


def _mapping_problems(profile: Any) -> list[str]:
    from partners.checks import problems

    return problems(profile)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
