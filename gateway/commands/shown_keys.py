"""Certificates, SSH keys and secrets, as a person reads them in a terminal.

Knows nothing that is secret; operations bring none.
"""

from collections.abc import Callable
from typing import Any

from rich.text import Text

from gateway.commands.screen import console, state_of, table_of


def _certificates(value: list[dict[str, Any]]) -> None:
    if not value:
        console.print(
            "No keys and no certificates. `crossdock keys generate NAME` makes ours, `crossdock keys add PARTNER FILE` registers a partner's."
        )
        return
    table = table_of("whose", "name", "use", "state", "valid to", "days", "last used", "key", "fingerprint", "subject")
    for one in value:
        days = Text(str(one["days_left"]), style="red" if one["days_left"] < 14 else "yellow" if one["days_left"] < 60 else "")
        table.add_row(
            one["owner"], one["name"], one["use"] + (" (key)" if one["private"] else ""), state_of(one["state"]), one["valid_to"][:10], days,
            (one["last_used"] or "never")[:10], one["strength"], one["fingerprint"][:16], one["subject"],
        )  # fmt: skip
    console.print(table)


def _certificate(value: dict[str, Any]) -> None:
    whose = "ours" if value["owner"] == "us" else f"of {value['owner']}"
    console.print(Text.assemble((value["name"], "bold"), f", {whose}, {value['use']}: ", state_of(value["state"])))
    console.print(f"  {value['subject']}, {value['strength']}", markup=False)
    console.print(f"  valid {value['valid_from'][:10]} to {value['valid_to'][:10]}, {value['days_left']} days left")
    console.print(f"  used from {value['used_from'][:16]}" + (f" until {value['used_until'][:16]}" if value["used_until"] else ""))
    digits = value["fingerprint"]
    console.print("  SHA-256 " + ":".join(digits[at : at + 2] for at in range(0, len(digits), 2)).upper(), markup=False)
    if "pem" in value:
        console.print(f"  issued by {value['issuer']}, serial {value['serial']}\n{value['pem']}", markup=False)


def _ssh_keys(value: Any) -> None:
    for one in value:
        # One line each, never broken: fingerprints are compared, and copied.
        console.print(
            f"{one['name']:<16} {one['use']:<6} {one['kind']:<12} {one['fingerprint']} {state_of(one['state'])} since {one['since']}", soft_wrap=True
        )
    if not value:
        console.print("no keys yet; `crossdock sftp key-generate NAME` makes one")


def _secret(value: Any) -> None:
    console.print(f"{value['name']} is kept, sealed")


def _ssh_key(value: Any) -> None:
    console.print(f"{value['name']} ({value['use']}, {value['state']}): {value['fingerprint']}")
    console.print(value["public"], soft_wrap=True)


SHOWERS: dict[str, Callable[[Any], None]] = {
    "keys.list": _certificates,
    "keys.generate": _certificate,
    "keys.import": _certificate,
    "keys.add": _certificate,
    "keys.show": _certificate,
    "keys.retire": _certificate,
    "keys.schedule": _certificate,
    "sftp.hostkeys": _ssh_keys,
    "sftp.keys": _ssh_keys,
    "sftp.key.generate": _ssh_key,
    "sftp.key.import": _ssh_key,
    "sftp.key.retire": _ssh_key,
    "keys.secret": _secret,
}
