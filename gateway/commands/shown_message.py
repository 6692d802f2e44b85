"""The life of one message, as a person reads it in a terminal: what came, what it became, who was told, with each attempt.

Knows only the value of `show`.
"""

from collections.abc import Callable
from typing import Any

from rich.text import Text

from gateway.commands.screen import console, state_of
from gateway.commands.shown_explained import edited
from gateway.commands.shown_receipts import awaited_state, told_faults

VERDICTS = {"A": "accepted", "E": "accepted with errors", "P": "partly accepted", "R": "rejected"}


def _show(value: dict[str, Any]) -> None:
    message = value["message"]
    ours = message["direction"] == "out"
    console.print(
        Text.assemble(
            "message ",
            (message["id"], "bold"),
            " to " if ours else " from ",
            (message["partner"], "bold"),
            " by ",
            message["channel"],
            ": ",
            state_of(message["state"]),
        )
    )
    console.print(
        f"  {'composed' if ours else 'received'} {message['received_at']}, {message['size']} bytes, sha256 {message['sha256'][:16]}…, profile revision {message['profile_revision']}"
    )
    if message["reason"]:
        console.print(f"  {message['reason']}")
    for one in value["as2"]:
        _exchanged(one)
    for interchange in value["interchanges"]:
        line = Text.assemble(
            "interchange ",
            interchange["control"],
            " from ",
            interchange["sender"],
            " to ",
            interchange["receiver"],
            ", ",
            interchange["stream"],
            ": ",
        )
        console.print(line + state_of(interchange["state"]))
        _reason(interchange, "  ")
        for group in value["groups"]:
            if group["interchange"] == interchange["ordinal"]:
                said = "ours" if ours else _said_of(group)
                console.print(f"  group {group['functional']} {group['control']} ({group['version']}): {said}")
                _findings(group["findings"], "    ")
                for document in value["documents"]:
                    if (document["interchange"], document["grp"]) == (interchange["ordinal"], group["ordinal"]):
                        _document(document)
    if value["awaited"]:
        console.print("acknowledgments", style="bold")
        for one in value["awaited"]:
            what = f"{one['set_id']} {one['set_control']}" if one["document"] else "interchange"
            console.print(Text.assemble("  ", one["kind"], " on ", what, ": ", awaited_state(one)))
            told_faults(one)
    if value["events"]:
        console.print("events", style="bold")
        for event in value["events"]:
            console.print(f"  {event['id']}  {event['type'].removeprefix('org.crossdock.')}  {event['subject']}  {event['time']}")
    for edit in value["edits"]:
        console.print(f"  {edited(edit)}", markup=False)
    if value["deliveries"]:
        console.print("deliveries", style="bold")
        for delivery in value["deliveries"]:
            _delivery(delivery)
    console.print("life", style="bold")
    for step in value["life"]:
        console.print(f"  {step['at'][:23].replace('T', ' ')}  {step['step']:<18} {step['text']}  [dim]({step['who']})[/dim]")


def _said_of(group: dict[str, Any]) -> str:
    if group["functional"] == "FA":
        return "answers what we sent"
    return f"997 says {VERDICTS.get(group['verdict'] or '', 'not yet answered')}"


def _reason(one: dict[str, Any], margin: str) -> None:
    if one.get("reason"):
        console.print(f"{margin}{one['reason']}", markup=False)
    _findings(one.get("findings", []), margin)


def _findings(findings: list[dict[str, Any]], margin: str) -> None:
    for finding in findings[:20]:
        mark = "!" if finding.get("severity") == "warning" else "✗"
        place = f"{finding.get('segment', '')}{finding['element']:02}" if finding.get("element") else finding.get("segment", "")
        where = f" (segment {finding['position']})" if finding.get("position") else ""
        console.print(f"{margin}{mark} {place}{where}: {finding['text']}", markup=False)
    if len(findings) > 20:
        console.print(f"{margin}… and {len(findings) - 20} more")


def _document(document: dict[str, Any]) -> None:
    verdict = "" if document["state"] == "composed" else f"{VERDICTS[document['verdict']]}, "
    console.print(
        Text.assemble(
            "    set ", document["set_id"], " ", document["control"], " ", (document["id"], "dim"), ": ", verdict, state_of(document["state"])
        )
    )
    _reason(document, "      ")
    if document["references"]:
        console.print("      " + ", ".join(f"{kind} {value}" for kind, value in document["references"]), style="dim", markup=False)
    if document["unmapped"]:
        paths = ", ".join(f"{one['path']} ({one['values']})" for one in document["unmapped"][:8])
        console.print(f"      not carried over: {paths}", style="dim", markup=False)


def _delivery(delivery: dict[str, Any]) -> None:
    console.print(
        Text.assemble(
            "  ", delivery["id"], " to ", delivery["destination"], ": ", state_of(delivery["state"]), f" after {len(delivery['attempts'])} attempts"
        )
    )
    if delivery["reason"]:
        console.print(f"    {delivery['reason']}", markup=False)
    if delivery["fell_from"]:
        console.print(
            f"    it went to its fallback in place of {delivery['fell_from']}; `crossdock replay {delivery['id']}` sends it there after all"
        )
    if delivery["behind_dead_letter"]:
        console.print("    waits behind a dead letter of its lane; `crossdock dead` names it")
    for attempt in delivery["attempts"]:
        status = f" {attempt['status']}" if attempt["status"] else ""
        text = f": {attempt['text']}" if attempt["text"] else ""
        console.print(f"    {attempt['at'][:23].replace('T', ' ')}  {attempt['outcome']}{status} in {attempt['milliseconds']} ms{text}", markup=False)
    if delivery.get("confirmed"):
        console.print(f"    it has it as {delivery['confirmed']}", markup=False)
    if delivery["confirmation"]:
        console.print(f"    it said: {delivery['confirmation'][:200]}", markup=False)


def _exchanged(one: dict[str, Any]) -> None:
    """How a message came or left by AS2."""
    console.print(Text.assemble("AS2 ", (one["id"], "bold"), f", {one['as2_from']} to {one['as2_to']}: ", state_of(one["state"])))
    console.print(f"  Message-ID {one['message_id']}", markup=False)
    report = one["report"]
    made = [report.get("cipher"), f"signed by {report['signer'][:16]} ({report.get('digest')})" if report.get("signer") else "not signed"]
    console.print(
        f"  {', '.join(part for part in made if part)}" + (f"; MIC {one['mic']} ({one['mic_algorithm']})" if one["mic"] else ""), markup=False
    )
    if one["disposition"]:
        console.print(f"  receipt: {one['disposition']}", markup=False)


SHOWERS: dict[str, Callable[[Any], None]] = {"show": _show}
