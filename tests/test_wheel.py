"""The wheel works outside the tree: it carries the mappings, the migrations, the shipped profiles and the demo's documents."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.notices import notice as notice_of

ROOT = Path(__file__).parent.parent


@pytest.mark.big
def test_the_wheel_runs_outside_the_tree(tmp_path: Path):
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    own = {key: value for key, value in os.environ.items() if not key.startswith("CROSSDOCK_")} | {"PYTHONPATH": str(site)}

    def crossdock(*arguments: str) -> str:
        # -P keeps the tree's editable install from shadowing nothing but the path we set.
        done = subprocess.run([sys.executable, "-P", "-m", "gateway", *arguments], cwd=tmp_path, env=own, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    where = subprocess.run(
        [sys.executable, "-P", "-c", "import gateway; print(gateway.__file__)"], cwd=tmp_path, env=own, capture_output=True, text=True, check=True
    )
    assert where.stdout.startswith(str(site)), "the wheel is what runs, not the tree"
    notice = site / "gateway" / "simulators" / "documents" / "856-notice.edi"
    assert "shipment.notified" in crossdock("translate", str(notice))
    (tmp_path / "event.json").write_text(json.dumps(notice_of("ASN-1", ("PO1", "NF-2200", "1"))))
    for mapping in ("erp/tryton", "erp/odoo"):
        assert "nothing was sent" in crossdock("erp", "plan", mapping, str(tmp_path / "event.json"), "--no-lookups")
    profile = site / "partners" / "profiles" / "northway.yaml"
    assert "revision 1 is live" in crossdock("partners", "apply", str(profile), "--data-dir", str(tmp_path / "var"))
    assert "Every step happened." in crossdock("demo")
