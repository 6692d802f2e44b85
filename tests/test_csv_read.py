"""Reading CSV under a declared dialect: what is refused and where, what one bad row costs, and that no bytes do harm."""

import csv
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partners.positioned import load
from tests.corpus import corpus_files
from translators.csv import CsvLimits, read
from translators.csv.cut import spans
from translators.csv.dialect import Dialect, dialect_of
from translators.csv.forms import FormError, form_of, from_iso, from_plain, to_iso, to_plain
from translators.mapping import MappingError, Written

FLAT = """\
csv:
  decimal: ','
  thousands: '.'
  dates: [DD.MM.YYYY, YYYY-MM-DD]
  records:
    order:
      key: order_id
      columns:
        order_id: {heading: [Order, Order No], required: yes}
        shipped: {heading: Shipped, holds: date}
    line:
      columns:
        sku: {heading: SKU, required: yes, most: 8}
        quantity: {heading: Qty, holds: number}
"""
TYPED = """\
csv:
  type: 1
  delimiter: pipe
  skip: [T]
  records:
    head: {marker: F, below: file, columns: [sender]}
    order: {marker: H, below: file, columns: {order_id: {required: yes}, on: {holds: date}}}
    line: {marker: D, columns: {sku: , quantity: {holds: number}}}
"""
HEAD = b"Order,Shipped,SKU,Qty\n"


def dialect(text: str = FLAT, **changes: str) -> Dialect:
    value, places = load(text)
    return dialect_of(Written.of({"csv": {**value["csv"], **changes}}, places, "trial.yaml"), "trial")


def told(data: bytes, text: str = FLAT, limits: CsvLimits | None = None, **changes: str) -> tuple[list[Any], list[Any]]:
    """(the file's findings, the documents)."""
    reading = read(data, dialect(text, **changes), limits or CsvLimits())
    return reading.findings, list(reading.sets())


def values(data: bytes, text: str = FLAT, **changes: str) -> list[list[list[str]]]:
    """For each document its records: tag, then its columns."""
    _, sets = told(data, text, **changes)
    assert [finding.text for one in sets for finding in one.findings] == []
    return [[[one.tag, *(raw.decode() for raw in one.segment.elements[1:])] for one in each.root.walk()][1:] for each in sets if each.root]


FILE_FAULTS: list[tuple[str, bytes, str, str]] = [
    ("empty", b"", "empty", "no row"),
    ("nothing but lines", b"\r\n\n", "empty", "no row"),
    ("a heading that lacks a key", b"SKU,Qty\nA,1\n", "heading", "lacks Order"),
    ("a heading twice", b"Order,SKU,SKU\n1,A,B\n", "heading", "names 'SKU' 2 times"),
    ("a broken heading", b'"Order,SKU\n', "heading", "cannot be read"),
    ("too large", HEAD + b"1,,A,1\n" * 200, "too-large", "500 may be"),
    ("too many columns", b"Order,SKU," + b",".join(b"c%d" % number for number in range(60)) + b"\n1,A\n", "heading", "50 may be"),
]


@pytest.mark.parametrize(("data", "code", "words"), [case[1:] for case in FILE_FAULTS], ids=[case[0] for case in FILE_FAULTS])
def test_a_file_that_cannot_be_read_at_all(data: bytes, code: str, words: str):
    findings, sets = told(data, limits=CsvLimits(max_bytes=500, max_columns=50))
    assert sets == []
    assert findings[0].code == code
    assert words in findings[0].text
    assert findings[0].line == 1


ROW_FAULTS: list[tuple[str, bytes, str, int, str | None, bytes, str]] = [
    ("a quote that nobody closes", b'2,,"A,1\n', "quote", 3, None, b'2,,"A,1\n', "never closed"),
    ("text behind a closing quote", b'2,,"A"x,1\n', "quote", 3, None, b'2,,"A"x,1\n', "behind its closing quote"),
    ("too many fields", b"2,,A,1,7\n", "too-many", 3, None, b"2,,A,1,7\n", "5 fields where there are 4"),
    ("a required column that is empty", b"2,,,1\n", "required", 3, "SKU", b"", "is required"),
    ("a word for a number", b"2,,A,many\n", "number", 3, "Qty", b"many", "no number; one such as 1.234,5"),
    ("a decimal point for a comma", b"2,,A,1.5\n", "number", 3, "Qty", b"1.5", "no number"),
    ("a date of another form", b"2,11/16/2026,A,1\n", "date", 3, "Shipped", b"11/16/2026", "DD.MM.YYYY or YYYY-MM-DD"),
    ("a text that is too long", b"2,,ABCDEFGHI,1\n", "text", 3, "SKU", b"ABCDEFGHI", "longer than the 8"),
    ("a NUL", b"2,,A\x00,1\n", "encoding", 3, None, b"2,,A\x00,1\n", "NUL"),
    ("no UTF-8", b"2,,\xe9,1\n", "encoding", 3, None, b"2,,\xe9,1\n", "0xE9"),
    ("a heading that changes", b"2,16.11.2026,A,1\n2,17.11.2026,B,1\n", "differs", 4, "Shipped", b"17.11.2026", "line 3 says '16.11.2026'"),
]


@pytest.mark.parametrize(("rows", "code", "line", "column", "raw", "words"), [case[1:] for case in ROW_FAULTS], ids=[case[0] for case in ROW_FAULTS])
def test_a_bad_row_rejects_its_document_and_no_other(rows: bytes, code: str, line: int, column: str | None, raw: bytes, words: str):
    data = HEAD + b"1,,GOOD,1\n" + rows + b"9,,GOOD,1\n"
    findings, sets = told(data)
    assert findings == []
    bad = [one for one in sets if one.findings]
    assert len(bad) == 1
    assert [one.verdict for one in sets if not one.findings] == ["A"] * (len(sets) - 1)
    assert len(sets) >= 3 or code == "quote"
    found = bad[0].findings[0]
    assert (found.code, found.line, found.path, data[found.byte_start : found.byte_end]) == (code, line, column, raw)
    assert words in found.text
    assert found.text.startswith(f"line {line}")


def test_rows_of_one_key_are_one_document_wherever_they_stand():
    data = HEAD + b"1,16.11.2026,A,1\n2,,B,2\n\n1,,C,3\n"
    assert values(data) == [
        [["order", "1", "2026-11-16"], ["line", "A", "1"], ["line", "C", "3"]],
        [["order", "2", ""], ["line", "B", "2"]],
    ]


PLAIN = [[["order", "1", "2026-11-16"], ["line", "A,B", "1234.5"]]]


@pytest.mark.parametrize(
    "data",
    [
        b'Order,Shipped,SKU,Qty\n1,16.11.2026,"A,B","1.234,5"\n',
        b'\xef\xbb\xbforder no , shipped,sku,QTY\r\n 1 ,2026-11-16,"A,B","1.234,5"',
        b'Order,Shipped,SKU,Qty\r1,16.11.2026,"A,B","1234,5"\r',
        '\ufeffOrder,Shipped,SKU,Qty\r\n1,16.11.2026,"A,B","1234,5"\r\n'.encode("utf-16-le"),
        b'Qty,Order,SKU,Shipped\n"1234,50",1,"A,B",16.11.2026\n',
    ],
    ids=["plain", "mark, case and spaces", "CR alone", "UTF-16", "other order"],
)
def test_the_same_table_in_other_clothes(data: bytes):
    found = values(data)
    assert [[[*record[:2], *(text.rstrip("0") if "." in text else text for text in record[2:])] for record in one] for one in found] == PLAIN


def test_places_are_those_of_the_bytes_received():
    text = "Order,Shipped,SKU,Qty\n1,,Kö,1\n2,,Ü,x\n"
    for encoding, raw in (("utf-8", text.encode()), ("utf-16", b"\xff\xfe" + text.encode("utf-16-le"))):
        _, sets = told(raw)
        place = sets[1].findings[0]
        assert raw[sets[1].byte_start : sets[1].byte_end].decode(encoding.replace("utf-16", "utf-16-le")) == "2,,Ü,x\n"
        assert "x" in raw[place.byte_start : place.byte_end].decode(encoding.replace("utf-16", "utf-16-le"))


def test_cp1252_is_read_where_it_is_declared():
    [one] = told("Order,SKU\n1,Käse\n".encode("cp1252"), encoding="cp1252")[1]
    document = one.document()
    assert document is not None
    assert (document.encoding, document.root.children[0].children[0].segment.get(1).decode("cp1252")) == ("cp1252", "Käse")


def test_records_of_several_types():
    data = b"F|ACME\nH|1|2026-11-16\nD|A|2\nD|B|3\nH|2\nD|C|4\nT|2\n"
    assert values(data, TYPED) == [
        [["head", "ACME"], ["order", "1", "2026-11-16"], ["line", "A", "2"], ["line", "B", "3"]],
        [["head", "ACME"], ["order", "2", ""], ["line", "C", "4"]],
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"H|1\nX|9\nH|2\nD|A|1\n", "no record 'X'"), (b"D|A|1\nH|2\n", "stands below a order"), (b"H|1\nD|A|many\nH|2\n", "no number")],
    ids=["unknown", "a line before its order", "a bad value"],
)
def test_a_bad_row_of_a_typed_file_rejects_its_document_alone(data: bytes, words: str):
    _, sets = told(data, TYPED)
    assert [words in " ".join(finding.text for finding in one.findings) for one in sets] == [True, False]


def test_limits_of_rows_and_faults():
    many = HEAD + b"".join(b"%d,,A,x\n" % number for number in range(50))
    _, sets = told(many, limits=CsvLimits(max_findings=10))
    assert len(sets) == 11
    assert "the rest of the file is not read" in sets[-1].findings[0].text
    _, [one] = told(HEAD + b"1,,A,1\n" * 50, limits=CsvLimits(max_document_rows=10))
    assert [finding.code for finding in one.findings] == ["too-many"]


# ---- dialects

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("nothing", {}, "needs columns, or records"),
    ("a term", {"columns": ["a"], "separator": ";"}, "separator: is not known here"),
    ("a delimiter", {"columns": ["a"], "delimiter": "ab"}, "one character such as"),
    ("an encoding", {"columns": ["a"], "encoding": "ebcdic"}, "there are utf-8"),
    ("a decimal sign", {"columns": ["a"], "decimal": ",", "thousands": ","}, "thousands another sign"),
    ("a form", {"columns": {"a": {"holds": "date", "forms": "YYYY-QQ"}}}, "no part of a form"),
    ("a day without a year", {"columns": {"a": {"holds": "date", "forms": "DD.MM"}}}, "needs year, month and day"),
    ("a kind", {"columns": {"a": {"holds": "money"}}}, "a column holds text"),
    ("a key", {"records": {"x": {"key": "b", "columns": ["a"]}}}, "no column of x"),
    ("a name", {"columns": {"Ship Date": "x"}}, "no name for a column"),
    ("a word of the language", {"columns": ["else"]}, "no name for a column"),
    ("a record above", {"type": "1", "records": {"x": {"below": "y", "columns": ["a"]}}}, "no record above it"),
    ("two markers", {"type": "1", "records": {"x": {"below": "file", "marker": "A"}, "y": {"marker": "A"}}}, "same marker twice"),
    ("header and type", {"type": "1", "header": "yes", "columns": ["a"]}, "cannot be yes beside type"),
]


@pytest.mark.parametrize(("given", "words"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_a_mistake_in_a_dialect_is_told_with_its_place(given: dict[str, Any], words: str):
    with pytest.raises(MappingError, match=r"csv") as caught:
        dialect_of(Written({"csv": given}), "trial")
    assert words in str(caught.value)


FORMS = [
    ("YYYY-MM-DD", "2026-11-16", "2026-11-16"), ("DD.MM.YYYY", "16.11.2026", "2026-11-16"), ("M/D/YYYY", "3/4/2026", "2026-03-04"),
    ("YYMMDD", "261116", "2026-11-16"), ("D-MMM-YY", "16-Nov-26", "2026-11-16"), ("hh:mm", "14:05", "14:05"), ("hhmmss", "140530", "14:05:30"),
    ("MM/DD/YYYY h:mm A", "11/16/2026 2:05 PM", "2026-11-16T14:05"), ("YYYY-MM-DDThh:mm:ssZ", "2026-11-16T14:05:30-06:00", "2026-11-16T14:05:30-06:00"),
    ("YYYYMMDDhhmm", "202611161405", "2026-11-16T14:05"), ("ISO", "2026-11-16", "2026-11-16"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "text", "iso"), FORMS, ids=[form for form, _, _ in FORMS])
def test_dates_both_ways(form: str, text: str, iso: str):
    assert to_iso((form_of(form),))(text) == iso
    assert from_iso(form_of(form))(iso) == text


def test_a_form_without_room_refuses():
    with pytest.raises(ValueError, match="no room"):
        from_iso(form_of("DD.MM.YYYY"))("2026-11-16T14:05")
    with pytest.raises(FormError):
        form_of("hh")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-1_000_000, max_value=1_000_000))
def test_numbers_both_ways(number: Any):
    plain = format(number, "f")
    assert to_plain(",", ".")(from_plain(",")(plain)) == plain


# ---- laws

CELL = st.text(alphabet='ab,"\n\r;ü ', max_size=6)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(CELL, min_size=1, max_size=5), min_size=1, max_size=4))
def test_fields_are_found_where_the_csv_module_reads_them(rows: list[list[str]]):
    for row in rows:
        line = ",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row)
        raw = line.encode()
        cut = [raw[start:end].decode().replace('""', '"') for start, end in spans(raw, ",", '"')]
        assert cut == next(csv.reader([line], strict=True)) if "\n" not in line and "\r" not in line else len(cut) == len(row)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.sampled_from([FLAT, TYPED]))
def test_no_bytes_do_harm(data: bytes, text: str):
    _, sets = told((HEAD if text is FLAT else b"H|1\n") + data, text)
    for one in sets:
        assert 0 <= one.byte_start <= one.byte_end
        one.document()


# ---- files of others

THEIRS: dict[str, str] = {
    "freight-network-analytics-shipments.csv": ",", "freight-network-analytics-shipping-routes.csv": ",", "human-essentials-donations-export.csv": ",",
    "human-essentials-inventory.csv": ",", "logicapps-online-store-orders-sample.csv": ",", "smooks-examples-input-message.csv": ",",
    "spree-batch-api-inventory.csv": ",", "spree-batch-api-inventory.update.csv": ",", "sql-server-samples-productinventory.csv": "tab",
    "sql-server-samples-shipmethod.csv": "tab",
}  # fmt: skip


@pytest.mark.corpus
def test_every_cell_of_files_of_others_is_in_the_tree_or_told():
    """Each under a dialect that declares its first column only: all others are kept and listed by their headings."""
    tried = 0
    for path in corpus_files("csv"):
        if path.name not in THEIRS:
            continue
        data = path.read_bytes()
        given = {"delimiter": THEIRS[path.name], "header": "no", "columns": [f"c{number}" for number in range(40)]}
        reading = read(data, dialect_of(Written({"csv": given}), "trial"))
        assert reading.findings == []
        encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        rows = [row for row in csv.reader(data.decode(encoding).splitlines(), delimiter="\t" if THEIRS[path.name] == "tab" else ",") if any(row)]
        sets = list(reading.sets())
        bad = [one for one in sets if one.findings]
        assert len(sets) == len(rows) or bad, path.name
        for one, row in zip(sets, rows, strict=False):
            if one.root and not one.findings and not bad:
                kept = [raw.decode() for raw in one.root.children[0].segment.elements[1 : len(row) + 1]] if one.root.children else []
                assert [cell.strip(" \t") for cell in row] == kept, path.name
        tried += 1
    assert tried >= 8
