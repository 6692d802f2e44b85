"""The audit log tells on whoever altered it: each way of tampering with one row is found at exactly that row, on both databases; and by the command."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gateway.consumers.records import Noted
from gateway.operations import OPERATIONS
from gateway.store import audit_check
from gateway.store.audit import FIRST, next_hash
from gateway.store.store import Store
from tests.api_running import serving
from tests.standing_running import AT
from tests.test_work_commands import told

CHAIN = "consumer:wms"


def filled(store: Store, chains: list[str]) -> None:
    notes = [Noted(chain, f"{turn:026}", AT + turn * 1000, {"act": "denied", "turn": turn}) for turn in range(9) for chain in chains]
    for waiting in [store.consumers.note(one) for one in notes]:
        waiting.result(20)


def tamper(store: Store, *statements: str, **given: Any) -> None:
    """As the database's owner could: without the triggers."""

    def act(tx: Any, items: list[Any]) -> list[None]:
        names = ("audit_no_update", "audit_no_delete") if store.database.is_sqlite else ("audit_no_change",)
        for name in names:
            tx.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}" if store.database.is_sqlite else f"DROP TRIGGER IF EXISTS {name} ON audit")
        for statement in statements:
            tx.execute(text(statement), given)
        return [None for _ in items]

    store.writer.submit(act, None).result(20)


def verified(store: Store, **given: Any) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    at = None
    while True:
        value = OPERATIONS["audit.verify"](store, given | ({"at": at} if at else {}))
        found += [(fault["chain"], fault["number"]) for fault in value["faults"]]
        at = value["at"]
        if at is None:
            return found


HERE = f"partner = '{CHAIN}' AND number ="
OTHER = '{"number":4,"partner":"consumer:wms","at":"x","call":"y"}'
TAMPERED: dict[str, tuple[list[str], list[int]]] = {
    "a record": ([f"UPDATE audit SET record = replace(record, 'denied', 'read') WHERE {HERE} 4"], [4]),
    "the first": ([f"UPDATE audit SET record = replace(record, 'denied', 'read') WHERE {HERE} 1"], [1]),
    "the last": ([f"UPDATE audit SET record = replace(record, 'denied', 'read') WHERE {HERE} 9"], [9]),
    "a hash": ([f"UPDATE audit SET hash = '{'0' * 64}' WHERE {HERE} 4"], [4]),
    "two": ([f"UPDATE audit SET record = replace(record, 'denied', 'read') WHERE {HERE} 4 OR {HERE} 5"], [4, 5]),
    "no JSON": ([f"UPDATE audit SET record = 'x' WHERE {HERE} 4"], [4]),
    "its time": ([f"UPDATE audit SET at = 5 WHERE {HERE} 4"], [4]),
    "whose it is": ([f"UPDATE audit SET subject = 'z' WHERE {HERE} 4"], [4]),
    "one taken out": ([f"DELETE FROM audit WHERE {HERE} 4"], [4]),
    "the first taken out": ([f"DELETE FROM audit WHERE {HERE} 1"], [1]),
    "the last taken out": ([f"DELETE FROM audit WHERE {HERE} 9"], [9]),
    "several taken out": ([f"DELETE FROM audit WHERE partner = '{CHAIN}' AND number BETWEEN 4 AND 6"], [4, 5, 6]),
    "all taken out": ([f"DELETE FROM audit WHERE partner = '{CHAIN}'"], list(range(1, 10))),
    "one put behind": (
        [f"INSERT INTO audit (partner, number, at, subject, record, hash) VALUES ('{CHAIN}', 10, 5, 'y', :other, 'h')"],
        [10, 10],
    ),
    "the head": ([f"UPDATE audit_heads SET hash = 'h' WHERE partner = '{CHAIN}'"], [9]),
    "the head taken out": ([f"DELETE FROM audit_heads WHERE partner = '{CHAIN}'"], [9]),
    "one moved to another chain": (
        [f"UPDATE audit SET partner = 'consumer:other', number = 10 WHERE {HERE} 9"],
        [9],
    ),
}  # fmt: skip


def test_whoever_alters_a_row_is_told_on_at_that_row(store: Store, monkeypatch: pytest.MonkeyPatch):
    """Each way of tampering in a chain of its own; in the end all of them are found in one walk."""
    monkeypatch.setattr(audit_check, "ROWS", 4)
    chains = {name: f"consumer:{number}" for number, name in enumerate(TAMPERED, start=10)}
    filled(store, ["consumer:other", *chains.values()])
    assert verified(store) == []
    for name, (statements, numbers) in TAMPERED.items():
        own = [statement.replace(CHAIN, chains[name]) for statement in statements]
        tamper(store, *own, **({"other": OTHER} if ":other" in own[0] else {}))
        assert verified(store, chain=chains[name]) == [(chains[name], number) for number in numbers], name
    found = [(chain, number) for chain, number in verified(store) if chain != "consumer:other"]
    assert found == [(chains[name], number) for name in TAMPERED for number in TAMPERED[name][1]]


def test_a_chain_that_was_made_anew_is_told_by_heads_that_were_noted(store: Store):
    filled(store, [CHAIN])
    noted = OPERATIONS["audit.heads"](store, {})
    rows = store.read(lambda tx: tx.execute(text(f"SELECT number, record FROM audit WHERE partner = '{CHAIN}' ORDER BY number")).all()).result(20)
    last, statements = FIRST, []
    for row in rows:
        record = row.record.replace("denied", "read") if row.number == 4 else row.record
        last = next_hash(last, record)
        statements.append(f"UPDATE audit SET record = '{record.replace(':', chr(92) + ':')}', hash = '{last}' WHERE {HERE} {row.number}")
    tamper(store, *statements, f"UPDATE audit_heads SET hash = '{last}' WHERE partner = '{CHAIN}'")
    assert verified(store) == [], "the chain alone cannot tell"
    assert verified(store, noted=noted) == [(CHAIN, 9)]
    store.writer.submit(lambda tx, items: [tx.execute(text(f"DELETE FROM audit WHERE partner = '{CHAIN}'")) and None for _ in items], None).result(20)
    store.writer.submit(
        lambda tx, items: [tx.execute(text(f"DELETE FROM audit_heads WHERE partner = '{CHAIN}'")) and None for _ in items], None
    ).result(20)
    assert verified(store) == []
    assert verified(store, noted=noted) == [(CHAIN, 9)]


def test_a_gap_of_many_is_told_in_few_words():
    told_ = audit_check._missing(CHAIN, 3, 1_000_000)
    assert (len(told_), told_[0].number, told_[-1].number, told_[-1].what) == (101, 3, 103, "it is missing, and all up to 1000000")
    assert [one.number for one in audit_check._missing(CHAIN, 3, 4)] == [3, 4]
    assert audit_check._missing(CHAIN, 3, 2) == []


def test_the_command_names_the_row(tmp_path: Path):
    async def act() -> None:
        async with serving(tmp_path) as api:
            await api.consumer("wms", "events:read")
            for _ in range(3):
                assert (await api.get("/v1/shipments", "wms")).status == 403
            assert "The audit log is whole: " in await told(api.gateway, "audit", "verify")
            heads = tmp_path / "heads.json"
            heads.write_text(await told(api.gateway, "audit", "heads", "--json"))
            assert {one["chain"] for one in json.loads(heads.read_text())} >= {"consumer:wms", "consumer:erp"}
            assert "consumer:wms" in await told(api.gateway, "audit", "heads")
            await told(api.gateway, "audit", "verify", "--against", str(heads))
            shown = await told(api.gateway, "audit", "show", "consumer:wms")
            assert "denied" in shown
            assert "shipments:read" in shown
            assert len(json.loads(await told(api.gateway, "audit", "show", "consumer:wms", "--limit", "1", "--json"))) == 1
            await asyncio.to_thread(
                tamper, api.store, "UPDATE audit SET record = replace(record, 'denied', 'read') WHERE partner = 'consumer:wms' AND number = 2"
            )
            assert "consumer:wms record 2: its record is not the one that was written" in await told(api.gateway, "audit", "verify", status=1)
            assert "no chain is called nobody" in await told(api.gateway, "audit", "verify", "--chain", "nobody", status=1)
            (tmp_path / "none.json").write_text("{}")
            await told(api.gateway, "audit", "verify", "--against", str(tmp_path / "none.json"), status=65)
            await told(api.gateway, "audit", "verify", "--against", str(tmp_path / "gone.json"), status=2)

    asyncio.run(act())
