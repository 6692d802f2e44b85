"""How long a document takes from its request to the ERP's ledger, at a steady 200 a second; beside it the same at a tenth of that pace.

The ERP takes ten milliseconds for each. The request's begin is earlier than its receipt, so what is told is no less than from receipt to ERP.
`python -m benchmarks.latency`
"""

import json
import subprocess
import sys
import time

from benchmarks.fairness import PATIENCE, p99
from benchmarks.gateway import ROOT, gateway, ledger, peer, profile_text
from benchmarks.rows import Row

PARTNERS = 4
RATE = 200
QUIET = 20
SECONDS = 20
RUNS = 3
AIM = 5.0


def seconds_to_erp(rate: float) -> list[float]:
    """Of every document that was taken, sorted."""
    names = [f"steady{number}" for number in range(1, PARTNERS + 1)]
    with peer("ledger") as erp, gateway(erp, [profile_text(name) for name in names]) as (url, _):
        pairs = [f"{name}={rate / PARTNERS}" for name in names]
        command = [sys.executable, "-m", "benchmarks.peers", "pace", f"{url}/v1/inbox", str(SECONDS), *pairs]
        begun = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
        until = time.time() + PATIENCE
        while not begun.keys() <= (came := ledger(erp)).keys():
            if time.time() > until:
                raise RuntimeError(f"{len(begun.keys() - came.keys())} of {len(begun)} documents did not reach the ERP")
            time.sleep(0.2)
    if len(begun) < 0.99 * rate * SECONDS:
        raise RuntimeError(f"only {len(begun)} of {rate * SECONDS:.0f} documents were taken")
    return sorted(came[key] - at for key, at in begun.items())


def run() -> list[Row]:
    pairs = sorted((p99(seconds_to_erp(RATE)), p99(seconds_to_erp(QUIET))) for _ in range(RUNS))
    loaded, quiet = pairs[RUNS // 2]
    figures = f"{loaded * 1000:.0f} ms", f"at {QUIET} a second {quiet * 1000:.0f} ms", f"{loaded / quiet:.1f}×"
    return [Row(f"request to ERP at {RATE} a second, p99", *figures, f"≤ {AIM:.0f} s", loaded <= AIM)]


if __name__ == "__main__":
    for row in run():
        print(row)
