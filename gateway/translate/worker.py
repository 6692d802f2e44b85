"""A translation worker: one process that reads jobs from its standard input and writes finished rows to its standard output.

It never opens the database. Its memory and its CPU time are limited; ending it costs one call, which is made again elsewhere.
"""

import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from gateway.failpoints import reach
from gateway.translate.file_work import FileWork
from gateway.translate.frames import HEAD, pack, sizes, unpack
from gateway.translate.telling import Job
from gateway.translate.work import MessageWork
from partners.guides import shipped_guides
from partners.mappings import shipped
from partners.profile import Profile, read_profile
from translators.formats import recognise

CPU_SECONDS = 10
CPU_SECONDS_A_MEGABYTE = 1
PROFILES_KEPT = 256
HEAD_BYTES = 4_096
"""Enough of a message to see what format it has."""


class Worker:
    """Holds what outlives a call: profiles, compiled mappings, and the message it is in the middle of."""

    def __init__(self) -> None:
        self._profiles: dict[tuple[str, int], Profile] = {}
        self._work: MessageWork | FileWork | None = None
        self._resume: str | None = None
        self._terms: tuple[Any, ...] | None = None
        """Under which a replay reads the message; None outside of a replay."""
        self._opened: int | None = None

    def answer(self, call: dict[str, Any], blob: bytes) -> dict[str, Any]:
        return {"results": [self._one(job, blob) for job in call["jobs"]]}

    def _one(self, job: dict[str, Any], blob: bytes) -> dict[str, Any]:
        _allow_cpu(job["size"])
        reach("worker.reading")
        try:
            work = self._continued(job) or self._begun(job, blob)
            chunk = work.chunk(job["dropped"], alone=job.get("alone", False))
        except MemoryError:
            self._forget()
            return {"message": job["message"], "error": "it needs more memory than a worker has"}
        except Exception as error:
            self._forget()
            traceback.print_exc(file=sys.stderr)
            return {"message": job["message"], "error": f"our own fault: {type(error).__name__}: {error}"}
        if chunk["resume"]:
            self._work, self._resume = work, chunk["resume"]
        elif _is_replay_of_a_file(job):
            self._work, self._resume, self._terms = work, None, _terms(job)
        else:
            self._forget()
        return {"message": job["message"], "chunk": chunk}

    def _continued(self, job: dict[str, Any]) -> MessageWork | FileWork | None:
        """The message we are in the middle of, if this call goes on exactly where we are."""
        work = self._work
        if work is None or work.job.message != job["message"] or job["hold"]:
            return None
        if _is_replay_of_a_file(job):
            if self._terms != _terms(job):
                return None
            work.go_on(job["resume"], job["earlier"])
            return work
        return work if self._terms is None and self._resume == job["resume_text"] else None

    def _begun(self, job: dict[str, Any], blob: bytes) -> MessageWork | FileWork:
        self._forget()
        profile = self._profile(job)
        value = Job(
            job["message"], job["size"], job["received_at"], job["resume"], job["earlier"], job["hold"], job["override"], job["file_name"],
            job.get("stream"), job.get("target"),
        )  # fmt: skip
        read = self._reader(job, blob)
        format = recognise(read(0, HEAD_BYTES))
        work: MessageWork | FileWork
        if format == "xml" or (format == "csv" and profile.files("csv")):
            work = FileWork(value, profile, read, format=format, mappings=shipped())
        else:
            work = MessageWork(value, profile, read, guides=shipped_guides(), mappings=shipped())
        work.dropped |= set(job["dropped"])
        return work

    def _profile(self, job: dict[str, Any]) -> Profile:
        key = (job["partner"], job["revision"])
        if key not in self._profiles or job["profile"] is not None:
            if len(self._profiles) >= PROFILES_KEPT:
                self._profiles.clear()
            self._profiles[key] = read_profile(job["profile"])
        return self._profiles[key]

    def _reader(self, job: dict[str, Any], blob: bytes) -> Callable[[int, int], bytes]:
        if job["path"] is None:
            start, size = job["blob_start"], job["size"]
            data = blob[start : start + size]
            return lambda offset, length: data[offset : offset + length]
        descriptor = self._opened = os.open(Path(job["path"]), os.O_RDONLY)
        return lambda offset, length: os.pread(descriptor, length, offset)

    def _forget(self) -> None:
        self._work = self._resume = self._terms = None
        if self._opened is not None:
            os.close(self._opened)
            self._opened = None


def _is_replay_of_a_file(job: dict[str, Any]) -> bool:
    """A replay of a large message comes in stretches; its envelopes are found once for all of them."""
    return job["path"] is not None and "replay" in (job["resume"] or {})


def _terms(job: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(job.get(name) for name in ("message", "partner", "revision", "override", "stream", "target"))


def _allow_cpu(size: int) -> None:
    """CPU time for one job from now on; past it the kernel ends the process (SIGXCPU)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    budget = CPU_SECONDS + CPU_SECONDS_A_MEGABYTE * (size // 2**20 + 1)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1 + budget, resource.RLIM_INFINITY))


def _read_exactly(pipe: BinaryIO, length: int) -> bytes | None:
    data = bytearray()
    while len(data) < length:
        piece = pipe.read(length - len(data))
        if not piece:
            return None
        data += piece
    return bytes(data)


def main() -> None:
    """Serves until standard input ends, which it does when the parent does, however it ends."""
    memory = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    worker = Worker()
    while head := _read_exactly(sys.stdin.buffer, HEAD.size):
        text, blob = sizes(head)
        body = _read_exactly(sys.stdin.buffer, text)
        more = _read_exactly(sys.stdin.buffer, blob) if blob else b""
        if body is None or more is None:
            return
        answer = memoryview(pack(worker.answer(unpack(body), more)))
        while answer:
            answer = answer[answers.write(answer) :]


if __name__ == "__main__":
    main()
