"""Named points between the steps at which a test may kill the process. In service they cost one look into an empty dict.

A point is armed by CROSSDOCK_FAILPOINTS="name=chance,name=chance" (chance between 0 and 1); a hit ends this process by SIGKILL,
after one line in the file that CROSSDOCK_FAILPOINTS_LOG names, so that the kill test can count them.
"""

import os
import random
import signal

POINTS = {
    "receive.spooled": "the body is on disk, no row names it yet",
    "receive.committed": "COMMIT 1 is done, the 202 has not left",
    "receive.answered": "the 202 has left",
    "translate.claimed": "messages are leased, no worker has them yet",
    "worker.reading": "a translation worker is in the middle of a message",
    "translate.read": "the worker's rows are back, nothing is committed",
    "translate.committed": "COMMIT 2 of a chunk is done",
    "deliver.claimed": "lanes are leased, nothing is sent",
    "deliver.sent": "the ERP has answered, COMMIT 3 is not done",
    "deliver.committed": "COMMIT 3 is done",
    "outbox.leased": "a partner's pick-up is leased, the answer has not left",
    "outbox.acknowledged": "a pick-up is settled, the answer has not left",
    "as2.kept": "an asynchronous message is durable, its 204 has not left",
    "as2.decided": "an AS2 message is committed with its receipt, which has not left",
    "as2.frozen": "a message of ours is committed in its final bytes, none has left",
    "as2.answered": "the partner has answered our message, nothing of that is committed",
    "sftp.parked": "a file that is not whole yet is on the disk, no row names it",
    "sftp.picked-up": "a document that a partner has read is delivered, its CLOSE is not answered",
    "sftp.listed": "a partner's folder is listed and what is in it noted, nothing is fetched",
    "sftp.fetched": "a partner's file is here, no row names it",
    "sftp.stored": "it is a message, and still lies at the partner's",
    "sftp.moved": "we have renamed it there, to take it away",
    "sftp.taken": "it is gone there, and our row does not say so yet",
    "sftp.put": "a document of ours lies at the partner's under its temporary name",
    "sftp.renamed": "it has its last name there, nothing of that is committed",
    "replay.claimed": "a replay of many is leased, nothing of it is read",
    "replay.read": "what a chunk of it came to is known, nothing of that is committed",
    "replay.committed": "a chunk of it is committed",
    "store.before_commit": "the writer is about to COMMIT",
    "store.after_commit": "the writer has committed, nobody knows yet",
}


def _armed() -> dict[str, float]:
    armed = {}
    for item in filter(None, os.environ.get("CROSSDOCK_FAILPOINTS", "").split(",")):
        name, _, chance = item.partition("=")
        if name not in POINTS:
            raise ValueError(f"no failpoint is called {name!r}; there are: {', '.join(POINTS)}")
        armed[name] = float(chance or 1)
    return armed


_ARMED = _armed()


def reach(name: str) -> None:
    chance = _ARMED.get(name)
    if chance is not None and random.random() < chance:
        log = os.environ.get("CROSSDOCK_FAILPOINTS_LOG")
        if log:
            descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.write(descriptor, f"{name}\n".encode())
            os.close(descriptor)
        os.kill(os.getpid(), signal.SIGKILL)
