"""Payloads in a real bucket, S3 as SeaweedFS speaks it: what one node took another one translates; a bucket that is away refuses politely; what is pruned goes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.clock import DAY, now
from gateway.settings import Bucket as Terms
from gateway.store import pruning
from gateway.store.bucket import NotInBucket, open_bucket
from gateway.store.spool import INLINE_LIMIT
from tests.faults.cluster import Cluster, cluster
from tests.faults.promise import Trial
from tests.kill.documents import status
from tests.peers.seaweed import KEY, PROGRAM, SECRET, Bucket, seaweed
from tests.running import running

pytestmark = [
    pytest.mark.big,
    pytest.mark.nodes,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not PROGRAM.exists(), reason="no S3 server; `make peers` installs it"),
]


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as one:
        yield one


def terms(bucket: Bucket, name: str, **more: Any) -> Terms:
    bucket.make(name.partition("/")[0])
    return Terms(bucket=f"s3://{name}", endpoint=bucket.endpoint, access_key=KEY, secret_key=SECRET, **more)


def large(number: int) -> bytes:
    return status(number).body + b"\n" * (INLINE_LIMIT + number)


@contextlib.asynccontextmanager
async def nodes(tmp_path: Path, postgresql: str, environment: dict[str, str]) -> AsyncIterator[Cluster]:
    async with cluster(Trial(tmp_path, 1, {}, lambda: postgresql), nodes=2, environment=environment) as found:
        yield found


async def post(found: Cluster, number: int, node: int) -> int:
    headers = {"Authorization": "Bearer northway", "Idempotency-Key": f"key-{number}"}
    url = f"{found.nodes[node].url}/v1/inbox"
    async with found.session.post(url, data=large(number), headers=headers, timeout=aiohttp.ClientTimeout(20)) as response:
        await response.read()
        return response.status


async def effects(found: Cluster, count: int) -> list[str]:
    for _ in range(400):
        if len(found.erp.effects) >= count:
            break
        await asyncio.sleep(0.1)
    return sorted(effect.subject for effect in found.erp.effects.values())


# ---- the bucket itself


@pytest.mark.parametrize("size", [1, 9 * 2**20])
def test_what_is_put_is_there_once_and_whole(bucket: Bucket, tmp_path: Path, size: int):
    there = open_bucket(terms(bucket, "the-bucket/a/folder"))
    file = tmp_path / "file"
    file.write_bytes(b"x" * size)
    there.put(f"sha256/aa/{size}", file, size)
    file.write_bytes(b"y" * size)
    there.put(f"sha256/aa/{size}", file, size)
    assert b"".join(there.pieces(f"sha256/aa/{size}")) == b"x" * size, "the first stays"
    there.put_over(f"parts/{size}", file)
    assert b"".join(there.pieces(f"parts/{size}")) == b"y" * size
    (listed,) = [one for page in there.pages("sha256") for one in page if one.name.endswith(f"/{size}")]
    assert (listed.size, abs(listed.at - now()) < DAY) == (size, True)
    there.delete([f"sha256/aa/{size}", f"sha256/aa/{size}"])
    with pytest.raises(NotInBucket):
        list(there.pieces(f"sha256/aa/{size}"))


# ---- several nodes


def test_what_a_dead_node_took_another_one_translates(bucket: Bucket, tmp_path: Path, postgresql: str):
    async def act() -> None:
        async with nodes(tmp_path, postgresql, bucket.environment("of-a-dead-node")) as found:
            first, second = found.nodes
            second.freeze()
            first.kill()
            await first.start("receive.committed", chance=1.0)
            with pytest.raises((aiohttp.ClientError, OSError)):
                await post(found, 1, 0)
            assert first.process is not None
            await asyncio.to_thread(first.process.wait, 20)  # it died when its message was kept
            second.thaw()
            assert await effects(found, 1) == [status(1).subject]
            copies = [path.name for path in (second.data / "payloads").glob("??/??/*")]
            assert len(copies) == 1, "the bytes came from the bucket"

    asyncio.run(act())


def test_while_the_bucket_is_away_large_ones_wait_and_small_ones_do_not(tmp_path: Path, postgresql: str):
    async def act() -> None:
        (tmp_path / "bucket").mkdir()
        with seaweed(tmp_path / "bucket") as own:
            async with nodes(tmp_path / "nodes", postgresql, own.environment("away")) as found:
                assert await post(found, 1, 0) == 202
                assert await effects(found, 1) == [status(1).subject]
                await asyncio.to_thread(own.stop)
                assert await post(found, 2, 1) == 503
                headers = {"Authorization": "Bearer northway"}
                async with found.session.post(f"{found.nodes[0].url}/v1/inbox", data=status(3).body, headers=headers) as response:
                    assert response.status == 202
                assert await effects(found, 2) == [status(1).subject, status(3).subject]
                await asyncio.to_thread(own.start)
                while await post(found, 2, 1) == 503:  # its volumes come a while after its door
                    await asyncio.sleep(0.2)
                assert await effects(found, 3) == [status(1).subject, status(2).subject, status(3).subject]

    asyncio.run(act())


def test_what_is_pruned_leaves_the_bucket(bucket: Bucket, tmp_path: Path):
    async def act() -> None:
        given = {"bucket": f"s3://{bucket.make('pruned')}", "endpoint": bucket.endpoint, "access_key": KEY, "secret_key": SECRET}
        async with running(tmp_path, payloads=given) as gateway:
            await gateway.sent("northway", large(1))
            await gateway.settle(lambda: gateway.effects(status(1).subject))
            box, store = gateway.partner("northway"), gateway.node.store
            while not await box.pick_up(gateway.session):
                await asyncio.sleep(0.05)
            there = open_bucket(terms(bucket, "pruned"))
            assert sum(len(page) for page in there.pages("sha256")) == 1
            later = now() + 500 * DAY
            await gateway.settle(lambda: store.prune(pruning.Ask("northway", later, 0, 10, later)).result(20).removed == 2)
            for name in store.take_drops(later + 2 * DAY, 10).result(20):
                store.files.remove(name)
            assert sum(len(page) for page in there.pages("sha256")) == 0

    asyncio.run(act())
