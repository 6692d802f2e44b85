"""Our acknowledgments in COMMIT 2: control numbers taken, slots stamped, the 997 queued; and the stored answer again for a repeated interchange.

Knows nothing of verdicts: they come with the chunk.
"""

import json
from collections import defaultdict
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import Ticks, as_datetime, new_id
from gateway.records import Acknowledgment, Chunk
from gateway.store.payloads import Payload, PayloadFiles
from gateway.store.sql import in_lists, one_of
from gateway.store.writes import Writes, delivery_row
from translators.x12.acknowledge import stamp

HIGHEST_CONTROL = 999_999_999

_COUNT_UP = text(
    "INSERT INTO counters (partner, scope, value) VALUES (:partner, :scope, :count)"
    " ON CONFLICT (partner, scope) DO UPDATE SET value = counters.value + :count RETURNING value"
)
_ANSWERED = one_of(
    "SELECT d.message, d.destination, d.outgoing, d.payload, d.attributes FROM deliveries d WHERE d.message IN :keys AND d.kind = 'receipt'"
)


def compose(tx: Connection, writes: Writes, *, ticks: Ticks, files: PayloadFiles) -> None:
    """Takes the control numbers that the 997s of this commit need, one statement a scope, and stamps them into their slots."""
    wanted: dict[tuple[str, str], list[tuple[Chunk, Acknowledgment]]] = defaultdict(list)
    for chunk, acknowledgment in writes.composed:
        if acknowledgment.parts is None:
            writes.verdicts.append(_verdict(chunk, acknowledgment, None))
        else:
            wanted[chunk.partner, acknowledgment.scope].append((chunk, acknowledgment))
    for (partner, scope), pairs in sorted(wanted.items(), key=lambda item: item[0]):
        last = tx.execute(_COUNT_UP, {"partner": partner, "scope": scope, "count": len(pairs)}).scalar_one()
        for offset, (chunk, acknowledgment) in enumerate(pairs, start=1):
            _stamp(chunk, acknowledgment, (last - len(pairs) + offset - 1) % HIGHEST_CONTROL + 1, writes, ticks=ticks, files=files)


def _stamp(chunk: Chunk, acknowledgment: Acknowledgment, control: int, writes: Writes, *, ticks: Ticks, files: PayloadFiles) -> None:
    assert acknowledgment.parts is not None
    when = as_datetime(chunk.at)
    data = stamp(
        acknowledgment.parts,
        interchange_control=control,
        group_control=control,
        date6=f"{when:%y%m%d}",
        date8=f"{when:%Y%m%d}",
        time4=f"{when:%H%M}",
    )
    outgoing = new_id(chunk.at)
    answers = f"{chunk.message}.{acknowledgment.interchange}.{acknowledgment.group}"
    payload = files.keep(Payload.inline(f"message:{outgoing}", chunk.partner, data))
    writes.payloads.append(payload.row())
    writes.outgoing.append(
        {
            "id": outgoing, "partner": chunk.partner, "direction": "out", "channel": chunk.channel, "state": "composed", "payload": payload.id,
            "size": payload.size, "sha256": payload.sha256, "media_type": acknowledgment.media_type, "file_name": acknowledgment.file_name,
            "profile_revision": chunk.profile_revision, "arrival": ticks(), "decided_at": chunk.at, "answers": answers,
        }
    )  # fmt: skip
    writes.verdicts.append(_verdict(chunk, acknowledgment, outgoing))
    writes.deliveries.append(
        delivery_row(
            f"997:{answers}",
            chunk,
            destination=acknowledgment.destination,
            subject=answers,
            position=ticks(),
            kind="receipt",
            payload=payload.id,
            attributes={"media_type": acknowledgment.media_type, "file_name": acknowledgment.file_name, "answers": answers, "set": "997"},
            on_dead="pass",
            outgoing=outgoing,
        )
    )
    verdict = {"A": "accepted", "E": "accepted with errors", "P": "partly accepted", "R": "rejected"}[acknowledgment.verdict]
    writes.tell(ticks(), chunk, "997 written", f"group {acknowledgment.interchange}.{acknowledgment.group} {verdict}, control number {control}")


def answer_again(tx: Connection, writes: Writes, *, ticks: Ticks) -> None:
    """A repeated interchange gets the stored acknowledgments again, byte for byte: new deliveries of the same payloads."""
    stored = defaultdict(list)
    for row in in_lists(tx, _ANSWERED, [original for _, original in writes.again]):
        stored[row.message].append(row)
    for chunk, original in writes.again:
        for row in {one.payload: one for one in stored[original]}.values():
            writes.deliveries.append(
                delivery_row(
                    f"again:{chunk.message}:{row.outgoing}",
                    chunk,
                    destination=row.destination,
                    subject=f"{chunk.message}.{row.outgoing}",
                    position=ticks(),
                    kind="receipt",
                    payload=row.payload,
                    attributes=json.loads(row.attributes),
                    on_dead="pass",
                    outgoing=row.outgoing,
                )
            )


def _verdict(chunk: Chunk, acknowledgment: Acknowledgment, outgoing: str | None) -> dict[str, Any]:
    return {
        "message": chunk.message, "interchange": acknowledgment.interchange, "grp": acknowledgment.group, "verdict": acknowledgment.verdict,
        "accepted": acknowledgment.accepted, "acknowledgment": outgoing,
    }  # fmt: skip
