"""A node's data directory: which process has it, the node's name, and the file by which commands find the node.

Knows neither the store in it nor what a node does.
"""

import fcntl
import json
import os
import secrets
from pathlib import Path

from gateway.errors import StoreUnavailable

NODE_FILE = "node.json"
LOCK_FILE = "crossdock.lock"
NODE_NAME_FILE = "node.name"


class Locked(StoreUnavailable):
    """Another process has the data directory."""


def lock(data_dir: Path) -> int:
    """One process has a data directory's SQLite. The kernel gives the lock back however the process ends. Raises Locked."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise Locked(f"another process uses {data_dir}; stop it, or talk to it: the commands find it by themselves") from None
    return descriptor


def node_name(data_dir: Path) -> str:
    """The same for every life of a data directory, so that a restarted node knows its own leases; no two directories share one."""
    file = data_dir / NODE_NAME_FILE
    if not file.exists():
        file.write_text(f"{os.uname().nodename[:20]}-{secrets.token_hex(4)}", encoding="utf-8")
    return file.read_text(encoding="utf-8")


def write_node_file(data_dir: Path, token: str, addresses: dict[str, str]) -> None:
    """Where the commands find this node, and with which token: readable by its own user only."""
    path = data_dir / NODE_FILE
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(descriptor, json.dumps({"pid": os.getpid(), "token": token, **addresses}).encode())
    os.close(descriptor)
    temporary.replace(path)


def remove_node_file(data_dir: Path) -> None:
    (data_dir / NODE_FILE).unlink(missing_ok=True)
