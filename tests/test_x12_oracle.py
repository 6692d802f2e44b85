"""Another engine as a witness: pyx12 with our guide as its map finds what we find, and nothing more.

In generated 856s with planted faults; and in sets made from every guide of 004010, one fault in each, of every kind in FAULTS.
"""

import io
import random
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from benchmarks.generate import SETS, write, write_interchange
from benchmarks.pyx12_map import write_maps
from benchmarks.reading import PLANTED, faults_pyx12_finds, faults_we_find, planted
from benchmarks.rows import Row, table
from partners.guides import shipped_guides
from tests.x12 import STRICT, read_all
from tests.x12_strategies import MadeSet, Terms, by_chance, guide_of, made_set, written
from tests.x12_values import CLOSED
from translators.x12.guide import Element, Rules
from translators.x12.layout import places

BINARY = frozenset({"EFI", "BIN", "BDS"})
"""pyx12 reads binary data by its delimiters."""


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


Spoil = Callable[[list[list[str]], int, Rules, random.Random], bool]
"""(the set's segments with their elements, index of one, its rules, chance) -> whether it could be spoilt; then it was."""


def element_of(values: list[str], rules: Rules, source: random.Random, fits: Callable[[Element, str], bool]) -> int:
    """The number of an element that has a value and fits, 0 if none does."""
    numbers = [n for n, element in enumerate(rules.elements, start=1) if n < len(values) and values[n] and fits(element, values[n])]
    return source.choice(numbers) if numbers else 0


def change(fits: Callable[[Element, str], bool], to: Callable[[Element, str], str]) -> Spoil:
    """Gives one fitting element another value."""

    def spoil(segments: list[list[str]], at: int, rules: Rules, source: random.Random) -> bool:
        number = element_of(segments[at], rules, source, fits)
        if number:
            segments[at][number] = to(rules.elements[number - 1], segments[at][number])
        return bool(number)

    return spoil


def mandatory_lost(segments: list[list[str]], at: int, rules: Rules, source: random.Random) -> bool:
    """Not the last one: pyx12 tells a bare segment twice. Nor 353: pyx12 knows a segment by the code it begins with."""
    number = element_of(segments[at], rules, source, lambda element, value: element.required == "M" and element.number != "353")
    if not number or not any(segments[at][1:number] + segments[at][number + 1 :]):
        return False
    segments[at][number] = ""
    return True


def kind(*kinds: str) -> Callable[[Element, str], bool]:
    return lambda element, value: element.kind in kinds and element.number not in CLOSED


def surplus(segments: list[list[str]], at: int, rules: Rules, source: random.Random) -> bool:
    segments[at] += [""] * (len(rules.elements) + 1 - len(segments[at])) + ["X"]
    return True


def condition_broken(segments: list[list[str]], at: int, rules: Rules, source: random.Random) -> bool:
    """An element goes that a pair or a chain needs."""
    values = segments[at]
    pairs = [one.elements for one in rules.conditions if one.letter == "P" and one.sure and all(n < len(values) and values[n] for n in one.elements)]
    if len(rules.conditions) != 1 or not pairs:
        return False
    values[source.choice(pairs[0])] = ""
    return True


def foreign(segments: list[list[str]], at: int, rules: Rules, source: random.Random) -> bool:
    segments.insert(at, ["ZZZ", "1"])
    return True


WITNESSED = ("214", "856", "940", "945", "997")

FAULTS: dict[str, Spoil] = {
    "mandatory element missing": mandatory_lost,
    "too long": change(kind("AN", "ID"), lambda element, value: "A" * (element.maximum + 1)),
    "too short": change(lambda element, value: kind("AN", "ID")(element, value) and element.minimum > 1, lambda element, value: "A"),
    "no date": change(kind("DT"), lambda element, value: "20260230" if element.maximum == 8 else "260230"),
    "no time": change(kind("TM"), lambda element, value: "2475"),
    "no number": change(kind("N0", "R"), lambda element, value: "A" * element.minimum),
    "a point in an integer": change(
        lambda element, value: element.kind == "N0" and element.minimum < 3 <= element.maximum, lambda element, value: "1.5"
    ),
    "surplus element": surplus,
    "condition broken": condition_broken,
    "foreign segment": foreign,
}


@pytest.mark.parametrize("set_id", WITNESSED)
def test_both_engines_find_the_same_fault_in_made_sets(set_id: str, tmp_path: Path):
    """One fault a set. Codes of closed lists have no witness: pyx12 takes a segment with another code for another segment."""
    pytest.importorskip("pyx12")
    guide = guide_of(set_id, "004010")
    write_maps(tmp_path, guide)
    filled = [place for place in places(guide.layout.root) if place.tag not in BINARY]
    counted = dict.fromkeys(FAULTS, 0)
    sets = [made_set(guide, by_chance((set_id, "right", number)), Terms(without=BINARY)) for number in range(10)]
    for number, (name, _) in enumerate(product(FAULTS, range(9))):
        made = made_set(guide, by_chance((set_id, number)), Terms(without=BINARY), wanted=[filled[number * 5 % len(filled)]])
        sets.append(spoilt(made, name, random.Random(f"{set_id} {number}"), counted))
    path = tmp_path / "made.edi"
    path.write_bytes(written(sets))
    ours, theirs = faults_we_find(path), faults_pyx12_finds(path, tmp_path)
    print(f"{set_id}: {len(ours)} faults found by both; {counted}")
    assert len({fault[0] for fault in ours}) == sum(counted.values())
    assert ours == theirs


def spoilt(made: MadeSet, name: str, source: random.Random, counted: dict[str, int]) -> MadeSet:
    """The set with one fault of a kind where one is possible, SE01 made right."""
    segments = [[value if isinstance(value, str) else ":".join(value) for value in segment] for segment in made.segments]
    for at in source.sample(range(1, len(segments) - 1), len(segments) - 2):
        rules = made.guide.dictionary.segments.get(segments[at][0])
        if rules and segments[at][0] not in ("HL", "LS", "LE") and FAULTS[name](segments, at, rules, source):
            counted[name] += 1
            break
    for segment in segments:
        while not segment[-1]:
            segment.pop()
    segments[-1][1] = str(len(segments))
    return MadeSet(made.guide, tuple(tuple(segment) for segment in segments), made.uses)


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
