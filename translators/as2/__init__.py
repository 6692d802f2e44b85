"""AS2 messages as values: what a partner sent, opened and verified; receipts, built and read (RFC 4130).

Pure: bytes, keys, policy and time come in, values go out. Knows no socket, no store and no partner book.
"""
