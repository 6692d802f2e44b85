"""Says what a message without an interchange looks like, and what its sender should do.

Knows nothing of how any of these formats is read.
"""

import re

LOOKS = (
    (re.compile(rb"\xc9\xe2\xc1"), "this is EBCDIC; have the sender transfer it as text, so that it arrives in ASCII"),
    (re.compile(rb"\xff\xfe|\xfe\xff|I\x00S\x00A|\x00I\x00S\x00A"), "this is UTF-16; have the sender write ASCII or UTF-8"),
    (re.compile(rb"UN[AB]"), "this is EDIFACT, not X12"),
    (re.compile(rb"(\xef\xbb\xbf)?\s*<"), "this is XML, not X12"),
    (re.compile(rb"(\xef\xbb\xbf)?\s*[{\[]"), "this is JSON, not X12"),
    (re.compile(rb"PK\x03\x04|\x1f\x8b"), "this is a compressed file; unpack it first"),
    (re.compile(rb"%PDF"), "this is a PDF, not X12"),
    (re.compile(rb"\s*(GS|ST)[^A-Za-z0-9]"), "it begins with a group or set; have the sender put the interchange's ISA and IEA around it"),
    (re.compile(rb"\s*(isa|gs|st)[^A-Za-z0-9]"), "its segment ids are in small letters; X12 writes them in capitals"),
    (re.compile(rb"(\xef\xbb\xbf)?\s*ISA[A-Za-z0-9 ]"), "the byte after ISA separates the elements; it must be one that no data holds, such as *"),
)

HEADER = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?P<header>ISA(?P<separator>[^A-Za-z0-9 ]).*?)(?:[^A-Za-z0-9]?\s*GS(?P=separator)|[\r\n~]|$)", re.DOTALL)


def unreadable(head: bytes, size: int) -> str:
    """Why no interchange was found, for a person; `head` is the first bytes of the message."""
    if size == 0:
        return "the message is empty"
    looks = next((text for pattern, text in LOOKS if pattern.match(head)), None) or _counted(head)
    return f"no interchange was found: {looks or 'it does not look like X12; an interchange begins with ISA'}"


def _counted(head: bytes) -> str | None:
    """What is wrong with an ISA, by its number of elements."""
    found = HEADER.match(head)
    if found is None:
        return None
    elements = found["header"].count(found["separator"])
    due = "sixteen elements, each after the same separator, then a terminator and GS, are due"
    return (
        f"its ISA has {elements} element{'' if elements == 1 else 's'}; {due}"
        if elements != 16
        else f"its ISA cannot be told from what follows; {due}"
    )
