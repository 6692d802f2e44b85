"""The migrations arrive at exactly the tables of gateway/store/tables, on both databases, and can be run again."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from gateway.store import breaker
from gateway.store.engine import MIGRATIONS, Database, newest_revision, sqlite_driver
from gateway.store.store import Store
from gateway.store.tables import metadata
from tests.scheduling import claim


def test_migrations_arrive_at_the_tables(store: Store):
    store.database.migrate()
    with store.database.writing.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    assert differences == []


def test_the_newest_revision_is_known_without_reading_migrations(store: Store, monkeypatch):
    """A database that is up to date is opened without Alembic; one at another revision, newer ones too, is for Alembic to judge."""
    assert newest_revision() == ScriptDirectory(MIGRATIONS).get_current_head()
    asked: list[str] = []
    monkeypatch.setattr(command, "upgrade", lambda config, revision: asked.append(revision))
    store.database.migrate()
    assert asked == []
    for other in ("0011_consumers", "9999_later"):
        with store.database.writing.connect() as connection, connection.begin():
            connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{other}'")
        store.database.migrate()
    assert asked == ["head", "head"]


def test_a_new_database_has_no_rows(store: Store):
    """So that a backup can be read into it."""
    rows = store.read(lambda tx: [table.name for table in metadata.sorted_tables if tx.execute(table.select().limit(1)).first() is not None]).result(
        20
    )
    assert rows == []


def test_what_waited_before_scheduling_goes_on(empty_url: str, tmp_path: Path):
    """From 0005: a parked destination is open, receipts have their class, and due lanes are claimed."""
    database = Database(empty_url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.writing.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0005_sftp")
        for statement in (
            "INSERT INTO destinations (id, parked_until, failures, reason) VALUES ('target:erp', 99, 7, 'answered 401')",
            "INSERT INTO throttles (id, tokens, at) VALUES ('partner:p', 1.5, 7)",
            "INSERT INTO payloads (id, partner, size, sha256, data) VALUES ('x', 'p', 1, 'y', NULL)",
        ):
            connection.exec_driver_sql(statement)
        for lane, head, destination in (("l1", "e1", "target:erp"), ("l2", "997:m.1.1", "outbox:p")):
            connection.exec_driver_sql(
                f"INSERT INTO lanes (id, destination, partner, subject, head, next_due) VALUES ('{lane}', '{destination}', 'p', 's', '{head}', 5)"
            )
            connection.exec_driver_sql(
                "INSERT INTO deliveries (id, lane, position, partner, destination, kind, state, message, payload, attributes, on_dead, created_at, next_due)"
                f" VALUES ('{head}', '{lane}', 1, 'p', '{destination}', 'event', 'due', 'm', 'x', '{{}}', 'pass', 5, 5)"
            )
    database.close()
    store = Store(empty_url, tmp_path / "payloads")
    health = store.read(lambda tx: breaker.health_of(tx, "target:erp")).result(20)
    assert (health.state, health.parked_until, health.reason, health.failures) == ("open", 99, "answered 401", 0)
    assert claim(store, 98).deliveries == []
    assert [one.id for one in claim(store, 100).deliveries] == ["e1"], "its probe"
    assert [one.tried_from for one in claim(store, 100, destination="outbox:p").deliveries] == [5]
    priorities = store.read(lambda tx: tx.exec_driver_sql("SELECT id, priority FROM lanes ORDER BY id").all()).result(20)
    assert [tuple(row) for row in priorities] == [("l1", 1), ("l2", 2)]
    store.close()


def test_sqlite_is_new_enough_or_reads_go_through_the_writer(tmp_path, monkeypatch):
    safe = Database(f"sqlite:///{tmp_path / 'a.db'}")
    assert safe.reads_beside_writer == (sqlite_driver().sqlite_version_info >= (3, 51, 3))
    monkeypatch.setattr("gateway.store.engine.SQLITE_SAFE", (99, 0, 0))
    old = Store(f"sqlite:///{tmp_path / 'b.db'}", tmp_path / "payloads")
    assert not old.database.reads_beside_writer
    assert "can corrupt" in old.database.notes[0]
    assert old.database.reading is old.database.writing
    assert old.read(lambda tx: tx.exec_driver_sql("SELECT 7").scalar_one()).result(10) == 7
    old.close()


def test_sqlite_is_set_to_keep_what_it_commits(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'a.db'}", tmp_path / "payloads")

    def pragmas(tx, items):
        return [{name: tx.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("journal_mode", "synchronous", "mmap_size")} for _ in items]

    assert store.writer.submit(pragmas, None).result(10) == {"journal_mode": "wal", "synchronous": 2, "mmap_size": 0}
    store.close()
