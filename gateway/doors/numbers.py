"""A whole number that a stranger gives, read strictly. Knows no address."""

from gateway.errors import Refused


def whole_number(text: str | None, name: str, usual: int, *, most: int, least: int = 1) -> int:
    """`usual` where it is not given. Raises Refused (400)."""
    if text is None:
        return usual
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise Refused(400, "bad-request", f"{name} must be a whole number from {least} to {most}")
    return int(text)
