"""One partner floods at fifty times: how long the others' documents take from their request to the ERP's ledger, with the flood and without it.

The ERP takes fewer events than the flood brings, so a queue stands before it from the first second on. Runs with and without take turns, and the
median of their ratios counts. What one claim costs: `python -m benchmarks.claims`.
`python -m benchmarks.fairness`
"""

import json
import subprocess
import sys
import time
from collections import defaultdict

from benchmarks.gateway import ROOT, gateway, ledger, peer, profile_text
from benchmarks.rows import Row

STEADY = {f"steady{number}": 2.0 for number in range(1, 5)}
FLOOD = {"flood": 100.0}
ERP_RATE = 60
SECONDS = 25
PATIENCE = 60
RUNS = 3


def latencies(rates: dict[str, float]) -> dict[str, list[float]]:
    """Seconds from a document's request to the ERP, by steady partner, sorted."""
    profiles = [profile_text(partner) for partner in rates]
    quota = {"CROSSDOCK_TARGETS__ERP__RATE": str(ERP_RATE), "CROSSDOCK_TARGETS__ERP__BURST": str(ERP_RATE / 10)}
    with peer("ledger") as erp, gateway(erp, profiles, **quota) as (url, _):
        command = [
            sys.executable,
            "-m",
            "benchmarks.peers",
            "pace",
            f"{url}/v1/inbox",
            str(SECONDS),
            *(f"{name}={rate}" for name, rate in rates.items()),
        ]
        begun = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
        wanted = {key for key in begun if key.partition(" ")[0] in STEADY}
        until = time.time() + PATIENCE
        while not wanted <= (came := ledger(erp)).keys():
            if time.time() > until:
                raise RuntimeError(f"{len(wanted - came.keys())} documents did not reach the ERP")
            time.sleep(0.2)
    found: dict[str, list[float]] = defaultdict(list)
    for key in wanted:
        found[key.partition(" ")[0]].append(came[key] - begun[key])
    return {partner: sorted(values) for partner, values in found.items()}


def p99(values: list[float]) -> float:
    return values[min(len(values) - 1, round(0.99 * len(values)))]


def run() -> list[Row]:
    pairs = [(latencies(STEADY), latencies(STEADY | FLOOD)) for _ in range(RUNS)]
    rows = []
    for partner in sorted(STEADY):
        ours = sorted(((p99(alone[partner]), p99(beside[partner])) for alone, beside in pairs), key=lambda pair: pair[1] / pair[0])
        before, after = ours[RUNS // 2]
        figures = f"{after * 1000:.0f} ms", f"alone {before * 1000:.0f} ms", f"{after / before:.2f}×"
        rows.append(Row(f"p99 of {partner} beside a flood of 50×", *figures, "≤ 1.5×", after <= 1.5 * before))
    return rows


if __name__ == "__main__":
    for row in run():
        print(row)
