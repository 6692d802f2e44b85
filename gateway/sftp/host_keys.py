"""Our SSH key pairs: host keys of the server, and what we log in with at partners. Made once, sealed in the store, the same for all nodes."""

from gateway.clock import Instant
from gateway.errors import DestinationFault, StoreUnavailable
from gateway.keys import MadeSsh, generate_ssh
from gateway.sftp.records import Secret, SshKeyRow
from gateway.store import sftp as rows
from gateway.store.store import Store
from partners.channels import SftpRemote
from partners.ssh_keys import read_public_key

KINDS = ("ed25519", "rsa-3072")
WAIT = 30.0


def sealed(store: Store, made: MadeSsh, *, use: str, name: str, at: Instant, who: str) -> SshKeyRow:
    """The row of a key pair."""
    assert store.vault is not None
    identity = read_public_key(made.public).fingerprint
    private = store.vault.seal_text(made.private, identity)
    return SshKeyRow(identity, "host" if use == "host" else "client", name, made.kind, made.public, private, "active", at, who)


def opened(store: Store, row: SshKeyRow) -> bytes:
    """The private half as PEM. Raises SecretWrong."""
    if store.vault is None:
        raise StoreUnavailable("this store was opened without its keys")
    return store.vault.open_text(row.private, row.id)


def secret_of(store: Store, terms: SftpRemote) -> Secret:
    """What opens the partner's server. Raises DestinationFault where there is none yet."""
    if terms.password is not None:
        row = next((row for row in all_keys(store, "secret") if row.name == terms.password), None)
        if row is None:
            raise DestinationFault(f"no secret is called {terms.password}; give it with `crossdock keys secret {terms.password}`")
        return Secret(password=opened(store, row).decode())
    found = [row for row in all_keys(store, "client") if terms.key in (None, row.name)]
    if not found:
        wanted = terms.key or "NAME"
        raise DestinationFault(f"there is no key pair {terms.key or 'to log in with'}; make one with `crossdock sftp key-generate {wanted}`")
    return Secret(private=opened(store, found[0]))


def all_keys(store: Store, use: str) -> list[SshKeyRow]:
    """Those in use, the oldest first."""
    return [row for row in store.read(rows.keys).result(WAIT) if row.use == use and row.state == "active"]


def host_keys(store: Store, at: Instant) -> list[SshKeyRow]:
    """Our host keys; made where there is none. Two nodes that begin together may each make a set: the older one of each kind is taken by both."""
    if not all_keys(store, "host"):
        for kind in KINDS:
            store.put_ssh_key(sealed(store, generate_ssh(kind), use="host", name=f"host-{kind}", at=at, who="crossdock")).result(WAIT)
    first: dict[str, SshKeyRow] = {}
    for row in all_keys(store, "host"):
        first.setdefault(row.kind, row)
    return [first[kind] for kind in sorted(first)]
