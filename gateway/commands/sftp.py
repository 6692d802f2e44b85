"""`crossdock sftp …`: our keys, a partner's password, what partners have put."""

import base64
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands import asking
from gateway.commands.options import Config, Data, Json, OnlyPartner
from gateway.exits import FAILED, USAGE

sftp = typer.Typer(help="SFTP: our keys, partners' passwords, what partners have put.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="What we call it, such as main-2026.")]


@sftp.command("files")
def files(
    partner: OnlyPartner = None,
    state: Annotated[str | None, typer.Option(help="partial, waiting, taken, empty, marker, refused, replaced, removed, expired.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """What partners have put into their folders, the latest first: whole or not, and which message it became."""
    asking.run("sftp.files", {"partner": partner, "state": state, "limit": limit}, config, data_dir, as_json)


@sftp.command("hostkeys")
def hostkeys(data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Our server's host keys with their fingerprints, for partners to compare; made where there are none yet."""
    asking.run("sftp.hostkeys", {}, config, data_dir, as_json)


@sftp.command("keys")
def keys(
    everything: Annotated[bool, typer.Option("--all", help="Retired ones, too.")] = False,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Our SSH key pairs: host keys, and those that we log in with at partners, with the line for their authorized_keys."""
    asking.run("sftp.keys", {"all": everything}, config, data_dir, as_json)


@sftp.command("key-generate")
def key_generate(
    name: Name,
    kind: Annotated[str, typer.Option(help="ed25519, or rsa-3072 for servers that cannot that.")] = "ed25519",
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a key pair to log in with at partners; give them the public line."""
    asking.run("sftp.key.generate", {"name": name, "kind": kind}, config, data_dir, as_json)


@sftp.command("key-import")
def key_import(
    name: Name,
    file: Annotated[Path, typer.Argument(help="A private key as ssh-keygen or OpenSSL write it.")],
    password: Annotated[str | None, typer.Option(envvar="CROSSDOCK_KEY_PASSWORD", help="The file's password.")] = None,
    host: Annotated[
        bool, typer.Option("--host", help="It is a host key that partners know already; it takes the place of ours of its kind.")
    ] = False,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Bring a key pair from another product. Host keys are taken at the next start."""
    try:
        data = base64.b64encode(file.read_bytes()).decode("ascii")
    except OSError as error:
        typer.echo(f"{file}: {error.strerror}", err=True)
        raise typer.Exit(USAGE) from None
    asking.run("sftp.key.import", {"name": name, "data": data, "password": password, "host": host}, config, data_dir, as_json)


@sftp.command("key-retire")
def key_retire(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="The name of a key of ours, or the beginning of its fingerprint.")],
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Take a key pair of ours out of use."""
    asking.run("sftp.key.retire", {"id": wanted}, config, data_dir, as_json)


@sftp.command("scan")
def scan(
    host: Annotated[str, typer.Argument(help="A partner's server.")],
    port: Annotated[int, typer.Option(min=1, max=65535)] = 22,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show a server's host key. Pin it (hostkeys) once the partner has said that it is theirs."""
    asking.run("sftp.scan", {"host": host, "port": port}, config, data_dir, as_json)


@sftp.command("selftest")
def selftest(
    partner: Annotated[str, typer.Argument(help="Whose terms.")], data_dir: Data = None, config: Config = None, as_json: Json = False
) -> None:
    """Try a partner's SFTP terms for real: our server answers, its server lets us in, its folders are there. Exit 0: all good, 1: something is not."""
    told = asking.run("sftp.selftest", {"partner": partner}, config, data_dir, as_json)
    if not all(one["good"] for one in told):
        raise typer.Exit(FAILED)


@sftp.command("polls")
def polls(
    partner: OnlyPartner = None,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """The folders that we fetch from: when next, and what came of the last time."""
    asking.run("sftp.polls", {"partner": partner}, config, data_dir, as_json)


@sftp.command("poll")
def poll(partner: Annotated[str, typer.Argument(help="Whose folders.")], data_dir: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Fetch from a partner's folders now, whenever they are due."""
    asking.run("sftp.poll", {"partner": partner}, config, data_dir, as_json)


@sftp.command("password")
def password(
    given: Annotated[
        str | None, typer.Option("--password", envvar="CROSSDOCK_SFTP_PASSWORD", help="The password. Default: a new one is made.")
    ] = None,
) -> None:
    """Hash a password for a profile (channels.sftp.passwords); without one, make one of 192 bits. It is shown once and kept nowhere."""
    import secrets

    from gateway.passwords import hash_of

    made = given or secrets.token_urlsafe(24)
    if given is None:
        typer.echo(f"password: {made}")
    typer.echo(f"argon2:   {hash_of(made)}")
