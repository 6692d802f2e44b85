"""`python -m tests.kill --kills 1000`: the long form, with its table. Exit 0 only if nothing was lost or doubled and every point killed."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.kill.harness import POINTS_HERE, Run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", help="postgresql://… instead of SQLite")
    parser.add_argument("--sabotage", help="answer-before-commit or drop-idempotency-key: the run must then fail")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        verdict = asyncio.run(Run(Path(folder), seed=given.seed, kills=given.kills, database=given.database, sabotage=given.sabotage)())
    print(verdict.table())
    for kind in ("lost", "doubled", "strange", "unanswered"):
        if getattr(verdict, kind):
            print(f"{kind}: {getattr(verdict, kind)[:20]}")
    idle = [point for point in POINTS_HERE if not verdict.kills[point]]
    if idle:
        print(f"no kill at: {', '.join(idle)}")
    return 0 if verdict.good and not idle else 1


if __name__ == "__main__":
    sys.exit(main())
