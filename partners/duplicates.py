"""What happens to what came before: a partner's terms for each layer at which a thing can be known again.

Knows no other term of a profile but where channels have their windows.
"""

from datetime import timedelta
from typing import Any, Literal

from pydantic import Field

from partners.terms import Model, Span


class RepeatedBytes(Model):
    """The transport's layer: a message that was sent twice. It is answered as the first was, and kept once."""

    window: Span | None = Field(
        default=None, description="identical bytes without a key within it are the same message, by every channel that names no duplicate_window"
    )


class RepeatedInterchange(Model):
    """The envelope's layer: a control number (ISA13) that was used before."""

    within: Span = Field(default=timedelta(days=90), ge=timedelta(days=1), description="partners use their numbers again")
    same: Literal["answer", "hold"] = Field(default="answer", description="with the same bytes: the stored answers again, or a person decides")
    changed: Literal["reject", "hold"] = Field(default="reject", description="with other bytes: TA1 025, or a person decides")


class RepeatedMeaning(Model):
    """The business key's layer: a document about something that was told before."""

    within: Span = Field(default=timedelta(days=400), ge=timedelta(days=1), description="past it an equal key is another thing")
    changed: Literal["hold", "revise"] = Field(
        default="hold",
        description="another meaning under an original purpose: a person decides, or it is the next revision; on_conflict says otherwise",
    )


class Duplicates(Model):
    """What happens to what came before, layer by layer."""

    transport: RepeatedBytes = RepeatedBytes()
    interchange: RepeatedInterchange = RepeatedInterchange()
    meaning: RepeatedMeaning = RepeatedMeaning()


def with_one_window(value: Any) -> Any:
    """A profile as it was written, with `duplicates.transport.window` for every channel that has no window of its own.

    What is no mapping where one should be is left as it is, for its own complaint.
    """
    window = value
    for name in ("duplicates", "transport", "window"):
        window = window.get(name) if isinstance(window, dict) else None
    channels = value.get("channels", {}) if isinstance(value, dict) else None
    if window is None or not isinstance(channels, dict):
        return value
    told: dict[str, Any] = {"http": {}} | channels
    for name in ("http", "sftp"):
        if name in told:
            told[name] = _with(window, told[name])
    if isinstance(told.get("sftp_poll"), list):
        told["sftp_poll"] = [_with(window, one) for one in told["sftp_poll"]]
    return value | {"channels": told}


def _with(window: Any, channel: Any) -> Any:
    return {"duplicate_window": window} | channel if isinstance(channel, dict) else channel
