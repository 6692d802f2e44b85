"""Reading XML: what is refused and why, where each thing stands in the bytes, and that no bytes do harm."""

import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.corpus import corpus_files
from translators.xml import XmlLimits, read
from translators.xml.reader import path_of

HEAD = b'<?xml version="1.0"?>\n'
LAUGHS = b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>\n<l>&b;</l>'
SMALL = XmlLimits(max_bytes=2_000, max_depth=5, max_nodes=300, max_attributes=3)

REFUSED = [
    ("empty", b"", "not-well-formed", "line 1"),
    ("no XML", b"ISA*00*", "not-well-formed", "line 1, column 1"),
    ("an end tag of another element", HEAD + b"<a>\n<b>\n</a>", "not-well-formed", "line 4"),
    ("an unknown prefix", b"<c:a/>", "not-well-formed", "c"),
    ("two roots", b"<a/><b/>", "not-well-formed", "line 1"),
    ("an attribute twice", b"<a x='1' x='2'/>", "not-well-formed", "x"),
    ("an entity that nobody declared", b"<a>&b;</a>", "not-well-formed", "'b' not defined"),
    ("billion laughs", HEAD + LAUGHS, "dtd", "line 2"),
    ("an external entity", b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "dtd", "declares things itself"),
    ("a parameter entity", b'<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x.dtd"> %x;]><a/>', "dtd", "declares things itself"),
    ("an attribute default", b'<!DOCTYPE a [<!ATTLIST a b CDATA "c">]><a/>', "dtd", "declares things itself"),
    ("an external DTD and an entity of it", b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a>&x;</a>', "not-well-formed", "'x' not defined"),
    ("a DOCTYPE after a comment", b"<!-- --><!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "dtd", "DOCTYPE"),
    ("a DOCTYPE that never ends", b"<!DOCTYPE " + b"a" * 3_000, "too-large", ""),
    ("a DOCTYPE that is none", b"<!DOCTYPE a SYSTEM><a/>", "dtd", "cannot be read"),
    ("a second DOCTYPE", b"<!DOCTYPE a><!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "dtd", "two"),
    ("entities in UTF-16", codecs.BOM_UTF16_LE + LAUGHS.decode().encode("utf-16-le"), "dtd", "line 1"),
    ("too deep", b"<a>" * 7 + b"</a>" * 7, "too-deep", "/a/a/a/a/a"),
    ("deeper than the parser goes", b"<a>" * 257 + b"</a>" * 25, "not-well-formed", "depth"),
    ("too many elements", b"<a>" + b"<b/>" * 310 + b"</a>", "too-many-nodes", "300"),
    ("too many nodes with their attributes", b"<a>" + b"<b c='1' d='2'/>" * 110 + b"</a>", "too-many-nodes", "line 1: /a/b"),
    ("too many attributes", b"<a b='1' c='2' d='3' e='4'/>", "too-many-attributes", "/a"),
    ("too large", b"<a>" + b"x" * 2_000 + b"</a>", "too-large", "2,000"),
    ("UTF-7", b'<?xml version="1.0" encoding="UTF-7"?><a>+ADw-</a>', "encoding", "UTF-8"),
    ("UTF-32", codecs.BOM_UTF32_LE + "<a/>".encode("utf-32-le"), "encoding", "UTF-8"),
    ("EBCDIC", "<?xml version='1.0'?><a/>".encode("cp037"), "encoding", "line 1"),
    ("bytes that are no UTF-8", HEAD + b"<a>\xff</a>", "encoding", "line 2"),
    ("half a UTF-16 character", codecs.BOM_UTF16_LE + "<a/>".encode("utf-16-le") + b"\x00", "encoding", "utf-16-le"),
    ("NUL", b"<a>\x00</a>", "not-well-formed", "line 1"),
]


@pytest.mark.parametrize(("data", "code", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused(data: bytes, code: str, words: str):
    document, findings = read(data, SMALL)
    found = findings[0]
    assert (document, len(findings), found.code, found.severity, found.kind) == (None, 1, code, "error", "xml")
    assert words in found.text
    assert 0 <= found.byte_start <= found.byte_end <= len(data)


def test_cxml_names_its_dtd_which_nobody_reads():
    data = b'<?xml version="1.0"?>\n<!DOCTYPE cXML SYSTEM\n "http://127.0.0.1:9/cXML.dtd">\n<cXML payloadID="1"/>'
    document, findings = read(data)
    assert not findings
    assert document is not None
    assert (document.set_id, [child.tag for child in document.root.children]) == ("cXML", ["@payloadID"])
    assert data[document.root.segment.byte_start : document.root.segment.byte_end] == b'<cXML payloadID="1"/>'


def test_nothing_is_included_and_no_schema_is_fetched():
    data = (
        b'<a xmlns:xi="http://www.w3.org/2001/XInclude" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        b' xsi:schemaLocation="urn:x http://127.0.0.1:9/x.xsd"><xi:include href="file:///etc/passwd"/></a>'
    )
    document, findings = read(data)
    assert not findings
    assert document is not None
    assert [node.segment.get(1) for node in document.root.walk()] == [b"", b"urn:x http://127.0.0.1:9/x.xsd", b"", b"file:///etc/passwd"]


def test_elements_and_attributes_are_nodes_with_their_bytes():
    data = (
        b'<d:A xmlns:d="urn:d" xmlns="urn:e">\n <B c="1 > 0">text <!-- <x> --><![CDATA[<y>]]> more</B>'
        b"<?pi <z> ?><E/>tail<F>mixed<G>in</G>again</F>\n</d:A>"
    )
    document, _ = read(data)
    assert document is not None
    assert document.names is not None
    names = document.names
    told = [(path_of(node, names), node.segment.get(1), data[node.segment.byte_start : node.segment.byte_end]) for node in document.root.walk()]
    assert told == [
        ("/d:A", b"tail", data),
        ("/d:A/B", b"text <y> more", b'<B c="1 > 0">text <!-- <x> --><![CDATA[<y>]]> more</B>'),
        ("/d:A/B/@c", b"1 > 0", b'<B c="1 > 0">'),
        ("/d:A/E", b"", b"<E/>"),
        ("/d:A/F", b"mixed again", b"<F>mixed<G>in</G>again</F>"),
        ("/d:A/F/G", b"in", b"<G>in</G>"),
    ]
    assert [node.tag for node in document.root.walk()][:3] == ["{urn:d}A", "{urn:e}B", "@c"]
    assert [node.segment.position for node in document.root.walk()] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252"])
def test_places_are_those_of_the_bytes_received(encoding: str):
    declared = {"latin-1": "ISO-8859-1", "utf-8-sig": "utf-8"}.get(encoding, encoding.replace("cp", "windows-"))
    text = f'<?xml version="1.0" encoding="{declared}"?>\n<a>\n<b>Kö{"" if encoding in ("latin-1", "cp1252") else "𝄞"}ln</b><c>über</c></a>'
    data = text.encode(encoding)
    document, findings = read(data)
    assert not findings
    assert document is not None
    last = document.root.children[1].segment
    assert last.get(1).decode() == "über"
    assert data[last.byte_start : last.byte_end].decode("utf-16-le" if encoding == "utf-16" else encoding) == "<c>über</c>"


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="<>/a =\"'![]-?&;\n", max_size=60))
def test_no_text_does_harm(text: str):
    document, findings = read(b"<r>" + text.encode() + b"</r>", SMALL)
    assert (document is None) is bool(findings)
    if document is not None:
        for node in document.root.walk():
            assert node.segment.byte_start < node.segment.byte_end


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_do_harm(data: bytes):
    document, findings = read(data, SMALL)
    assert (document is None) is bool(findings)


@pytest.mark.corpus
def test_the_corpus_is_read():
    files = [path for kind in ("xml-ubl", "xml-cxml", "xml-carrier", "xml-idoc", "xml-epcis") for path in corpus_files(kind)]
    refused = [(path.name, found) for path in files for found in read(path.read_bytes()).findings]
    assert len(files) > 50
    assert not refused
