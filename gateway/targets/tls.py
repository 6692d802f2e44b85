"""TLS to somebody else's server: whom we trust, and which certificate of ours we show. Verification is never switched off.

Used by targets and transports.
"""

import os
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.errors import DestinationFault
from gateway.keys import pem_of_key, read_certificates
from gateway.targets.erp_terms import ClientTls
from translators.as2.cms.keys import KeyRefused, OurKey

Keys = Callable[[str], OurKey | None]
"""The key of ours with that name, if it is in use now."""


def client_context(pinned: Sequence[bytes], shown: bytes | None) -> ssl.SSLContext:
    """TLS 1.2 and later, by the public authorities, or only by the certificates (DER) that are pinned: the server's own, or one above it.

    `shown` is PEM, certificate and private key: ours. Raises ssl.SSLError where these do not fit each other.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if pinned else ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for der in pinned:
        context.load_verify_locations(cadata=der)
    if pinned:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if shown is not None:
        # The library reads keys from files only: this one lies in memory, and has no name in any folder.
        descriptor = os.memfd_create("tls", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, shown)
            context.load_cert_chain(f"/proc/self/fd/{descriptor}", password="")
        finally:
            os.close(descriptor)
    return context


def key_named(name: str, keys: Keys) -> OurKey:
    """Raises DestinationFault for a key that we do not have."""
    key = keys(name)
    if key is None:
        raise DestinationFault(f"no key of ours is called {name}, or it is not in use today (crossdock keys list)")
    return key


class TlsTerms:
    """A target's terms as a context: made again when one of its files, or the named key, is another one."""

    def __init__(self, terms: ClientTls, keys: Keys) -> None:
        self._terms, self._keys = terms, keys
        self._files = [file for file in (terms.authorities, terms.certificate, terms.key) if file is not None]
        self._mark: object = None
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """Raises DestinationFault for files or keys that cannot be used; it works again when they are mended."""
        key = key_named(self._terms.our_key, self._keys) if self._terms.our_key else None
        try:
            mark = ([_mark(file) for file in self._files], key.certificate.fingerprint if key else None)
            if self._context is None or mark != self._mark:
                self._context, self._mark = self._make(key), mark
        except OSError as error:  # an ssl.SSLError is one
            raise DestinationFault(f"{error.filename or 'its certificate and key'}: {error.strerror or error}") from error
        except KeyRefused as error:
            raise DestinationFault(f"{self._terms.authorities}: {error}") from error
        return self._context

    def _make(self, key: OurKey | None) -> ssl.SSLContext:
        terms = self._terms
        pinned = [one.der for one in read_certificates(terms.authorities.read_bytes())] if terms.authorities else []
        shown = pem_of_key(key) if key else None
        if terms.certificate and terms.key:
            shown = terms.certificate.read_bytes() + b"\n" + terms.key.read_bytes()
        return client_context(pinned, shown)


def _mark(file: Path) -> tuple[int, int, int]:
    seen = file.stat()
    return seen.st_mtime_ns, seen.st_size, seen.st_ino
