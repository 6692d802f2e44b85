"""Options that many commands have, each with one meaning and one text. Knows no command."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]
Data = Annotated[Path | None, typer.Option("--data-dir", help="Where the node keeps its data. Default: the setting data_dir, var.")]
Config = Annotated[Path | None, typer.Option("--config", "-c", help="A settings file (YAML).")]
File = Annotated[Path, typer.Argument(help="A file.")]
Guides = Annotated[Path | None, typer.Option("--guides", help="A folder of your own guides, over those that ship.")]
OnlyPartner = Annotated[str | None, typer.Option("--partner", help="Only this partner's.")]
UnderProfile = Annotated[str | None, typer.Option("--partner", help="Read it under this partner's profile: a name, or a profile's file.")]
