"""How a command reaches the data: through the node that has it, or on the store itself when no node runs."""

import contextlib
import http.client
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gateway.data_directory import NODE_FILE, lock
from gateway.errors import Refused, StoreUnavailable
from gateway.settings import Settings, read_settings
from partners.profile import Profile, read_profile

if TYPE_CHECKING:
    from gateway.store.store import Store

PATIENCE = 35
BEFORE_ANY_DATA = ("partners.", "keys.", "sftp.", "consumers.")
"""Operations that an installation may begin with."""
SHIPPED = Path(__file__).parent.parent.parent / "partners" / "profiles"


def operate(settings: Settings, name: str, given: dict[str, Any]) -> Any:
    """The operation's JSON value. Raises Refused or StoreUnavailable."""
    given = given | {"who": f"{os.environ.get('USER', 'operator')} by command"}
    node = node_of(settings.data_dir)
    if node is not None:
        return _ask(node, name, given)
    from gateway.operations import OPERATIONS

    with alone(settings, may_be_new=name.startswith(BEFORE_ANY_DATA)) as store:
        return OPERATIONS[name](store, given)


@contextlib.contextmanager
def alone(settings: Settings, *, may_be_new: bool = False) -> Iterator["Store"]:
    """The store itself under the data directory's lock, where no node runs. Raises StoreUnavailable: in use, or no data yet and `may_be_new` is not said."""
    if not may_be_new and settings.database is None and not (settings.data_dir / "crossdock.db").exists():
        raise StoreUnavailable(f"{settings.data_dir} holds no data yet; start a node with `crossdock serve`, or name another folder with --data-dir")
    from gateway.store_opening import open_store

    held = lock(settings.data_dir)
    try:
        with contextlib.closing(open_store(settings)) as store:
            yield store
    finally:
        os.close(held)


def profile_of(partner: str) -> Profile:
    """A profile by its file, by the name of one that ships, or by the name of one that is live in the data directory."""
    for file in (Path(partner), SHIPPED / f"{partner}.yaml"):
        if file.is_file():
            return read_profile(file.read_text(encoding="utf-8"), file.name)
    value = operate(read_settings(None), "partners.show", {"partner": partner})
    return read_profile(value["text"], partner)


def node_of(data_dir: Path) -> dict[str, Any] | None:
    """The running node's address and token, if its process is alive."""
    try:
        node: dict[str, Any] = json.loads((data_dir / NODE_FILE).read_text(encoding="utf-8"))
        os.kill(node["pid"], 0)
    except (OSError, ValueError, KeyError):
        return None
    return node


def _ask(node: dict[str, Any], name: str, given: dict[str, Any]) -> Any:
    address = urlsplit(node["admin"])
    connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=PATIENCE)
    try:
        body = json.dumps(given).encode()
        connection.request("POST", f"/api/{name}", body, {"Authorization": f"Bearer {node['token']}", "Content-Type": "application/json"})
        response = connection.getresponse()
        value = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise StoreUnavailable(f"the node at {node['admin']} does not answer: {error}") from None
    finally:
        connection.close()
    if response.status >= 500:
        raise StoreUnavailable(value.get("detail", "the node cannot do it now"))
    if response.status >= 400:
        raise Refused(response.status, "bad-request", value.get("detail", str(value)))
    return value
