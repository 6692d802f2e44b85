"""`crossdock partners …`: partners' profiles, checked, applied, promoted, shown; and tokens for partners.

Knows nothing of what a profile means; that is partners/profile.py.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands import asking
from gateway.commands.options import Config, Data, File, Json
from gateway.exits import BAD_DATA, FAILED, USAGE

partners = typer.Typer(help="Partners' profiles: check, apply, promote, roll back, list, show; make a token.", no_args_is_help=True)


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


def _mapping_problems(profile: Any) -> list[str]:
    from partners.checks import problems

    return problems(profile)
