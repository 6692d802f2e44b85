"""Guides of one's own: pyx12's maps, and licensed tables in one layout, imported and used; every mistake with its place."""

import io
import json
from pathlib import Path

import pytest
import pyx12

from gateway.commands.check import check
from gateway.commands.guide_import import import_guides
from partners.guides import guides_with

MAPS = Path(pyx12.__file__).parent / "map"
HEAD = "ISA*00*          *00*          *ZZ*PAYER          *ZZ*PROVIDER       *261116*0900*{sign}*{isa}*000000001*0*P*:~\nGS*{group}*PAYER*PROVIDER*20261116*0900*1*X*{version}~\n"
TAIL = "GE*1*1~\nIEA*1*000000001~\n"


def file(set_id: str, group: str, version: str, segments: list[str]) -> bytes:
    late = version.startswith("005010")
    head = HEAD.format(sign="^" if late else "U", isa="00501" if late else "00401", group=group, version=version)
    body = [f"ST*{set_id}*0001" + (f"*{version}" if late and set_id != "835" else ""), *segments]
    return (head + "".join(f"{one}~\n" for one in body) + f"SE*{len(body) + 1}*0001~\n" + TAIL).encode()


REMITTANCE = [
    "BPR*I*132*C*CHK************20261116", "TRN*1*12345*1512345678", "DTM*405*20261115", "N1*PR*GOOD PAYER", "N3*1 MAIN ST", "N4*AUSTIN*TX*73301",
    "PER*BL*HELP*TE*5125550100", "N1*PE*A PROVIDER*XX*1234567893", "REF*TJ*123456789", "LX*1", "CLP*CLAIM-1*1*211*132**12*REF-9*11*1",
    "CAS*CO*45*79", "NM1*QC*1*DOE*JANE****MI*M-1", "DTM*232*20261101", "AMT*AU*150", "SVC*HC:99214*211*132**1", "DTM*472*20261101", "CAS*CO*45*79", "AMT*B6*132",
]  # fmt: skip
INQUIRY = [
    "BHT*0022*13*10001234*20261116*1319", "HL*1**20*1", "NM1*PR*2*ABC PAYER*****PI*842610001", "HL*2*1*21*1", "NM1*1P*2*BONE CLINIC*****SV*2000035",
    "HL*3*2*22*0", "TRN*1*93175-012547*9877281234", "NM1*IL*1*SMITH*ROBERT****MI*11122333301", "DMG*D8*19430519", "DTP*472*D8*20261116", "EQ*30",
]  # fmt: skip


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("guides")
    for name in ("835.5010.X221.A1.xml", "270.4010.X092.A1.xml", "837.5010.X222.A1.xml"):
        assert import_guides(MAPS / name, home, sets=(), replace=False, out=io.StringIO()) == 0
    return home


FILES = [
    ("835", REMITTANCE, "HP", "005010X221A1", None, ""),
    ("270", INQUIRY, "HS", "004010X092A1", None, ""),
    ("an element too long", [REMITTANCE[0].replace("CHK", "CHEQUE"), *REMITTANCE[1:]], "HP", "005010X221A1", "835", "AK4 5"),
    ("a missing element", [REMITTANCE[0].replace("BPR*I*132", "BPR*I*"), *REMITTANCE[1:]], "HP", "005010X221A1", "835", "AK4 1"),
    ("a missing segment", REMITTANCE[:1] + REMITTANCE[2:], "HP", "005010X221A1", "835", "AK3 3"),
    ("a segment that has no place", [*REMITTANCE[:3], "DMG*D8*19430519", *REMITTANCE[3:]], "HP", "005010X221A1", "835", "AK3"),
    ("a level without its parent", [*INQUIRY[:3], "HL*2*7*21*1", *INQUIRY[4:]], "HS", "004010X092A1", "270", "HL"),
]  # fmt: skip


@pytest.mark.parametrize(("set_id", "segments", "group", "version", "of", "words"), FILES, ids=[one[0] for one in FILES])
def test_files_are_judged_by_an_imported_guide(
    imported: Path, tmp_path: Path, set_id: str, segments: list[str], group: str, version: str, of: str, words: str
):
    (tmp_path / "file.edi").write_bytes(file(of or set_id, group, version, segments))
    out = io.StringIO()
    code = check(tmp_path / "file.edi", guides=imported, out=out)
    assert code == (1 if words else 0), out.getvalue()
    assert words in out.getvalue()


EVERY_MAP = [
    pytest.param(path, id=path.stem, marks=[pytest.mark.big] if number % 4 else [])
    for number, path in enumerate(path for path in sorted(MAPS.glob("[0-9]*.xml")) if ".v2" not in path.name)
]
"""One in four in `make test`, the others in `make test-all`."""


@pytest.mark.parametrize("path", EVERY_MAP)
def test_every_map_that_ships_with_pyx12_is_imported(path: Path, tmp_path: Path):
    out = io.StringIO()
    assert import_guides(path, tmp_path, sets=(), replace=False, out=out) == 0
    set_id, release = out.getvalue().split(" of ")[0], out.getvalue().split(" of ")[1][:6]
    guide = guides_with(tmp_path).guide(set_id, release)
    assert guide is not None
    assert (guide.layout.root.first.tag, len(guide.layout.tags) > 5) == ("ST", True)


def test_a_guide_that_is_there_is_not_replaced_unasked(imported: Path, capsys: pytest.CaptureFixture[str]):
    assert import_guides(MAPS / "835.5010.X221.A1.xml", imported, sets=(), replace=False, out=io.StringIO()) == 65
    assert "say --replace" in capsys.readouterr().err
    assert import_guides(MAPS / "835.5010.X221.A1.xml", imported, sets=("835",), replace=True, out=io.StringIO()) == 0


TABLES = {
    "sets": [{"set": "861", "release": "004010", "functional": "RC", "title": "receiving advice"}],
    "layout": [
        {"set": "861", "release": "004010", "level": "0", "segment": tag, "loop": loop, "required": required, "maximum": maximum}
        for tag, loop, required, maximum in [("ST", "", "M", "1"), ("XRA", "", "M", "1"), ("RCD", "yes", "O", ">1"), ("SE", "", "M", "1")]
    ],
    "segments": [{"release": "004010", "segment": "XRA", "title": "receiving advice start"}],
    "elements": [
        {"release": "004010", "segment": "XRA", "position": "1", "element": "9001", "required": "M", "title": ""},
        {"release": "004010", "segment": "XRA", "position": "2", "element": "373", "required": "O", "title": "received on"},
        {"release": "004010", "segment": "RCD", "position": "1", "element": "350", "required": "O", "title": ""},
        {"release": "004010", "segment": "RCD", "position": "2", "element": "663", "required": "X", "title": ""},
        {"release": "004010", "segment": "RCD", "position": "3", "element": "355", "required": "X", "title": ""},
    ],
    "dictionary": [
        {"release": "004010", "element": number, "type": kind, "minimum": least, "maximum": most, "title": title}
        for number, kind, least, most, title in [
            ("9001", "AN", "1", "10", "advice number"), ("373", "DT", "8", "8", "date"), ("350", "AN", "1", "20", "line"),
            ("663", "R", "1", "9", "received"), ("355", "ID", "2", "2", "unit"),
        ]
    ],
    "conditions": [{"release": "004010", "segment": "RCD", "condition": "P0203", "doubtful": ""}],
    "codes": [{"element": "355", "code": "EA", "meaning": "each"}],
}  # fmt: skip
ADVICE = ["XRA*RA-1*20261116", "RCD*1*12*EA", "RCD*2*3*CA"]


def write_tables(folder: Path, tables: dict[str, list[dict[str, str]]], *, as_csv: bool) -> Path:
    folder.mkdir(exist_ok=True)
    if not as_csv:
        (folder / "mine.json").write_text(json.dumps(tables), encoding="utf-8")
        return folder / "mine.json"
    for name, rows in tables.items():
        lines = [",".join(rows[0]), *(",".join(f'"{cell}"' for cell in row.values()) for row in rows)]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("as_csv", [True, False], ids=["CSV", "JSON"])
def test_ones_own_tables_become_a_guide(tmp_path: Path, as_csv: bool):
    out = io.StringIO()
    assert import_guides(write_tables(tmp_path / "mine", TABLES, as_csv=as_csv), tmp_path / "guides", sets=(), replace=False, out=out) == 0
    assert "861 of 004010 (RC): receiving advice" in out.getvalue()
    for segments, code, words in [
        (ADVICE, 0, ""),
        (["XRA*RA-1", "RCD*1*12"], 1, "come together or not at all"),
        (["XRA**20261116"], 1, "is mandatory and missing"),
    ]:
        (tmp_path / "file.edi").write_bytes(file("861", "RC", "004010", segments))
        told = io.StringIO()
        assert check(tmp_path / "file.edi", guides=tmp_path / "guides", out=told) == code, told.getvalue()
        assert words in told.getvalue()


WRONG = [
    ("a table", {"layout": None}, "layout"),
    ("a set", {"sets": [{**TABLES["sets"][0], "set": "86"}]}, "a set's number of three digits"),
    ("a maximum", {"layout": [{**TABLES["layout"][0], "maximum": "many"}]}, "how often, or >1"),
    ("a level", {"layout": [{**TABLES["layout"][0], "level": "3"}]}, "lies in no loop"),
    ("no end", {"layout": TABLES["layout"][:2]}, "begin with ST and end with SE"),
    ("an element nobody describes", {"dictionary": TABLES["dictionary"][1:]}, "not in the table dictionary"),
    ("a hole", {"elements": TABLES["elements"][1:]}, "has no position 1"),
    ("a position twice", {"elements": [*TABLES["elements"], TABLES["elements"][0]]}, "position 1 twice"),
    ("a condition of nothing", {"conditions": [{**TABLES["conditions"][0], "segment": "ZZZ"}]}, "no elements in the table elements"),
    ("a condition beyond", {"conditions": [{**TABLES["conditions"][0], "condition": "P0209"}]}, "names an element beyond"),
]  # fmt: skip


@pytest.mark.parametrize("as_csv", [True, False], ids=["CSV", "JSON"])
@pytest.mark.parametrize(("change", "words"), [one[1:] for one in WRONG], ids=[one[0] for one in WRONG])
def test_a_mistake_in_a_table_is_told_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, list[dict[str, str]]], words: str, as_csv: bool
):
    tables = {name: rows for name, rows in (TABLES | change).items() if rows is not None}
    source = write_tables(tmp_path / "mine", tables, as_csv=as_csv)
    assert import_guides(source, tmp_path / "guides", sets=(), replace=False, out=io.StringIO()) == 65
    assert words in capsys.readouterr().err
    assert not [path for path in (tmp_path / "guides").rglob("*") if path.is_file()]


SOURCES = [
    ("no XML", "map.xml", b"ISA*", "no well-formed XML"),
    ("another XML", "map.xml", b"<a/>", "no map of a transaction set"),
    ("an entity", "map.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "DOCTYPE"),
    ("no JSON", "mine.json", b"{", "no JSON"),
    ("a list", "mine.json", b"[]", "an object with the tables"),
    ("no tables", "mine.json", b"{}", "the table layout is missing"),
]


@pytest.mark.parametrize(("name", "data", "words"), [one[1:] for one in SOURCES], ids=[one[0] for one in SOURCES])
def test_a_source_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, data: bytes, words: str):
    (tmp_path / "dataele.xml").write_bytes((MAPS / "dataele.xml").read_bytes())
    (tmp_path / name).write_bytes(data)
    assert import_guides(tmp_path / name, tmp_path / "guides", sets=(), replace=False, out=io.StringIO()) == 65
    assert words in capsys.readouterr().err
