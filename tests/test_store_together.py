"""Many rows as one statement: PostgreSQL ends as it does when they go one after another."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sqlalchemy import Connection, create_engine, text

from gateway.store.lanes import NEXT_HEAD_UNLESS_HELD, PUT_LANE
from gateway.store.payload_rows import PUT_PAYLOAD
from gateway.store.quotas import _PUT as PUT_BUCKET
from gateway.store.sql import many
from gateway.store.together import one_statement
from tests.databases import migrated_database

LANE = some.fixed_dictionaries(
    {
        "id": some.sampled_from("abcdef"), "destination": some.sampled_from(["target:erp", "outbox:50%"]), "partner": some.just("northway"),
        "subject": some.text(some.characters(codec="utf-8", exclude_characters="\0"), max_size=20), "head": some.none() | some.sampled_from("xy"),
        "next_due": some.none() | some.integers(0, 2**60), "priority": some.integers(0, 3),
    }
)  # fmt: skip
PAYLOAD = some.fixed_dictionaries(
    {
        "id": some.sampled_from("abcdef"), "partner": some.just("northway"), "size": some.integers(0, 9), "sha256": some.text("abc\\\"{},", max_size=9),
        "data": some.none() | some.binary(max_size=40), "location": some.none() | some.text("abc", max_size=3),
    }
)  # fmt: skip
BUCKET = some.fixed_dictionaries(
    {
        "id": some.sampled_from("abcdef"), "tokens": some.floats(0, 9) | some.integers(0, 9), "at": some.integers(0, 2**50), "day": some.integers(0, 9),
        "used": some.integers(0, 9), "claimed": some.integers(0, 9), "per_second": some.none() | some.integers(0, 9) | some.floats(0, 9),
        "daily": some.none() | some.integers(0, 9),
    }
)  # fmt: skip
HELD = some.fixed_dictionaries({"lane": some.sampled_from("abcdef"), "at": some.integers(0, 9)})
TABLES = {
    "lanes": (PUT_LANE, LANE),
    "payloads": (PUT_PAYLOAD, PAYLOAD),
    "throttles": (PUT_BUCKET, BUCKET),
    "deliveries": (NEXT_HEAD_UNLESS_HELD, HELD),
}
BEFORE = (
    "INSERT INTO lanes (id, destination, partner, subject, next_due, lease_until, priority) SELECT n, 'target:erp', 'p', n, 5, 4, 1 FROM unnest(ARRAY['a', 'c', 'e']) n",
    "INSERT INTO throttles (id, tokens, at, day, used, claimed) SELECT n, 1, 1, 1, 1, 1 FROM unnest(ARRAY['a', 'b', 'c', 'd']) n",
    "INSERT INTO deliveries (id, lane, position, partner, destination, kind, state, message, payload, attributes, on_dead, created_at, next_due)"
    " SELECT 'd' || n, n, 1, 'p', 'target:erp', 'event', 'due', 'm', 'p', '{}', 'pass', 1, 7 FROM unnest(ARRAY['a', 'b', 'c', 'd']) n",
)


@pytest.mark.parametrize("table", TABLES)
def test_rows_that_go_together_leave_what_rows_one_by_one_leave(postgresql: str, table: str):
    engine = create_engine(migrated_database(postgresql).replace("postgresql://", "postgresql+psycopg://"))
    statement, strategy = TABLES[table]
    together = 0

    def left(tx: Connection, rows: list[dict[str, Any]], *, at_once: bool) -> list[Any]:
        with tx.begin_nested() as place:
            for before in BEFORE:
                tx.exec_driver_sql(before)
            for part in [rows] if at_once else [[row] for row in rows]:
                many(tx, statement, part)
            found = [tx.execute(text(f"SELECT * FROM {name} ORDER BY id")).all() for name in ("lanes", "payloads", "throttles", "deliveries")]
            place.rollback()
        return found

    with engine.connect() as tx:

        @settings(max_examples=60, deadline=None)
        @given(some.lists(strategy, min_size=2, max_size=4))
        def law(rows: list[dict[str, Any]]) -> None:
            nonlocal together
            together += one_statement(statement.text, rows) is not None
            assert left(tx, rows, at_once=True) == left(tx, rows, at_once=False)

        law()
    engine.dispose()
    assert together > 5, "else nothing went together"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE lanes SET blocked = false RETURNING id",
        "UPDATE lanes SET node = :node",
        "UPDATE lanes SET node = :node WHERE id IN (SELECT lane FROM deliveries WHERE id = :id)",
        "INSERT INTO lanes (id, destination) SELECT :id, :destination",
        "INSERT INTO lanes (id, priority) VALUES (:id, 2)",
        "INSERT INTO chores (name, next_due) VALUES (:name, :due) ON CONFLICT (name) DO UPDATE SET next_due = :due",
        "DELETE FROM lanes WHERE id = :id",
        "INSERT INTO strangers (id) VALUES (:id)",
    ],
)
def test_what_is_not_understood_goes_row_by_row(statement: str):
    rows = [{"id": str(number), "node": "n", "name": str(number), "due": 1, "destination": "d"} for number in range(2)]
    assert one_statement(statement, rows) is None


def test_two_rows_for_one_row_of_the_table_go_one_after_the_other():
    statement = "UPDATE lanes SET next_due = :due WHERE id = :id AND lease_until < :due"
    rows = [{"id": "a", "due": 1}, {"id": "b", "due": 1}]
    assert one_statement(statement, rows) is not None
    assert one_statement(statement, [*rows, {"id": "a", "due": 2}]) is None
    assert one_statement(statement, [{"id": "a", "due": None}, {"id": "b", "due": None}]) is not None, "a column tells its type"
    assert one_statement("UPDATE lanes SET fence = fence + :more WHERE id = :id", [{"id": "a", "more": None}, {"id": "b", "more": None}]) is None
