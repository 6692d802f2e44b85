"""The rows of consumers: made, changed, retired, their tokens; each with its record in the audit log, in the same commit."""

import json
from typing import Any

from sqlalchemy import Connection, text

from gateway.clock import Instant, as_text, new_id
from gateway.consumers.records import MOST_TOKENS, Asking, Change, Consumer, Given, Made, Noted, Retirement, Rotation, chain_of
from gateway.store import audit
from gateway.store.serial import Rows, waits_for
from gateway.store.sql import insert, many

_LISTS = ("scopes", "partners", "types")
_TERMS = (*_LISTS, "stream", "rate", "contract", "audit_reads")
_PUT = insert("consumers", "name", *_TERMS, "position", "created_at", "changed_at", "who", or_nothing=True)
_PUT_TOKEN = insert("consumer_tokens", "sha256", "consumer", "made_at")
_CHANGES = {
    name: text(f"UPDATE consumers SET {name} = :value, changed_at = :at, who = :who WHERE name = :name")  # noqa: S608 - names are ours
    for name in _TERMS
}
_RETIRE = text("UPDATE consumers SET retired_at = :at, changed_at = :at, who = :who WHERE name = :name AND retired_at IS NULL")
_THERE = text("SELECT name FROM consumers WHERE name = :name AND retired_at IS NULL")
_TOKENS_OF = text("SELECT sha256, made_at, until_at FROM consumer_tokens WHERE consumer = :name ORDER BY made_at DESC, sha256")
_END_TOKEN = text("UPDATE consumer_tokens SET until_at = :until WHERE sha256 = :sha256")
_FORGET_TOKEN = text("DELETE FROM consumer_tokens WHERE sha256 = :sha256")
_FORGET_TOKENS = text("DELETE FROM consumer_tokens WHERE consumer = :name")
_ALL = text("SELECT * FROM consumers ORDER BY name")
_ALL_TOKENS = text("SELECT sha256, consumer, made_at, until_at FROM consumer_tokens ORDER BY consumer, made_at")

_QUOTA = "SELECT minute, taken FROM consumer_quotas WHERE consumer = :consumer"
_MAKE_QUOTA = text("INSERT INTO consumer_quotas (consumer, minute, taken) VALUES (:consumer, 0, 0) ON CONFLICT (consumer) DO NOTHING")
_TAKE = text("UPDATE consumer_quotas SET minute = :minute, taken = :taken WHERE consumer = :consumer")


def make(tx: Connection, items: list[Made]) -> list[bool]:
    """New ones; False where the name is there already, also that of a retired one."""
    done = []
    for item in items:
        row = _row(item.consumer) | {"name": item.consumer.name, "position": item.start, "created_at": item.at, "changed_at": item.at}
        made = tx.execute(_PUT, row | {"who": item.who[:80]}).rowcount == 1
        if made and item.token is not None:
            tx.execute(_PUT_TOKEN, {"sha256": item.token, "consumer": item.consumer.name, "made_at": item.at})
        if made:
            _note(tx, item.consumer.name, item.at, item.who, "made", {"terms": _shown(item.consumer), "begins_behind": item.start})
        done.append(made)
    return done


@waits_for(lambda tx, items: Rows(chains=[chain_of(item.name) for item in items]))
def change(tx: Connection, items: list[Change]) -> list[bool]:
    """Other terms; False where no such consumer is live."""
    done = []
    for item in items:
        known = tx.execute(_THERE, {"name": item.name}).first() is not None
        if known:
            before = next(row for row in listed(tx) if row["name"] == item.name)
            for name, value in sorted(item.values.items()):
                given = {"value": _stored(name, value), "at": item.at, "who": item.who[:80], "name": item.name}
                tx.execute(_CHANGES[name], given)
            was = {name: before[name] for name in sorted(item.values)}
            _note(tx, item.name, item.at, item.who, "changed", {"before": was, "after": _plain(item.values), "because": item.because})
        done.append(known)
    return done


@waits_for(lambda tx, items: Rows(chains=[chain_of(item.name) for item in items]))
def rotate(tx: Connection, items: list[Rotation]) -> list[bool]:
    """A new token beside the newest that there is, which gets its end; those before that are gone. False where no such consumer is live."""
    done = []
    for item in items:
        known = tx.execute(_THERE, {"name": item.name}).first() is not None
        if known:
            for number, row in enumerate(tx.execute(_TOKENS_OF, {"name": item.name}).all(), start=1):
                if number < MOST_TOKENS and item.until > item.at:
                    ends = min(item.until, row.until_at) if row.until_at is not None else item.until
                    tx.execute(_END_TOKEN, {"sha256": row.sha256, "until": ends})
                else:
                    tx.execute(_FORGET_TOKEN, {"sha256": row.sha256})
            tx.execute(_PUT_TOKEN, {"sha256": item.token, "consumer": item.name, "made_at": item.at})
            _note(tx, item.name, item.at, item.who, "token made", {"token": item.token[:8], "the_one_before_opens_until": as_text(item.until)})
        done.append(known)
    return done


@waits_for(lambda tx, items: Rows(chains=[chain_of(item.name) for item in items]))
def retire(tx: Connection, items: list[Retirement]) -> list[bool]:
    """It comes in no more. Its row, its cursor and its records stay; its name is not given again. False where no such consumer is live."""
    done = []
    for item in items:
        was_live = tx.execute(_RETIRE, {"name": item.name, "at": item.at, "who": item.who[:80]}).rowcount == 1
        if was_live:
            tx.execute(_FORGET_TOKENS, {"name": item.name})
            _note(tx, item.name, item.at, item.who, "retired", {"because": item.because})
        done.append(was_live)
    return done


def note_restored(tx: Connection, taken: str, at: Instant) -> int:
    """In the chain of each: its tokens, terms and cursor are those of a backup. How many there are."""
    names = [row["name"] for row in listed(tx)]
    for name in names:
        _note(tx, name, at, "crossdock", "restored", {"from": taken})
    return len(names)


@waits_for(lambda tx, items: Rows(chains=[item.chain for item in items]))
def note(tx: Connection, items: list[Noted]) -> list[None]:
    """Records of calls."""
    audit.append(tx, [(item.chain, item.call, item.at, item.what) for item in items], subject_as="call")
    return [None] * len(items)


@waits_for(lambda tx, items: Rows(chains=[chain_of(item.consumer) for item in items]))
def take(tx: Connection, items: list[Asking]) -> list[Given]:
    """Requests of a consumer's minute, as many as are left of what is wanted. The row is locked until the commit: no two nodes are given the same.

    A node whose clock is behind takes from the minute that another one has begun.
    """
    given = []
    lock = "" if tx.dialect.name == "sqlite" else " FOR UPDATE"
    many(tx, _MAKE_QUOTA, [{"consumer": name} for name in sorted({item.consumer for item in items})])
    for item in sorted(enumerate(items), key=lambda one: (one[1].consumer, one[0])):
        number, asking = item
        row = tx.execute(text(_QUOTA + lock), {"consumer": asking.consumer}).one()
        minute = max(row.minute, asking.minute)
        taken = row.taken if minute == row.minute else 0
        now = max(0, min(asking.wanted, asking.rate - taken))
        if now:
            tx.execute(_TAKE, {"consumer": asking.consumer, "minute": minute, "taken": taken + now})
        given.append((number, Given(minute, now, max(0, asking.rate - taken - now))))
    return [one for _, one in sorted(given, key=lambda one: one[0])]


def _row(consumer: Consumer) -> dict[str, Any]:
    return {name: _stored(name, getattr(consumer, name)) for name in _TERMS}


def _stored(name: str, value: Any) -> Any:
    return json.dumps(sorted(value)) if name in _LISTS and value is not None else value


def _shown(consumer: Consumer) -> dict[str, Any]:
    return _plain({name: getattr(consumer, name) for name in _TERMS})


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it."""
    return {name: sorted(value) if isinstance(value, frozenset | tuple) else value for name, value in sorted(values.items())}


def _note(tx: Connection, name: str, at: Instant, who: str, act: str, more: dict[str, Any]) -> None:
    audit.append(tx, [(chain_of(name), new_id(at), at, {"act": f"consumer {act}", "who": who[:80]} | more)], subject_as="call")


# ---- reading


def listed(tx: Connection) -> list[dict[str, Any]]:
    """Every consumer that there is or was, with its terms and cursor."""
    found = []
    for row in tx.execute(_ALL):
        value = dict(row._mapping)
        found.append(value | {name: json.loads(value[name]) if value[name] else None for name in _LISTS})
    return found


def tokens(tx: Connection) -> list[dict[str, Any]]:
    """(sha256, consumer, made_at, until_at) of every token."""
    return [dict(row._mapping) for row in tx.execute(_ALL_TOKENS)]


def live(tx: Connection) -> tuple[dict[str, Consumer], dict[str, tuple[str, Instant | None]]]:
    """(consumers by name; by the SHA-256 of each token whose it is, and until when it opens)."""
    consumers = {row["name"]: consumer_of(row) for row in listed(tx) if row["retired_at"] is None}
    return consumers, {row["sha256"]: (row["consumer"], row["until_at"]) for row in tokens(tx) if row["consumer"] in consumers}


def consumer_of(row: dict[str, Any]) -> Consumer:
    partners, types = (tuple(row[name]) if row[name] is not None else None for name in ("partners", "types"))
    return Consumer(
        row["name"], frozenset(row["scopes"]), partners, types, row["stream"], row["rate"], row["contract"], audit_reads=bool(row["audit_reads"])
    )
