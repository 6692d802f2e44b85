"""The commands as a person runs them: through a running node, on a store that no node has, and the demo."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.nursery import nursery

ROOT = Path(__file__).parent.parent
DOCUMENTS = ROOT / "gateway" / "simulators" / "documents"


def crossdock(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, which the nursery bears."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("CROSSDOCK_")} | (environment or {})
    with tempfile.TemporaryDirectory() as folder:
        output, errors = Path(folder) / "output", Path(folder) / "errors"
        code = nursery().bear(list(arguments), own, output=output, errors=errors).wait(90)
        return subprocess.CompletedProcess(arguments, code, output.read_text(encoding="utf-8"), errors.read_text(encoding="utf-8"))


def test_help_names_every_command_and_imports_nothing_heavy():
    done = subprocess.run([sys.executable, "-m", "gateway", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0
    for command in ("serve", "demo", "check", "translate", "messages", "show", "find", "dead", "replay", "skip", "targets", "partners"):
        assert command in done.stdout
    probe = "import sys, gateway.__main__; print([name for name in ('sqlalchemy', 'aiohttp', 'pydantic', 'yaml') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_check_and_translate_without_a_server():
    clean, bad = crossdock("check", str(DOCUMENTS / "856-notice.edi")), crossdock("check", str(DOCUMENTS / "945-bad.edi"))
    assert (clean.returncode, bad.returncode) == (0, 1)
    assert "^^^^^^^^" in bad.stdout
    told = crossdock("translate", str(DOCUMENTS / "856-notice.edi"), "--json")
    assert told.returncode == 0
    (event,) = [json.loads(line) for line in told.stdout.splitlines()]
    assert (event["specversion"], event["type"]) == ("1.0", "org.crossdock.shipment.notified.v1")
    profiled = crossdock("translate", str(DOCUMENTS / "945-shipped.edi"), "--partner", "lake3pl")
    assert "America/New_York" in profiled.stdout


def test_files_that_are_not_there_or_empty(tmp_path: Path):
    assert crossdock("check", str(tmp_path / "nothing.edi")).returncode == 2
    empty = tmp_path / "empty.edi"
    empty.touch()
    assert crossdock("check", str(empty)).returncode == 65


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "var"


def test_profiles_are_applied_listed_and_shown_without_a_node(data: Path, tmp_path: Path):
    profile = ROOT / "partners" / "profiles" / "northway.yaml"
    assert "revision 1 is live" in crossdock("partners", "apply", str(profile), "--data-dir", str(data)).stdout
    assert "revision 1 is live" in crossdock("partners", "apply", str(profile), "--data-dir", str(data)).stdout, "the same text makes no new revision"
    other = tmp_path / "northway.yaml"
    other.write_text(profile.read_text().replace("Northway Freight", "Northway"))
    assert "revision 2 is live" in crossdock("partners", "apply", str(other), "--data-dir", str(data)).stdout
    (listed,) = json.loads(crossdock("partners", "list", "--data-dir", str(data), "--json").stdout)
    assert (listed["name"], listed["revision"], listed["receives"]) == ("Northway", 2, ["214", "856"])
    shown = json.loads(crossdock("partners", "show", "northway", "--revision", "1", "--data-dir", str(data), "--json").stdout)
    assert "Northway Freight" in shown["text"]
    assert [one["state"] for one in shown["revisions"]] == ["live", "retired"]
    broken = tmp_path / "broken.yaml"
    broken.write_text(profile.read_text().replace("partner: northway", "partner: North Way"))
    refused = crossdock("partners", "check", str(broken))
    assert refused.returncode == 1
    assert "broken.yaml: line 2, column 10: partner: " in refused.stderr


def test_commands_reach_the_node_that_has_the_data(data: Path):
    crossdock("partners", "apply", str(ROOT / "partners" / "profiles" / "northway.yaml"), "--data-dir", str(data))
    own = {key: value for key, value in os.environ.items() if not key.startswith("CROSSDOCK_")} | {
        "CROSSDOCK_TARGETS__ERP__URL": "http://127.0.0.1:9"
    }
    command = [sys.executable, "-m", "gateway", "serve", "--data-dir", str(data), "--partner-port", "0", "--admin-port", "0"]
    with subprocess.Popen(command, cwd=ROOT, env=own, stderr=subprocess.PIPE, text=True) as node:
        until = time.monotonic() + 30
        while not (data / "node.json").exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        assert (data / "node.json").stat().st_mode & 0o077 == 0, "the token is for its user only"
        listed = crossdock("partners", "list", "--data-dir", str(data), "--json")
        assert json.loads(listed.stdout)[0]["partner"] == "northway"
        assert "No messages yet" in crossdock("messages", "--data-dir", str(data)).stdout
        missing = crossdock("show", "01NOTHING", "--data-dir", str(data))
        assert missing.returncode == 1
        assert "nothing is called 01NOTHING" in missing.stderr
        assert "target:erp" in crossdock("targets", "--data-dir", str(data)).stdout
        assert crossdock("targets", "resume", "erp", "--because", "x", "--data-dir", str(data)).returncode == 1, "it is not paused"
        assert "target:erp is paused" in crossdock("targets", "pause", "erp", "--because", "their release night", "--data-dir", str(data)).stdout
        assert "their release night" in crossdock("targets", "show", "erp", "--data-dir", str(data)).stdout
        second = crossdock("serve", "--data-dir", str(data), "--partner-port", "0", "--admin-port", "0")
        assert second.returncode == 69
        assert "another process uses" in second.stderr
        node.send_signal(signal.SIGTERM)
        assert node.wait(20) == 0
        assert node.stderr is not None
        lines = [json.loads(line) for line in node.stderr.read().splitlines()]
        assert [lines[0]["event"], lines[-1]["event"]] == ["started", "stopping"]
    assert not (data / "node.json").exists()
    assert "Nothing waits for a person" in crossdock("dead", "--data-dir", str(data)).stdout, "without a node the store is opened"


def test_settings_that_cannot_be_used_end_with_their_own_code():
    done = crossdock("serve", environment={"CROSSDOCK_WORKERS": "none"})
    assert done.returncode == 78
    assert "workers" in done.stderr


def test_the_demo_tells_its_story_leaves_data_to_look_into_and_fails_with_a_dead_erp(tmp_path: Path):
    folder = {"CROSSDOCK_DEMO_DIR": str(tmp_path / "demo")}
    done = crossdock("demo", environment=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every step happened." in done.stdout
    assert done.stdout.count("prevented:") == 3
    found = json.loads(crossdock("find", "4500881", "--data-dir", str(tmp_path / "demo"), "--json").stdout)
    assert {one["set"] for one in found} == {"856", "214", "940", "945"}
    told = done.stdout[done.stdout.index("A day of trade") :]
    assert "32 files in" in told
    assert told.count("✗") == 8
    for words in (
        "we have no item NF-9999",
        "partial",
        "asked once about each",
        "quality.late",
        "must name an earlier HL",
        "valid from",
        "is overdue",
        "runs out in",
    ):
        assert words in told, words
    assert "41 documents, by HTTP, SFTP and AS2; the ERP's ledger holds 33 events, each exactly once" in told
    dead = crossdock("demo", environment=folder | {"CROSSDOCK_DEMO_DEAD_ERP": "1"})
    assert dead.returncode == 1, "it can fail, and runs again on the same folder"
    assert "This step did not happen: fulfilment.requested for order/H-77120 in the ERP's ledger" in dead.stdout
