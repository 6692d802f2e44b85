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


def shown(name: str, value: Any) -> None:
    SHOWERS[name](value)


SHOWERS: dict[str, Callable[[Any], None]] = {
    **shown_message.SHOWERS,
    **shown_explained.SHOWERS,
    **shown_receipts.SHOWERS,
    **shown_alarms.SHOWERS,
    **shown_partners.SHOWERS,
    **shown_keys.SHOWERS,
    **shown_channels.SHOWERS,
    **shown_work.SHOWERS,
    **shown_finding.SHOWERS,
    **shown_consumers.SHOWERS,
    **shown_targets.SHOWERS,
    **shown_nodes.SHOWERS,
}
