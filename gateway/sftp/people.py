"""What people ask of SFTP: our keys, the partners' files, as plain functions from JSON to JSON (see gateway.operations)."""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

from gateway.clock import as_text, new_id, now
from gateway.errors import Refused
from gateway.keys import generate_ssh, read_ssh
from gateway.sftp import host_keys
from gateway.sftp.records import LISTED, SshKeyRow
from gateway.store import sftp as rows
from gateway.store import sftp_polls as polls
from gateway.store.store import Store
from partners.ssh_keys import read_public_key
from translators.as2.cms.keys import KeyRefused

Arguments = dict[str, Any]
WAIT = 30.0
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
STATES = (*LISTED, "refused", "replaced", "removed", "expired")


def sftp_files(store: Store, given: Arguments) -> Any:
    """What partners have put, the latest first; `partner` and `state` narrow it."""
    state = given.get("state")
    if state is not None and state not in STATES:
        raise Refused(400, "bad-request", f"no state is called {state}; there are: {', '.join(STATES)}")
    limit = min(int(given.get("limit") or 50), 1000)
    return [
        {
            "id": row.id, "partner": row.partner, "folder": row.folder, "name": row.name, "state": row.state, "size": row.size, "at": as_text(row.at),
            "message": row.message, "duplicate": row.duplicate, "reason": row.reason, "who": row.who,
        }
        for row in store.read(lambda tx: rows.latest(tx, given.get("partner"), state, limit)).result(WAIT)
    ]  # fmt: skip


def sftp_hostkeys(store: Store, given: Arguments) -> Any:
    """The host keys of our server, made where there are none: partners compare the fingerprint before they trust us."""
    return [_shown(row) for row in host_keys.host_keys(store, now())]


def sftp_keys(store: Store, given: Arguments) -> Any:
    """Our key pairs, host keys and those that we log in with at partners."""
    return [_shown(row) for row in store.read(rows.keys).result(WAIT) if given.get("all") or row.state == "active"]


def sftp_key_generate(store: Store, given: Arguments) -> Any:
    """A key pair to log in with at partners; they get the public half."""
    kind = str(given.get("kind") or "ed25519")
    if kind not in host_keys.KINDS:
        raise Refused(400, "bad-request", f"no kind of key is called {kind}; there are: {', '.join(host_keys.KINDS)}")
    return _put(store, given, generate_ssh(kind), "client")


def sftp_key_import(store: Store, given: Arguments) -> Any:
    """A key pair of ours from a file: with `host`, a host key that partners know already, which takes the place of ours of its kind."""
    try:
        data = base64.b64decode(str(given["data"]), validate=True)
        made = read_ssh(data, given.get("password"))
        read_public_key(made.public)
    except (binascii.Error, ValueError, KeyRefused) as error:
        raise Refused(422, "bad-request", str(error)) from None
    if given.get("host"):
        for row in host_keys.all_keys(store, "host"):
            if row.kind == made.kind:
                store.retire_ssh_key(row.id).result(WAIT)
    return _put(store, given, made, "host" if given.get("host") else "client")


def sftp_key_retire(store: Store, given: Arguments) -> Any:
    """Takes a key pair of ours out of use."""
    wanted = str(given["id"])
    found = [row for row in store.read(rows.keys).result(WAIT) if row.state == "active" and (row.name == wanted or row.id.startswith(wanted))]
    if len(found) != 1:
        raise Refused(404, "not-found", f"{len(found)} keys in use are called {wanted}; `crossdock sftp keys` lists them")
    store.retire_ssh_key(found[0].id).result(WAIT)
    return _shown(found[0]) | {"state": "retired"}


def sftp_secret(store: Store, given: Arguments) -> Any:
    """A password for a partner's server, sealed under a name; the one before it is taken out of use."""
    name, value = str(given.get("name") or ""), str(given.get("value") or "")
    if not NAME.fullmatch(name) or not value or len(value) > 1000:
        raise Refused(400, "bad-request", "a secret needs a name of small letters, digits, points and hyphens, and a value")
    assert store.vault is not None
    for row in host_keys.all_keys(store, "secret"):
        if row.name == name:
            store.retire_ssh_key(row.id).result(WAIT)
    at = now()
    identity = f"secret:{name}:{new_id(at)}"[:80]
    row = SshKeyRow(
        identity, "secret", name, "password", "", store.vault.seal_text(value.encode(), identity), "active", at, str(given.get("who") or "operator")
    )
    store.put_ssh_key(row).result(WAIT)
    return {"name": name, "since": as_text(at)}


def sftp_polls(store: Store, given: Arguments) -> Any:
    """The folders that we poll: when next, and what came of the last time."""
    return [
        {
            "poll": row.id.partition(":")[2], "partner": row.partner, "next": as_text(row.next_due) if row.next_due else None,
            "at": as_text(row.at) if row.at else None, "failures": row.failures, "told": row.told, "node": row.node,
        }
        for row in store.look(polls.polls)
        if given.get("partner") in (None, row.partner)
    ]  # fmt: skip


def sftp_poll(store: Store, given: Arguments) -> Any:
    """Polls a partner's folders now."""
    store.poll_now(str(given["partner"])).result(WAIT)
    return {"partner": given["partner"]}


def _put(store: Store, given: Arguments, made: Any, use: str) -> Any:
    name = str(given.get("name") or "")
    if not NAME.fullmatch(name):
        raise Refused(400, "bad-request", f"{name!r} is no name for a key; use small letters, digits, points and hyphens")
    if any(row.name == name and row.state == "active" and row.use == use for row in store.read(rows.keys).result(WAIT)):
        raise Refused(409, "bad-request", f"a key of ours is called {name} already; take another name, such as {name}-2")
    row = host_keys.sealed(store, made, use=use, name=name, at=now(), who=str(given.get("who") or "operator"))
    store.put_ssh_key(row).result(WAIT)
    return _shown(row)


def _shown(row: SshKeyRow) -> dict[str, Any]:
    return {
        "name": row.name, "use": row.use, "kind": row.kind, "fingerprint": row.id, "public": f"{row.public} crossdock-{row.name}", "state": row.state,
        "since": as_text(row.at),
    }  # fmt: skip


OPERATIONS: dict[str, Callable[[Store, Arguments], Any]] = {
    "sftp.files": sftp_files,
    "sftp.hostkeys": sftp_hostkeys,
    "sftp.keys": sftp_keys,
    "sftp.key.generate": sftp_key_generate,
    "sftp.key.import": sftp_key_import,
    "sftp.key.retire": sftp_key_retire,
    "keys.secret": sftp_secret,
    "sftp.polls": sftp_polls,
    "sftp.poll": sftp_poll,
}
CHANGING = frozenset({"sftp.poll", "keys.secret"})
