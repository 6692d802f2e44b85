"""A partner's SFTP server for the tests: files in memory, and every misdeed that a test asks for."""

import contextlib
import io
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import paramiko
from paramiko.sftp import SFTP_FAILURE, SFTP_NO_SUCH_FILE, SFTP_OK, SFTP_PERMISSION_DENIED

from gateway.keys import MadeSsh, generate_ssh

HOST_KEY = generate_ssh("ed25519")


class RemoteServer:
    """Serves `files` (path -> bytes) to whoever has the key or the password; `before` is called with each request and may refuse or alter things."""

    def __init__(self, *, key: MadeSsh | None = None, password: str | None = None, host_key: MadeSsh = HOST_KEY) -> None:
        self.files: dict[str, bytes] = {}
        self.times: dict[str, int] = {}
        self.folders = {"/", "/out", "/in", "/archive"}
        self.log: list[str] = []
        self.key, self.password, self.host_key = key, password, host_key
        self.before: Callable[[str, str], int | None] = lambda what, path: None
        """(request, path) -> a status to refuse it with, or None."""
        self.extra_names: list[str] = []
        """Names that the listing has, too."""
        self.posix_rename = True
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.transports: list[Any] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def trust(self, public: str) -> None:
        """Let in whoever holds the private half of this key; like a real server, we never see that half."""
        self.key = MadeSsh("ssh-ed25519", b"", public)

    def put(self, path: str, data: bytes, mtime: int | None = None) -> None:
        self.times[path] = int(time.time()) if mtime is None else mtime
        self.files[path] = data

    def terms(self, **more: Any) -> str:
        """host, port, user and hostkeys as a profile has them."""
        given = {"host": "127.0.0.1", "port": self.port, "user": "crossdock", "hostkeys": f"['{self.host_key.public}']"} | more
        return ", ".join(f"{name}: {value}" for name, value in given.items())

    def cut(self) -> None:
        """Ends all connections, in the middle of whatever they do."""
        for transport in self.transports:
            transport.sock.close()
        self.transports.clear()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.cut()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            transport = paramiko.Transport(line)
            self.transports.append(transport)
            transport.add_server_key(paramiko.Ed25519Key.from_private_key(io.StringIO(self.host_key.private.decode())))
            transport.set_subsystem_handler("sftp", _Subsystem, _Session, self)
            try:
                transport.start_server(event=threading.Event(), server=_Login(self))
            except (paramiko.SSHException, EOFError, OSError):
                continue


class _Login(paramiko.ServerInterface):
    def __init__(self, home: RemoteServer) -> None:
        self.home = home

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password"

    def check_auth_publickey(self, username: str, key: Any) -> int:
        good = self.home.key is not None and key.get_base64() == self.home.key.public.split()[1]
        return paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.AUTH_SUCCESSFUL if password == self.home.password else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED


class _Subsystem(paramiko.SFTPServer):
    pass


class _Session(paramiko.SFTPServerInterface):
    def __init__(self, server: Any, home: RemoteServer) -> None:
        self.home = home

    def ask(self, what: str, path: str) -> int | None:
        self.home.log.append(f"{what} {path}")
        return self.home.before(what, path)

    def facts(self, path: str, name: str) -> Any:
        found = paramiko.SFTPAttributes()
        found.filename, found.st_size, found.st_mode = name, len(self.home.files.get(path, b"")), 0o100644
        found.st_uid = found.st_gid = 0
        found.st_atime = found.st_mtime = self.home.times.get(path, 0)
        return found

    def list_folder(self, path: str) -> Any:
        if (refused := self.ask("list", path)) is not None:
            return refused
        if path not in self.home.folders:
            return SFTP_NO_SUCH_FILE
        inside = [one for one in list(self.home.files) if one.rpartition("/")[0] == path.rstrip("/")]
        found = [self.facts(one, one.rpartition("/")[2]) for one in inside] + [self.facts("", name) for name in self.home.extra_names]
        for folder in self.home.folders:
            if folder != path and folder.rpartition("/")[0] == path.rstrip("/"):
                one = self.facts("", folder.rpartition("/")[2])
                one.st_mode = 0o040755
                found.append(one)
        return found

    def stat(self, path: str) -> Any:
        if (refused := self.ask("stat", path)) is not None:
            return refused
        return self.facts(path, path.rpartition("/")[2]) if path in self.home.files else SFTP_NO_SUCH_FILE

    lstat = stat

    def open(self, path: str, flags: int, attr: Any) -> Any:
        if (refused := self.ask("open", path)) is not None:
            return refused
        if not flags & os.O_CREAT and path not in self.home.files:
            return SFTP_NO_SUCH_FILE
        if path.rpartition("/")[0] not in self.home.folders:
            return SFTP_NO_SUCH_FILE
        if flags & os.O_TRUNC or path not in self.home.files:
            self.home.put(path, b"")
        return _File(self, path)

    def rename(self, oldpath: str, newpath: str) -> int:
        if (refused := self.ask("rename", f"{oldpath} {newpath}")) is not None:
            return refused
        if oldpath not in self.home.files:
            return SFTP_NO_SUCH_FILE
        if newpath in self.home.files or newpath.rpartition("/")[0] not in self.home.folders:
            return SFTP_FAILURE
        return self._move(oldpath, newpath)

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        if not self.home.posix_rename:
            return 8
        if (refused := self.ask("rename", f"{oldpath} {newpath}")) is not None:
            return refused
        return self._move(oldpath, newpath) if oldpath in self.home.files else SFTP_NO_SUCH_FILE

    def _move(self, path: str, to: str) -> int:
        self.home.files[to], self.home.times[to] = self.home.files.pop(path), self.home.times.pop(path)
        return SFTP_OK

    def remove(self, path: str) -> int:
        if (refused := self.ask("remove", path)) is not None:
            return refused
        if self.home.files.pop(path, None) is None:
            return SFTP_NO_SUCH_FILE
        return SFTP_OK

    def chattr(self, path: str, attr: Any) -> int:
        return SFTP_PERMISSION_DENIED


class _File(paramiko.SFTPHandle):
    def __init__(self, session: _Session, path: str) -> None:
        super().__init__()
        self.session, self.path = session, path

    def read(self, offset: int, length: int) -> Any:
        if (refused := self.session.ask(f"read {offset}", self.path)) is not None:
            return refused
        return self.session.home.files.get(self.path, b"")[offset : offset + length]

    def write(self, offset: int, data: bytes) -> int:
        if (refused := self.session.ask(f"write {offset}", self.path)) is not None:
            return refused
        before = self.session.home.files.get(self.path, b"")
        self.session.home.put(self.path, before[:offset].ljust(offset, b"\0") + data + before[offset + len(data) :])
        return SFTP_OK

    def stat(self) -> Any:
        return self.session.facts(self.path, self.path.rpartition("/")[2])

    def close(self) -> None:
        self.session.ask("close", self.path)
