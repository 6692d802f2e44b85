"""Consumers and the audit log as a person reads them in a terminal."""

from collections.abc import Callable
from typing import Any

from rich.text import Text

from gateway.commands.screen import console, state_of, table_of


def _listed(value: list[dict[str, Any]]) -> None:
    if not value:
        console.print("No consumers. `crossdock consumers add wms --scope events:read` makes one.")
        return
    table = table_of("consumer", "state", "scopes", "partners", "types", "stream", "a minute", "behind")
    for one in value:
        table.add_row(
            one["name"], state_of(one["state"]), " ".join(one["scopes"]), _names(one["partners"]), _names(one["types"]), one["stream"] or "both",
            f"{one['rate']:,}" if one["rate"] else "no bound", f"{one['behind']:,}",
        )  # fmt: skip
    console.print(table)


def _shown(value: dict[str, Any]) -> None:
    console.print(Text.assemble("consumer ", (value["name"], "bold"), ": ", state_of(value["state"])))
    console.print(f"  may: {', '.join(value['scopes'])}", markup=False)
    console.print(f"  partners: {_names(value['partners'])}; types: {_names(value['types'])}; stream: {value['stream'] or 'both'}", markup=False)
    rate = f"{value['rate']:,} requests a minute" if value["rate"] else "no bound on requests"
    console.print(f"  {rate}; contract {value['contract']}; reads are {'' if value['audit_reads'] else 'not '}in the audit log")
    committed = value["committed_at"][:19].replace("T", " ") if value["committed_at"] else "never"
    console.print(f"  has read up to position {value['position']:,}, {value['behind']:,} behind; committed {committed}")
    for one in value["tokens"]:
        until = f"opens until {one['until'][:19].replace('T', ' ')}" if one["until"] else "opens"
        console.print(f"  token made {one['made_at'][:19].replace('T', ' ')} (its SHA-256 begins {one['begins_with_sha256']}): {until}")
    if "token" in value:
        console.print(Text.assemble("\ntoken:  ", (value["token"], "bold")), soft_wrap=True)
        console.print("It is shown this once; we keep its hash alone.", style="dim")


def _names(value: list[str] | None) -> str:
    return "all" if value is None else " ".join(one.removeprefix("org.crossdock.") for one in value)


SHOWERS: dict[str, Callable[[Any], None]] = {
    "consumers": _listed,
    **{f"consumers.{name}": _shown for name in ("show", "add", "change", "rotate", "retire", "replay")},
}
