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
    (re.compile(rb"\s*ISA"), "its ISA cannot be read: sixteen elements with one separator, then a terminator and GS, are due"),
)


def unreadable(head: bytes, size: int) -> str:
    """Why no interchange was found, for a person; `head` is the first bytes of the message."""
    if size == 0:
        return "the message is empty"
    looks = next((text for pattern, text in LOOKS if pattern.match(head)), "it does not look like X12; an interchange begins with ISA")
    return f"no interchange was found: {looks}"
