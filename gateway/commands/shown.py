"""Values of operations as a person reads them in a terminal."""

import json
from collections.abc import Callable
from typing import Any

from rich.text import Text

from gateway.commands import shown_consumers, shown_finding, shown_nodes, shown_targets, shown_work
from gateway.commands.screen import console, state_of, table_of

VERDICTS = {"A": "accepted", "E": "accepted with errors", "P": "partly accepted", "R": "rejected"}


def shown(name: str, value: Any) -> None:
    SHOWERS[name](value)


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
            console.print(Text.assemble("  ", one["kind"], " on ", what, ": ", __awaited_state(one)))
            _told_faults(one)
    if value["events"]:
        console.print("events", style="bold")
        for event in value["events"]:
            console.print(f"  {event['id']}  {event['type'].removeprefix('org.crossdock.')}  {event['subject']}  {event['time']}")
    for edit in value["edits"]:
        console.print(f"  {_edited(edit)}", markup=False)
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


def _alarms(value: list[dict[str, Any]]) -> None:
    if not value:
        console.print("No alarms.")
    for one in value:
        times = f" ({one['count']} times)" if one["count"] > 1 else ""
        console.print(f"{one['last_at'][:19].replace('T', ' ')}  {one['kind']}{times}: {one['text']}", markup=False)
        console.print(f"  {one['show']}   or   crossdock alarms close {one['id'][:24]} --because …", style="dim", markup=False)
        if one["closed_at"]:
            console.print(
                f"  over since {one['closed_at'][:19].replace('T', ' ')}, said by {one['closed_by']}: {one['closed_because']}", markup=False
            )


def _alarm_closed(value: dict[str, Any]) -> None:
    console.print(f"{value['id']} is over" if value["closed"] else f"{value['id']} was over already")


def _alarm_tested(value: dict[str, Any]) -> None:
    console.print(
        f"{value['kind']} is raised; it leaves with the next letter (alarms.gather) to each channel of the settings. `crossdock alarms` lists it"
    )


MARKS = {"done": "[green]✓[/green]", "waiting": "[yellow]…[/yellow]", "failed": "[red]✗[/red]", "none": "[dim]–[/dim]"}


def _receipts(value: dict[str, Any]) -> None:
    if not value["rows"]:
        console.print("No messages.")
        return
    if len(value["rows"]) == 1:
        _receipts_of_one(value["rows"][0])
        return
    table = table_of("message", "partner", *value["columns"])
    for row in value["rows"]:
        cells = [Text.from_markup(MARKS[one["state"]]) for one in row["cells"].values()]
        table.add_row(row["message"], row["partner"], *cells)
    console.print(table)
    console.print("✓ done  … waits  ✗ wrong or overdue  – not owed; `--id MESSAGE` shows one with its times and evidence", style="dim")


def _receipts_of_one(row: dict[str, Any]) -> None:
    """Line by line, each with the commands that print the bytes behind it."""
    console.print(f"message {row['message']} of {row['partner']} by {row['channel']}: {row['state']}")
    for name, one in row["cells"].items():
        at = f"{one['at'][:19].replace('T', ' ')}  " if one["at"] else ""
        console.print(Text.from_markup(f"  {MARKS[one['state']]} {name:<13}") + Text(f"{at}{one['text']}"))
        for identity in one["opens"][:20]:
            console.print(f"      crossdock bytes {identity}", style="dim", markup=False, soft_wrap=True)


def _receipts_checked(value: dict[str, Any]) -> None:
    for one in value["wrong"]:
        console.print(f"✗ {one}", style="red", markup=False)
    told = f"{value['groups']} groups since {value['since'][:16]}: {value['answered']} answered once, {value['not_owed']} to which nothing is owed, {len(value['wrong'])} wrong"
    console.print(told + ("" if value["whole"] else "; there are more, so ask from a later time"))


def _awaited(value: list[dict[str, Any]]) -> None:
    if not value:
        console.print("No acknowledgment is awaited.")
        return
    table = table_of("what", "partner", "kind", "state", "sent", "due", "answered")
    for one in value:
        what = f"{one['set_id']} {one['set_control']}" if one["document"] else f"interchange {one['interchange_control']}"
        answered = (one["settled_at"] or "")[:19].replace("T", " ")
        table.add_row(
            f"{one['document'] or one['message']}  {what}", one["partner"], one["kind"], __awaited_state(one), one["opened_at"][:19].replace("T", " "),
            one["due_at"][:19].replace("T", " "), answered + (" (late)" if one["late_at"] else ""),
        )  # fmt: skip
    console.print(table)
    for one in value:
        _told_faults(one)


def __awaited_state(one: dict[str, Any]) -> Text:
    if one["state"] == "waiting":
        return state_of("overdue" if one["overdue_at"] else "waiting")
    return state_of(one["state"]) + Text(" (disputed since)" if one["disputed_at"] and one["state"] != "disputed" else "")


def _told_faults(one: dict[str, Any]) -> None:
    faults = (one["detail"] or {}).get("faults", [])
    for fault in faults[:20]:
        where = f" (segment {fault['position']})" if fault.get("position") else ""
        console.print(f"  {one['document'] or one['message']}: {fault['text']}{where}", markup=False)


def _acted(value: dict[str, Any]) -> None:
    console.print(f"{value['id']} is {value['state']} now")


def _replayed(value: dict[str, Any]) -> None:
    if "message" in value:
        console.print(
            f"message {value['message']} is read again under profile revision {value['revision']}; `crossdock show {value['message']}` tells what came of it"
        )
    for one in value.get("deliveries", []):
        console.print(f"{one['id']} is {one['state']}: it goes out again under the same id")


def _applied(value: dict[str, Any]) -> None:
    console.print(f"{value['partner']}: revision {value['revision']} is {'live' if value['state'] == 'live' else 'a draft'}")


def _partners(value: list[dict[str, Any]]) -> None:
    if not value:
        console.print("No partners yet: crossdock partners apply FILE")
        return
    table = table_of("partner", "name", "revision", "since", "takes", "sends")
    for one in value:
        table.add_row(
            one["partner"],
            one["name"],
            str(one["revision"]),
            one["since"][:19].replace("T", " "),
            ", ".join(one["receives"]),
            ", ".join(one["sends"]),
        )
    console.print(table)


def _partner(value: dict[str, Any]) -> None:
    console.print(f"# {value['partner']}, revision {value['revision']} ({value['state']})", style="bold")
    console.print(value["text"], markup=False)
    for one in value["revisions"]:
        console.print(f"# revision {one['revision']}: {one['state']}, {one['at']}, {one['who']}", style="dim")


def _edited(edit: dict[str, Any]) -> str:
    return f"{edit['id']} was made of {edit['edited_from']} by {edit['who']} at {edit['at'][:19].replace('T', ' ')}: {edit['reason']}"


def _explained(value: dict[str, Any]) -> None:
    if "acknowledgments" in value:
        _answered(value)
        return
    console.print(Text.assemble((value["event"], "bold"), f": {value['type']} about {value['subject']}"))
    console.print(
        f"  read from document {value['document']} ({value['set']}) by {value['mapping']}, under revision {value['revision']} of {value['partner']}"
    )
    for edit in value["edited"]:
        what = (
            "a person made this event; what follows is what its document itself says"
            if edit["id"] == value["event"]
            else "a person made its document"
        )
        console.print(f"  {what}: {_edited(edit)}", markup=False)
    for one in value["fields"]:
        place = f"{one['place']['file']}:{one['place']['line']}" if one["place"] else ""
        told = "" if one["value"] is None else " = " + json.dumps(one["value"], ensure_ascii=False)
        console.print(Text.assemble("\n", (one["field"], "bold"), told))
        console.print(Text.assemble("  rule  ", (one["rule"], "cyan"), f"   {place}"))
        for spot in one["from"]:
            role = "from " if spot["role"] == "value" else "where" if spot["role"] == "place" else "if   "
            console.print(Text.assemble(f"  {role} {spot['path']}  ", (repr(spot["text"])[1:-1] or "(empty)", "green"), _bytes(spot)))


def _answered(value: dict[str, Any]) -> None:
    console.print(Text.assemble((value["document"], "bold"), f": our {value['set']} {value['control']} to {value['partner']}"))
    for one in value["acknowledgments"]:
        by = f", said by its {one['form']} in {one['by']}" if one["by"] else ""
        console.print(Text.assemble(f"  {one['kind']}: ", __awaited_state(one | {"overdue_at": None, "disputed_at": None}), by))
        if one["recheck"]:
            console.print(f"    {one['recheck']}")
        for fault in one["faults"]:
            console.print(Text.assemble("    ", ("✗ ", "red"), fault["text"]))
            if "ours" in fault:
                console.print(f"      we wrote {fault['ours']!r} at {fault['path']}, bytes {fault['byte_start']} to {fault['byte_end']}")
            if "field" in fault:
                console.print(Text.assemble("      the event's field: ", (fault["field"], "bold")))


def _bytes(spot: dict[str, Any]) -> str:
    return f"   segment {spot['segment']}, bytes {spot['byte_start']} to {spot['byte_end']}"


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


def _as2_messages(value: list[dict[str, Any]]) -> None:
    if not value:
        console.print("No AS2 messages yet. Partners POST theirs to /as2 on the partner listener.")
        return
    table = table_of("AS2 message", "at", "partner", "way", "state", "Message-ID", "receipt", "what of it")
    for one in value:
        table.add_row(
            one["id"], one["at"][:19].replace("T", " "), one["partner"], one["direction"], state_of(one["state"]), one["message_id"],
            (one["disposition"] or one["receipt"]).rpartition("; ")[2], one["reason"] or "",
        )  # fmt: skip
    console.print(table)


def _as2_message(one: dict[str, Any]) -> None:
    console.print(Text.assemble((one["message"], "bold"), f" to {one['partner']}: ", state_of(one["state"])))
    console.print(f"  Message-ID {one['message_id']}, MIC {one['mic']} ({one['mic_algorithm']})", markup=False)
    if one["reason"]:
        console.print(f"  {one['reason']}", markup=False)


def _as2_queued(value: dict[str, Any]) -> None:
    console.print(f"queued as message {value['message']}")


def _selftest(value: list[dict[str, Any]]) -> None:
    for one in value:
        mark = ("✓ ", "green") if one["good"] else ("✗ ", "red")
        console.print(Text.assemble(mark, (f"{one['check']}: ", "bold"), one["text"]))


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


def _files(value: Any) -> None:
    table = table_of("at", "partner", "file", "size", "state", "message")
    for one in value:
        message = f"{one['message'] or ''}{' (again)' if one['duplicate'] else ''}" or one["reason"] or ""
        table.add_row(one["at"], one["partner"], f"{one['folder']}/{one['name']}", f"{one['size']:,}", state_of(one["state"]), message)
    console.print(table if value else "no files yet")


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


def _scanned(value: Any) -> None:
    console.print(f"{value['server']}\n{value['fingerprint']}\n{value['hostkey']}", soft_wrap=True)


def _polls(value: Any) -> None:
    table = table_of("partner", "folder", "last", "next", "what came of it")
    for one in value:
        table.add_row(one["partner"], one["poll"], one["at"] or "", one["next"] or "now", one["told"] or "")
    console.print(table if value else "no folder has been polled yet")


def _polled(value: Any) -> None:
    console.print(f"the folders of {value['partner']} are due now")


def _ssh_key(value: Any) -> None:
    console.print(f"{value['name']} ({value['use']}, {value['state']}): {value['fingerprint']}")
    console.print(value["public"], soft_wrap=True)


SHOWERS: dict[str, Callable[[Any], None]] = {
    **shown_work.SHOWERS,
    **shown_finding.FINDING,
    **shown_consumers.SHOWERS,
    "show": _show, "explain": _explained, "alarms": _alarms, "alarms.close": _alarm_closed, "alarms.test": _alarm_tested, "awaited": _awaited, "receipts": _receipts, "receipts.check": _receipts_checked, "act": _acted, "replay": _replayed,
    "keys.list": _certificates, "keys.generate": _certificate, "keys.import": _certificate, "keys.add": _certificate, "keys.show": _certificate,
    "keys.retire": _certificate, "keys.schedule": _certificate, "as2.messages": _as2_messages, "as2.send": _as2_queued, "as2.sent": _as2_message,
    "sftp.files": _files, "sftp.hostkeys": _ssh_keys, "sftp.keys": _ssh_keys, "sftp.key.generate": _ssh_key, "sftp.key.import": _ssh_key,
    "sftp.key.retire": _ssh_key, "keys.secret": _secret, "sftp.scan": _scanned, "sftp.selftest": _selftest, "sftp.polls": _polls, "sftp.poll": _polled, "as2.selftest": _selftest, "partners.apply": _applied, "partners.promote": _applied, "partners.rollback": _applied, "partners.list": _partners, "partners.show": _partner,
    "targets": lambda value: shown_targets.targets(console, value), "targets.show": lambda value: shown_targets.target(console, value),
    "nodes": lambda value: shown_nodes.nodes(console, value), "nodes.forget": lambda value: shown_nodes.forgotten(console, value),
    "prune": lambda value: shown_nodes.due(console, value), "prune.look": lambda value: shown_nodes.look(console, value),
    "targets.steer": lambda value: shown_targets.steered(console, value),
}  # fmt: skip
