"""Tries a partner's SFTP terms for real: our server answers, its server lets us in, its folders are there (see gateway.operations)."""

import json
from typing import Any

from gateway.clock import as_datetime, new_id, now
from gateway.data_directory import NODE_FILE
from gateway.errors import CrossdockError, DestinationFault, Refused, TemporaryFailure
from gateway.sftp.host_keys import all_keys, secret_of
from gateway.store import profiles
from gateway.store.store import Store
from gateway.transports.sftp_remote import Remote, RemoteDenied, RemoteGone, shown_by
from partners.channels import SftpChannel, SftpPoll, SftpPush, SftpRemote
from partners.profile import read_profile

Step = dict[str, Any]
WAIT = 30.0


def sftp_selftest(store: Store, given: dict[str, Any]) -> Any:
    """Each thing that was tried, whether it is good, and what was found."""
    partner = str(given["partner"])
    live = {row.partner: row.text for row in store.read(profiles.live).result(WAIT)}
    if partner not in live:
        raise Refused(404, "not-found", f"no partner is called {partner}")
    channels = read_profile(live[partner], partner).channels
    told: list[Step] = []
    if channels.sftp is not None:
        told += _server(store, channels.sftp)
    for poll in channels.sftp_poll:
        told += _remote(store, poll, f"poll {poll.name}", _polled)
    if channels.sftp_push is not None:
        told += _remote(store, channels.sftp_push, "push", _pushed)
    if not told:
        raise Refused(409, "bad-request", f"{partner} has no channel by SFTP: channels.sftp, sftp_poll or sftp_push")
    return told


def sftp_scan(store: Store, given: dict[str, Any]) -> Any:
    """What a server shows to everybody. That it is the partner's, only the partner can say."""
    try:
        shown = shown_by(str(given["host"]), int(given.get("port") or 22), 15)
    except (TemporaryFailure, DestinationFault) as error:
        raise Refused(502, "bad-request", str(error)) from None
    return {"server": shown.server, "hostkey": shown.public, "fingerprint": shown.fingerprint}


def _step(what: str, good: bool, found: str) -> Step:
    return {"check": what, "good": good, "text": found}


def _server(store: Store, channel: SftpChannel) -> list[Step]:
    day = as_datetime(now()).date()
    keys = sum(one.good(day) for one in channel.keys)
    passwords = sum(one.good(day) for one in channel.passwords)
    told = [_step("login at our server", bool(keys or passwords), f"{keys} keys and {passwords} passwords are good today")]
    node = store.files.folder.parent / NODE_FILE
    address = json.loads(node.read_text()).get("sftp") if node.exists() else None
    if address is None:
        return [*told, _step("our server", False, "no node runs on this data directory that has opened it; start one with `crossdock serve`")]
    host, _, port = address.removeprefix("sftp://").rpartition(":")
    try:
        shown = shown_by(host, int(port), 10)
    except (TemporaryFailure, DestinationFault) as error:
        return [*told, _step("our server", False, str(error))]
    ours = {row.id for row in all_keys(store, "host")}
    return [
        *told,
        _step("our server", True, f"{shown.server} at {address}"),
        _step("our host key", shown.fingerprint in ours, f"{shown.fingerprint}; the partner should know it"),
    ]


def _remote(store: Store, terms: SftpRemote, what: str, go_on: Any) -> list[Step]:
    place = f"{terms.user}@{terms.host}:{terms.port}"
    try:
        remote = Remote.connect(terms, secret_of(store, terms))
    except (TemporaryFailure, DestinationFault) as error:
        return [_step(f"{what}: login", False, str(error))]
    try:
        return [_step(f"{what}: login", True, f"{place}, {remote.server}, host key as pinned"), *go_on(remote, terms, what)]
    except (CrossdockError, RemoteDenied, RemoteGone) as error:
        return [_step(f"{what}: login", True, place), _step(what, False, str(error))]
    finally:
        remote.close()


def _polled(remote: Remote, terms: SftpPoll, what: str) -> list[Step]:
    files = remote.listed(terms.folder)
    told = [_step(f"{what}: {terms.folder}", True, f"{len(files)} files")]
    if terms.archive is not None:
        told.append(_step(f"{what}: {terms.archive}", True, f"{len(remote.listed(terms.archive))} files"))
    return told


def _pushed(remote: Remote, terms: SftpPush, what: str) -> list[Step]:
    """A file that is written, renamed and removed again, under a name that says what it is."""
    name = f"{terms.folder.rstrip('/')}/crossdock-selftest-{new_id(now())}"
    remote.write(f"{name}.part", b"A trial of the connection. It is removed at once.\n")
    remote.posix_rename(f"{name}.part", name)
    there = remote.stat(name)
    remote.remove(name)
    size = "nothing" if there is None else f"{there.size} bytes"
    return [_step(f"{what}: {terms.folder}", there is not None, f"written, renamed, seen ({size}) and removed")]
