"""Another engine as a witness: pyx12 with our guide as its map finds what we find in generated files, and nothing more."""

import io
import random
from pathlib import Path

import pytest

from benchmarks.generate import SETS, write, write_interchange
from benchmarks.pyx12_map import write_maps
from benchmarks.reading import PLANTED, faults_pyx12_finds, faults_we_find, planted
from benchmarks.rows import Row, table
from partners.guides import shipped_guides
from tests.x12 import STRICT, read_all


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("pyx12")
    folder = tmp_path_factory.mktemp("maps")
    guide = shipped_guides().guide("856", "004010")
    assert guide is not None
    write_maps(folder, guide)
    return folder


def notices(sets: int, seed: int) -> bytes:
    out = io.BytesIO()
    write(out, "856", sets, seed=seed)
    return out.getvalue()


@pytest.mark.parametrize("seed", [1, 2])
def test_both_engines_find_the_same_planted_faults(maps: Path, tmp_path: Path, seed: int):
    path = tmp_path / "faulty.edi"
    path.write_bytes(planted(notices(3 * len(PLANTED), seed), seed))
    found = faults_we_find(path)
    assert len({place[0] for place in found}) == len(PLANTED)
    assert found == faults_pyx12_finds(path, maps)


def test_both_engines_find_nothing_in_a_clean_file(maps: Path, tmp_path: Path):
    path = tmp_path / "clean.edi"
    path.write_bytes(notices(20, seed=3))
    assert faults_we_find(path) == faults_pyx12_finds(path, maps) == set()


@pytest.mark.parametrize("set_id", SETS)
@pytest.mark.parametrize("tail", ["", "\n"])
def test_generated_sets_are_accepted(set_id: str, tail: str):
    out = io.BytesIO()
    write(out, set_id, 1_050, seed=random.Random(set_id).randrange(1000), tail=tail)
    groups = read_all(out.getvalue(), STRICT)[1]
    assert [(each.group.codes, len(each.sets), {str(one.verdict) for one in each.sets}) for each in groups] == [([], 1_000, {"A"}), ([], 50, {"A"})]


def test_the_same_arguments_make_the_same_bytes(tmp_path: Path):
    write_interchange(tmp_path / "one", 50_000)
    write_interchange(tmp_path / "two", 50_000)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert 50_000 <= (tmp_path / "one").stat().st_size < 52_000


def test_the_table_of_rows():
    rows = [Row("reading", "9 MB/s", "splitting 90 MB/s", "10×", "≤ 14×", True), Row("x", "1", "2", "", "3", False)]
    lines = table(rows).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert (lines[2].split("|")[-2].strip(), lines[3].split("|")[-2].strip()) == ("yes", "no")
