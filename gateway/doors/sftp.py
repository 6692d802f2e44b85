"""The SFTP door: connections, logins and SFTP's requests, handed on to files and documents. Nothing but SFTP is offered.

Thin: paramiko speaks SSH and the packets; what a request means is decided in gateway/sftp.
"""

import contextlib
import io
import logging
import os
import socket
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import paramiko
from paramiko.sftp import (
    CMD_CLOSE,
    CMD_EXTENDED,
    CMD_EXTENDED_REPLY,
    CMD_INIT,
    CMD_OPEN,
    CMD_OPENDIR,
    CMD_VERSION,
    SFTP_BAD_MESSAGE,
    SFTP_OK,
    SFTP_OP_UNSUPPORTED,
    SFTPError,
)

from gateway import journal
from gateway.clock import SECOND, Instant
from gateway.failpoints import reach
from gateway.settings import SftpListener
from gateway.sftp.documents import Documents, Reading
from gateway.sftp.files import Caller, Files, Upload
from gateway.sftp.gatekeeper import Gatekeeper
from gateway.sftp.paths import DENIED, FAILURE, NO_SUCH_FILE, Place, Refusal, Tree, resolve, text_of
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
MOST_PACKET = 256 * 1024
MOST_DATA = MOST_PACKET - 1024
"""Bytes of one READ or WRITE."""
WRITTEN_TRIES = 3
"""Wrong passwords on one connection."""
KEY_TRIES = 20
"""Keys that a client may offer on one connection; agents offer all that they have."""
LOGIN_TIME = 60.0
"""Seconds from the connection to the login, and without an open session."""
TICK = 1.0
READ_ONLY, WRITE_ONLY, FOLDER = stat.S_IFREG | 0o440, stat.S_IFREG | 0o640, stat.S_IFDIR | 0o750

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


class Server(paramiko.SFTPServer):
    """paramiko's packets, within bounds, with the extensions that clients use, and with our words where we refuse."""

    def _send_server_version(self) -> int:
        kind, data = self._read_packet()
        if kind != CMD_INIT:
            raise SFTPError("no INIT")
        message = paramiko.Message()
        message.add_int(3)
        for name, version in (("posix-rename@openssh.com", "1"), ("fsync@openssh.com", "1"), ("limits@openssh.com", "1")):
            message.add_string(name)
            message.add_string(version)
        self._send_packet(CMD_VERSION, message)
        return int.from_bytes(data[:4])

    def _read_packet(self) -> tuple[int, bytes]:
        size = int.from_bytes(self._read_all(4))
        if not 0 < size <= MOST_PACKET:
            raise SFTPError(f"a packet of {size} bytes")
        data = self._read_all(size)
        return data[0], data[1:]

    def _process(self, kind: int, number: int, message: Any) -> None:
        try:
            if kind in (CMD_OPEN, CMD_OPENDIR) and len(self.file_table) + len(self.folder_table) >= self.server.most_handles():
                raise Refusal(FAILURE, "too many files and folders are open; close some")
            if kind == CMD_CLOSE:
                self._close(number, message.get_binary())
            elif kind == CMD_EXTENDED:
                self._extended(number, message)
            else:
                super()._process(kind, number, message)
        except Refusal as refusal:
            self._send_status(number, refusal.code, refusal.words)
        except UnicodeDecodeError:
            self._send_status(number, FAILURE, "names must be UTF-8")

    def _close(self, number: int, name: bytes) -> None:
        if self.folder_table.pop(name, None) is not None:
            self._send_status(number, SFTP_OK)
            return
        handle = self.file_table.pop(name, None)
        if handle is None:
            self._send_status(number, SFTP_BAD_MESSAGE, "there is no such handle")
            return
        handle.close()
        self._send_status(number, SFTP_OK)
        reach("receive.answered")

    def _extended(self, number: int, message: Any) -> None:
        name = message.get_text()
        if name == "posix-rename@openssh.com":
            self._send_status(number, self.server.posix_rename(message.get_text(), message.get_text()))
        elif name == "fsync@openssh.com":
            handle = self.file_table.get(message.get_binary())
            if handle is None:
                raise Refusal(SFTP_BAD_MESSAGE, "there is no such handle")
            handle.sync()
            self._send_status(number, SFTP_OK)
        elif name == "limits@openssh.com":
            answer = paramiko.Message()
            answer.add_int(number)
            for value in (MOST_PACKET, MOST_DATA, MOST_DATA, self.server.most_handles()):
                answer.add_int64(value)
            self._send_packet(CMD_EXTENDED_REPLY, answer)
        else:
            self._send_status(number, SFTP_OP_UNSUPPORTED)

    def finish_subsystem(self) -> None:
        try:
            with contextlib.suppress(Exception):
                # scp takes a session without a status for a failed one.
                self.sock.send_exit_status(0)
            super().finish_subsystem()
        finally:
            self.server.over()


class Session(paramiko.SFTPServerInterface):
    """One SFTP session: paths in, entries and handles out."""

    def __init__(self, server: Connection, *args: Any, **given: Any) -> None:
        super().__init__(server, *args, **given)
        self._connection = server
        self._partner = server.revision().profile.partner
        self.lost = False
        """True once the session is over: what is open then was never closed by its client."""

    def session_ended(self) -> None:
        self.lost = True

    def over(self) -> None:
        self._connection.session_ended(self._partner)

    def most_handles(self) -> int:
        return self._caller().channel.handles

    def _caller(self) -> Caller:
        revision = self._connection.revision()
        if revision.profile.partner != self._partner:
            raise Refusal(DENIED, "this login has ended")
        return Caller(revision, f"{self._partner} by sftp from {self._connection.address}"[:80])

    def _where(self, path: str) -> tuple[Caller, Tree, Place]:
        caller = self._caller()
        return caller, Tree.of(caller.channel), resolve(path)

    # ---- looking

    def canonicalize(self, path: str) -> str:
        try:
            return text_of(resolve(path))
        except Refusal:
            return "/"

    def list_folder(self, path: str) -> Any:
        caller, tree, place = self._where(path)
        kind = tree.kind(place)
        if kind is None:
            raise Refusal(NO_SUCH_FILE, f"there is no folder {text_of(place)}")
        found = [_folder(name) for name in tree.inner(place)]
        return found + [_entry(name, *facts) for name, facts in sorted(self._inside(caller, kind, place).items())]

    def _inside(self, caller: Caller, kind: str, place: Place) -> dict[str, tuple[int, Instant, int]]:
        """Name -> (size, time, mode) of the files of a folder."""
        if kind == "in":
            found = self._connection.door.files.listed(caller, "/".join(place))
            return {name: (size, at, WRITE_ONLY) for name, (size, at) in found.items()}
        if kind == "out":
            return {name: (one.size, one.at, READ_ONLY) for name, one in self._connection.door.documents.waiting(caller).items()}
        if kind == "error":
            return {name: (len(text), at, READ_ONLY) for name, (text, at) in self._connection.door.documents.errors(caller).items()}
        return {}

    def stat(self, path: str) -> Any:
        caller, tree, place = self._where(path)
        if tree.kind(place) is not None:
            return _folder(place[-1] if place else "/")
        facts = self._facts(caller, tree, place)
        if facts is None:
            raise Refusal(NO_SUCH_FILE, f"there is no {text_of(place)}")
        return _entry(place[-1], *facts)

    lstat = stat

    def _facts(self, caller: Caller, tree: Tree, place: Place) -> tuple[int, Instant, int] | None:
        kind, name, door = tree.kind(place[:-1]), place[-1], self._connection.door
        if kind == "in":
            found = door.files.stat(caller, "/".join(place[:-1]), name)
            return None if found is None else (*found, WRITE_ONLY)
        if kind == "out":
            waiting = door.documents.find(caller, name)
            return None if waiting is None else (waiting.size, waiting.at, READ_ONLY)
        if kind == "error":
            return self._inside(caller, kind, place[:-1]).get(name)
        return None

    # ---- files

    def open(self, path: str, flags: int, attr: Any) -> Any:
        caller, tree, place = self._where(path)
        kind, name = tree.kind(place[:-1]) if place else None, place[-1] if place else ""
        if tree.kind(place) is not None:
            raise Refusal(FAILURE, f"{text_of(place)} is a folder")
        if kind is None:
            raise Refusal(NO_SUCH_FILE, f"there is no folder {text_of(place[:-1])}")
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT)
        door = self._connection.door
        if writes:
            if kind != "in":
                raise Refusal(DENIED, f"nothing can be put here; put files into /{caller.channel.folders.into[0]}")
            upload = door.files.open(
                caller, "/".join(place[:-1]), name, create=bool(flags & os.O_CREAT), truncate=bool(flags & os.O_TRUNC), exclusive=bool(flags & os.O_EXCL),
                append=bool(flags & os.O_APPEND),
            )  # fmt: skip
            return UploadHandle(self, upload)
        if kind == "in":
            if door.files.stat(caller, "/".join(place[:-1]), name) is None:
                raise Refusal(NO_SUCH_FILE, f"there is no {text_of(place)}")
            raise Refusal(DENIED, "what was put here is not given out again")
        if kind == "out":
            return DocumentHandle(self, door.documents.open(caller, name))
        if kind == "error" and (told := door.documents.errors(caller).get(name)) is not None:
            return TextHandle(told[0], told[1])
        raise Refusal(NO_SUCH_FILE, f"there is no {text_of(place)}")

    def remove(self, path: str) -> int:
        caller, tree, place = self._where(path)
        kind = tree.kind(place[:-1]) if place else None
        if kind == "in":
            self._connection.door.files.remove(caller, "/".join(place[:-1]), place[-1])
        elif kind == "out":
            self._connection.door.documents.remove(caller, place[-1])
        elif kind == "error":
            raise Refusal(DENIED, "these go by themselves")
        else:
            raise Refusal(NO_SUCH_FILE, f"there is no {text_of(place)}")
        return SFTP_OK

    def rename(self, oldpath: str, newpath: str) -> int:
        caller, tree, place = self._where(oldpath)
        to = resolve(newpath)
        if tree.kind(place) is not None or tree.kind(to) is not None:
            raise Refusal(DENIED, "folders stay as they are")
        if (tree.kind(place[:-1]), tree.kind(to[:-1])) != ("in", "in"):
            raise Refusal(DENIED, "files are renamed within the folders that you put them into, nowhere else")
        self._connection.door.files.rename(caller, "/".join(place[:-1]), place[-1], "/".join(to[:-1]), to[-1])
        return SFTP_OK

    posix_rename = rename

    def chattr(self, path: str, attr: Any) -> int:
        """Times are kept. Modes and owners mean nothing here, and clients that set them are not troubled with it."""
        caller, tree, place = self._where(path)
        if tree.kind(place) is not None:
            return SFTP_OK
        if not place or tree.kind(place[:-1]) != "in":
            raise Refusal(DENIED, "nothing can be altered here")
        folder = "/".join(place[:-1])
        found = self._connection.door.files.stat(caller, folder, place[-1])
        if found is None:
            raise Refusal(NO_SUCH_FILE, f"there is no {text_of(place)}")
        if attr._flags & attr.FLAG_SIZE and attr.st_size != found[0]:
            raise Refusal(DENIED, "a file's size is altered while it is open, and not afterwards")
        if attr._flags & attr.FLAG_AMTIME:
            self._connection.door.files.set_time(caller, folder, place[-1], attr.st_mtime * SECOND)
        return SFTP_OK

    def mkdir(self, path: str, attr: Any) -> int:
        _, tree, place = self._where(path)
        if tree.kind(place) is not None:
            raise Refusal(FAILURE, f"{text_of(place)} is there already")
        raise Refusal(DENIED, "folders are set up with the profile; ask us for another one")

    def rmdir(self, path: str) -> int:
        raise Refusal(DENIED, "folders stay as they are")

    def readlink(self, path: str) -> Any:
        raise Refusal(NO_SUCH_FILE, "there are no links here")

    def symlink(self, target_path: str, path: str) -> int:
        raise Refusal(DENIED, "there are no links here")


def _folder(name: str) -> Any:
    found = paramiko.SFTPAttributes()
    found.filename, found.st_mode, found.st_size, found.st_uid, found.st_gid = name, FOLDER, 0, 0, 0
    found.st_atime = found.st_mtime = 0
    return found


def _entry(name: str, size: int, at: Instant, mode: int) -> Any:
    found = paramiko.SFTPAttributes()
    found.filename, found.st_mode, found.st_size, found.st_uid, found.st_gid = name, mode, size, 0, 0
    found.st_atime = found.st_mtime = min(max(at // SECOND, 0), 2**32 - 1)
    return found


class UploadHandle(paramiko.SFTPHandle):
    def __init__(self, session: Session, upload: Upload) -> None:
        super().__init__()
        self._session, self._upload = session, upload

    def write(self, offset: int, data: bytes) -> int:
        self._upload.write(offset, data)
        return SFTP_OK

    def read(self, offset: int, length: int) -> Any:
        raise Refusal(DENIED, "what was put here is not given out again")

    def stat(self) -> Any:
        return _entry(self._upload.name, self._upload.size, self._upload.mtime, WRITE_ONLY)

    def chattr(self, attr: Any) -> int:
        if attr._flags & attr.FLAG_SIZE:
            self._upload.cut(attr.st_size)
        if attr._flags & attr.FLAG_AMTIME:
            self._upload.mtime = attr.st_mtime * SECOND
        return SFTP_OK

    def sync(self) -> None:
        self._upload.sync()

    def close(self) -> None:
        if self._session.lost:
            # paramiko closes what a lost connection left open; the client has said nothing of the kind.
            self._upload.abort()
        else:
            self._upload.close()


class DocumentHandle(paramiko.SFTPHandle):
    def __init__(self, session: Session, reading: Reading) -> None:
        super().__init__()
        self._session, self._reading = session, reading

    def read(self, offset: int, length: int) -> Any:
        return self._reading.read(offset, min(length, MOST_DATA))

    def write(self, offset: int, data: bytes) -> int:
        raise Refusal(DENIED, "it is open for reading only")

    def stat(self) -> Any:
        return _entry(self._reading.waiting.name, self._reading.size, self._reading.waiting.at, READ_ONLY)

    def chattr(self, attr: Any) -> int:
        raise Refusal(DENIED, "nothing can be altered here")

    def sync(self) -> None:
        return None

    def close(self) -> None:
        if self._session.lost:
            self._reading.abort()
        else:
            self._reading.close()


class TextHandle(paramiko.SFTPHandle):
    def __init__(self, text: bytes, at: Instant) -> None:
        super().__init__()
        self._text, self._at = text, at

    def read(self, offset: int, length: int) -> Any:
        return self._text[offset : offset + min(length, MOST_DATA)]

    def write(self, offset: int, data: bytes) -> int:
        raise Refusal(DENIED, "it is open for reading only")

    def stat(self) -> Any:
        return _entry("", len(self._text), self._at, READ_ONLY)

    def chattr(self, attr: Any) -> int:
        raise Refusal(DENIED, "nothing can be altered here")

    def sync(self) -> None:
        return None

    def close(self) -> None:
        return None
