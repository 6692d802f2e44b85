"""Profile revisions as rows: numbered from 1 for each partner, their text immutable; one of them is live, others are drafts or retired."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, text
from sqlalchemy.engine import Row

from gateway.clock import Instant
from gateway.store.serial import Key, Rows, take_turns, waits_for
from gateway.store.sql import insert

TURN = "profile"
"""One revision of a partner is live, whoever makes which live at the same moment."""

_NUMBER = text("SELECT max(revision) FROM profile_revisions WHERE partner = :partner")
_SAME = text(
    "SELECT revision, state FROM profile_revisions WHERE partner = :partner AND sha256 = :sha256 AND state IN ('live', 'draft') ORDER BY revision DESC"
)
_RETIRE = text("UPDATE profile_revisions SET state = 'retired' WHERE partner = :partner AND state = 'live'")
_MAKE_LIVE = text("UPDATE profile_revisions SET state = 'live', at = :at, who = :who WHERE partner = :partner AND revision = :revision")
_PUT = insert("profile_revisions", "partner", "revision", "state", "text", "sha256", "at", "who")
_LIVE = text("SELECT partner, revision, text, at, who FROM profile_revisions WHERE state = 'live' ORDER BY partner")
_ONE = text("SELECT partner, revision, state, text, at, who FROM profile_revisions WHERE partner = :partner ORDER BY revision DESC")
_REVISION = text("SELECT text FROM profile_revisions WHERE partner = :partner AND revision = :revision")
_STATE = text("SELECT state FROM profile_revisions WHERE partner = :partner AND revision = :revision")


@dataclass(frozen=True, slots=True)
class Applied:
    partner: str
    text: str
    sha256: str
    who: str
    at: Instant
    state: Literal["live", "draft"] = "live"


@dataclass(frozen=True, slots=True)
class MadeLive:
    """A draft that is promoted, or a retired revision that is gone back to."""

    partner: str
    revision: int
    fits: Literal["draft", "retired"]
    """The state that it must be in."""
    who: str
    at: Instant


@waits_for(lambda tx, items: Rows(turns=_turns(items)))
def apply(tx: Connection, items: list[Applied]) -> list[int]:
    """The revision of each. A text that is live already makes no new one, nor does one that is a draft: applied as live, that draft becomes live."""
    take_turns(tx, _turns(items))
    results = []
    for item in items:
        same = {row.state: int(row.revision) for row in tx.execute(_SAME, {"partner": item.partner, "sha256": item.sha256})}
        if "live" in same:
            results.append(same["live"])
            continue
        if "draft" in same:
            if item.state == "live":
                _make_live(tx, item.partner, same["draft"], item.who, item.at)
            results.append(same["draft"])
            continue
        revision = int(tx.execute(_NUMBER, {"partner": item.partner}).scalar() or 0) + 1
        if item.state == "live":
            tx.execute(_RETIRE, {"partner": item.partner})
        row = {
            "partner": item.partner,
            "revision": revision,
            "state": item.state,
            "text": item.text,
            "sha256": item.sha256,
            "at": item.at,
            "who": item.who,
        }
        tx.execute(_PUT, row)
        results.append(revision)
    return results


@waits_for(lambda tx, items: Rows(turns=_turns(items)))
def make_live(tx: Connection, items: list[MadeLive]) -> list[bool]:
    """False where the revision is not in the state that it must be in."""
    take_turns(tx, _turns(items))
    results = []
    for item in items:
        fits = tx.execute(_STATE, {"partner": item.partner, "revision": item.revision}).scalar() == item.fits
        if fits:
            _make_live(tx, item.partner, item.revision, item.who, item.at)
        results.append(fits)
    return results


def _make_live(tx: Connection, partner: str, revision: int, who: str, at: Instant) -> None:
    tx.execute(_RETIRE, {"partner": partner})
    tx.execute(_MAKE_LIVE, {"partner": partner, "revision": revision, "who": who, "at": at})


def live(connection: Connection) -> list[Row[Any]]:
    return list(connection.execute(_LIVE))


def history(connection: Connection, partner: str) -> list[Row[Any]]:
    return list(connection.execute(_ONE, {"partner": partner}))


def text_of(connection: Connection, partner: str, revision: int) -> str | None:
    return connection.execute(_REVISION, {"partner": partner, "revision": revision}).scalar()


def _turns(items: Sequence[Applied | MadeLive]) -> list[Key]:
    return [(TURN, item.partner) for item in items]
