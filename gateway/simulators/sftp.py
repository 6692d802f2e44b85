"""A pretend partner with an SFTP client: it drops documents under temporary names, as clients do, and fetches what waits for it. Remembers both.

It is what a partner has on its side: a key pair, our host key, its folders. Its calls block.
"""

from gateway.keys import MadeSsh, generate_ssh
from gateway.sftp.records import Secret
from gateway.transports.sftp_remote import Remote
from partners.channels import SftpRemote

PATIENCE = 10


class PretendSftpPartner:
    def __init__(self, user: str, key: MadeSsh | None = None) -> None:
        self.user = user
        self.key = key or generate_ssh("ed25519")
        self.fetched: dict[str, bytes] = {}
        """What it fetched from its folder `out`, by name."""
        self._line: Remote | None = None

    def connect(self, address: str, host_keys: list[str]) -> str:
        """Logs in at `sftp://HOST:PORT`, which must show one of these host keys (fingerprints, or lines of known_hosts); what the server says it is."""
        host, _, port = address.removeprefix("sftp://").rpartition(":")
        terms = SftpRemote.model_validate({"host": host, "port": port, "user": self.user, "hostkeys": host_keys, "timeout": f"{PATIENCE}s"})
        self._line = Remote.connect(terms, Secret(private=self.key.private))
        return self._line.server

    @property
    def line(self) -> Remote:
        assert self._line is not None, "it is not connected"
        return self._line

    def drop(self, name: str, data: bytes) -> None:
        """Puts a document into `in`; when this returns it has been told that it is kept."""
        self.line.write(f"/in/{name}.tmp", data)
        self.line.posix_rename(f"/in/{name}.tmp", f"/in/{name}")

    def pick_up(self) -> list[bytes]:
        """Fetches what waits in `out`; what is new of it."""
        new = []
        for one in self.line.listed("/out"):
            data = b"".join(self.line.pieces(f"/out/{one.name}", one.size))
            if one.name not in self.fetched:
                self.fetched[one.name] = data
                new.append(data)
        return new

    def told(self, name: str) -> str | None:
        """What stands in `error` about a file that it put."""
        for one in self.line.listed("/error"):
            if one.name.startswith(f"{name}."):
                return b"".join(self.line.pieces(f"/error/{one.name}", one.size)).decode()
        return None

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
