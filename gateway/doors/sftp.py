"""The SFTP door: its listener, and connections with their logins. Nothing but SFTP is offered.

Thin: paramiko speaks SSH. Knows nothing of SFTP's requests; those are sftp_session.py's.
"""

import io
import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import paramiko

from gateway import journal
from gateway.doors.sftp_packets import Server
from gateway.doors.sftp_session import Session
from gateway.settings import SftpListener
from gateway.sftp.documents import Documents
from gateway.sftp.files import Files
from gateway.sftp.gatekeeper import Gatekeeper
from gateway.sftp.paths import DENIED, Refusal
from partners.book import Book, Revision

CIPHERS = ("aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "aes256-ctr", "aes192-ctr", "aes128-ctr")
DIGESTS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
EXCHANGES = (
    "mlkem768x25519-sha256", "curve25519-sha256", "curve25519-sha256@libssh.org", "diffie-hellman-group16-sha512", "diffie-hellman-group14-sha256",
)  # fmt: skip
HOST_KINDS = ("ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256")
LOGIN_KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-512", "rsa-sha2-256")
WINDOW = 2 << 20
MOST_CHANNEL_PACKET = 1 << 15
WRITTEN_TRIES = 3
"""Wrong passwords on one connection."""
KEY_TRIES = 20
"""Keys that a client may offer on one connection; agents offer all that they have."""
LOGIN_TIME = 60.0
"""Seconds from the connection to the login, and without an open session."""
TICK = 1.0

logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False


class SftpDoor:
    """The listener: one thread that takes connections and looks after them, two for each connection."""

    def __init__(
        self, listener: SftpListener, keys: list[bytes], *, book: Callable[[], Book], gatekeeper: Gatekeeper, files: Files, documents: Documents, product: str
    ) -> None:  # fmt: skip
        self.book, self.gatekeeper, self.files, self.documents = book, gatekeeper, files, documents
        self._listener, self._product = listener, product
        self._keys = [_private(one) for one in keys]
        self._connections: set[Connection] = set()
        self._lock = threading.Lock()
        self._stopping = False
        self.sessions: Counter[str] = Counter()
        """Open sessions, by partner."""

    def start(self) -> str:
        """Its address."""
        self._socket = socket.create_server((self._listener.host, self._listener.port), backlog=128, reuse_port=False)
        self._socket.settimeout(TICK)
        self._thread = threading.Thread(target=self._accept, name="sftp door", daemon=True)
        self._thread.start()
        host, port = self._socket.getsockname()[:2]
        return f"sftp://{host}:{port}"

    def stop(self) -> None:
        """Ends all connections; what was not closed is kept as it is."""
        self._stopping = True
        self._socket.close()
        for one in list(self._connections):
            one.close()
        self._thread.join(TICK * 3)
        until = time.monotonic() + 10
        while sum(self.sessions.values()) and time.monotonic() < until:
            time.sleep(0.02)

    @property
    def connections(self) -> int:
        return len(self._connections)

    def _accept(self) -> None:
        while not self._stopping:
            try:
                line, address = self._socket.accept()
            except TimeoutError:
                self._look_after()
                continue
            except OSError:
                if self._stopping:
                    return
                time.sleep(0.05)
                continue
            self._look_after()
            if self._has_room(address[0]):
                self._begin(line, address[0])
            else:
                line.close()

    def _has_room(self, address: str) -> bool:
        with self._lock:
            same = sum(one.address == address for one in self._connections)
            return len(self._connections) < self._listener.connections and same < self._listener.connections_of_address

    def _begin(self, line: socket.socket, address: str) -> None:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection = Connection(self, line, address)
        with self._lock:
            self._connections.add(connection)
        try:
            connection.start(self._keys, self._product)
        except Exception as error:
            journal.trouble("sftp: connection", error)
            connection.close()

    def _look_after(self) -> None:
        """Ends connections that never log in or have no session, and forgets those that are gone."""
        now = time.monotonic()
        with self._lock:
            for one in [one for one in self._connections if not one.alive]:
                self._connections.discard(one)
            idle = [one for one in self._connections if not one.sessions and now - one.quiet_since > LOGIN_TIME]
        for one in idle:
            one.close()

    def session_begins(self, revision: Revision) -> bool:
        channel = revision.profile.channels.sftp
        with self._lock:
            if channel is None or self._stopping or self.sessions[revision.profile.partner] >= channel.sessions:
                return False
            self.sessions[revision.profile.partner] += 1
            return True

    def session_ends(self, partner: str) -> None:
        with self._lock:
            self.sessions[partner] -= 1


def _private(pem: bytes) -> Any:
    text = pem.decode()
    for kind in (paramiko.Ed25519Key, paramiko.RSAKey, paramiko.ECDSAKey):
        try:
            return kind.from_private_key(io.StringIO(text))
        except paramiko.SSHException:
            continue
    raise ValueError("a host key of ours is none that can be used")


class Connection(paramiko.ServerInterface):
    """One connection and who it is. Asks for a login first, and then lets SFTP in, nothing else."""

    def __init__(self, door: SftpDoor, line: socket.socket, address: str) -> None:
        self.door, self.address = door, address
        self.files, self.documents = door.files, door.documents
        self.sessions = 0
        self.quiet_since = time.monotonic()
        self.user = ""
        self.how = ""
        self._passwords = self._offered = 0
        self._transport = paramiko.Transport(line, default_window_size=WINDOW, default_max_packet_size=MOST_CHANNEL_PACKET)

    def start(self, keys: list[Any], product: str) -> None:
        transport = self._transport
        transport.local_version = f"SSH-2.0-{product}"
        offered = transport.get_security_options()
        offered.ciphers, offered.digests, offered.kex, offered.compression = CIPHERS, DIGESTS, _known(EXCHANGES, transport), ("none",)
        transport._preferred_pubkeys = LOGIN_KINDS
        for key in keys:
            transport.add_server_key(key)
        offered.key_types = [kind for kind in HOST_KINDS if any(kind in _kinds_of(key) for key in keys)]
        transport.set_subsystem_handler("sftp", Server, Session)
        transport.start_server(event=threading.Event(), server=self)

    def close(self) -> None:
        self._transport.close()

    @property
    def alive(self) -> bool:
        return bool(self._transport.is_active()) or self.sessions > 0

    # ---- who is it

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password"

    def check_auth_none(self, username: str) -> int:
        return paramiko.AUTH_FAILED

    def check_auth_publickey(self, username: str, key: Any) -> int:
        self._offered += 1
        if self._offered > KEY_TRIES:
            return self._enough()
        return self._welcome(username, self.door.gatekeeper.by_key(username, key.asbytes(), self.address), f"key {key.fingerprint}")

    def check_auth_password(self, username: str, password: str) -> int:
        self._passwords += 1
        answer = self._welcome(username, self.door.gatekeeper.by_password(username, password, self.address), "password")
        if answer != paramiko.AUTH_SUCCESSFUL and self._passwords >= WRITTEN_TRIES:
            return self._enough()
        return answer

    def _enough(self) -> int:
        threading.Timer(0.1, self.close).start()
        return paramiko.AUTH_FAILED

    def _welcome(self, user: str, revision: Revision | None, how: str) -> int:
        if revision is None:
            return paramiko.AUTH_FAILED
        self.user, self.how = user, how
        return paramiko.AUTH_SUCCESSFUL

    def revision(self) -> Revision:
        """The user's terms as they are now. Raises Refusal once the login is ended."""
        found = self.door.book().by_login(self.user)
        if found is None or found.profile.channels.sftp is None:
            raise Refusal(DENIED, "this login has ended")
        return found

    # ---- what may it do

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED if kind == "session" else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_subsystem_request(self, channel: Any, name: str) -> bool:
        if name != "sftp":
            return False
        try:
            revision = self.revision()
        except Refusal:
            return False
        if not self.door.session_begins(revision):
            journal.refused(revision.profile.partner, "sftp", 0, "too-many-sessions")
            return False
        self.sessions += 1
        terms = revision.profile.channels.sftp
        assert terms is not None
        channel.settimeout(terms.idle.total_seconds())
        journal.session(revision.profile.partner, "sftp", self.address, self.how, self._transport.remote_version)
        if super().check_channel_subsystem_request(channel, name):
            return True
        self.session_ended(revision.profile.partner)
        return False

    def session_ended(self, partner: str) -> None:
        self.door.session_ends(partner)
        self.sessions -= 1
        self.quiet_since = time.monotonic()


def _known(names: tuple[str, ...], transport: Any) -> tuple[str, ...]:
    """Those that this machine's libraries have."""
    return tuple(name for name in names if name in transport._kex_info)


def _kinds_of(key: Any) -> tuple[str, ...]:
    return ("rsa-sha2-512", "rsa-sha2-256") if key.get_name() == "ssh-rsa" else (key.get_name(),)
