"""The gateway dies again and again; the ERP's ledger and the partners' outboxes say whether a promise was broken. And the harness notices."""

import asyncio
from pathlib import Path

import pytest

from gateway.failpoints import POINTS
from tests.kill.harness import Run

pytestmark = pytest.mark.timeout(1500)


def run(folder: Path, capsys: pytest.CaptureFixture[str], **terms):
    verdict = asyncio.run(Run(folder, **terms)())
    with capsys.disabled():
        print(f"\n{verdict.table()}")
    return verdict


def test_a_dozen_kills_lose_and_double_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    verdict = run(tmp_path, capsys, seed=1, kills=12)
    assert verdict.delivered > 50
    assert verdict.good, verdict


@pytest.mark.big
def test_two_hundred_kills_at_every_point_lose_and_double_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    verdict = run(tmp_path, capsys, seed=2, kills=200)
    assert sum(verdict.kills.values()) >= 200
    assert not [point for point in POINTS if not verdict.kills[point]], "a point without a kill proves nothing"
    assert verdict.good, verdict


@pytest.mark.big
def test_kills_on_postgresql_lose_and_double_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], postgresql: str):
    verdict = run(tmp_path, capsys, seed=3, kills=20, database=postgresql)
    assert verdict.good, verdict


@pytest.mark.big
def test_the_harness_notices_an_answer_before_the_commit(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    verdict = run(tmp_path, capsys, seed=4, kills=10, sabotage="answer-before-commit", points=("store.before_commit",))
    assert verdict.lost


@pytest.mark.big
def test_the_harness_notices_a_dropped_idempotency_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    verdict = run(tmp_path, capsys, seed=5, kills=10, sabotage="drop-idempotency-key", points=("deliver.sent",))
    assert verdict.doubled
