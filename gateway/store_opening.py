"""Opens the store that settings name, with its bucket and the vault that opens its keys.

Knows nothing of who uses it; whoever does has the data directory's lock (data_directory.py).
"""

from gateway.clock import Clock, now
from gateway.keys import vault_of
from gateway.settings import Settings
from gateway.store.bucket import open_bucket
from gateway.store.store import Store


def open_store(settings: Settings, clock: Clock = now) -> Store:
    bucket = open_bucket(settings.payloads) if settings.payloads is not None else None
    store = Store(settings.database_url, settings.data_dir / "payloads", clock, bucket)
    store.vault = vault_of(settings.data_dir, settings.key_secret)
    return store
