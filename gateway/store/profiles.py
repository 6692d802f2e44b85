"""Profile revisions as rows: immutable, numbered from 1 for each partner, one of them live."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.engine import Row

from gateway.clock import Instant
from gateway.store.sql import insert

_LATEST = text("SELECT revision, sha256, state FROM profile_revisions WHERE partner = :partner ORDER BY revision DESC LIMIT 1")
_RETIRE = text("UPDATE profile_revisions SET state = 'retired' WHERE partner = :partner AND state = 'live'")
_PUT = insert("profile_revisions", "partner", "revision", "state", "text", "sha256", "at", "who")
_LIVE = text("SELECT partner, revision, text, at, who FROM profile_revisions WHERE state = 'live' ORDER BY partner")
_ONE = text("SELECT partner, revision, state, text, at, who FROM profile_revisions WHERE partner = :partner ORDER BY revision DESC")
_REVISION = text("SELECT text FROM profile_revisions WHERE partner = :partner AND revision = :revision")


@dataclass(frozen=True, slots=True)
class Applied:
    partner: str
    text: str
    sha256: str
    who: str
    at: Instant


def apply(tx: Connection, items: list[Applied]) -> list[int]:
    """The live revision of each; a text that is live already makes no new one."""
    results = []
    for item in items:
        latest = tx.execute(_LATEST, {"partner": item.partner}).first()
        if latest and latest.sha256 == item.sha256 and latest.state == "live":
            results.append(int(latest.revision))
            continue
        revision = (latest.revision if latest else 0) + 1
        tx.execute(_RETIRE, {"partner": item.partner})
        row = {
            "partner": item.partner,
            "revision": revision,
            "state": "live",
            "text": item.text,
            "sha256": item.sha256,
            "at": item.at,
            "who": item.who,
        }
        tx.execute(_PUT, row)
        results.append(revision)
    return results


def live(connection: Connection) -> list[Row[Any]]:
    return list(connection.execute(_LIVE))


def history(connection: Connection, partner: str) -> list[Row[Any]]:
    return list(connection.execute(_ONE, {"partner": partner}))


def text_of(connection: Connection, partner: str, revision: int) -> str | None:
    return connection.execute(_REVISION, {"partner": partner, "revision": revision}).scalar()
