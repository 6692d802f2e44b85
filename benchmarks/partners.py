"""Simulated partners: how many documents a second one writes, and sends by HTTP, SFTP and AS2 to a sink that keeps nothing, beside the gateway's own rate.

`python -m benchmarks.partners`. A partner is one process, as `crossdock simulate` is; the sink is another, and is a whole peer: it opens each AS2 message and signs its receipt.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import median

import aiohttp
from aiohttp import web

from benchmarks.gateway import ROOT, _wait, confirmed, end_to_end, gateway, peer, process, profile_text
from benchmarks.rows import Row, table
from gateway.keys import Made, MadeSsh, generate, generate_ssh
from gateway.simulators.as2 import PretendAs2Partner
from gateway.simulators.living import ByAs2, ByHttp, BySftp, Living, Way
from gateway.simulators.partner import PretendPartner
from gateway.simulators.sftp import PretendSftpPartner
from gateway.simulators.trade import IDENTITIES, Sender, Sending, sendings
from tests.sftp_remote import RemoteServer
from translators.as2.cms.keys import OurKey, certificate, our_key

ORDERS = {"HTTP": 600, "SFTP": 200, "AS2": 200}
"""Five documents each: an 856 and four 214s."""
AT_ONCE = {"HTTP": 16, "SFTP": 4, "AS2": 16}
AIM = {"HTTP": 1.5, "SFTP": 1.0, "AS2": 1.0}
ROUNDS = 3
PATIENCE = 120
DAY = date(2026, 11, 16)


def run() -> list[Row]:
    whole = median(end_to_end()[0] for _ in range(ROUNDS))
    by_as2 = asyncio.run(end_to_end_by_as2(files_of(ORDERS["AS2"])))
    begun = time.perf_counter()
    written = files_of(2_000)
    rate = len(written) / (time.perf_counter() - begun)
    rows = [_row("a simulated carrier writes its documents", rate, whole, "", 10.0)]
    for channel in ORDERS:
        files = files_of(ORDERS[channel])
        (alone, _), (many, own) = (
            sorted(asyncio.run(sent(channel, files, at_once)) for _ in range(ROUNDS))[ROUNDS // 2] for at_once in (1, AT_ONCE[channel])
        )
        what = f"it sends them by {channel}, {AT_ONCE[channel]} orders at once; one after another; a second of its own processor time"
        base = (by_as2, "by AS2 ") if channel == "AS2" else (whole, "")
        rows.append(_row(what, many, *base, AIM[channel], f"; {alone:,.0f}/s; {own:,.0f}"))
    return rows


def _row(what: str, rate: float, whole: float, how: str, aim: float, more: str = "") -> Row:
    ratio = rate / whole
    return Row(what, f"{rate:,.0f}/s{more}", f"the gateway end to end {how}{whole:,.0f}/s", f"{ratio:.1f}×", f"≥ {aim:g}×", ratio >= aim)


def files_of(orders: int) -> list[Sending]:
    return sendings("carrier", seed=1, orders=orders, day=DAY)


async def sent(channel: str, files: list[Sending], at_once: int) -> tuple[float, float]:
    """(files a second from the first to the last answer, files a second of the partner's own processor time)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with aiohttp.ClientSession() as session:
            with sink(channel, folder) as port:
                said: list[str] = []
                way, lines = await _way(channel, folder, port, session, at_once)
                partner = Living(way, Sender(*IDENTITIES["carrier"]), DAY, said.append, at_once=at_once)
                begun, own = time.perf_counter(), time.process_time()
                await partner.tell(files)
                took, own = time.perf_counter() - begun, time.process_time() - own
                for line in lines:
                    line.close()
    bad = [line for line in said if not any(words in line for words in (": 202 ", ": OK", "says delivered"))]
    if bad or len(said) != len(files):
        raise RuntimeError(f"{len(said)} of {len(files)} were answered, {len(bad)} of them with other words: {bad[:1]}")
    return len(files) / took, len(files) / own


async def end_to_end_by_as2(files: list[Sending]) -> float:
    """Documents a second from the partner's first message to the ERP's last confirmation, all of them by AS2 from one simulated partner."""
    with tempfile.TemporaryDirectory() as name:
        folder, data = Path(name), Path(name) / "var"
        _write(folder / "partner", generate("partner", at=datetime.now(UTC)))
        profile = profile_text().replace("channels: {", "channels: {as2: {id: BENCH}, ")
        with peer("erp") as erp, gateway(erp, [profile], data) as (url, _):
            _command("keys", "generate", "ours", "--data-dir", str(data))
            _command("keys", "add", "northway", str(folder / "partner.cert"), "--data-dir", str(data))
            pem = _command("keys", "show", "ours", "--pem", "--data-dir", str(data))
            async with aiohttp.ClientSession() as session:
                way = ByAs2(session, PretendAs2Partner("BENCH", _read(folder / "partner"), certificate(pem)), f"{url}/as2")
                partner = Living(way, Sender(*IDENTITIES["carrier"]), DAY, lambda text: None, at_once=AT_ONCE["AS2"])
                begun = time.time()
                await partner.tell(files)
            return len(files) / (confirmed(erp, len(files), ended=time.time(), patience=PATIENCE) - begun)


def _command(*arguments: str) -> bytes:
    return subprocess.run([sys.executable, "-m", "gateway", *arguments], cwd=ROOT, check=True, capture_output=True).stdout


async def _way(channel: str, folder: Path, port: str, session: aiohttp.ClientSession, at_once: int) -> tuple[Way, list[PretendSftpPartner]]:
    if channel == "HTTP":
        return ByHttp(session, PretendPartner("bench", "bench", f"http://127.0.0.1:{port}")), []
    if channel == "AS2":
        partner = PretendAs2Partner("BENCH", _read(folder / "partner"), certificate((folder / "sink.cert").read_bytes()))
        return ByAs2(session, partner, f"http://127.0.0.1:{port}/as2"), []
    key = MadeSsh("ssh-ed25519", (folder / "user").read_bytes(), (folder / "user.pub").read_text())
    lines = [PretendSftpPartner("bench", key) for _ in range(at_once)]
    for line in lines:
        await asyncio.to_thread(line.connect, f"sftp://127.0.0.1:{port}", [(folder / "host.pub").read_text()])
    return BySftp(*lines), lines


# ---- the sinks, each in a process of its own


@contextmanager
def sink(channel: str, folder: Path) -> Iterator[str]:
    """Its port. Keys of both sides are in the folder."""
    for name in ("partner", "sink"):
        _write(folder / name, generate(name, at=datetime.now(UTC)))
    for name in ("user", "host"):
        made = generate_ssh("ed25519")
        (folder / name).write_bytes(made.private)
        (folder / f"{name}.pub").write_text(made.public)
    (folder / "port").unlink(missing_ok=True)
    with process("benchmarks.partners", channel, str(folder)):
        yield _wait(folder / "port")


async def _serve(channel: str, folder: Path) -> None:
    if channel == "SFTP":
        user, host = (MadeSsh("ssh-ed25519", (folder / name).read_bytes(), (folder / f"{name}.pub").read_text()) for name in ("user", "host"))
        (folder / "port").write_text(str(RemoteServer(key=user, host_key=host).port))
        await asyncio.Event().wait()
    app = web.Application()
    if channel == "AS2":
        app = PretendAs2Partner("CROSSDOCK", _read(folder / "sink"), certificate((folder / "partner.cert").read_bytes()), gateway_name="BENCH").app()
    else:
        app.router.add_post("/v1/inbox", _taken)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    (folder / "port").write_text(str(runner.addresses[0][1]))
    await asyncio.Event().wait()


async def _taken(request: web.Request) -> web.Response:
    return web.Response(body=json.dumps({"id": str(len(await request.read()))}).encode(), status=202, content_type="application/json")


def _write(path: Path, made: Made) -> None:
    path.write_bytes(made.private)
    path.with_suffix(".cert").write_bytes(made.certificate)


def _read(path: Path) -> OurKey:
    return our_key(path.read_bytes(), path.with_suffix(".cert").read_bytes())


if __name__ == "__main__":
    if len(sys.argv) == 3:
        asyncio.run(_serve(sys.argv[1], Path(sys.argv[2])))
    else:
        print(table(run()))
