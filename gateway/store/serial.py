"""One after another over all nodes: what must first look and then write, and must not be between another node's looking and writing.

And the rows that a transaction will wait for, taken before anything else of it, in one order: two nodes that had some each, and waited for more, would wait for each other.
On SQLite one process writes, one transaction at a time: nothing is to be done.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, TextClause, text

from gateway.store.sql import rows_of

Verb = TypeVar("Verb", bound=Callable[..., Any])
Key = tuple[str, str]
DOCUMENTS, RELEASES = "translate", "release"
"""Scopes of turns: whoever decides what a partner's documents say, or takes its control numbers; and whoever releases documents to it, which takes both."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that a verb waits for where another node has them. Tables are taken in this order, and in each the keys in theirs."""

    incoming: Collection[Key] = ()
    """(partner, channel): where messages wait to be translated. Made where they are not there: a partner's first message."""
    turns: Collection[Key] = ()
    """(scope, partner). Made where they are not there."""
    lanes: Collection[str] = ()
    """Of deliveries."""
    destinations: Collection[str] = ()
    chains: Collection[str] = ()
    """Of the audit log."""


RowsOf = Callable[[Connection, list[Any]], Rows]


class _Waits(NamedTuple):
    rows_of: RowsOf
    in_order: bool


def waits_for(rows_of: RowsOf, *, in_order: bool = False) -> Callable[[Verb], Verb]:
    """Marks a verb that waits for these rows where another node has them: `lock_first` takes them before anything else of the transaction.

    Where it takes them `in_order` itself, before it takes anything else, and is alone in the transaction, that is spared.
    """

    def mark(verb: Verb) -> Verb:
        verb.waits = _Waits(rows_of, in_order)  # type: ignore[attr-defined]
        return verb

    return mark


def lock_first(tx: Connection, runs: list[tuple[Callable[..., Any], list[Any]]], *, may_spare: bool = True) -> None:
    """Takes what these verbs, with their items, will wait for.

    A claim waits for nobody, but it keeps what it takes; so it comes after this, too.
    """
    if tx.dialect.name == "sqlite":
        return
    tx.info[_HELD] = set()
    marked: list[tuple[_Waits, list[Any]]] = [(verb.waits, items) for verb, items in runs if hasattr(verb, "waits")]
    if may_spare and len(runs) == 1 and all(waits.in_order for waits, _ in marked):
        return
    wanted = [waits.rows_of(tx, items) for waits, items in marked]
    _lock(tx, _INCOMING, {key for rows in wanted for key in rows.incoming})
    turns = {key for rows in wanted for key in rows.turns}
    take_turns(tx, turns)
    tx.info[_HELD] = turns
    for table, keys in (
        (_LANES, {key for rows in wanted for key in rows.lanes}),
        (_DESTINATIONS, {key for rows in wanted for key in rows.destinations}),
        (_CHAINS, {key for rows in wanted for key in rows.chains}),
    ):
        _lock(tx, table, {(key,) for key in keys})


def take_turns(tx: Connection, turns: Iterable[Key]) -> None:
    """Waits until no other transaction has one of these turns (scope, partner), and keeps them until its own COMMIT."""
    if tx.dialect.name != "sqlite":
        _lock(tx, _TURNS, {(partner, f"turn: {scope}") for scope, partner in set(turns) - tx.info.get(_HELD, set())})


def take_rows(tx: Connection, table: str, ids: Iterable[str]) -> None:
    """Rows of a table whose key is `id`, before they are changed in whatever order the database finds fit."""
    if tx.dialect.name != "sqlite":
        _lock(tx, _Table(table, ("id",)), {(one,) for one in ids})


_HELD = "turns that this transaction has"
"""Under this in a connection's `info`, set anew by each transaction of the writer; what is taken within a savepoint may be given back and is not noted."""


class _Table(NamedTuple):
    name: str
    key: tuple[str, ...]
    is_made: bool = False
    """Whether rows that are not there are made."""
    column: str = ""
    """What a new row must have beside its key; `value`, as SQL."""
    value: str = ""


_INCOMING = _Table("translate_lanes", ("partner", "channel"), is_made=True)
_TURNS = _Table("counters", ("partner", "scope"), is_made=True, column="value", value="0")
_LANES, _DESTINATIONS, _CHAINS = _Table("lanes", ("id",)), _Table("destinations", ("id",)), _Table("audit_heads", ("partner",))
_statements: dict[_Table, tuple[TextClause, TextClause]] = {}


def _lock(tx: Connection, table: _Table, keys: Collection[tuple[str, ...]]) -> None:
    """In the order of their keys as we sort them, which is that of bytes: the database's own, by its language, may be another."""
    if not keys:
        return
    wanted = sorted(keys)
    lock, make = _statements.get(table) or _statements.setdefault(table, _made(table))
    values = {name: [key[place] for key in wanted] for place, name in enumerate(table.key)}
    if len(rows_of(tx, lock, values)) < len(wanted) and table.is_made:
        tx.execute(make, values)
        rows_of(tx, lock, values)


def _made(table: _Table) -> tuple[TextClause, TextClause]:
    """(takes rows, makes them)."""
    arrays = ", ".join(f"CAST(:{name} AS VARCHAR[])" for name in table.key)
    names, same = ", ".join(table.key), " AND ".join(f"t.{name} = w.{name}" for name in table.key)
    columns, values = (", ".join(filter(None, (first, more))) for first, more in ((names, table.column), ("w.*", table.value)))
    lock = f"SELECT 1 FROM unnest({arrays}) WITH ORDINALITY AS w ({names}, place) JOIN {table.name} t ON {same} ORDER BY w.place FOR UPDATE OF t"  # noqa: S608 - names are ours
    make = (
        f"INSERT INTO {table.name} ({columns})"  # noqa: S608 - names are ours
        f" SELECT {values} FROM unnest({arrays}) AS w ON CONFLICT ({names}) DO NOTHING"
    )
    return text(lock), text(make)
