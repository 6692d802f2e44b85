"""Cryptographic Message Syntax (RFC 5652): read as BER, written as DER; the primitives are the `cryptography` library's.

Knows no MIME, no header and no partner.
"""
