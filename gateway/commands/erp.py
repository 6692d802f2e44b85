"""`crossdock erp check URL`: an ERP team holds its own endpoint to the contract, and hears what it got wrong."""

import asyncio
import io
import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway.commands.translate import translate
from gateway.contract.endpoint import Endpoint, Tried, held_to_it
from gateway.errors import TemporaryFailure
from gateway.exits import FAILED, GOOD, SERVICE_MISSING
from gateway.targets.kinds import make
from gateway.targets.terms import Target

SAMPLES = ("856-notice.edi", "214-status.edi", "940-order.edi", "945-shipped.edi")
WRONG_TOKEN = "not-the-token"  # noqa: S105 - it is none


def samples() -> list[dict[str, Any]]:
    """An event of each kind that the demo's documents become."""
    found: dict[str, dict[str, Any]] = {}
    for name in SAMPLES:
        told = io.StringIO()
        translate(Path(__file__).parent.parent / "simulators" / "documents" / name, as_json=True, out=told)
        for line in told.getvalue().splitlines():
            event = json.loads(line)
            found.setdefault(event["type"], event)
    return list(found.values())


def check(target: Target, *, as_json: bool) -> int:
    """0 held, 1 something is wrong, 69 nobody answers."""

    async def act() -> list[Tried]:
        ours = make("check", target)
        tokens = {"wrong credentials": WRONG_TOKEN, "no credentials": None} if target.token else {}
        strangers = {having: make("check", target.model_copy(update={"token": token})) for having, token in tokens.items()}
        try:
            return await held_to_it(Endpoint(ours, strangers=strangers, samples=samples(), looks_up=target.repeats == "look_up"))
        finally:
            for one in (ours, *strangers.values()):
                await one.close()

    try:
        tried = asyncio.run(act())
    except TemporaryFailure as error:
        print(f"{target.url} {error}")
        return SERVICE_MISSING
    states = Counter(one.state for one in tried)
    code = FAILED if states["wrong"] else GOOD
    if as_json:
        print(json.dumps({"url": target.url, **states, "tried": [asdict(one) for one in tried]}, ensure_ascii=False))
        return code
    for one in tried:
        print(f"{one.state.upper() if one.state == 'wrong' else one.state:<10} {one.name:<13} {one.says}")
        for line in filter(None, (one.words, one.mend)):
            print(f"{'':<24} {line}")
    print(", ".join(f"{number} {state}" for state, number in states.items()))
    return code
