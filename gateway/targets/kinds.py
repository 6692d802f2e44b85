"""Every kind of target: its settings, and the class that delivers. A new kind is its own file and a line here.

Knows no class itself: reading the settings costs no import of a client library, and a kind that nobody uses needs none.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from gateway.targets.terms import Folder, Nats, Target, TargetQuota

if TYPE_CHECKING:
    from gateway.targets.base import Destination


@dataclass(frozen=True, slots=True)
class Kind:
    settings: type[TargetQuota]
    """With `kind`, a Literal of its own name."""
    target: str
    """MODULE:CLASS, called with the destination's name and the settings."""


KINDS = {
    "rest": Kind(Target, "gateway.targets.rest:RestTarget"),
    "folder": Kind(Folder, "gateway.targets.folder:FolderTarget"),
    "nats": Kind(Nats, "gateway.targets.nats:NatsTarget"),
}


def make(name: str, settings: TargetQuota) -> "Destination":
    """The destination target:NAME of these settings."""
    module, _, target = KINDS[settings.kind].target.partition(":")
    destination: Destination = getattr(import_module(module), target)(f"target:{name}", settings)
    return destination
