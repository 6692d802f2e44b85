"""Dead letters, and replays of many, as a person reads them in a terminal."""

import json
from collections.abc import Callable
from typing import Any

from rich.text import Text

from gateway.commands.screen import console, state_of, table_of, time_text

COUNTED = {
    "messages": "messages", "documents": "documents", "same": "events the same", "changed": "events changed", "restated": "events only told otherwise",
    "added": "events added", "removed": "events removed", "duplicates": "documents that are duplicates", "unread": "documents not read",
    "left": "left as they are", "queued": "queued", "refused": "refused", "told": "events to the test target", "told_before": "events it has already",
    "retried": "retried", "skipped": "skipped",
}  # fmt: skip


def _replays(value: list[dict[str, Any]]) -> None:
    if not value:
        console.print("No replays of many documents yet. `crossdock replay --partner P --since 30d` compares what a month would be today.")
        return
    table = table_of("replay", "asked", "partner", "what", "under", "state", "done", "differs")
    for one in value:
        counts = one["counts"]
        differs = sum(counts.get(name, 0) for name in ("changed", "added", "removed", "unread"))
        done = f"{counts.get('messages', 0):,}" + (f" of {one['total']:,}" if one["total"] is not None else "")
        table.add_row(
            one["id"], time_text(one["created_at"]), one["partner"] or "all", f"{one['act']} into {one['into']}", one["revision"],
            state_of(one["state"]), done, f"{differs:,}",
        )  # fmt: skip
    console.print(table)


def _replay(value: dict[str, Any]) -> None:
    whose = f"of {value['partner']}" if value["partner"] else "of all partners"
    console.print(Text.assemble("replay ", (value["id"], "bold"), f" {whose}: {value['act']} into {value['into']}: ", state_of(value["state"])))
    query = value["query"]
    narrowed = [
        f"{name} {query[name]}" for name in ("since", "until", "set", "values", "message", "document", "override", "type", "cause") if query.get(name)
    ]
    console.print(f"  {', '.join(narrowed)}", markup=False)
    under = f"under revision {value['revision']}, " if value["act"] == "reprocess" else ""
    console.print(f"  {under}asked by {value['who']} at {time_text(value['created_at'])}: {value['reason']}", markup=False)
    if value["told"]:
        console.print(f"  {value['told']}", markup=False)
    if value["total"] is not None:
        console.print(f"  {value['counts'].get('messages', 0):,} of {value['total']:,} messages are done")
    for name, words in COUNTED.items():
        if value["counts"].get(name) and name != "messages":
            console.print(f"  {value['counts'][name]:>9,} {words}")
    for refusal in value["diff"].get("refused", []):
        console.print(f"  not done: {refusal}", markup=False)
    if any(value["diff"].get(name) for name in ("fields", "events", "documents")):
        console.print(f"\ncrossdock replays diff {value['id']}   tells what differs", style="dim")


def _diff(value: dict[str, Any]) -> None:
    diff = value["diff"]
    if not any(diff.get(name) for name in ("fields", "events", "documents")):
        console.print("Nothing differs." if value["state"] == "done" else "Nothing differs so far.")
        return
    for words, entry in sorted(diff["documents"].items()):
        console.print(Text.assemble("documents ", (words, "bold"), f": {entry['count']:,}"))
        for one in entry["samples"]:
            console.print(f"    {one['document']}: {one['reason']}", markup=False)
    for words, entry in sorted(diff["events"].items()):
        console.print(Text.assemble("events ", (words, "bold"), f": {entry['count']:,}"))
        for one in entry["samples"]:
            console.print(f"    {one['event']} about {one['subject']}", markup=False)
    for path, field in sorted(diff["fields"].items(), key=lambda item: -sum(item[1][kind] for kind in ("added", "removed", "changed"))):
        counts = ", ".join(f"{field[kind]:,} {kind}" for kind in ("changed", "added", "removed") if field[kind])
        console.print(Text.assemble((path, "bold"), f": {counts}"))
        for one in field["samples"]:
            console.print(f"    {one['event']}: {_value(one['before'])} became {_value(one['after'])}", markup=False)
    if diff.get("more"):
        console.print(f"and {diff['more']:,} differences in further fields")


def _value(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)


def _changed(value: dict[str, Any]) -> None:
    console.print(f"{value['id']} is {value['state']} now")


def _dead(value: dict[str, Any]) -> None:
    if not any(value.values()):
        console.print("Nothing waits for a person.")
        return
    for one in value["deliveries"]:
        console.print(Text.assemble("delivery ", one["id"], " to ", one["destination"], ": ", state_of("dead"), f" after {one['attempts']} attempts"))
        _cause(one)
        if one["answer"]:
            console.print(f"  it said: {one['answer'][:300]}", markup=False)
        console.print(f"  crossdock dead retry {one['id']}   or   crossdock dead skip {one['id']} --because …", style="dim")
    for kind in ("documents", "interchanges", "messages"):
        for one in value[kind]:
            what = f"{one['set_id']} {one['control']} " if kind == "documents" else f"{one.get('control', '')} " if one.get("control") else ""
            console.print(Text.assemble(f"{kind[:-1]} ", what, one["id"], f" of {one['partner']}: ", state_of(one["state"])))
            _cause(one)
            console.print(f"  crossdock show {one['id']}", style="dim")
    for one in value["blocked_lanes"]:
        console.print(f"lane {one['subject']} of {one['partner']} to {one['destination']} waits behind {one['head']}", markup=False)
        console.print(f"  {one['cause']}: see {one['runbook']}", style="dim")


def _cause(one: dict[str, Any]) -> None:
    console.print(f"  {one['reason']}", markup=False)
    console.print(f"  {one['cause']} since {time_text(one['since'])}: see {one['runbook']}", style="dim")


def _dead_acted(value: dict[str, Any]) -> None:
    for one in value.get("done", []):
        console.print(f"{one['id']}: {one['state']}", markup=False)
    if "counts" not in value:
        return
    for one in value["counts"]:
        console.print(f"{one['count']:>9,} {one['kind']} {one['state']}: {one['cause']}")
    if not value["counts"]:
        console.print("Nothing that waits is meant by that.")
    if value["job"]:
        console.print(f"\nThe node works them off: crossdock replays show {value['job']} --wait", style="dim")


def _edited(value: dict[str, Any]) -> None:
    console.print(f"{value['id']} takes the place of {value['edited_from']}; `crossdock show {value['id']}` tells what comes of it")


def _replayed(value: dict[str, Any]) -> None:
    if "message" in value:
        console.print(
            f"message {value['message']} is read again under profile revision {value['revision']}; `crossdock show {value['message']}` tells what came of it"
        )
    for one in value.get("deliveries", []):
        console.print(f"{one['id']} is {one['state']}: it goes out again under the same id")


SHOWERS: dict[str, Callable[[Any], None]] = {
    "act": _changed, "replay": _replayed,
    "dead": _dead, "dead.act": _dead_acted, "dead.edit": _edited, "replays": _replays, "replays.start": _replay, "replays.show": _replay, "replays.diff": _diff, "replays.change": _changed,
}  # fmt: skip
