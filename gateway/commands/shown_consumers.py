"""Consumers and the audit log as a person reads them in a terminal."""

import json
from collections.abc import Callable
from typing import Any

from rich.text import Text

from gateway.commands.screen import console, state_of, table_of, time_text


def _listed(value: list[dict[str, Any]]) -> None:
    if not value:
        console.print("No consumers. `crossdock consumers add wms --scope events:read` makes one.")
        return
    for one in value:
        rate = f"{one['rate']:,} a minute" if one["rate"] else "no bound"
        console.print(Text.assemble((one["name"], "bold"), " ", state_of(one["state"]), f", {rate}, {one['behind']:,} events behind"))
        console.print(f"  may {', '.join(one['scopes'])}", markup=False)
        console.print(f"  sees partners {_names(one['partners'])}, types {_names(one['types'])}, stream {one['stream'] or 'both'}", markup=False)


def _shown(value: dict[str, Any]) -> None:
    console.print(Text.assemble("consumer ", (value["name"], "bold"), ": ", state_of(value["state"])))
    console.print(f"  may: {', '.join(value['scopes'])}", markup=False)
    console.print(f"  partners: {_names(value['partners'])}; types: {_names(value['types'])}; stream: {value['stream'] or 'both'}", markup=False)
    rate = f"{value['rate']:,} requests a minute" if value["rate"] else "no bound on requests"
    console.print(f"  {rate}; contract {value['contract']}; reads are {'' if value['audit_reads'] else 'not '}in the audit log")
    committed = time_text(value["committed_at"]) if value["committed_at"] else "never"
    console.print(f"  has read up to position {value['position']:,}, {value['behind']:,} behind; committed {committed}")
    for one in value["tokens"]:
        until = f"opens until {time_text(one['until'])}" if one["until"] else "opens"
        console.print(f"  token made {time_text(one['made_at'])} (its SHA-256 begins {one['begins_with_sha256']}): {until}")
    if "token" in value:
        console.print(Text.assemble("\ntoken:  ", (value["token"], "bold")), soft_wrap=True)
        console.print("It is shown this once; we keep its hash alone.", style="dim")


def _names(value: list[str] | None) -> str:
    return "all" if value is None else " ".join(one.removeprefix("org.crossdock.") for one in value)


def _verified(value: dict[str, Any]) -> None:
    if not value["faults"]:
        console.print(f"The audit log is whole: {value['checked']:,} records in {value['chains']:,} chains, each bound to the one before it.")
        return
    for one in value["faults"]:
        console.print(Text.assemble(f"{one['chain']} ", (f"record {one['number']}", "bold red"), f": {one['what']}"))
    console.print(f"{len(value['faults'])} faults in {value['checked']:,} records" + ("; there may be more" if value["more"] else ""))


def _heads(value: list[dict[str, Any]]) -> None:
    table = table_of("chain", "record", "hash")
    for one in value:
        table.add_row(one["chain"], f"{one['number']:,}", one["hash"])
    console.print(table)


def _records(value: list[dict[str, Any]]) -> None:
    for one in value:
        record = {name: known for name, known in one["record"].items() if name not in ("number", "partner", "at", "act")}
        words = " ".join(f"{name}={json.dumps(known, ensure_ascii=False)}" for name, known in record.items())
        act = one["record"].get("act") or one["record"].get("step") or ""
        console.print(f"{one['number']:>6} {time_text(one['record']['at'])} {act} {words}", markup=False)


SHOWERS: dict[str, Callable[[Any], None]] = {
    "consumers": _listed,
    "audit.verify": _verified,
    "audit.heads": _heads,
    "audit.records": _records,
    **{f"consumers.{name}": _shown for name in ("show", "add", "change", "rotate", "retire", "replay")},
}
