"""Words the TA1s and 824s that we owe, from the rows that they speak of and the partner's profile.

Knows neither the store nor time: what is composed has slots for numbers and moments.
"""

from typing import Any

from gateway import ways
from gateway.records.answers import Origin, OwedAnswer, Receipt, WrittenAnswer
from partners.profile import Profile
from translators.document import Delimiters
from translators.x12.application_advice import Advised, Refusal, application_advice
from translators.x12.envelope_write import Composed, usable_version
from translators.x12.guide import GuideBook
from translators.x12.interchange import Interchange
from translators.x12.own import faults_of_composed
from translators.x12.ta1 import interchange_ack

NO_DELIMITERS = Delimiters(b"", b"", b"", b"")


def word(owed: OwedAnswer, profile: Profile, guides: GuideBook, *, reference: str, at: int) -> WrittenAnswer:
    """The answer with its way back; without one, and with the fault, where our own engine would not take it."""
    theirs = _theirs(owed, profile)
    composed = _ta1(owed, profile, theirs) if owed.kind == "TA1" else _advice(owed, profile, theirs, reference)
    origin = Origin(owed.message, owed.partner, owed.channel, owed.profile_revision, at)
    answers = owed.id.partition(":")[2]
    faults = faults_of_composed(composed, guides)
    if faults:
        return WrittenAnswer(owed.id, origin, answers, None, "; ".join(faults))
    about = owed.document["set_id"] if owed.document else ""
    control = owed.document["control"] if owed.document else owed.interchange["control"]
    receipt = Receipt(
        owed.kind, composed, ways.scope(str(profile.us.isa), ":".join(theirs)), ways.destination(profile), ways.file_name(owed.kind, about, control)
    )  # fmt: skip
    return WrittenAnswer(owed.id, origin, answers, receipt)


def _theirs(owed: OwedAnswer, profile: Profile) -> tuple[str, str]:
    """Who is answered: the sender as it named itself, or, where that is none of its identities, the first of them."""
    qualifier, _, sender = owed.interchange["sender"].partition(":")
    if f"{qualifier}:{sender}" in profile.senders:
        return qualifier, sender
    first = profile.identities.isa[0]
    return first.qualifier, first.id


def _ta1(owed: OwedAnswer, profile: Profile, theirs: tuple[str, str]) -> Composed:
    us = profile.us
    return interchange_ack(
        _interchange(owed.interchange), owed.verdict, owed.note, sender_qualifier=us.isa.qualifier, sender=us.isa.id, receiver=theirs
    )


def _advice(owed: OwedAnswer, profile: Profile, theirs: tuple[str, str], reference: str) -> Composed:
    document, group, us = owed.document or {}, owed.group or {}, profile.us
    advised = Advised(
        document["set_id"], document["control"], group["control"], group["version"], "", "", group["sender"], owed.references, owed.verdict,
        [Refusal(owed.note, owed.text)] if owed.text else [],
    )  # fmt: skip
    usage = owed.interchange["usage"]
    return application_advice(
        advised,
        reference=reference,
        sender_qualifier=us.isa.qualifier,
        sender=us.isa.id,
        sender_code=us.gs,
        receiver_qualifier=theirs[0],
        receiver=theirs[1],
        envelope_version=usable_version(owed.interchange["version"]),
        usage=usage if usage in ("P", "T", "I") else "P",
    )


def _interchange(row: dict[str, Any]) -> Interchange:
    """What an answer needs of the interchange, from its row."""
    qualifier, _, sender = row["sender"].partition(":")
    to_qualifier, _, receiver = row["receiver"].partition(":")
    return Interchange(
        row["ordinal"] - 1, row["byte_start"], row["byte_end"], NO_DELIMITERS, qualifier, sender, to_qualifier, receiver, row["date"], row["time"],
        row["control"], row["version"], False, row["usage"],
    )  # fmt: skip
