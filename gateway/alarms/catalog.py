"""What each kind of alarm means to a person, and which commands show and mend it. The page of a kind is docs/runbooks/KIND.md.

Data only.
"""

from dataclasses import dataclass
from typing import Literal

Urgency = Literal["now", "soon", "note"]
"""Somebody must act now; somebody must look in working hours; nobody needs to, unless it comes often."""
ORDER: dict[str, int] = {"note": 0, "soon": 1, "now": 2}


@dataclass(frozen=True, slots=True)
class Kind:
    urgency: Urgency
    means: str
    show: str
    """The command that shows more, with {partner} and {message}."""


KINDS: dict[str, Kind] = {
    "acknowledgment.disputed": Kind("soon", "an answer of the partner contradicts itself, or an earlier one, which stands", "crossdock awaited --partner {partner} --state disputed"),
    "acknowledgment.loss": Kind("now", "the partner received fewer sets than we sent in the group", "crossdock awaited --partner {partner}"),
    "acknowledgment.overdue": Kind("soon", "an acknowledgment that the partner owes us has not come in time", "crossdock awaited --partner {partner} --state overdue"),
    "acknowledgment.rejected": Kind("now", "the partner rejects something that we sent", "crossdock awaited --partner {partner} --state rejected"),
    "acknowledgment.unclear": Kind("soon", "a verdict in the partner's answer is missing, or none that exists; what it speaks of waits on", "crossdock show {message}"),
    "acknowledgment.unknown": Kind("note", "the partner answers something that we did not send, or not lately", "crossdock show {message}"),
    "acknowledgment.withheld": Kind("now", "an answer that we had written is not right to our own engine, so it did not leave: the partner waits for it", "crossdock show {message}"),
    "alarm.test": Kind("now", "nothing: somebody tries whether alarms arrive", "crossdock alarms"),
    "as2.receipt": Kind("now", "the partner's receipt says no, says something else, or proves nothing", "crossdock as2 messages --partner {partner} --direction out"),
    "as2.receipt-contradicts": Kind("soon", "a message was proven delivered, and a later receipt says otherwise; the proof stands", "crossdock as2 messages --partner {partner} --direction out"),
    "as2.receipt-unmatched": Kind("note", "a receipt about no message of ours, or one that is no receipt", "crossdock as2 messages --partner {partner}"),
    "as2.refused": Kind("soon", "AS2 messages of the partner are refused; it has been told", "crossdock as2 messages --partner {partner} --direction in --state refused"),
    "bucket.taken": Kind("now", "the bucket belongs to another installation, so nothing is removed from it; two that remove from one would lose each other's payloads", "crossdock alarms"),
    "certificate.expiring": Kind("soon", "a certificate runs out; after its last day messages are refused", "crossdock keys list --expiring 60"),
    "clock.jumped": Kind("soon", "a clock was set, by more than clocks drift; nodes follow it slowly, so nothing has run out early, but times that are written are off until they meet", "crossdock nodes"),
    "consumer.behind": Kind("soon", "a consumer has stopped to take what is in the event stream for it; nothing is lost, it goes on behind its cursor", "crossdock consumers"),
    "control.gap": Kind("soon", "interchanges of the partner are missing between those that came", "crossdock messages --partner {partner}"),
    "database.restored": Kind("now", "this database was restored from a backup; what was due then is in doubt, and what came since is missing", "crossdock dead"),
    "delivery.dead": Kind("now", "the destination will not take it, or its time is over; what follows in its lane may wait behind it", "crossdock dead"),
    "delivery.fallback": Kind("soon", "deliveries went to their fallback in place of their own destination", "crossdock targets"),
    "destination.parked": Kind("now", "a destination fails, so it rests, and one attempt is made now and then; nothing is lost, everything for it waits", "crossdock targets"),
    "disk.low": Kind("now", "the disk is nearly full; below limits.disk_free nothing is taken from anybody", "crossdock config"),
    "document.held": Kind("now", "no event was made of a document; it waits for a person", "crossdock show {message}"),
    "document.rejected": Kind("note", "the form of a document was bad; the partner has been told by its 997 or report", "crossdock show {message}"),
    "interchange.held": Kind("now", "its sender is none of the partner's identities; no 997 was sent", "crossdock show {message}"),
    "interchange.rejected": Kind("note", "an envelope cannot be accepted; the partner has been told by its TA1", "crossdock show {message}"),
    "message.held": Kind("now", "a message could not be read at all, and waits for a person", "crossdock show {message}"),
    "node.ended": Kind("now", "a node ended because a write may not have reached the disk; whoever looks after its process starts it again", "crossdock messages --limit 1"),
    "node.lost": Kind("now", "a node has stopped without a word, or cannot reach the database; the others do its work", "crossdock nodes"),
    "outbox.waiting": Kind("soon", "documents of ours wait in the partner's outbox, and nobody has fetched them", "crossdock messages --sent --partner {partner}"),
    "payload.damaged": Kind("now", "stored bytes are not those that were stored; they are not handed on, and other bytes may be damaged, too", "crossdock receipts --partner {partner}"),
    "profile.target": Kind("now", "a profile names a target that the settings do not have; deliveries to it wait", "crossdock partners show {partner}"),
    "quota.daily": Kind("note", "a daily volume is used up; what exceeds it waits for the next day (UTC)", "crossdock targets"),
    "replay.failed": Kind("soon", "a replay of many documents has ended before its end; what it had committed stands", "crossdock replays"),
    "sftp.locked": Kind("note", "somebody has tried too many wrong passwords; their tries are not looked at for a while", "crossdock sftp files --partner {partner}"),
    "sftp.poll": Kind("soon", "a folder of the partner's server could not be polled, or a file there not fetched or taken away; it is tried again", "crossdock sftp polls --partner {partner}"),
    "sftp.unfinished": Kind("soon", "a file that the partner put was never whole", "crossdock sftp files --partner {partner} --state expired"),
    "store.unavailable": Kind("now", "the database takes no writes: partners are told to come again, nothing is translated or delivered", "crossdock messages --limit 1"),
}  # fmt: skip

UNKNOWN = Kind("now", "it is of a kind that this version does not know", "crossdock alarms")


def kind_of(name: str) -> Kind:
    return KINDS.get(name, UNKNOWN)


def show_command(name: str, partner: str, message: str | None) -> str:
    """The command that shows more of an alarm."""
    kind = kind_of(name)
    if ("{message}" in kind.show and not message) or ("{partner}" in kind.show and partner in ("", "-")):
        return "crossdock alarms"
    return kind.show.format(partner=partner, message=message)
