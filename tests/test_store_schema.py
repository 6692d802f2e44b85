"""The migrations arrive at exactly the tables of tables.py, on both databases, and can be run again."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from gateway.store.engine import Database, sqlite_driver
from gateway.store.store import Store
from gateway.store.tables import metadata


def test_migrations_arrive_at_the_tables(store: Store):
    store.database.migrate()
    with store.database.writing.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    assert differences == []


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
