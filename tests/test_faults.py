"""Every promise in the short form of CI, and every sabotage: a trial that could not fail would prove nothing. One by one, and in the long form: `make faults`, `FULL=1`."""

from pathlib import Path
from typing import Any

import pytest

from tests.faults.__main__ import tried
from tests.faults.promise import CannotBeTried
from tests.faults.promises import PROMISES

pytestmark = [pytest.mark.big, pytest.mark.timeout(1500)]
KILLS = {"P1"}
NODES = {"P5", "P10", "P11", "P12", "P14", "P15", "P16", "P18"}
"""They run in the other parts of `make test-all`."""


def of_its_part(name: str, *more: str) -> Any:
    marks = [pytest.mark.kills] * (name in KILLS) + [pytest.mark.nodes] * (name in NODES)
    return pytest.param(name, *more, marks=marks, id="-".join((name, *more)))


SABOTAGES = [of_its_part(name, sabotage) for name, promise in PROMISES.items() for sabotage in promise.sabotages]


@pytest.mark.parametrize("name", [of_its_part(name) for name in PROMISES])
def test_the_promise_holds(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest):
    try:
        proof = tried(PROMISES[name], tmp_path, lambda: str(request.getfixturevalue("postgresql")), seed=1)
    except CannotBeTried as error:
        pytest.skip(str(error))
    with capsys.disabled():
        print(f"\n{name}  {PROMISES[name].says}\n{proof}")
    assert not proof.broken


@pytest.mark.parametrize(("name", "sabotage"), SABOTAGES)
def test_a_broken_promise_is_noticed(name: str, sabotage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest):
    try:
        proof = tried(PROMISES[name], tmp_path, lambda: str(request.getfixturevalue("postgresql")), seed=1, sabotage=sabotage)
    except CannotBeTried as error:
        pytest.skip(str(error))
    with capsys.disabled():
        print(f"\n{name} with {sabotage}:\n{proof}")
    assert proof.broken


def test_every_promise_has_a_sabotage():
    assert not [name for name, promise in PROMISES.items() if not promise.sabotages]
