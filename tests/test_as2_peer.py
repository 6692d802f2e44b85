"""pyas2lib, a foreign stack in a process and an environment of its own (`make peers`), exchanges with us both ways over HTTP.

Its keys are made by the openssl program; no code and no fixture is shared.
"""

import asyncio
import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.as2_running import profile, text_of
from tests.running import ROOT, Running, document, running

PEER = ROOT / ".venv-peer" / "bin" / "python"
OPENSSL = shutil.which("openssl")
PROGRAM = ROOT / "tests" / "peers" / "pyas2_peer.py"
X12 = document("214-status.edi")
TERMS = {"peer": "PEER", "gateway": "CROSSDOCK", "sign": True, "digest": "sha256", "encrypt": True, "cipher": "aes_256_cbc", "compress": False}

pytestmark = [
    pytest.mark.big,
    pytest.mark.skipif(not PEER.exists(), reason="no foreign AS2 stack; `make peers` installs it"),
    pytest.mark.skipif(OPENSSL is None, reason="no openssl program on this machine"),
]


def made_by_openssl(folder: Path) -> bytes:
    """The peer's key as PKCS#12, and its certificate."""
    subprocess.run(
        [str(OPENSSL), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "peer.key", "-out", "peer.crt", "-days", "30", "-subj", "/CN=peer"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    subprocess.run(
        [str(OPENSSL), "pkcs12", "-export", "-inkey", "peer.key", "-in", "peer.crt", "-out", "peer.p12", "-passout", "pass:peer"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return (folder / "peer.crt").read_bytes()


async def stage(gateway: Running, folder: Path, *, url: str | None = None, send: str = "{}", **changes: Any) -> None:
    folder.mkdir(exist_ok=True)
    certificate = made_by_openssl(folder) if not (folder / "peer.crt").exists() else (folder / "peer.crt").read_bytes()
    made = await gateway.operate("keys.generate", name="ours")
    (folder / "ours.pem").write_text((await gateway.operate("keys.show", id=made["id"]))["pem"])
    (folder / "terms.json").write_text(json.dumps(TERMS | changes))
    weak = "{require_signature: false, require_encryption: false, exceptions: {sha1: {until: 2099-12-31, because: the test}, 3des: {until: 2099-12-31, because: the test}}}"
    await gateway.operate("partners.apply", text=profile("peer", "PEER", receive=weak, send=send, url=url, agreements="[{receive: '214'}]"))
    await gateway.operate("keys.add", partner="peer", data=text_of(certificate))


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"digest": "sha512"}, {"digest": "sha1", "cipher": "tripledes_192_cbc"}, {"cipher": "aes_128_cbc", "compress": True},
        {"encrypt": False}, {"encrypt": False, "compress": True, "digest": "sha384"},
    ],
    ids=str,
)  # fmt: skip
def test_the_peer_sends_and_takes_our_receipt(tmp_path: Path, changes: dict[str, Any]):
    async def go() -> None:
        async with running(tmp_path / "gateway") as gateway:
            folder = tmp_path / "peer"
            await stage(gateway, folder, **changes)
            (folder / "status.edi").write_bytes(X12)
            process = await asyncio.create_subprocess_exec(
                str(PEER), str(PROGRAM), "send", str(folder), f"{gateway.url}/as2", str(folder / "status.edi"),
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            out, errors = await asyncio.wait_for(process.communicate(), 60)
            assert process.returncode == 0, errors.decode()
            assert json.loads(out) == {"status": "processed", "detail": ""}
            await gateway.settle(lambda: len(gateway.erp.effects) == 3)
            (row,) = await gateway.operate("as2.messages", direction="in")
            assert row["state"] == "processed"
            assert row["report"]["documents"][0]["file_name"] == "status.edi"

    (tmp_path / "gateway").mkdir()
    asyncio.run(go())


@pytest.mark.parametrize(
    "send",
    [
        "{}", "{sign: sha512, encrypt: aes-128-cbc}", "{compress: before, compress_from: 1}", "{compress: after, compress_from: 1}", "{encrypt: none}",
        "{encrypt: none, sign: sha384}", "{encrypt: aes-192-cbc}",
    ],
)  # fmt: skip
def test_we_send_and_take_the_peers_receipt(tmp_path: Path, send: str):
    async def go() -> None:
        async with running(tmp_path / "gateway") as gateway:
            folder = tmp_path / "peer"
            await stage(gateway, folder, url="http://127.0.0.1:9/as2", send=send, encrypt="encrypt: none" not in send)
            process = await asyncio.create_subprocess_exec(str(PEER), str(PROGRAM), "serve", str(folder))
            try:
                async with asyncio.timeout(30):
                    while not (folder / "port").exists():
                        assert process.returncode is None
                        await asyncio.sleep(0.05)
                url = f"http://127.0.0.1:{(folder / 'port').read_text()}/"
                weak = "{exceptions: {sha1: {until: 2099-12-31, because: the test}}}"
                await gateway.operate(
                    "partners.apply", text=profile("peer", "PEER", receive=weak, send=send, url=url, agreements="[{receive: '214'}]")
                )
                await gateway.operate("as2.send", partner="peer", data=text_of(X12), file_name="status.edi")
                async with asyncio.timeout(30):
                    while (row := (await gateway.operate("as2.messages", direction="out") or [{"state": ""}])[0])["state"] in ("", "written"):
                        await asyncio.sleep(0.05)
                (taken,) = json.loads((folder / "taken.json").read_text())
                assert taken["status"] == "processed", taken["trouble"]
                assert row["state"] == "delivered", row["reason"]
                assert base64.b64decode(taken["data"]).replace(b"\r\n", b"\n") == X12.replace(b"\r\n", b"\n")
            finally:
                process.terminate()
                await process.wait()

    (tmp_path / "gateway").mkdir()
    asyncio.run(go())
