"""When to come again."""

import random
from datetime import timedelta

from gateway.settings import Retries


def backoff(attempts: int, retries: Retries, chance: float | None = None) -> timedelta:
    """How long to wait after so many attempts: exponential, half of it by chance, so that a herd does not come back together."""
    full = min(retries.first * retries.factor ** min(attempts, 60), retries.longest)
    return full / 2 + full / 2 * (random.random() if chance is None else chance)
