"""Every kind of target: its settings, and the class that delivers. A new kind is its own file and a line here.

Knows no class itself: reading the settings costs no import of a client library, and a kind that nobody uses needs none.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from gateway.clock import Clock, now
from gateway.targets.terms import CallsTarget, Folder, Nats, Target, TargetQuota

if TYPE_CHECKING:
    from gateway.targets.base import Destination
    from gateway.targets.tls import Keys


@dataclass(frozen=True, slots=True)
class Kind:
    settings: type[TargetQuota]
    """With `kind`, a Literal of its own name."""
    target: str
    """MODULE:CLASS, called with the destination's name, the settings, and what it needs of its node."""
    needs: tuple[Literal["keys", "clock"], ...] = ()


KINDS = {
    "rest": Kind(Target, "gateway.targets.rest:RestTarget", ("keys", "clock")),
    "calls": Kind(CallsTarget, "gateway.targets.calls:Calling", ("keys", "clock")),
    "folder": Kind(Folder, "gateway.targets.folder:FolderTarget"),
    "nats": Kind(Nats, "gateway.targets.nats:NatsTarget", ("clock",)),
}


def no_keys(name: str) -> None:
    """Where there are none of ours."""


def make(name: str, settings: TargetQuota, *, keys: "Keys" = no_keys, clock: Clock = now) -> "Destination":
    """The destination target:NAME of these settings; `keys` are those of ours that it may show."""
    kind = KINDS[settings.kind]
    module, _, target = kind.target.partition(":")
    around = {"keys": keys, "clock": clock}
    destination: Destination = getattr(import_module(module), target)(f"target:{name}", settings, **{need: around[need] for need in kind.needs})
    return destination
