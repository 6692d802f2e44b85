"""`crossdock map …` and `crossdock guide …`: the library's mappings and guides, and one's own.

Knows only what is asked for; map.py, guide.py and guide_import.py do it.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands import asking
from gateway.commands.options import Guides, Json, UnderProfile

guide = typer.Typer(help="Guides of transaction sets: show one, import one's own.", no_args_is_help=True)
maps = typer.Typer(help="Mappings: check, show, test, compare.", no_args_is_help=True)


@guide.command("show")
def guide_show(
    set_id: Annotated[str, typer.Argument(metavar="SET", help="A transaction set, such as 856.")],
    release: Annotated[str | None, typer.Option(help="A release, such as 004010. Default: the newest there is.")] = None,
    partner: UnderProfile = None,
    guides: Guides = None,
    order: Annotated[bool, typer.Option("--order", help="Only the order of the segments, without their elements.")] = False,
) -> None:
    """Print a guide as a person reads an implementation guide."""
    from gateway.commands.guide import show as run

    raise typer.Exit(run(set_id, release=release, partner=asking.profile(partner), own=guides, order_only=order, out=sys.stdout))


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
