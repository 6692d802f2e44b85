"""The tables of keys: certificates for AS2 and TLS, key pairs for SSH, secrets. What is private in them is sealed.

Knows nothing of what they open and sign.
"""

from sqlalchemy import Column, LargeBinary, String, Table, Text

from gateway.store.schema import Instant, metadata

certificates = Table(
    "certificates",
    metadata,
    Column("id", String(140), primary_key=True, comment="owner:fingerprint:use"),
    Column("owner", String(64), nullable=False, comment="a partner, or - for us"),
    Column("name", String(64), nullable=False),
    Column("use", String(8), nullable=False, comment="sign, encrypt, both, tls"),
    Column("fingerprint", String(64), nullable=False, comment="SHA-256"),
    Column("subject", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("serial", String(80), nullable=False),
    Column("strength", String(24), nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("private", LargeBinary, comment="ours: sealed"),
    Column("not_before", Instant, nullable=False),
    Column("not_after", Instant, nullable=False),
    Column("from_at", Instant, nullable=False, comment="from when it is used"),
    Column("until_at", Instant, comment="until when it is used"),
    Column("state", String(8), nullable=False, comment="active, retired, proposed"),
    Column("changed_at", Instant, nullable=False),
    Column("who", String(80), nullable=False),
    Column("used_at", Instant, comment="when it last proved or opened a message"),
)

ssh_keys = Table(
    "ssh_keys",
    metadata,
    Column("id", String(80), primary_key=True, comment="fingerprint: SHA256:…, or secret:NAME"),
    Column("use", String(8), nullable=False, comment="host, client, secret"),
    Column("name", String(64), nullable=False),
    Column("kind", String(24), nullable=False),
    Column("public", Text, nullable=False, comment="a line of authorized_keys"),
    Column("private", LargeBinary, nullable=False, comment="sealed"),
    Column("state", String(8), nullable=False, comment="active, retired"),
    Column("at", Instant, nullable=False),
    Column("who", String(80), nullable=False),
)
