"""P11. Networks part: nodes from their database, from the ERP, from partners; whole, one way, late; one after another and all at once. Others go on, and nothing is lost or done twice."""

import asyncio
import contextlib
import os
import random
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qs, urlsplit

from tests.faults.cluster import Cluster, Node, cluster
from tests.faults.links import Kind, Link
from tests.faults.promise import Proof, Trial
from tests.faults.senders import LONGER_THAN_A_LEASE, Senders, judged
from tests.kill.documents import document

LONGER_THAN_LEASES = 18.0
KINDS: tuple[Kind, ...] = ("refused", "hole", "deaf", "mute", "slow")
HEALED = 60.0
OUTSIDE, INSIDE = "10.213.147.1", "10.213.147.2"
"""The two ends of a line between this network and a node's own."""


async def prove(trial: Trial, proof: Proof) -> None:
    chance = random.Random(trial.seed)
    async with _parted(trial) as (found, links):
        senders = Senders(found.session, found.url, trial.size("rate"))
        senders.start()
        slow = asyncio.create_task(found.slow())
        await asyncio.sleep(1)
        await _cut_off_in_the_middle(found, links["database"][0], proof)
        slow.cancel()
        found.erp.behaviour.stall = 0
        for _ in range(0 if trial.sabotage else trial.size("schedules")):
            await _schedule(found, links, chance, trial, proof)
            await _healed(found, proof)
        await senders.stop()
        await judged(proof, senders.believed, found.erp, patience=5 if trial.sabotage else LONGER_THAN_A_LEASE)
        proof.none("deliveries that two holders wrote down", found.delivered_twice())
    if trial.sabotage is None:
        await _silent(trial, proof)


# ---- a network of its own


async def _silent(trial: Trial, proof: Proof) -> None:
    """A node in a network namespace hears nothing any more, as behind a route that leads nowhere: no reset, no refusal. Its kernel gives the database up; then it hears again."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        proof.count("network namespaces that could not be had")
        return
    place = Trial(trial.folder / "namespace", trial.seed, trial.sizes, trial.postgresql)
    with _namespace() as name:
        links: list[Link] = []

        async def inside(node: Node, erp_url: str) -> None:
            if node.folder.name == "node1":
                links.extend(await _from_inside(node, name, place_of(url), erp_url))

        url = trial.database()
        async with cluster(place, nodes=2, database=url, before_start=inside) as found:
            senders = Senders(found.session, found.url, trial.size("rate"))
            senders.start()
            while not all(node.is_open for node in found.nodes):
                await asyncio.sleep(0.1)
            await asyncio.sleep(2)
            for _ in range(trial.size("silences")):
                _ip("route", "add", "blackhole", f"{INSIDE}/32")
                proof.count("routes that led nowhere")
                await asyncio.sleep(trial.size("silent"))
                _ip("route", "del", "blackhole", f"{INSIDE}/32")
                await _healed(found, proof)
            await senders.stop()
            await judged(proof, senders.believed, found.erp, patience=LONGER_THAN_A_LEASE)
            proof.none("deliveries that two holders wrote down", found.delivered_twice())
            for node in found.nodes:
                proof.holds(await _takes(found, node), "a node takes nothing, though it says that it is well")
        for link in links:
            await link.stop()


async def _takes(found: Cluster, node: Node) -> bool:
    """Whether it keeps a document: one that it has, so that nothing is done for it."""
    sent = document(1)
    headers = {"Authorization": f"Bearer {sent.partner}", "Idempotency-Key": "key-1"}
    async with found.session.post(f"{node.url}/v1/inbox", data=sent.body, headers=headers) as response:
        return response.status == 202


async def _from_inside(node: Node, name: str, database: tuple[str, str], erp_url: str) -> list[Link]:
    """The node runs there; it meets the database and the ERP at the outer end of its line."""
    socket, rest = database
    links = [Link(socket), Link(("127.0.0.1", urlsplit(erp_url).port or 0))]
    for link in links:
        await link.start(OUTSIDE)
    node.within, node.host = ["ip", "netns", "exec", name], INSIDE
    node.also(
        CROSSDOCK_DATABASE=rest.format(f"{OUTSIDE}:{links[0].port}"), CROSSDOCK_TARGETS__ERP__URL=f"http://{OUTSIDE}:{links[1].port}/events",
        CROSSDOCK_PARTNER_LISTENER__HOST="0.0.0.0", CROSSDOCK_ADMIN_LISTENER__HOST="0.0.0.0",
    )  # fmt: skip
    return links


@contextlib.contextmanager
def _namespace() -> Iterator[str]:
    """A network of its own, with one line to this one."""
    name = f"crossdock-{os.getpid()}"
    outer, inner = f"cdo{os.getpid() % 100_000}", f"cdi{os.getpid() % 100_000}"
    _ip("netns", "add", name)
    try:
        _ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
        _ip("addr", "add", f"{OUTSIDE}/30", "dev", outer)
        _ip("link", "set", outer, "up")
        for command in (("addr", "add", f"{INSIDE}/30", "dev", inner), ("link", "set", inner, "up"), ("link", "set", "lo", "up")):
            _ip("-n", name, *command)
        yield name
    finally:
        _ip("netns", "del", name)  # its end of the line goes with it, and so does ours


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def place_of(url: str) -> tuple[str, str]:
    """(the path of the server's socket, a URL with {} for a host and port before it)."""
    parts = urlsplit(url)
    given = parse_qs(parts.query)
    return f"{given['host'][0]}/.s.PGSQL.{given.get('port', ['5432'])[0]}", f"postgresql://{parts.username}@{{}}{parts.path}"


# ---- links that are cut


@contextlib.asynccontextmanager
async def _parted(trial: Trial) -> AsyncIterator[tuple[Cluster, dict[str, list[Link]]]]:
    """A cluster with a link of its own for each node to the database and to the ERP, and for partners to each node."""
    url = trial.database()
    socket, rest = place_of(url)
    links: dict[str, list[Link]] = {"database": [], "erp": [], "partners": []}

    async def parted(node: Node, erp_url: str) -> None:
        database = Link(socket)
        erp = Link(("127.0.0.1", urlsplit(erp_url).port or 0))
        for one in (database, erp):
            await one.start()
        links["database"].append(database)
        links["erp"].append(erp)
        node.also(CROSSDOCK_DATABASE=rest.format(f"127.0.0.1:{database.port}"), CROSSDOCK_TARGETS__ERP__URL=f"http://127.0.0.1:{erp.port}/events")

    async with cluster(trial, nodes=trial.size("nodes"), database=url, before_start=parted) as found:
        for node in found.nodes:
            door = Link(("127.0.0.1", urlsplit(node.url).port or 0))
            await door.start()
            links["partners"].append(door)
            node.url = f"http://127.0.0.1:{door.port}"
        try:
            yield found, links
        finally:
            for one in (link for some in links.values() for link in some):
                await one.stop()


async def _cut_off_in_the_middle(found: Cluster, link: Link, proof: Proof) -> None:
    """A node loses its database with attempts under way, for longer than its leases: what it would write then comes too late."""
    node = found.nodes[0]
    held = f"SELECT count(*) FROM lanes WHERE node = '{node.name}' AND lease_until > 0"
    for _ in range(500):
        link.be("hole")
        lanes = (await asyncio.to_thread(found.ask, held))[0][0]
        if lanes:
            break
        link.be("whole")
        await asyncio.sleep(0.02)
    proof.count("lanes that a node held when its database was cut off", lanes)
    proof.holds(lanes > 0, "a node was cut off without an attempt under way: nothing was tried")
    await asyncio.sleep(LONGER_THAN_LEASES)
    link.be("whole")
    await _healed(found, proof)


async def _schedule(found: Cluster, links: dict[str, list[Link]], chance: random.Random, trial: Trial, proof: Proof) -> None:
    """Some links are clogged one after another, in one order, and freed in another."""
    all_of_them = [link for some in links.values() for link in some]
    chosen = chance.sample(all_of_them, chance.randrange(1, len(all_of_them)))
    for link in chosen:
        link.be(chance.choice(KINDS))
        proof.count("links cut")
        await asyncio.sleep(chance.random() * trial.sizes["pause"])
    await asyncio.sleep(trial.sizes["lasts"])
    chance.shuffle(chosen)
    for link in chosen:
        if chance.random() < 0.5:
            link.reset()  # else what was held comes late
        link.be("whole")
        await asyncio.sleep(chance.random() * trial.sizes["pause"])


async def _healed(found: Cluster, proof: Proof) -> None:
    """Until every node takes documents again by itself."""
    begun = time.monotonic()
    while not all(node.is_open for node in found.nodes) and time.monotonic() - begun < HEALED:
        await asyncio.sleep(0.1)
    seconds = time.monotonic() - begun
    had = float(proof.figures.get("healed within", "0").split()[0])
    proof.figures["healed within"] = f"{max(had, seconds):.1f} s"
    proof.holds(seconds < HEALED, f"after {HEALED:.0f} s a node takes nothing yet")
