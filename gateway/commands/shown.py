"""Values of operations as a person reads them in a terminal: which function shows which. Knows nothing of what they mean."""

from collections.abc import Callable
from typing import Any

from gateway.commands import (
    shown_alarms,
    shown_channels,
    shown_consumers,
    shown_explained,
    shown_finding,
    shown_keys,
    shown_message,
    shown_nodes,
    shown_partners,
    shown_receipts,
    shown_targets,
    shown_work,
)
from gateway.commands.screen import console


def shown(name: str, value: Any) -> None:
    SHOWERS[name](value)


def _acted(value: dict[str, Any]) -> None:
    console.print(f"{value['id']} is {value['state']} now")


def _replayed(value: dict[str, Any]) -> None:
    if "message" in value:
        console.print(
            f"message {value['message']} is read again under profile revision {value['revision']}; `crossdock show {value['message']}` tells what came of it"
        )
    for one in value.get("deliveries", []):
        console.print(f"{one['id']} is {one['state']}: it goes out again under the same id")


SHOWERS: dict[str, Callable[[Any], None]] = {
    **shown_message.SHOWERS,
    **shown_explained.SHOWERS,
    **shown_receipts.SHOWERS,
    **shown_alarms.SHOWERS,
    **shown_partners.SHOWERS,
    **shown_keys.SHOWERS,
    **shown_channels.SHOWERS,
    **shown_work.SHOWERS,
    **shown_finding.FINDING,
    **shown_consumers.SHOWERS,
    "act": _acted, "replay": _replayed,
    "targets": lambda value: shown_targets.targets(console, value), "targets.show": lambda value: shown_targets.target(console, value),
    "nodes": lambda value: shown_nodes.nodes(console, value), "nodes.forget": lambda value: shown_nodes.forgotten(console, value),
    "prune": lambda value: shown_nodes.due(console, value), "prune.look": lambda value: shown_nodes.look(console, value),
    "targets.steer": lambda value: shown_targets.steered(console, value),
}  # fmt: skip
