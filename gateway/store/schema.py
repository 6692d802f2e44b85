"""What every table is made with."""

from sqlalchemy import BigInteger, MetaData

metadata = MetaData()

Instant = BigInteger
"""Microseconds since 1970 in UTC (gateway.clock)."""
