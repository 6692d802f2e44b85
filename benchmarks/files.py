"""CSV and XML files to events as JSON, against the standard library's and lxml's bare reading of the same fields.

`python -m benchmarks.files`. The baseline reads each row with csv.reader, or the tree with lxml, and dumps the same fields as JSON: no types, no
codes, no checks, no hashes. Ours is what a worker does: read, check, map, validate, hash, JSON.
"""

import csv
import io
import json
from collections.abc import Callable

from lxml import etree  # the baseline's own

from benchmarks.mapping import RECEIVED, _paired
from benchmarks.rows import Row, table
from partners.mappings import shipped, zone_offset
from translators.document import Control
from translators.events.identity import content_hash, ordered_data_json
from translators.formats import read_file
from translators.mapping import Context

CSV_AIM, XML_AIM = 8.0, 5.0
STOCK_LINES, STATUSES, NOTICE_LINES = 5_000, 1_500, 400
CONTEXT = Context(Control("", "", "", "", "", "acme", "", "P"), "acme", RECEIVED, zone_offset, default_zone="America/Chicago")
XML_FIXTURE = "xml/ubl-despatch-advice"


def run() -> list[Row]:
    """The rows of this benchmark."""
    return [
        _row("csv/inventory", f"a stock list of {STOCK_LINES:,} lines", stock(STOCK_LINES), _csv_bare, CSV_AIM, "csv.reader + json.dumps"),
        _row("csv/status", f"{STATUSES:,} statuses, a row an event", statuses(STATUSES), _csv_bare, CSV_AIM, "csv.reader + json.dumps"),
        _row(XML_FIXTURE, f"a UBL notice of {NOTICE_LINES} lines", notice(NOTICE_LINES), _xml_bare, XML_AIM, "lxml + json.dumps"),
    ]


def stock(lines: int) -> bytes:
    rows = [
        f"INV-1,WH1,2026-11-16T06:00:00-06:00,SKU-{number:05},{10**11 + number},Widget {number},EA,{number % 97},{number % 89},{number % 7},L{number % 50:02}"
        for number in range(lines)
    ]
    return ("Snapshot ID,Warehouse,As Of,SKU,UPC,Description,Unit,On Hand,Available,Allocated,Lot Number\n" + "\n".join(rows) + "\n").encode()


def statuses(rows: int) -> bytes:
    lines = [
        f"SH-{number},ABCD,77{number:05},X6,NS,2026-11-16,{number % 24:02}:15,CT,Dallas,TX,US,1,TRL{number % 300},PO-{number},12,1840.5,L"
        for number in range(rows)
    ]
    head = "Shipment ID,SCAC,PRO Number,Status Code,Reason Code,Status Date,Status Time,Time Zone,City,State,Country,Stop,Trailer Number,PO Number"
    return (f"{head},Pieces,Weight,Weight Unit\n" + "\n".join(lines) + "\n").encode()


def notice(lines: int) -> bytes:
    [file] = shipped().fixtures(XML_FIXTURE)
    text = file.read_text(encoding="utf-8")
    begin, end = text.index("  <cac:DespatchLine>"), text.index("</DespatchAdvice>")
    first = text[begin : text.index("</cac:DespatchLine>") + len("</cac:DespatchLine>\n")]
    many = "".join(first.replace("<cbc:ID>1</cbc:ID>", f"<cbc:ID>{number}</cbc:ID>") for number in range(1, lines + 1))
    return (text[:begin] + many + text[end:]).encode()


def _csv_bare(data: bytes) -> int:
    rows = csv.reader(io.StringIO(data.decode()))
    names = next(rows)
    return sum(len(json.dumps(dict(zip(names, row, strict=True)))) for row in rows)


def _xml_bare(data: bytes) -> int:
    root = etree.fromstring(data)
    return len(json.dumps([[element.tag, (element.text or "").strip(), dict(element.attrib)] for element in root.iter()]))


def _row(name: str, what: str, data: bytes, bare: Callable[[bytes], int], aim: float, baseline: str) -> Row:
    mapping = shipped().mapping(name)

    def ours() -> int:
        size = 0
        for one in read_file(data, mapping.form).documents(0):
            assert one.document is not None
            content_hash(one.document)
            for draft in mapping.read(one.document, CONTEXT).events:
                size += len(ordered_data_json(draft.data))
        return size

    assert ours() > 0
    took, base = _paired(ours, lambda: bare(data))
    ratio = took / base
    rate = len(data) / took / 1e6
    return Row(f"{what} to events", f"{rate:.2f} MB/s", f"{baseline} {len(data) / base / 1e6:.1f} MB/s", f"{ratio:.1f}×", f"≤ {aim:g}×", ratio <= aim)


if __name__ == "__main__":
    print(table(run()))
