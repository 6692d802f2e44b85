"""What an ERP may ask to be sent: an event for a partner, as a plain object or as a CloudEvent. Read strictly, refused in words.

Knows neither profiles nor the store.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from gateway.errors import Refused
from gateway.texts import check_json
from translators.events.families import FAMILIES

PLAIN = {"partner": str, "type": str, "set": str, "stream": str, "data": dict}
REQUIRED = ("partner", "type", "data")
CLOUD = ("specversion", "id", "source", "type", "data")
"""Attributes that a CloudEvent must have here (CloudEvents 1.0, JSON event format)."""
STREAMS = ("production", "test")
TYPES = {family.type: name for name, family in FAMILIES.items()} | {name: name for name in FAMILIES}
"""A family by its name or by its whole CloudEvents type."""
MOST_KEY = 200
"""Characters of a key; a longer one is kept as its hash."""


@dataclass(frozen=True, slots=True)
class ReleaseRequest:
    """One event that a partner shall get as a document."""

    partner: str
    family: str
    """Such as "fulfilment.requested"."""
    set_id: str | None
    """Which set, where more than one is agreed for the family."""
    stream: str
    data: dict[str, Any]
    key: str | None
    """What a CloudEvent is known by (source and id), in place of an Idempotency-Key."""

    def keys(self, given: str | None, owner: str | None) -> tuple[str | None, str | None]:
        """(the key that a consumer's request is kept under, the one that it was kept under before there were keys of CloudEvents for each consumer).

        `given` is its Idempotency-Key, `owner` the consumer; None for the one of the settings, whose keys are as they come.
        """
        key, before = given, None
        if key is None and self.key is not None:
            key = self.key if len(self.key) <= MOST_KEY else f"sha256:{hashlib.sha256(self.key.encode()).hexdigest()}"
            before = self.key[:MOST_KEY]
        if key is not None and owner is not None:
            key = f"{owner}:{key}"
        return key, before if before != key else None


def read_request(body: bytes) -> ReleaseRequest:
    """Raises Refused (400, 422) that names the field and the mend."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "bad-request", f"the body is no JSON: {type(error).__name__}: {str(error)[:200]}") from None
    check_json(value, body)
    if not isinstance(value, dict):
        raise Refused(400, "bad-request", "the body must be a JSON object with partner, type and data")
    cloud = "specversion" in value
    for name in CLOUD if cloud else REQUIRED:
        if name not in value:
            raise Refused(400, "bad-request", f"{name} is missing")
    if cloud and value["specversion"] != "1.0":
        raise Refused(400, "bad-request", f"specversion is {value['specversion']!r}; 1.0 is taken")
    for name in ("id", "source") if cloud else ():
        if not isinstance(value[name], str) or not value[name]:
            raise Refused(400, "bad-request", f"{name} must be text that is not empty")
    if "partner" not in value:
        raise Refused(400, "bad-request", "partner is missing: the extension attribute that names who shall get it")
    known = {name: value[name] for name in PLAIN if name in value}
    if not cloud and (unknown := sorted(value.keys() - PLAIN.keys())):
        raise Refused(400, "bad-request", f"{unknown[0]} is not known; there are: {', '.join(PLAIN)}")
    for name, given in known.items():
        if not isinstance(given, PLAIN[name]):
            raise Refused(400, "bad-request", f"{name} must be {'an object' if PLAIN[name] is dict else 'text'}")
    return _checked(known, f"{value['source']} {value['id']}" if cloud else None)


def _checked(value: dict[str, Any], key: str | None) -> ReleaseRequest:
    family = TYPES.get(value["type"])
    if family is None:
        raise Refused(422, "not-agreed", f"no event is called {value['type'][:80]}; there are: {', '.join(sorted(FAMILIES))}")
    stream = value.get("stream", "production")
    if stream not in STREAMS:
        raise Refused(400, "bad-request", f"stream is {stream[:40]!r}; it is production or test")
    return ReleaseRequest(value["partner"], family, value.get("set"), stream, value["data"], key)
