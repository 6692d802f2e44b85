"""A bucket that keeps payload files for all nodes: S3 or what speaks as S3 does. An object's name is the SHA-256 of its bytes.

Knows objects and files; who needs which, and when one may go, others say.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from gateway.errors import StoreUnavailable

if TYPE_CHECKING:
    from gateway.settings import Bucket as Terms

AT_ONCE = 8 * 1024 * 1024
"""Up to here an object is put in one request, which says whether it is there already; a larger one goes in parts of this size."""
RETRIES = 3
OWNER = "owner"
"""The object that names the installation whose bucket it is."""


class NotInBucket(Exception):
    """There is no object of this name."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as the bucket lists it; `at` in microseconds since 1970."""

    name: str
    size: int
    at: int


class Bucket:
    """Raises StoreUnavailable from every method while the bucket cannot be asked: nobody is told yes, and nothing is called damaged for it."""

    def __init__(self, store: Any, name: str) -> None:
        """`store` is one of obstore's; `name` is for people."""
        import obstore

        self._do: Any = obstore
        self._fault: Any = obstore.exceptions
        self._store = store
        self.name = name
        self.installation: str | None = None
        """Who we are. Nothing is removed where the bucket names somebody else: what that one keeps, we do not know."""

    def put(self, name: str, file: Path, size: int) -> None:
        """The whole file under its name; once there, an object is not put again."""
        try:
            if size <= AT_ONCE:
                self._put_new(name, file)
            elif self._size_of(name) != size:
                self._do.put(self._store, name, file, chunk_size=AT_ONCE, max_concurrency=2)
        except (self._fault.BaseError, OSError) as error:
            raise StoreUnavailable(f"{self.name} did not take a payload: {_short(error)}") from error

    def _put_new(self, name: str, file: Path) -> None:
        try:
            self._do.put(self._store, name, file, mode="create", use_multipart=False)
        except self._fault.AlreadyExistsError:
            return

    def put_over(self, name: str, file: Path) -> None:
        """Whatever was there before."""
        try:
            self._do.put(self._store, name, file, chunk_size=AT_ONCE, max_concurrency=2)
        except (self._fault.BaseError, OSError) as error:
            raise StoreUnavailable(f"{self.name} did not take a payload: {_short(error)}") from error

    def pieces(self, name: str) -> Iterator[bytes]:
        """The object's bytes, piece by piece. Raises NotInBucket."""
        try:
            for piece in self._do.get(self._store, name).stream(min_chunk_size=1024 * 1024):
                yield bytes(piece)
        except (self._fault.NotFoundError, FileNotFoundError) as error:
            raise NotInBucket(name) from error
        except (self._fault.BaseError, OSError) as error:
            raise StoreUnavailable(f"{self.name} cannot be asked: {_short(error)}") from error

    def delete(self, names: Iterable[str]) -> None:
        """Those that are not there are no fault. Raises StoreUnavailable where the bucket is another installation's, too."""
        if not self.is_ours():
            raise StoreUnavailable(
                f"{self.name} belongs to another installation, so nothing is removed from it; the alarm bucket.taken says the mend"
            )
        try:
            for name in names:
                self._do.delete(self._store, name)
        except (self._fault.NotFoundError, FileNotFoundError):
            return
        except (self._fault.BaseError, OSError) as error:
            raise StoreUnavailable(f"{self.name} did not remove a payload: {_short(error)}") from error

    def is_ours(self) -> bool:
        """Whether it names us; one that names nobody yet is ours from now on."""
        if self.installation is None:
            return True
        if (owner := self._owner()) is None:
            self._name_us("create")
            owner = self._owner()
        return owner == self.installation

    def take(self) -> None:
        """It is ours from now on, whoever it named before."""
        self._name_us("overwrite")

    def _owner(self) -> str | None:
        try:
            return b"".join(self.pieces(OWNER)).decode("ascii", "replace")
        except NotInBucket:
            return None

    def _name_us(self, mode: Literal["create", "overwrite"]) -> None:
        assert self.installation is not None
        try:
            self._do.put(self._store, OWNER, self.installation.encode(), mode=mode, use_multipart=False)
        except self._fault.AlreadyExistsError:
            return
        except (self._fault.BaseError, OSError) as error:
            raise StoreUnavailable(f"{self.name} did not take whose it is: {_short(error)}") from error

    def pages(self, prefix: Literal["sha256", "parts"]) -> Iterator[list[Stored]]:
        """Every object below a prefix, a thousand at a time."""
        try:
            for page in self._do.list(self._store, prefix=prefix, chunk_size=1000):
                yield [Stored(one["path"], one["size"], round(one["last_modified"].timestamp() * 1_000_000)) for one in page]
        except (self._fault.BaseError, OSError) as error:
            raise StoreUnavailable(f"{self.name} cannot be listed: {_short(error)}") from error

    def check(self) -> None:
        """Asks it once, at a node's start. Raises StoreUnavailable with the mend."""
        try:
            next(iter(self._do.list(self._store, prefix="sha256", chunk_size=1)), None)
        except (self._fault.BaseError, OSError) as error:
            raise StoreUnavailable(
                f"payloads.bucket: {self.name} cannot be listed: {_short(error)}; look at its name, region, endpoint and keys"
            ) from error

    def _size_of(self, name: str) -> int | None:
        try:
            return int(self._do.head(self._store, name)["size"])
        except (self._fault.NotFoundError, FileNotFoundError):
            return None


def open_bucket(terms: "Terms") -> Bucket:
    """As an installation's settings say. Raises StoreUnavailable with the mend where it does not answer."""
    from obstore.store import S3Store

    address = urlsplit(terms.bucket)
    more: dict[str, Any] = {"endpoint": terms.endpoint} if terms.endpoint else {}
    if terms.access_key:
        more |= {"access_key_id": terms.access_key, "secret_access_key": terms.secret_key}
    bucket = Bucket(
        S3Store(
            address.netloc,
            prefix=address.path.strip("/") or None,
            region=terms.region,
            virtual_hosted_style_request=terms.virtual_hosted,
            client_options={
                "timeout": terms.timeout,
                "connect_timeout": min(terms.timeout, timedelta(seconds=5)),
                "allow_http": (terms.endpoint or "").startswith("http:"),
            },
            retry_config={"max_retries": RETRIES, "retry_timeout": terms.timeout},
            **more,
        ),
        terms.bucket,
    )
    bucket.check()
    return bucket


def _short(error: Exception) -> str:
    """The first line: what follows repeats the request."""
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
