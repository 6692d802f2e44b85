"""A letter about alarms: as JSON it is kept and posted, as a mail it is read by people. Pure: rows in, words out."""

from collections import Counter
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from gateway.alarms.catalog import ORDER, kind_of, show_command
from gateway.clock import Instant, as_datetime, as_text
from gateway.records.alarms import AlarmRow

MOST_TOLD = 50
"""Alarms that one letter has in full."""
MOST_TEXT = 1_000


def letter(rows: list[AlarmRow], *, node: str, at: Instant, runbooks: str) -> dict[str, Any]:
    """{"type", "timestamp", "text", "data": {"node", "alarms", "over", "more"}}: `text` is what chat programs show of it."""
    open_rows = sorted((row for row in rows if row.closed_at is None), key=lambda row: (-ORDER[kind_of(row.kind).urgency], row.first_at))
    over = [row for row in rows if row.closed_at is not None]
    told = [_told(row, runbooks) for row in open_rows[:MOST_TOLD]]
    data = {"node": node, "alarms": told, "over": [_told(row, runbooks) for row in over[:MOST_TOLD]], "more": max(0, len(open_rows) - MOST_TOLD)}
    return {"type": "alarms", "timestamp": as_text(at), "text": _subject(open_rows, over), "data": data}


def _told(row: AlarmRow, runbooks: str) -> dict[str, Any]:
    kind = kind_of(row.kind)
    return {
        "id": row.id, "kind": row.kind, "urgency": kind.urgency, "partner": row.partner, "message": row.message, "what": row.text[:MOST_TEXT],
        "means": kind.means, "show": show_command(row.kind, row.partner, row.message), "runbook": f"{runbooks.rstrip('/')}/{row.kind}.md",
        "count": row.count, "first_at": as_text(row.first_at), "last_at": as_text(row.last_at), "closed_because": row.closed_because,
    }  # fmt: skip


def _subject(open_rows: list[AlarmRow], over: list[AlarmRow]) -> str:
    """One line: the kinds, the most urgent first, and how many of each."""
    if not open_rows:
        return f"Crossdock: over: {', '.join(sorted({row.kind for row in over}))}" if over else "Crossdock: nothing"
    kinds = Counter(row.kind for row in open_rows)
    words = [
        f"{kind} of {open_rows[[row.kind for row in open_rows].index(kind)].partner}" if number == 1 else f"{kind} ({number})"
        for kind, number in kinds.items()
    ]
    more = f" and {len(words) - 4} more kinds" if len(words) > 4 else ""
    urgent = "now: " if any(kind_of(row.kind).urgency == "now" for row in open_rows) else ""
    return f"Crossdock: {urgent}{', '.join(words[:4])}{more}"


def in_words(value: dict[str, Any]) -> str:
    """The letter as a person reads it: what happened, what it means, what shows more."""
    data = value["data"]
    lines: list[str] = []
    for one in data["alarms"]:
        times = f", {one['count']} times since {_short(one['first_at'])}" if one["count"] > 1 else ""
        lines += [
            f"{one['kind']} ({one['urgency']}), {one['partner']}, {_short(one['last_at'])}{times}", f"  {one['what']}", f"  It means: {one['means']}.",
            f"  Show it:  {one['show']}", f"  Runbook:  {one['runbook']}", "",
        ]  # fmt: skip
    if data["more"]:
        lines += [f"And {data['more']} more: crossdock alarms", ""]
    for one in data["over"]:
        lines.append(f"Over: {one['kind']}, {one['partner']}: {one['closed_because']}")
    return "\n".join(
        [
            *lines,
            "",
            f"Told by {data['node']}. The same alarm is told again only after a while; `crossdock alarms close ID --because …` ends one.",
            "",
        ]
    )


def _short(text: str) -> str:
    return text[:16].replace("T", " ") + " UTC"


def mail(value: dict[str, Any], *, sender: str, to: list[str], identity: str, at: Instant) -> bytes:
    """RFC 5322. The Message-ID is that of the delivery: a mail that comes twice is seen to be one."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = sender, ", ".join(to)
    message["Subject"] = " ".join(value["text"].split())[:200]
    message["Date"] = as_datetime(at)
    message["Message-ID"] = (
        f"<{''.join(one if one.isalnum() or one in '-.' else '.' for one in identity)}@{sender.rpartition('@')[2].rstrip('>') or 'crossdock'}>"
    )
    message["Auto-Submitted"] = "auto-generated"
    if any(one["urgency"] == "now" for one in value["data"]["alarms"]):
        message["Importance"] = "high"
    message.set_content(in_words(value))
    return message.as_bytes()
