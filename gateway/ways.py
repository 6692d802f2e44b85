"""How what we write reaches a partner: by which destination, under whose control numbers, under which name.

Knows profiles; knows neither stages nor rows.
"""

from partners.profile import Profile

MEDIA_TYPE = "application/edi-x12"
MEDIA_TYPES = {"x12": MEDIA_TYPE, "csv": "text/csv; charset=utf-8", "xml": "application/xml"}
"""Of what we write, by format."""
AS2 = "as2"
"""The channel, and how destinations begin that go by it."""
SFTP = "sftp"
"""The channel, and how destinations begin that go to a partner's own SFTP server."""
HOOK = "hook"
"""How destinations begin that tell a partner's webhook."""
MAIL = "mail"
"""How destinations begin that write to a partner's people."""
AS2_RECEIPTS = "as2-receipts"
"""How destinations begin that take our asynchronous receipts."""
MOST_SCOPE = 120
MOST_NAME = 200


def destination(profile: Profile) -> str:
    """Where deliveries to the partner go: by AS2 where it has an AS2 address, else to its own SFTP server or address, else to its outbox."""
    if profile.channels.as2 is not None and profile.channels.as2.url:
        return f"{AS2}:{profile.partner}"
    if profile.channels.sftp_push is not None:
        return f"{SFTP}:{profile.partner}"
    return f"{'push' if profile.channels.http.way_back == 'push' else 'outbox'}:{profile.partner}"


def channel_of(destination: str) -> str:
    """By which channel a destination of ours sends."""
    kind = destination.partition(":")[0]
    return kind if kind in (AS2, SFTP) else "http"


def scope(ours: str, theirs: str) -> str:
    """One counter for each pair of ISA identities (qualifier:id), as the control numbers of interchanges want it (X12, ISA13)."""
    return f"interchange {ours} {theirs}"[:MOST_SCOPE]


def content_text(data: bytes) -> str:
    """What we wrote, as text in JSON: UTF-8 where it is that, else a character a byte."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def file_name(*parts: str, ending: str = "edi") -> str:
    """A name for people and for partners that keep files: never a path."""
    text = "-".join(part.replace("/", "-") for part in parts if part)
    return "".join(one if one.isalnum() or one in "-._" else "_" for one in text)[: MOST_NAME - 4] + f".{ending}"
