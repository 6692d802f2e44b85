"""What an installation sets for its targets: a model for each kind, all with the quotas that every kind has.

Imports nothing heavy: every command reads the settings. What a kind's target is, is in a file of its own.
"""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from partners.terms import Size, Span


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TargetQuota(Model):
    """What a target takes, of whatever kind: exact over all nodes."""

    kind: str
    rate: float = Field(default=1000, gt=0)
    burst: float = Field(default=1000, ge=1)
    concurrency: int = Field(default=32, ge=1, le=1000)
    daily: int | None = Field(default=None, ge=1, description="events begun in a day of UTC; what exceeds it waits")


class Target(TargetQuota):
    """An ERP API that takes CloudEvents over HTTP."""

    kind: Literal["rest"] = "rest"
    url: str = Field(pattern=r"^https?://")
    repeats: Literal["native_key", "look_up", "unsafe"] = Field(
        default="native_key",
        description="how it avoids doing a thing twice: it honours Idempotency-Key; we look our id up before a repeat; or a person decides",
    )
    look_up_url: str | None = Field(default=None, description="with {id} for the event's id; 200 means it has it, 404 that it has not")
    token: str | None = Field(default=None, description="bearer token; CROSSDOCK_TARGETS__NAME__TOKEN or …_FILE keeps it out of the file")
    timeout: Span = timedelta(seconds=30)
    max_answer: Size = 1 << 20

    @model_validator(mode="after")
    def _look_up_needs_a_url(self) -> "Target":
        if self.repeats == "look_up" and not (self.look_up_url and "{id}" in self.look_up_url):
            raise ValueError("repeats: look_up needs look_up_url with {id} in it, the address that tells whether the ERP has an event")
        return self


class Folder(TargetQuota):
    """A folder that takes each event as a file of its own."""

    kind: Literal["folder"]
    path: Path = Field(description="the folder; made if it is not there")
