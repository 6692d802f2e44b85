"""The folder of what is one's own beside what ships: `mappings/`, `guides/` and `schemas/` in it, each where it is wanted.

Knows where it lies and nothing of what is in it. One for a process: named by the setting `library`, by CROSSDOCK_LIBRARY where no settings are read.
"""

import os
from collections.abc import Callable
from pathlib import Path

ENVIRONMENT = "CROSSDOCK_LIBRARY"

_chosen: dict[str, Path | None] = {"folder": Path(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None}
_forget: list[Callable[[], None]] = []
"""What was read under another folder and must be read again."""


def folder(name: str) -> Path | None:
    """The library's part of that name; None where there is none."""
    chosen = _chosen["folder"]
    path = chosen / name if chosen is not None else None
    return path if path is not None and path.is_dir() else None


def chosen() -> Path | None:
    """The library's folder."""
    return _chosen["folder"]


def use(path: Path | None) -> None:
    """From now on this folder. Raises ValueError if it is none."""
    if path is not None and not path.is_dir():
        raise ValueError(f"library: {path} is no folder; make one with mappings/, guides/ or schemas/ in it, or leave the setting out")
    if path != _chosen["folder"]:
        _chosen["folder"] = path
        for forget in _forget:
            forget()


def on_change(forget: Callable[[], None]) -> None:
    """Registers what to call when another folder is chosen."""
    _forget.append(forget)
