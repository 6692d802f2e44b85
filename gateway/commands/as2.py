"""`crossdock keys …` and `crossdock as2 …`: certificates and keys, sending, evidence."""

import base64
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands import asking
from gateway.commands.options import Config, Data, Json, OnlyPartner
from gateway.exits import FAILED, USAGE

keys = typer.Typer(help="Keys and certificates, ours and the partners': make, import, list, retire.", no_args_is_help=True)
as2 = typer.Typer(help="AS2: what was exchanged, send a file, try a partner's terms, evidence.", no_args_is_help=True)

Begin = Annotated[str | None, typer.Option("--from", help="From when it is used: a date, or a time with its zone. Default: at once.")]
End = Annotated[str | None, typer.Option("--until", help="Until when it is used.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="An id, the name of a key of ours, or the first digits of a fingerprint.")]
Use = Annotated[str, typer.Option(help="sign, encrypt, both; or tls: what its server shows.")]


@keys.command("generate")
def keys_generate(
    name: Annotated[str, typer.Argument(help="What we call it, such as main-2026.")],
    kind: Annotated[str, typer.Option(help="rsa-2048, rsa-3072, rsa-4096, ec-p256, ec-p384. Every partner takes RSA.")] = "rsa-2048",
    common_name: Annotated[str | None, typer.Option(help="CN of its certificate. Default: the name.")] = None,
    organization: Annotated[str | None, typer.Option(help="O of its certificate.")] = None,
    days: Annotated[int, typer.Option(min=1, max=7300, help="How long its certificate is valid.")] = 1095,
    use: Use = "both",
    begin: Begin = None,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a key pair of ours with a self-signed certificate; give the certificate to partners (keys show)."""
    given = {"name": name, "kind": kind, "common_name": common_name, "organization": organization, "days": days, "use": use, "from": begin}
    asking.run("keys.generate", given, config, data_dir, as_json)


@keys.command("import")
def keys_import(
    name: Annotated[str, typer.Argument(help="What we call it, such as main-2026.")],
    file: Annotated[Path, typer.Argument(help="PKCS#12 (.p12, .pfx), or PEM with key and certificate.")],
    password: Annotated[str | None, typer.Option(envvar="CROSSDOCK_KEY_PASSWORD", help="The file's password; asked for where it is needed.")] = None,
    use: Use = "both",
    begin: Begin = None,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Bring a key pair of ours from another product."""
    if password is None and file.suffix.lower() in (".p12", ".pfx"):
        password = str(typer.prompt("Password of the file", hide_input=True, default=""))
    asking.run("keys.import", {"name": name, "data": _bytes(file), "password": password, "use": use, "from": begin}, config, data_dir, as_json)


@keys.command("add")
def keys_add(
    partner: Annotated[str, typer.Argument(help="Whose it is.")],
    file: Annotated[Path, typer.Argument(help="A certificate: PEM, DER or PKCS#7 (.pem, .cer, .crt, .der, .p7b).")],
    use: Use = "both",
    name: Annotated[str | None, typer.Option(help="What we call it.")] = None,
    begin: Begin = None,
    end: End = None,
    weak: Annotated[
        bool, typer.Option("--weak", help="Take an RSA key of 1024 to 2047 bits, too; the profile must allow it by a dated exception.")
    ] = False,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Register a partner's certificate. Several may prove its messages; the one whose time began last is encrypted to."""
    given = {"partner": partner, "data": _bytes(file), "use": use, "name": name, "from": begin, "until": end, "weak": weak}
    asking.run("keys.add", given, config, data_dir, as_json)


@keys.command("list")
def keys_list(
    partner: Annotated[str | None, typer.Option(help="Only this partner's; - for ours.")] = None,
    expiring: Annotated[int | None, typer.Option(help="Only those that run out within so many days.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Retired ones, too.")] = False,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Keys and certificates: whose, for what, until when, last used."""
    asking.run("keys.list", {"partner": partner, "expiring": expiring, "all": everything}, config, data_dir, as_json)


@keys.command("show")
def keys_show(
    wanted: Id,
    pem: Annotated[bool, typer.Option("--pem", help="Only the PEM, to write into a file.")] = False,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """A certificate, to hand to a partner. Private keys are never shown."""
    if pem:
        typer.echo(asking.ask("keys.show", {"id": wanted}, config, data_dir)["pem"], nl=False)
        return
    asking.run("keys.show", {"id": wanted}, config, data_dir, as_json)


@keys.command("retire")
def keys_retire(wanted: Id, data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Take a key or certificate out of use. It stays as evidence of what it proved."""
    asking.run("keys.retire", {"id": wanted}, config, data_dir, as_json)


@keys.command("schedule")
def keys_schedule(wanted: Id, begin: Begin = None, end: End = None, data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Change from when, or until when, one is used."""
    asking.run("keys.schedule", {"id": wanted, "from": begin, "until": end}, config, data_dir, as_json)


@keys.command("secret")
def keys_secret(
    name: Annotated[str, typer.Argument(help="What we call it; profiles name it.")],
    value: Annotated[str | None, typer.Option("--value", envvar="CROSSDOCK_SECRET", help="The secret. Default: it is asked for.")] = None,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Keep a secret that we share with a partner, sealed: a password for its server, or what it signs requests with (whsec_…)."""
    given = value if value is not None else str(typer.prompt("The secret", hide_input=True))
    asking.run("keys.secret", {"name": name, "value": given}, config, data_dir, as_json)


@as2.command("messages")
def as2_messages(
    partner: OnlyPartner = None,
    direction: Annotated[str | None, typer.Option(help="in, out.")] = None,
    state: Annotated[
        str | None, typer.Option(help="in: kept, processed, refused, damaged. out: written, awaiting, delivered, failed, disputed, unproven.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """The latest AS2 messages, both ways, and what their receipts say."""
    asking.run("as2.messages", {"partner": partner, "direction": direction, "state": state, "limit": limit}, config, data_dir, as_json)


@as2.command("send")
def as2_send(
    partner: Annotated[str, typer.Argument(help="To whom.")],
    file: Annotated[Path, typer.Argument(help="What: it is sent as it is.")],
    media_type: Annotated[str, typer.Option(help="Its content type.")] = "application/edi-x12",
    wait: Annotated[float, typer.Option(min=0, max=3600, help="Seconds to wait for the receipt; 0: do not wait.")] = 30,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Send a file by AS2 and wait for its receipt: the trial of a new connection. Exit 0: proven delivered, 1: not."""
    given = {"partner": partner, "data": _bytes(file), "file_name": file.name, "media_type": media_type}
    queued = asking.ask("as2.send", given, config, data_dir)
    if not as_json:
        asking.show("as2.send", queued, as_json)
    until = time.monotonic() + wait
    row: Any = None
    while time.monotonic() < until:
        row = asking.ask("as2.sent", {"message": queued["message"]}, config, data_dir)
        if row is not None and row["state"] in ("delivered", "failed", "disputed", "unproven"):
            break
        time.sleep(0.2)
    if row is not None:
        asking.show("as2.sent", row, as_json)
    elif as_json:
        asking.show("as2.send", queued, as_json)
    if row is not None and row["state"] in ("failed", "disputed"):
        typer.echo(f"not delivered; `crossdock as2 evidence {row['id']} --to FOLDER` has what was said", err=True)
        raise typer.Exit(FAILED)
    if wait and (row is None or row["state"] not in ("delivered", "unproven")):
        typer.echo(f"not proven within {wait:g} s; `crossdock show {queued['message']}` tells how it stands", err=True)
        raise typer.Exit(FAILED)


@as2.command("selftest")
def as2_selftest(
    partner: Annotated[str, typer.Argument(help="Whose terms.")], data_dir: Data = None, config: Config = None, as_json: Json = False
) -> None:
    """Try a partner's terms on this machine: keys, dates, a message out and back, a receipt. Exit 0: all good, 1: something is not."""
    told = asking.run("as2.selftest", {"partner": partner}, config, data_dir, as_json)
    if not all(one["good"] for one in told):
        raise typer.Exit(FAILED)


@as2.command("evidence")
def as2_evidence(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="An AS2 message, or the message of its document.")],
    to: Annotated[Path, typer.Option("--to", help="The folder to write; it must not be there yet.")],
    data_dir: Data = None,
    config: Config = None,
) -> None:
    """Write all that proves one exchange into a folder, with a procedure that needs openssl alone."""
    if to.exists():
        typer.echo(f"{to} is there already; name a new folder", err=True)
        raise typer.Exit(USAGE)
    value = asking.ask("as2.evidence", {"id": wanted}, config, data_dir)
    to.mkdir(parents=True)
    for name, data in value["files"].items():
        if Path(name).name != name:
            typer.echo(f"the name {name} is no file's", err=True)
            raise typer.Exit(FAILED)
        (to / name).write_bytes(base64.b64decode(data))
    typer.echo(f"{len(value['files'])} files in {to}; `sh {to / 'verify.sh'}` verifies them, {to / 'PROCEDURE.txt'} says how")


def _bytes(file: Path) -> str:
    try:
        return base64.b64encode(file.read_bytes()).decode("ascii")
    except OSError as error:
        typer.echo(f"{file}: {error.strerror}", err=True)
        raise typer.Exit(USAGE) from None
