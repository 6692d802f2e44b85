"""A partner's SFTP server as we meet it: connected only with a pinned host key, bounded in time, listings and names not believed.

Knows no partner's terms beyond the address, and no rows.
"""

import contextlib
import errno
import io
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import paramiko
from paramiko.sftp import CMD_EXTENDED

from gateway.errors import CrossdockError, DestinationFault, TemporaryFailure, UnknownOutcome
from gateway.sftp.records import Secret
from partners.channels import SftpRemote
from partners.ssh_keys import SshKeyRefused, fingerprint, read_public_key

PIECE = 32 * 1024
AHEAD = 64
"""Requests that are on their way at once."""
MOST_LISTED = 100_000
KEX = "diffie-hellman-group14-sha1", "diffie-hellman-group1-sha1", "diffie-hellman-group-exchange-sha1"
MACS = "hmac-sha1", "hmac-sha1-96", "hmac-md5", "hmac-md5-96"
CIPHERS = "3des-cbc", "aes128-cbc", "aes192-cbc", "aes256-cbc"
WEAK = {"kex": KEX, "macs": MACS, "ciphers": CIPHERS}


class RemoteGone(CrossdockError):
    """A file that was listed is not there any more."""


class RemoteDenied(CrossdockError):
    """The server does not do what we ask; the text has its words."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One file of a listing."""

    name: str
    size: int
    mtime: int
    """Seconds since 1970, as the server says; 0 where it does not."""


class Remote:
    """One connection with one SFTP session. Not for two threads at once."""

    def __init__(self, transport: Any, session: Any) -> None:
        self._transport, self._session = transport, session

    @classmethod
    def connect(cls, terms: SftpRemote, secret: Secret) -> "Remote":
        """Raises TemporaryFailure where nobody answers, DestinationFault for another host key or a login that is refused."""
        seconds = terms.timeout.total_seconds()
        try:
            line = socket.create_connection((terms.host, terms.port), min(seconds, 30))
        except OSError as error:
            raise TemporaryFailure(f"{terms.host}:{terms.port} cannot be reached: {error.strerror or error}") from None
        transport = paramiko.Transport(line, disabled_algorithms={kind: list(names) for kind, names in WEAK.items()})
        try:
            transport.banner_timeout = transport.auth_timeout = transport.handshake_timeout = min(seconds, 30)
            cls._prefer(transport, terms)
            transport.start_client(timeout=min(seconds, 30))
            cls._check(transport, terms)
            cls._login(transport, terms, secret)
            session = paramiko.SFTPClient.from_transport(transport)
            assert session is not None
            session.get_channel().settimeout(seconds)
            return cls(transport, session)
        except CrossdockError:
            transport.close()
            raise
        except paramiko.IncompatiblePeer as error:
            transport.close()
            raise DestinationFault(f"{terms.host}:{terms.port} offers no algorithm that is strong enough: {error}") from None
        except (paramiko.SSHException, OSError, EOFError) as error:
            transport.close()
            raise TemporaryFailure(f"{terms.host}:{terms.port} broke off while we connected: {error or type(error).__name__}") from None

    @staticmethod
    def _prefer(transport: Any, terms: SftpRemote) -> None:
        """Where whole keys are pinned, the server is asked for one of those kinds."""
        kinds = [line.split()[0] for line in terms.hostkeys if " " in line]
        if not kinds or len(kinds) < len(terms.hostkeys):
            return
        wanted = [name for kind in kinds for name in (("rsa-sha2-512", "rsa-sha2-256") if kind == "ssh-rsa" else (kind,))]
        transport.get_security_options().key_types = tuple(dict.fromkeys(wanted))

    @staticmethod
    def _check(transport: Any, terms: SftpRemote) -> None:
        shown = transport.get_remote_server_key()
        blob = shown.asbytes()
        if fingerprint(blob) not in pinned(terms):
            raise DestinationFault(
                f"{terms.host}:{terms.port} shows the host key {shown.get_name()} {fingerprint(blob)}, which is none that is pinned;"
                " ask the partner before you add it to hostkeys"
            )

    @staticmethod
    def _login(transport: Any, terms: SftpRemote, secret: Secret) -> None:
        try:
            if secret.password is not None:
                transport.auth_password(terms.user, secret.password)
            else:
                transport.auth_publickey(terms.user, private_key(secret.private or b""))
        except (paramiko.AuthenticationException, paramiko.BadAuthenticationType) as error:
            raise DestinationFault(f"{terms.host}:{terms.port} does not let {terms.user} in: {error}") from None
        if not transport.is_authenticated():
            raise DestinationFault(f"{terms.host}:{terms.port} wants more than one proof of {terms.user}, which we do not give")

    @property
    def alive(self) -> bool:
        return bool(self._transport.is_active()) and not self._session.get_channel().closed

    @property
    def server(self) -> str:
        return str(self._transport.remote_version)

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._transport.close()

    # ---- looking

    def listed(self, folder: str) -> list[Listed]:
        """The files of a folder; names that could be a path, or cannot be shown, are left out. Raises RemoteDenied for an endless listing."""
        found: dict[str, Listed] = {}
        with _told(f"list {folder}"):
            for number, one in enumerate(self._session.listdir_iter(folder)):
                if number >= MOST_LISTED:
                    raise RemoteDenied(f"{folder} lists more than {MOST_LISTED:,} names; clear it, or name a folder of our own")
                if one.st_mode is not None and not stat.S_ISREG(one.st_mode):
                    continue
                if usable(one.filename):
                    found[one.filename] = Listed(one.filename, one.st_size or 0, int(one.st_mtime or 0))
        return list(found.values())

    def stat(self, path: str) -> Listed | None:
        """None where there is no such file."""
        try:
            with _told(f"look at {path}"):
                one = self._session.stat(path)
        except RemoteGone:
            return None
        return Listed(path.rpartition("/")[2], one.st_size or 0, int(one.st_mtime or 0))

    # ---- bytes

    def pieces(self, path: str, size: int) -> Iterator[bytes]:
        """The bytes of a file, at most one more than `size`."""
        with _told(f"read {path}"), self._session.open(path, "rb") as file:
            file._prefetch_thread = _quiet(file._prefetch_thread)
            file.prefetch(size, AHEAD)
            left = size + 1
            while left > 0 and (piece := file.read(min(PIECE, left))):
                left -= len(piece)
                yield piece

    def write(self, path: str, data: bytes, *, begin: int = 0, between: Callable[[], None] = lambda: None) -> None:
        """Puts the bytes from `begin` on, behind what is there; then asks for a sync where the server has it. Raises UnknownOutcome where the line breaks."""
        with _told(f"write {path}"), self._session.open(path, "r+b" if begin else "wb") as file:
            file.set_pipelined(True)
            file.seek(begin)
            for start in range(begin, len(data), PIECE * 8):
                file.write(data[start : start + PIECE * 8])
                between()
            file.set_pipelined(False)
            file.flush()
            self._finish(file)
            with contextlib.suppress(OSError):
                self._session._request(CMD_EXTENDED, "fsync@openssh.com", file.handle)

    def _finish(self, file: Any) -> None:
        """Waits for the answers to all that was written; paramiko tells of a refused one only here."""
        while len(file._reqs):
            number = file._reqs.popleft()
            self._session._read_response(number)

    # ---- names

    def rename(self, path: str, to: str) -> None:
        """Raises RemoteDenied where the server does not want it, such as where the new name is taken."""
        with _told(f"rename {path} to {to}"):
            self._session.rename(path, to)

    def posix_rename(self, path: str, to: str) -> None:
        """The same, over what has the name. Servers without that extension are asked for a plain one."""
        try:
            with _told(f"rename {path} to {to}"):
                self._session.posix_rename(path, to)
        except RemoteDenied:
            self.rename(path, to)

    def remove(self, path: str) -> None:
        with _told(f"remove {path}"):
            self._session.remove(path)


def _quiet(ask: Callable[..., None]) -> Callable[..., None]:
    """paramiko asks for pieces in a thread of its own; that the line broke is told to who reads them, and nobody else wants to know."""

    def quietly(*given: Any) -> None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            ask(*given)

    return quietly


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Sorts what paramiko raises, once."""
    try:
        yield
    except FileNotFoundError:
        raise RemoteGone(f"cannot {what}: there is no such file or folder") from None
    except (TimeoutError, EOFError, paramiko.SSHException) as error:
        raise UnknownOutcome(f"the line broke while we wanted to {what}: {error or type(error).__name__}") from None
    except OSError as error:
        if error.errno in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ESHUTDOWN) or "Socket is closed" in str(error):
            raise UnknownOutcome(f"the line broke while we wanted to {what}: {error}") from None
        raise RemoteDenied(f"cannot {what}: {error.strerror or error}") from None


@dataclass(frozen=True, slots=True)
class Shown:
    """What a server shows to everybody: what it says it is, and its host key as a line."""

    server: str
    public: str
    fingerprint: str


def shown_by(host: str, port: int, seconds: float) -> Shown:
    """Raises TemporaryFailure, DestinationFault."""
    try:
        line = socket.create_connection((host, port), seconds)
    except OSError as error:
        raise TemporaryFailure(f"{host}:{port} cannot be reached: {error.strerror or error}") from None
    transport = paramiko.Transport(line, disabled_algorithms={kind: list(names) for kind, names in WEAK.items()})
    try:
        transport.start_client(timeout=seconds)
        key = transport.get_remote_server_key()
        return Shown(str(transport.remote_version), f"{key.get_name()} {key.get_base64()}", fingerprint(key.asbytes()))
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise DestinationFault(f"{host}:{port} speaks no SSH that we take: {error or type(error).__name__}") from None
    finally:
        transport.close()


def pinned(terms: SftpRemote) -> set[str]:
    """Fingerprints of the host keys that the profile trusts."""
    return {line if line.startswith("SHA256:") else read_public_key(line).fingerprint for line in terms.hostkeys}


def private_key(pem: bytes) -> Any:
    for kind in (paramiko.Ed25519Key, paramiko.RSAKey, paramiko.ECDSAKey):
        try:
            return kind.from_private_key(io.StringIO(pem.decode()))
        except paramiko.SSHException:
            continue
    raise SshKeyRefused("the key pair is none that can be used")


def usable(name: str) -> bool:
    """Whether a name from a listing is one: no path, nothing that cannot be seen, not longer than a name may be."""
    return (
        name not in ("", ".", "..")
        and not any(one in "/\\" or not one.isprintable() for one in name)
        and len(name.encode("utf-8", "surrogatepass")) <= 255
    )
