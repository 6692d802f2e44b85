"""Reading for people and partners: messages, their lives, documents by any reference, what is dead."""

import json
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.engine import Row

from gateway.clock import as_text
from gateway.store.payloads import sound
from gateway.ways import content_text

_MESSAGE = text("SELECT * FROM messages WHERE id = :id")
_LIFE = text("SELECT at, step, who, text FROM life WHERE message = :id ORDER BY at")
_INTERCHANGES = text("SELECT * FROM interchanges WHERE message = :id ORDER BY ordinal")
_GROUPS = text("SELECT * FROM groups WHERE message = :id ORDER BY interchange, ordinal")
_DOCUMENTS = text("SELECT * FROM documents WHERE message = :id ORDER BY interchange, grp, ordinal LIMIT :limit")
_FINDINGS = text(
    "SELECT interchange, grp, ordinal, finding FROM findings WHERE message = :id ORDER BY interchange, grp, ordinal, number LIMIT :limit"
)
_ACKNOWLEDGMENTS = text(
    "SELECT m.id, m.answers, d.id AS delivery, d.state, d.attributes, p.data, p.sha256 FROM messages m JOIN deliveries d ON d.outgoing = m.id"
    " AND d.message = :id JOIN payloads p ON p.id = m.payload WHERE d.message = :id AND d.kind = 'receipt' ORDER BY m.answers"
)
_WAITING = text(
    "SELECT d.id, d.lane, d.partner, d.destination, d.message, d.state, d.attributes, d.on_dead, p.data, p.sha256 FROM deliveries d"
    " JOIN payloads p ON p.id = d.payload WHERE d.id = :id AND d.destination = :destination"
)
SHOWN = 1_000
TOLD = {
    "received", "translated", "duplicate", "held", "skipped", "997 written", "999 written", "TA1 written", "824 written", "report written", "interchange held", "interchange rejected",
}  # fmt: skip
"""Steps of a message's life that its partner may see; where its events went is ours."""


def message_for_partner(tx: Connection, message: str, partner: str) -> dict[str, Any] | None:
    """What a partner may see of its own message: states, verdicts, findings in words, our acknowledgments; nothing of our insides."""
    row = tx.execute(_MESSAGE, {"id": message}).first()
    if row is None or row.partner != partner or row.direction != "in":
        return None
    findings: dict[tuple[int, int, int], list[dict[str, Any]]] = {}
    for one in tx.execute(_FINDINGS, {"id": message, "limit": SHOWN}):
        findings.setdefault((one.interchange, one.grp, one.ordinal), []).append(_shown_finding(one.finding))
    interchanges = []
    for interchange in tx.execute(_INTERCHANGES, {"id": message}):
        interchanges.append(
            {
                "control": interchange.control, "state": interchange.state, "reason": interchange.reason, "ta1": interchange.ta1,
                "findings": findings.get((interchange.ordinal, 0, 0), []),
                "groups": [],
            }
        )  # fmt: skip
    by_ordinal = dict(enumerate(interchanges, start=1))
    for group in tx.execute(_GROUPS, {"id": message}):
        shown = {
            "functional": group.functional, "control": group.control, "verdict": group.verdict, "codes": group.codes.split(),
            "findings": findings.get((group.interchange, group.ordinal, 0), []), "sets": [],
        }  # fmt: skip
        if group.interchange in by_ordinal:
            by_ordinal[group.interchange]["groups"].append(shown)
            shown["ordinal"] = group.ordinal
    for document in tx.execute(_DOCUMENTS, {"id": message, "limit": SHOWN}):
        groups = by_ordinal.get(document.interchange, {"groups": []})["groups"]
        home = next((group for group in groups if group["ordinal"] == document.grp), None)
        if home is not None:
            home["sets"].append(
                {
                    "id": document.set_id, "control": document.control, "state": document.state, "verdict": document.verdict,
                    "codes": document.codes.split(), "reason": document.reason,
                    "findings": findings.get((document.interchange, document.grp, document.ordinal), []),
                }
            )  # fmt: skip
    acknowledgments = [
        {
            "id": one.delivery,
            "set": json.loads(one.attributes).get("set"),
            "answers": one.answers,
            "state": one.state,
            "content": content_text(one.data) if one.data and sound(one.data, one.sha256) else None,
        }
        for one in tx.execute(_ACKNOWLEDGMENTS, {"id": message})
    ]
    return {
        "id": row.id, "state": row.state, "reason": row.reason, "received_at": as_text(row.arrival), "size": row.size, "sha256": row.sha256,
        "file_name": row.file_name, "duplicate_of": row.duplicate_of, "interchanges": interchanges, "acknowledgments": acknowledgments,
        "life": [{"at": as_text(one.at), "step": one.step, "text": one.text} for one in tx.execute(_LIFE, {"id": message}) if one.step in TOLD],
    }  # fmt: skip


def _shown_finding(stored: str) -> dict[str, Any]:
    finding = json.loads(stored)
    return {key: value for key, value in finding.items() if value not in (None, "", 0)}


def outbox_delivery(tx: Connection, delivery: str, destination: str) -> Row[Any] | None:
    return tx.execute(_WAITING, {"id": delivery, "destination": destination}).first()


_DROPPED = text("SELECT ordinal FROM interchanges WHERE message = :id AND state IN ('duplicate', 'rejected', 'held')")
_RESUME = text("SELECT resume FROM messages WHERE id = :id")
_GROUP_SETS = text(
    "SELECT ordinal, set_id, control, verdict, codes, state, release FROM documents"
    " WHERE message = :id AND interchange = :interchange AND grp = :grp ORDER BY ordinal"
)
_GROUP_FINDINGS = text(
    "SELECT ordinal, finding FROM findings WHERE message = :id AND interchange = :interchange AND grp = :grp AND ordinal > 0 ORDER BY ordinal, number"
)
_UNANSWERED = text("SELECT interchange, ordinal FROM groups WHERE message = :id AND verdict IS NULL")


def standing(tx: Connection, message: str) -> tuple[list[int], list[dict[str, Any]]]:
    """Where a message stands that is read on from the middle, or again: (interchanges that do not count, verdicts of its sets so far).

    The verdicts are those of the group that is being read; in a replay, of the groups that are replayed and were never answered.
    """
    resume = tx.execute(_RESUME, {"id": message}).scalar()
    dropped = [row.ordinal for row in tx.execute(_DROPPED, {"id": message})]
    if not resume:
        return dropped, []
    at = json.loads(resume)
    if "replay" in at:
        unanswered = {(row.interchange, row.ordinal) for row in tx.execute(_UNANSWERED, {"id": message})}
        wanted = sorted({(place["i"] + 1, place["g"] + 1) for place in at["replay"]} & unanswered)
        return dropped, [row for interchange, group in wanted for row in _verdicts(tx, message, interchange, group)]
    return dropped, [row for row in _verdicts(tx, message, at["i"] + 1, at["g"] + 1) if row["ordinal"] <= at["s"]]


def _verdicts(tx: Connection, message: str, interchange: int, group: int) -> list[dict[str, Any]]:
    place = {"id": message, "interchange": interchange, "grp": group}
    findings: dict[int, list[str]] = {}
    for row in tx.execute(_GROUP_FINDINGS, place):
        findings.setdefault(row.ordinal, []).append(row.finding)
    return [
        {
            "interchange": interchange, "group": group, "ordinal": row.ordinal, "id": row.set_id, "control": row.control, "verdict": row.verdict,
            "codes": row.codes, "findings": findings.get(row.ordinal, []), "unread": row.state == "held" and not row.release,
        }
        for row in tx.execute(_GROUP_SETS, place)
    ]  # fmt: skip


_MESSAGE_COUNTS = text("SELECT state, count(*) AS number FROM messages WHERE direction = 'in' GROUP BY state")
_OPEN_MESSAGE_COUNTS = text(
    "SELECT 'received' AS state, count(*) AS number FROM messages WHERE direction = 'in' AND state = 'received'"
    " UNION ALL SELECT 'held', count(*) FROM messages WHERE direction = 'in' AND state = 'held'"
)
_OPEN_DELIVERY_COUNTS = text(
    "SELECT destination, state, count(*) AS number FROM deliveries WHERE state IN ('due', 'dead') GROUP BY destination, state"
)
_DELIVERY_COUNTS = text("SELECT destination, state, count(*) AS number FROM deliveries GROUP BY destination, state")
_EXCHANGE_COUNTS = text("SELECT direction, state, count(*) AS number FROM as2_messages GROUP BY direction, state")
_ALARM_COUNTS = text("SELECT kind, count(*) AS number FROM alarms WHERE closed_at IS NULL GROUP BY kind")
_REPLAY_COUNTS = text("SELECT state, count(*) AS number FROM replay_jobs GROUP BY state")
_BLOCKED_COUNT = text("SELECT count(*) FROM lanes WHERE blocked")


def totals(tx: Connection) -> dict[str, Any]:
    """How many of what there is in all. Reads whole tables, which takes seconds where millions are kept."""
    return {
        "messages": {row.state: row.number for row in tx.execute(_MESSAGE_COUNTS)},
        "deliveries": {(row.destination, row.state): row.number for row in tx.execute(_DELIVERY_COUNTS)},
        "exchanges": {(row.direction, row.state): row.number for row in tx.execute(_EXCHANGE_COUNTS)},
    }


def counts(tx: Connection, known: dict[str, Any]) -> dict[str, Any]:
    """The same with what is open as it is now; `known` are totals of a while ago. All of it by partial indexes and in small tables."""
    messages = {row.state: row.number for row in tx.execute(_OPEN_MESSAGE_COUNTS)}
    deliveries = {key: number for key, number in known["deliveries"].items() if key[1] not in ("due", "dead")}
    return {
        "messages": known["messages"] | messages,
        "deliveries": deliveries | {(row.destination, row.state): row.number for row in tx.execute(_OPEN_DELIVERY_COUNTS)},
        "exchanges": known["exchanges"],
        "alarms": {row.kind: row.number for row in tx.execute(_ALARM_COUNTS)},
        "replays": {row.state: row.number for row in tx.execute(_REPLAY_COUNTS)},
        "blocked": tx.execute(_BLOCKED_COUNT).scalar_one(),
    }


def alive(tx: Connection) -> None:
    tx.execute(text("SELECT 1")).scalar_one()
