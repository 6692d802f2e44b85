"""Replaying an archive against translating it: the same documents, the same workers, one run after the other.

`python -m benchmarks.replaying [DOCUMENTS]`
"""

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.gateway import process_memory
from benchmarks.peers import status_message
from benchmarks.rows import Row
from gateway import journal
from gateway.clock import new_id, now
from gateway.operations import OPERATIONS
from gateway.records.incoming import Incoming
from gateway.replay.reading import Reader
from gateway.replay.stage import ReplayStage
from gateway.store import profiles, search
from gateway.store.payloads import Payload
from gateway.store.store import Store, landed
from gateway.translate.pool import Pool
from gateway.translate.stage import TranslateStage

ROOT = Path(__file__).parent.parent
DOCUMENTS = 20_000
WORKERS = 2
MEMORY = 512 * 2**20
AIM = 0.7
MOST_GROWTH = 64.0
"""MiB of all processes, from the end of the live run on."""


def keep(store: Store, count: int) -> None:
    """The archive: `count` small 214s, each a message, as COMMIT 1 leaves them."""
    waiting = []
    for number in range(1, count + 1):
        at, one = now(), new_id(now())
        payload = Payload.inline(f"message:{one}", "northway", status_message(number))
        waiting.append(store.keep_message(Incoming(one, "northway", "http", payload, "application/edi-x12", None, 1, None, 1, at, "northway")))
        if len(waiting) >= 2_000:
            for future in waiting:
                future.result()
            waiting = []
    for future in waiting:
        future.result()


async def wait(what: Callable[[], bool]) -> None:
    while not await asyncio.to_thread(what):
        await asyncio.sleep(0.1)


async def replay_all(store: Store, count: int, **given: Any) -> float:
    """Documents a second of one replay of everything."""
    job = OPERATIONS["replays.start"](store, {"partner": "northway"} | given)["id"]
    begun = time.monotonic()
    await wait(lambda: OPERATIONS["replays.show"](store, {"id": job})["state"] != "running")
    rate = count / (time.monotonic() - begun)
    done = OPERATIONS["replays.show"](store, {"id": job})
    wanted = {"messages": count, "documents": count} | ({"queued": count} if given else {"same": count})
    if done["state"] != "done" or done["counts"] != wanted:
        raise RuntimeError(f"the replay is {done['state']}: {done['counts']}")
    return rate


async def measure(store: Store, count: int) -> tuple[float, float, float, list[float]]:
    """Documents a second: live, replayed into nowhere, replayed into live; MiB by which memory grew at most, in a first and a second replay."""
    texts: dict[tuple[str, int], str] = {}

    async def profile_text(partner: str, revision: int) -> str:
        if (partner, revision) not in texts:
            texts[partner, revision] = await landed(store.read(lambda tx: profiles.text_of(tx, partner, revision))) or ""
        return texts[partner, revision]

    pool = Pool(WORKERS, MEMORY)
    await pool.start()
    translate = TranslateStage(store, pool, node="bench", clock=now, profile_text=profile_text)
    begun = time.monotonic()
    translate.start()
    await wait(lambda: _states(store) == {"translated": count})
    live = count / (time.monotonic() - begun)
    await translate.stop()
    replay = ReplayStage(store, Reader(pool, store.files, profile_text), node="bench", clock=now, targets=frozenset())
    pids = [os.getpid(), *pool.pids]
    replay.start()
    before, rates, growths = process_memory(pids), [], []
    for _ in range(2):
        peak, over = [0.0], threading.Event()
        watcher = threading.Thread(target=_watch, args=(pids, peak, over))
        watcher.start()
        rates.append(await replay_all(store, count))
        over.set()
        watcher.join()
        growths.append(peak[0] - before)
    translate = TranslateStage(store, pool, node="bench", clock=now, profile_text=profile_text)
    translate.start()
    again = await replay_all(store, count, into="live", reason="to measure")
    await translate.stop()
    await replay.stop()
    await pool.stop()
    return live, rates[0], again, growths


def _states(store: Store) -> dict[str, int]:
    counts: dict[str, int] = store.look(search.counts)["messages"]
    return counts


def _watch(pids: list[int], peak: list[float], over: threading.Event) -> None:
    while not over.wait(0.2):
        peak[0] = max(peak[0], process_memory(pids))


def run(count: int = DOCUMENTS) -> list[Row]:
    import uvloop

    journal.silence()
    folder = Path(tempfile.mkdtemp())
    store = Store(f"sqlite:///{folder / 'crossdock.db'}", folder / "payloads")
    with contextlib.closing(store):
        text = (ROOT / "partners/profiles/northway.yaml").read_text()
        OPERATIONS["partners.apply"](store, {"text": text})
        keep(store, count)
        live, nowhere, again, growths = uvloop.run(measure(store, count))
    shutil.rmtree(folder)
    beside = f"live translation {live:,.0f}/s"
    return [
        Row(f"replaying {count:,} archived 214s into nowhere", f"{nowhere:,.0f}/s", beside, f"{nowhere / live:.0%}", "≥ 70 %", nowhere / live >= AIM),
        Row("the same into live, where nothing changed", f"{again:,.0f}/s", beside, f"{again / live:.0%}", "≥ 70 %", again / live >= AIM),
        Row(
            "memory of the first, all processes", f"{growths[0]:.0f} MiB more at most", f"of a second one {growths[1]:.0f} MiB", "",
            f"≤ {MOST_GROWTH:.0f} MiB", max(growths) <= MOST_GROWTH,
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    for row in run(int(sys.argv[1]) if len(sys.argv) > 1 else DOCUMENTS):
        print(row)
