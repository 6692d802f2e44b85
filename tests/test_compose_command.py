"""`crossdock compose`: an event's file in, the partner's document out, and what is said where it cannot be."""

import io
import json
from pathlib import Path

import pytest

from gateway.commands.compose import compose_file
from gateway.exits import BAD_DATA, FAILED, GOOD, USAGE
from tests.mapping_fixtures import documents
from tests.test_mapping_write import ORDER


def composed(folder: Path, text: str, set_id: str = "940", release: str = "004010") -> tuple[int, bytes]:
    file = folder / "event.json"
    file.write_text(text, encoding="utf-8")
    out = io.BytesIO()
    return compose_file(set_id, file, release=release, zone=None, overlays=(), out=out), out.getvalue()


@pytest.mark.parametrize("release", ["004010", "005010"])
def test_an_event_becomes_a_document_that_is_read_again(tmp_path: Path, release: str):
    for text in (json.dumps(ORDER), json.dumps({"specversion": "1.0", "data": ORDER})):
        code, data = composed(tmp_path, text, release=release)
        assert code == GOOD
        [(document, _)] = documents(data)
        assert (document.set_id, document.release) == ("940", release)


@pytest.mark.parametrize(
    ("text", "set_id", "code", "words"),
    [
        (json.dumps({**ORDER, "freight_terms": []}), "940", FAILED, "freight_terms.payment: W6601 (freight payment method) is mandatory and missing"),
        (json.dumps({**ORDER, "equipment": [{"initial": "AB", "number": "1"}]}), "940", GOOD, "not written: equipment[0]"),
        (json.dumps(ORDER), "777", USAGE, "there is no mapping for 777"),
        ("[]", "940", BAD_DATA, "it holds no event"),
        ("{", "940", BAD_DATA, "it is no JSON"),
    ],
)
def test_what_cannot_be_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, set_id: str, code: int, words: str):
    assert composed(tmp_path, text, set_id)[0] == code
    assert words in capsys.readouterr().err
