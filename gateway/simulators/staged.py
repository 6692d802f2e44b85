"""An ERP's staging area: what comes in is only taken (202), worked on a while later, and can be asked about meanwhile. Faults appear late.

Knows no effect: what is to be done when a job's time has come is given to it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

Status = Literal["STAGED", "RUNNING", "SUCCEEDED", "FAILED"]


@dataclass
class Job:
    number: int
    status: Status = "STAGED"
    confirmation: str | None = None
    error: str | None = None

    def told(self) -> dict[str, object]:
        more = {name: value for name, value in (("confirmation", self.confirmation), ("error", self.error)) if value is not None}
        return {"id": self.number, "status": self.status, **more}


class Staging:
    def __init__(self, seconds: float) -> None:
        """`seconds`: from taken to done, half of them at work."""
        self.seconds = seconds
        self.jobs: dict[str, Job] = {}
        """By the event's key: a repeat meets its own job."""

    def take(self, key: str, work: Callable[[], str], *, error: str | None) -> web.Response:
        """202 with where to ask. `work` is done when its time has come, unless there is an `error`; it gives the confirmation."""
        job = self.jobs.get(key)
        if job is None or job.status == "FAILED":  # what has failed may be brought again
            job = self.jobs[key] = Job(len(self.jobs) + 1 if job is None else job.number)
            loop = asyncio.get_running_loop()
            loop.call_later(self.seconds / 2, self._begin, job)
            loop.call_later(self.seconds, self._end, job, work, error)
        return web.json_response(job.told(), status=202, headers={"Location": f"/jobs/{job.number}"})

    async def status(self, request: web.Request) -> web.Response:
        """GET /jobs/{number}."""
        job = next((one for one in self.jobs.values() if str(one.number) == request.match_info["number"]), None)
        return web.json_response({"error": "no such job"}, status=404) if job is None else web.json_response(job.told())

    def _begin(self, job: Job) -> None:
        job.status = "RUNNING"

    def _end(self, job: Job, work: Callable[[], str], error: str | None) -> None:
        if error is not None:
            job.status, job.error = "FAILED", error
        else:
            job.status, job.confirmation = "SUCCEEDED", work()
