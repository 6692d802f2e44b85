"""Consumers: their tokens are kept as hashes, two open at a time, every change is in the audit log; people add and retire them by commands."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gateway.consumers import people
from gateway.consumers.records import Asking, chain_of
from gateway.errors import Refused
from gateway.operations import OPERATIONS
from gateway.store import consumers as rows
from gateway.store.store import Store
from tests.databases import empty_database
from tests.running import ROOT
from tests.standing_running import AT


def rows_of(store: Store, query: str) -> list[dict[str, Any]]:
    return store.read(lambda tx: [dict(row._mapping) for row in tx.execute(text(query))]).result(20)


def add(store: Store, name: str = "wms", **given: Any) -> dict[str, Any]:
    return OPERATIONS["consumers.add"](store, {"name": name, "scopes": ["events:read"], "who": "anna"} | given)


def records(store: Store, name: str = "wms") -> list[dict[str, Any]]:
    found = rows_of(store, f"SELECT record FROM audit WHERE partner = '{chain_of(name)}' ORDER BY number")
    return [json.loads(row["record"]) for row in found]


def opening(store: Store) -> set[str]:
    return set(store.read(rows.live).result(20)[1])


def test_a_token_is_told_once_and_kept_as_its_hash(store: Store):
    made = add(store)
    token = made.pop("token")
    assert len(token) >= 43, "256 bits"
    digest = hashlib.sha256(token.encode()).hexdigest()
    assert opening(store) == {digest}
    everything = [made, OPERATIONS["consumers"](store, {}), OPERATIONS["consumers.show"](store, {"name": "wms"})]
    everything += [rows_of(store, f"SELECT * FROM {table}") for table in ("consumers", "consumer_tokens", "audit")]
    told = json.dumps(everything, default=str)
    assert token not in told
    assert made["tokens"][0]["begins_with_sha256"] == digest[:8]
    (first,) = records(store)
    assert (first["act"], first["who"], first["terms"]["scopes"]) == ("consumer made", "anna", ["events:read"])


def test_two_tokens_open_while_one_takes_the_others_place(store: Store):
    tokens = [add(store)["token"]]
    for _ in range(3):
        tokens.append(OPERATIONS["consumers.rotate"](store, {"name": "wms", "keep": "1h"})["token"])
        digests = {hashlib.sha256(one.encode()).hexdigest() for one in tokens[-2:]}
        assert opening(store) == digests
    ends = rows_of(store, "SELECT until_at FROM consumer_tokens ORDER BY made_at")
    assert [row["until_at"] is None for row in ends] == [False, True]
    OPERATIONS["consumers.rotate"](store, {"name": "wms", "keep": "0s"})
    assert len(opening(store)) == 1, "what leaked opens nothing from now on"


def test_a_retired_consumer_is_out_and_its_name_is_not_given_again(store: Store):
    add(store)
    with pytest.raises(Refused, match="needs a reason"):
        OPERATIONS["consumers.retire"](store, {"name": "wms"})
    assert OPERATIONS["consumers.retire"](store, {"name": "wms", "because": "ticket 9"})["state"] == "retired"
    assert opening(store) == set()
    assert OPERATIONS["consumers"](store, {}) == []
    assert [one["name"] for one in OPERATIONS["consumers"](store, {"all": True})] == ["wms"]
    for operation, given in (
        ("add", {"scopes": ["events:read"]}),
        ("rotate", {}),
        ("retire", {"because": "x"}),
        ("change", {"because": "x", "rate": 5}),
    ):
        with pytest.raises(Refused):
            OPERATIONS[f"consumers.{operation}"](store, {"name": "wms"} | given)
    assert [one["act"] for one in records(store)] == ["consumer made", "consumer retired"]


def test_terms_change_for_a_reason_that_is_kept(store: Store):
    add(store)
    with pytest.raises(Refused, match="needs a reason"):
        OPERATIONS["consumers.change"](store, {"name": "wms", "rate": 5})
    with pytest.raises(Refused, match="say what"):
        OPERATIONS["consumers.change"](store, {"name": "wms", "because": "x"})
    given = {"name": "wms", "because": "ticket 9", "rate": 5, "stream": "both", "types": ["shipment.status"], "audit_reads": True}
    changed = OPERATIONS["consumers.change"](store, given)
    assert (changed["rate"], changed["stream"], changed["types"], changed["scopes"]) == (
        5,
        None,
        ["org.crossdock.shipment.status.v1"],
        ["events:read"],
    )
    change = records(store)[-1]
    assert (change["because"], change["before"]["rate"], change["after"]["rate"]) == ("ticket 9", people.RATE, 5)


WRONG = {
    "no scope": ({"scopes": []}, "can do nothing"),
    "unknown scope": ({"scopes": ["everything"]}, "no scope is called everything"),
    "a name": ({"name": "WMS 1"}, "is no name"),
    "the built-in's name": ({"name": "erp"}, "stands in the settings"),
    "unknown partner": ({"partners": ["acme"]}, "no partner is called acme"),
    "unknown type": ({"types": ["order.made"]}, "no type of event"),
    "unknown contract": ({"contract": "9"}, "no version of the contract"),
    "a stream": ({"stream": "trial"}, "production, test or both"),
    "a rate": ({"rate": -1}, "requests a minute"),
    "a time": ({"from": "yesterday"}, "no time"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_refused_with_the_mend(tmp_path: Path, name: str):
    store = Store(f"sqlite:///{tmp_path / 'a.db'}", tmp_path / "payloads")
    given, words = WRONG[name]
    with pytest.raises(Refused, match=words):
        add(store, **({"name": "wms"} | given))
    store.close()


def test_a_minute_is_given_out_once_over_all_nodes(postgresql: str, tmp_path: Path):
    """Two nodes on one PostgreSQL ask at once: what both were given is never more than the rate."""
    url = empty_database(postgresql)
    nodes = [Store(url, tmp_path / name) for name in ("a", "b")]
    asked = [nodes[number % 2].consumers.take(Asking("wms", 100, 7, 3)) for number in range(80)]
    given = [one.result(20) for one in asked]
    assert sum(one.number for one in given) == 100
    assert {one.number for one in given[-10:]} <= {0, 1, 3}
    assert nodes[0].consumers.take(Asking("wms", 100, 6, 3)).result(20).number == 0, "a clock that is behind opens no minute anew"
    assert nodes[1].consumers.take(Asking("wms", 100, 8, 3)).result(20).number == 3
    for node in nodes:
        node.close()


def test_the_migration_brings_what_was_told_before_into_the_feed(empty_url: str, tmp_path: Path):
    from alembic import command
    from alembic.config import Config

    from gateway.store.engine import MIGRATIONS, Database

    database = Database(empty_url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.writing.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0010_answers")
        for name, at in (("b-r1", 5), ("a-r1", 7)):
            connection.exec_driver_sql(
                "INSERT INTO events (id, identity, revision, partner, stream, document, message, type, subject, time, correlation, payload, at)"
                f" VALUES ('{name}', 'x', 1, 'p', 'production', 'd', 'm', 't', 's', '', '', 'x', {at})"
            )
    database.close()
    store = Store(empty_url, tmp_path / "payloads")
    assert store.consumers.place(AT).result(20) == 2
    assert [row["event"] for row in rows_of(store, "SELECT event FROM feed ORDER BY position")] == ["b-r1", "a-r1"]
    assert add(store, "one")["behind"] == 0
    assert add(store, "two", **{"from": "start"})["behind"] == 2
    assert add(store, "three", **{"from": "2100-01-01"})["behind"] == 0
    store.close()


@pytest.mark.parametrize("act", ["UPDATE audit SET record = '{}'", "DELETE FROM audit"])
def test_no_statement_alters_the_audit_log(store: Store, act: str):
    add(store)
    with pytest.raises(Exception, match="append-only"):
        store.writer.submit(lambda tx, items: [tx.exec_driver_sql(act) for _ in items], None).result(20)
    assert len(records(store)) == 1


def test_shipped_words_name_every_scope():
    text_ = (ROOT / "docs" / "reference" / "erp-api.md").read_text(encoding="utf-8")
    from gateway.consumers.records import SCOPES

    assert not [scope for scope in SCOPES if f"| `{scope}` |" not in text_]
