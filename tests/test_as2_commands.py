"""`crossdock keys …` and `crossdock as2 …` as a person types them, without a node: what they print, and how they end."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from gateway.__main__ import app
from gateway.keys import generate, pem_of
from tests.as2_keys import AT

PROFILE = """partner: acme
name: Acme 3PL
identities: {tokens: []}
channels: {as2: {id: ACME3PL, url: "http://127.0.0.1:9/as2"}}
agreements: [{receive: csv/status}]
"""


def crossdock(data: Path, *arguments: str) -> Any:
    return CliRunner().invoke(app, [*arguments, "--data-dir", str(data)])


def test_keys_from_making_to_retiring(tmp_path: Path):
    data, file = tmp_path / "var", tmp_path / "acme.yaml"
    file.write_text(PROFILE)
    assert crossdock(data, "partners", "apply", str(file)).exit_code == 0
    failed = crossdock(data, "as2", "selftest", "acme")
    assert failed.exit_code == 1
    assert "no key of ours signs" in failed.stdout
    assert crossdock(data, "keys", "generate", "main-2026", "--kind", "ec-p256").exit_code == 0
    again = crossdock(data, "keys", "generate", "main-2026")
    assert again.exit_code == 1
    assert "is called main-2026 already" in again.stderr
    pem = crossdock(data, "keys", "show", "main-2026", "--pem").stdout
    assert pem.startswith("-----BEGIN CERTIFICATE-----")
    (tmp_path / "partner.pem").write_text(pem_of(generate("acme", at=AT).certificate))
    assert crossdock(data, "keys", "add", "acme", str(tmp_path / "partner.pem"), "--name", "first", "--from", "2020-01-01").exit_code == 0
    assert crossdock(data, "keys", "add", "nobody", str(tmp_path / "partner.pem")).exit_code == 1
    assert crossdock(data, "keys", "add", "acme", str(file)).exit_code == 1
    good = crossdock(data, "as2", "selftest", "acme", "--json")
    assert good.exit_code == 0, good.stdout
    assert all(one["good"] for one in json.loads(good.stdout))
    listed = json.loads(crossdock(data, "keys", "list", "--json").stdout)
    assert [(one["owner"], one["name"], one["private"]) for one in listed] == [("us", "main-2026", True), ("acme", "first", False)]
    moved = crossdock(data, "keys", "schedule", "main-2026", "--from", "2099-01-01", "--json")
    assert json.loads(moved.stdout)["state"] == "waiting"
    assert crossdock(data, "keys", "retire", listed[1]["fingerprint"][:12]).exit_code == 0
    assert [one["name"] for one in json.loads(crossdock(data, "keys", "list", "--json").stdout)] == ["main-2026"]
    assert (data / "keys.secret").stat().st_mode & 0o077 == 0


def test_a_message_without_evidence_is_told(tmp_path: Path):
    data, file = tmp_path / "var", tmp_path / "acme.yaml"
    file.write_text(PROFILE)
    crossdock(data, "partners", "apply", str(file))
    assert "No AS2 messages yet" in crossdock(data, "as2", "messages").stdout
    missing = crossdock(data, "as2", "evidence", "nothing", "--to", str(tmp_path / "bundle"))
    assert missing.exit_code == 1
    assert not (tmp_path / "bundle").exists()
    assert crossdock(data, "as2", "evidence", "nothing", "--to", str(tmp_path)).exit_code == 2
    queued = crossdock(data, "as2", "send", "acme", str(file), "--wait", "0")
    assert queued.exit_code == 0
    assert "queued as message" in queued.stdout
    for wait in ("0", "0.3"):
        alone = json.loads(crossdock(data, "as2", "send", "acme", str(file), "--wait", wait, "--json").stdout)
        assert alone["message"], "a script reads one JSON value and nothing beside it"
