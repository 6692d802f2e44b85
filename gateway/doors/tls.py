"""TLS on a listener of our own: 1.2 and later, our certificate read again when its files change, clients' certificates as far as they are registered.

Knows no partner: whose certificate it is, is decided by its fingerprint.
"""

import ssl
from collections.abc import Iterable
from pathlib import Path

from gateway import journal
from gateway.settings import SettingsError, Tls


class TlsContext:
    def __init__(self, settings: Tls) -> None:
        """Raises SettingsError for files that cannot be used."""
        self._settings = settings
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        self.context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        """A registered certificate is trusted itself, whoever has issued it."""
        self._trusted: set[bytes] = set()
        self._seen = self._changed()
        self._load()

    def trust(self, certificates: Iterable[bytes]) -> None:
        """These clients' certificates (DER) may be shown. None has to be."""
        for der in certificates:
            if der not in self._trusted:
                self._trusted.add(der)
                self.context.load_verify_locations(cadata=der)
                self.context.verify_mode = ssl.CERT_OPTIONAL

    def renew(self) -> None:
        """Takes a renewed certificate for the connections that come."""
        seen = self._changed()
        if seen != self._seen:
            try:
                self._load()
                self._seen = seen
            except SettingsError as error:
                journal.trouble("tls", error)

    def _changed(self) -> tuple[float, ...]:
        return tuple(_time(file) for file in (self._settings.certificate, self._settings.key))

    def _load(self) -> None:
        try:
            self.context.load_cert_chain(self._settings.certificate, self._settings.key)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"partner_listener.tls: {self._settings.certificate} and {self._settings.key} cannot be used: {error}") from None


def _time(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
