"""What the models of settings and profiles are made of: spans, sizes, names, and one strict base.

Knows no profile.
"""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

SPANS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _span(value: object) -> object:
    if isinstance(value, str) and (match := re.fullmatch(r"(\d{1,9})\s*(ms|[smhd])", value.strip())):
        return timedelta(**{SPANS[match[2]]: int(match[1])})
    if isinstance(value, timedelta):
        return value
    raise ValueError(f"must be a span such as 30s, 15m, 24h or 400d, got {value!r}")


def _span_or_none(value: object) -> object:
    return None if value in (None, "none") else _span(value)


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _size(value: object) -> object:
    if isinstance(value, str) and (match := re.fullmatch(r"(\d{1,12})\s*(|KiB|MiB|GiB)", value.strip())):
        return int(match[1]) * {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}[match[2]]
    if isinstance(value, int):
        return value
    raise ValueError(f"must be a size such as 500 KiB, 100 MiB or 1 GiB, got {value!r}")


def _sha256(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ValueError("must be 64 hexadecimal digits: the SHA-256 of the token; `crossdock partners token` makes both")
    return value


Span = Annotated[timedelta, BeforeValidator(_span)]
SpanOrNone = Annotated[timedelta | None, BeforeValidator(_span_or_none)]
Size = Annotated[int, BeforeValidator(_size)]
Names = Annotated[list[str], BeforeValidator(_one_or_many)]
MAIL_ADDRESS = r"^[^@\s<>\r\n]+@[^@\s<>\r\n]+$"
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Sha256 = Annotated[str, AfterValidator(_sha256)]
