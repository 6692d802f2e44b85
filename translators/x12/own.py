"""Reads what we are about to send with our own engine: nothing leaves that we would not take.

Knows nothing of how it was written.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from translators.x12.envelope import outline
from translators.x12.envelope_write import Composed, stamp
from translators.x12.guide import GuideBook
from translators.x12.interchange import Interchange
from translators.x12.options import Options, ReadAt
from translators.x12.reader import read_sets
from translators.x12.ta1 import NOTES

STRICT = Options("strict")
PROBE = 999_999_999
"""The longest number that a slot can get."""
MOST_TOLD = 5
MOST_KNOWN_AGAIN = 1_024
"""Bytes of an acknowledgment of one or a few sets."""
REPEATED = re.compile(rb"(?<=[^0-9A-Za-z ])(AK[12]([^0-9A-Za-z ])[0-9A-Z]{2,3}\2[0-9])([0-9]+)")

TA1_FORM = re.compile(r"[0-9]{9}\|[0-9]{6}\|[0-9]{4}\|[AER]\|[0-9]{3}")


def faults_of_own(data: bytes, guides: GuideBook) -> list[str]:
    """What our own engine, at its strictest, finds in an interchange of ours; empty if it may leave. At most a few are told."""

    def read(offset: int, length: int) -> bytes:
        return data[offset : offset + length]

    found = outline(read, len(data), STRICT)
    faults = [finding.text for finding in found.findings]
    if len(found.interchanges) != 1 or found.leftover_bytes:
        faults.append(f"it holds {len(found.interchanges)} interchanges and {found.leftover_bytes} bytes beside them; one interchange is due")
    for interchange in found.interchanges:
        for fault in _faults(read, interchange, guides):
            if len(faults) >= MOST_TOLD:
                return faults
            faults.append(fault)
    return faults


def faults_of_composed(composed: Composed, guides: GuideBook) -> list[str]:
    """The same for what still has its slots.

    Most acknowledgments of a partner differ in nothing but the numbers that they repeat, so what was found right is known again: reading each was a
    quarter of a worker's time on a small message.
    """
    data = stamp(composed, interchange_control=PROBE, group_control=PROBE, date6="991231", date8="20991231", time4="2359")
    if len(data) <= MOST_KNOWN_AGAIN and _is_right(_alike(data), guides):
        return []
    return faults_of_own(data, guides)


def _alike(data: bytes) -> bytes:
    """The interchange with nines for the digits, but the first, of the control numbers that it repeats: AK102 and AK202, and those of a 999 (X12 997, 999).

    Neither a number's length nor its leading zero is touched, so what is right in one is right in the other.
    """
    return REPEATED.sub(lambda found: found[1] + b"9" * len(found[3]), data)


@lru_cache(maxsize=4_096)
def _is_right(data: bytes, guides: GuideBook) -> bool:
    return not faults_of_own(data, guides)


def _faults(read: ReadAt, interchange: Interchange, guides: GuideBook) -> Iterator[str]:
    yield from (finding.text for finding in interchange.findings)
    for told in interchange.acknowledgments:
        if not TA1_FORM.fullmatch("|".join(told)) or told[4] not in NOTES:
            yield f"its TA1 {'*'.join(told)} is not of the form that TA1 has"
    for group in interchange.groups:
        yield from (finding.text for finding in group.findings)
        for reading in read_sets(read, interchange, group, guides, STRICT):
            yield from (f"{reading.set_id}: {finding.text}" for finding in reading.findings if finding.severity == "error")
