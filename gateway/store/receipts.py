"""What we write to partners in a commit: control numbers taken, slots stamped, the message and its delivery queued.

Knows nothing of verdicts: they come composed, with slots.
"""

from collections import defaultdict
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import Ticks, as_datetime, new_id
from gateway.records.answers import Acknowledgment, Receipt
from gateway.records.translation import Cause, Chunk
from gateway.store.payloads import Payload, PayloadFiles
from gateway.store.writes import Writes, alarm_row, delivery_row
from translators.x12.envelope_write import HIGHEST_CONTROL, stamp

REPORT = "report"
"""The form of an answer to a file that has no envelope: its faults, row by row."""
RECEIPTS = ("997:", "999:", "TA1:", "824:", "report:", "again:", "mdn:", "hook:")
"""How the ids of deliveries begin whose lane holds nothing else."""

RESTORED = ("-", "restored")
"""Partner and scope of the counter from which pairs begin that a backup does not know."""
_COUNT_UP = text(
    "INSERT INTO counters (partner, scope, value) VALUES (:partner, :scope, :count"  # noqa: S608 - names are ours
    f" + COALESCE((SELECT r.value FROM counters r WHERE r.partner = '{RESTORED[0]}' AND r.scope = '{RESTORED[1]}'), 0))"
    " ON CONFLICT (partner, scope) DO UPDATE SET value = counters.value + :count RETURNING value"
)
"""A pair that was never counted begins at 1; in a database that was restored, behind what may have been counted of it since the backup."""


def take_controls(tx: Connection, partner: str, scope: str, count: int) -> list[int]:
    """The next control numbers of a pair of identities, 1 to 999,999,999 and then again from 1; never one twice before that."""
    last = tx.execute(_COUNT_UP, {"partner": partner, "scope": scope, "count": count}).scalar_one()
    return [(number - 1) % HIGHEST_CONTROL + 1 for number in range(last - count + 1, last + 1)]


def compose(tx: Connection, writes: Writes, *, ticks: Ticks, files: PayloadFiles) -> None:
    """Takes the control numbers that the acknowledgments of this commit need, one statement a scope, and stamps them into their slots."""
    wanted: dict[tuple[str, str], list[tuple[Chunk, Acknowledgment, Receipt]]] = defaultdict(list)
    for chunk, acknowledgment in writes.composed:
        if acknowledgment.fault:
            _withhold(chunk, acknowledgment, writes, ticks)
        if acknowledgment.receipt is None:
            writes.verdicts.append(_verdict(chunk, acknowledgment, None))
        else:
            wanted[chunk.partner, acknowledgment.receipt.scope].append((chunk, acknowledgment, acknowledgment.receipt))
    for (partner, scope), pairs in sorted(wanted.items(), key=lambda item: item[0]):
        for (chunk, acknowledgment, receipt), control in zip(pairs, take_controls(tx, partner, scope, len(pairs)), strict=True):
            answers = f"{chunk.message}.{acknowledgment.interchange}.{acknowledgment.group}"
            outgoing = send_receipt(writes, chunk, receipt, answers, control, ticks=ticks, files=files)
            writes.verdicts.append(_verdict(chunk, acknowledgment, outgoing))
            verdict = {"A": "accepted", "E": "accepted with errors", "P": "partly accepted", "R": "rejected"}[acknowledgment.verdict]
            told = f"group {acknowledgment.interchange}.{acknowledgment.group} {verdict}, control number {control}"
            if receipt.form == REPORT:
                told = f"the file is {verdict}; the report lists its faults"
            writes.tell(ticks(), chunk, f"{receipt.form} written", f"{told}; {acknowledgment.note}" if acknowledgment.note else told)


def send_receipt(writes: Writes, cause: Cause, receipt: Receipt, answers: str, control: int, *, ticks: Ticks, files: PayloadFiles) -> str:
    """Stamps one answer and queues it; the id of our message. `answers` names what is answered, and makes the delivery unique."""
    when = as_datetime(cause.at)
    data = stamp(
        receipt.parts,
        interchange_control=control,
        group_control=control,
        date6=f"{when:%y%m%d}",
        date8=f"{when:%Y%m%d}",
        time4=f"{when:%H%M}",
    )
    outgoing = new_id(cause.at)
    payload = files.keep_in_commit(Payload.inline(f"message:{outgoing}", cause.partner, data))
    writes.payloads.append(payload.row())
    writes.outgoing.append(
        {
            "id": outgoing, "partner": cause.partner, "direction": "out", "channel": cause.channel, "state": "composed", "payload": payload.id,
            "size": payload.size, "sha256": payload.sha256, "media_type": receipt.media_type, "file_name": receipt.file_name,
            "profile_revision": cause.profile_revision, "arrival": ticks(), "decided_at": cause.at, "answers": answers, "control": f"{control:09}",
        }
    )  # fmt: skip
    writes.deliveries.append(
        delivery_row(
            f"{receipt.form}:{answers}",
            cause,
            destination=receipt.destination,
            subject=answers,
            position=ticks(),
            kind="receipt",
            payload=payload.id,
            attributes={"media_type": receipt.media_type, "file_name": receipt.file_name, "answers": answers, "set": receipt.form},
            on_dead="pass",
            outgoing=outgoing,
        )
    )
    return outgoing


def _withhold(chunk: Chunk, acknowledgment: Acknowledgment, writes: Writes, ticks: Ticks) -> None:
    """What our own engine would not take does not leave; a person is told."""
    place = f"{acknowledgment.interchange}.{acknowledgment.group}"
    what = f"the acknowledgment of group {place} of message {chunk.message} is withheld, for it is not right itself: {acknowledgment.fault}"
    writes.alarms.append(alarm_row("acknowledgment.withheld", chunk, what, f"{chunk.message}.{place}"))
    writes.tell(ticks(), chunk, "acknowledgment withheld", what)


def _verdict(chunk: Chunk, acknowledgment: Acknowledgment, outgoing: str | None) -> dict[str, Any]:
    return {
        "message": chunk.message, "interchange": acknowledgment.interchange, "grp": acknowledgment.group, "verdict": acknowledgment.verdict,
        "accepted": acknowledgment.accepted, "acknowledgment": outgoing,
    }  # fmt: skip
