"""Writes the TA1 that answers one interchange: the envelope could be read, or why it could not.

Knows the envelope only; whether one is owed is said by `ta1_owed`.
"""

from dataclasses import replace

from translators.document import Delimiters
from translators.x12.envelope_write import Composed, SegmentWriter, enclosed, way_back
from translators.x12.interchange import Interchange

ELEMENT_OF_NOTE = {
    "001": 13, "002": 11, "003": 12, "004": 16, "005": 5, "006": 6, "007": 7, "008": 8, "009": 8, "010": 1, "011": 2, "012": 3, "013": 4, "014": 9,
    "015": 10, "016": 11, "017": 12, "018": 13, "019": 14, "020": 15, "025": 13, "027": 16,
}  # fmt: skip
"""The element of the ISA that a TA105 speaks of; the others speak of no single one."""

DUTIES = ("asked", "always", "errors", "none")
"""When a partner gets a TA1: for faults and when ISA14 asks; for every interchange; for faults alone; never."""

NOTES = {
    "000": "no fault", "001": "IEA02 is not ISA13", "002": "the standard is not supported", "003": "the envelope's version is not supported",
    "004": "the segment terminator is wrong", "005": "the sender's qualifier is wrong", "006": "the sender's id is wrong",
    "007": "the receiver's qualifier is wrong", "008": "the receiver's id is wrong", "009": "the receiver is not known there",
    "010": "ISA01 is wrong", "011": "ISA02 is wrong", "012": "ISA03 is wrong", "013": "ISA04 is wrong", "014": "the date ISA09 is wrong",
    "015": "the time ISA10 is wrong", "016": "ISA11 is wrong", "017": "the version ISA12 is wrong", "018": "the control number ISA13 is wrong",
    "019": "ISA14 is wrong", "020": "ISA15 is wrong", "021": "IEA01 is not the number of groups", "022": "segments of the envelope are out of place",
    "023": "it ends too early", "024": "its content is wrong, such as a bad GS", "025": "the control number was seen before",
    "026": "the element separator is wrong", "027": "the component separator is wrong", "028": "the date of deferred delivery is wrong",
    "029": "the time of deferred delivery is wrong", "030": "the code of deferred delivery is wrong", "031": "the grade of service is wrong",
}  # fmt: skip
"""TA105 in our words."""


def ta1_owed(duty: str, *, rejected: bool, asked: bool) -> bool:
    """Whether an interchange is answered by a TA1 under a duty of DUTIES."""
    if duty == "none":
        return False
    return rejected or duty == "always" or (duty == "asked" and asked)


def answers_only(interchange: Interchange) -> bool:
    """It carries TA1s and no group: a TA1 is never answered."""
    return bool(interchange.acknowledgments) and not interchange.found_groups


def interchange_ack(
    interchange: Interchange,
    verdict: str,
    note: str,
    *,
    sender_qualifier: str,
    sender: str,
    receiver: tuple[str, str] | None = None,
    delimiters: Delimiters | None = None,
    tail: bytes = b"",
) -> Composed:
    """An interchange that holds one TA1 and no group, back to the sender; `verdict` is TA104, `note` TA105.

    `sender_qualifier` and `sender` are ours. `receiver` (qualifier, id) stands in for a sender that the interchange does not name rightly.
    What TA101 to TA103 repeat is what came, or zeros where that is not of the form that they need.
    """
    envelope = way_back(interchange, sender_qualifier=sender_qualifier, sender=sender, sender_code="", delimiters=delimiters, tail=tail)
    writer = SegmentWriter(envelope.delimiters, tail)
    if receiver is not None:
        envelope = replace(envelope, receiver_qualifier=receiver[0], receiver=receiver[1])
    told = [_digits(interchange.control, 9), _digits(interchange.date, 6), _digits(interchange.time, 4)]
    return enclosed(envelope, writer, [writer.segment("TA1", *told, verdict, note).decode("latin-1")], group=False)


def _digits(value: str, size: int) -> str:
    return value if len(value) == size and value.isascii() and value.isdigit() else "0" * size
