"""Several nodes on one PostgreSQL against one, and one on PostgreSQL against one on SQLite: small 214s from the first send to the last confirmation of the ERP.

`python -m benchmarks.nodes`. All of it runs on this machine: database, nodes, their workers, senders and the ERP share its cores.
"""

import contextlib
from concurrent.futures import ThreadPoolExecutor

from benchmarks.gateway import confirmed, gateway, peer, send
from benchmarks.rows import Row
from tests.databases import empty_database, own_postgresql

MESSAGES = 3_000
IN_FLIGHT = 66
RUNS = 3
PATIENCE = 180


def end_to_end(database: str | None, nodes: int) -> float:
    """214s a second; senders are spread over the nodes, which have two translation workers or, several, one each."""
    more = {"CROSSDOCK_DATABASE": database} if database else {}
    with peer("erp") as erp, contextlib.ExitStack() as stack:
        urls = [
            stack.enter_context(gateway(erp, **more, CROSSDOCK_WORKERS="2" if nodes == 1 else "1", CROSSDOCK_KEY_SECRET="of-the-benchmark" * 3))[0]
            for _ in range(nodes)
        ]
        share = MESSAGES // nodes
        with ThreadPoolExecutor(nodes) as pool:
            sent = list(pool.map(lambda one: send(urls[one], share, IN_FLIGHT // nodes, first=1 + one * share), range(nodes)))
        last = confirmed(erp, share * nodes, ended=sent[0]["ended"], patience=PATIENCE)
        return share * nodes / (last - min(one["begun"] for one in sent))


def run() -> list[Row]:
    with own_postgresql() as server:
        # In turns, so that what else the machine does meets all of them.
        rounds = [
            (end_to_end(None, 1), end_to_end(empty_database(server.get_uri()), 1), end_to_end(empty_database(server.get_uri()), 3))
            for _ in range(RUNS)
        ]
    sqlite, one, three = (sorted(rates)[RUNS // 2] for rates in zip(*rounds, strict=True))
    return [
        Row(
            "one node on PostgreSQL, end to end",
            f"{one:,.0f}/s",
            f"one on SQLite {sqlite:,.0f}/s",
            f"{one / sqlite:.0%}",
            "≥ 60 %",
            one / sqlite >= 0.6,
        ),
        Row("three nodes on PostgreSQL, end to end", f"{three:,.0f}/s", f"one node {one:,.0f}/s", f"{three / one:.0%}", "≥ 100 %", three >= one),
    ]


if __name__ == "__main__":
    for row in run():
        print(row)
