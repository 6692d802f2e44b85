"""What is wrong with an AS2 message, in the words of a receipt.

Knows no layer and no key.
"""

from typing import Literal

Kind = Literal["error", "failure"]
AUTHENTICATION = "authentication-failed"
INTEGRITY = "integrity-check-failed"
DECRYPTION = "decryption-failed"
DECOMPRESSION = "decompression-failed"
SECURITY = "insufficient-message-security"
UNEXPECTED = "unexpected-processing-error"
UNKNOWN_PARTNER = "unknown-trading-relationship"
ENVELOPE_REFUSED = "the envelope does not open, or what is in it is not as agreed; our own record says which, so ask us"
"""One text, too, for whatever fails from the unwrapping of the key on: two would be as good as two modifiers to who asks an oracle."""


class As2Error(Exception):
    """A message that cannot be taken. `modifier` is what the receipt says (RFC 4130 7.5.3), the text is for people and may name the mend."""

    def __init__(self, modifier: str, text: str, kind: Kind = "error") -> None:
        super().__init__(text)
        self.modifier = modifier
        self.kind: Kind = kind

    @property
    def disposition(self) -> str:
        """As the receipt spells it: "processed/error: decryption-failed"."""
        return f"{'processed' if self.kind == 'error' else 'failed'}/{self.kind}: {self.modifier}"


class NotAs2(Exception):
    """A request that is no AS2 message at all, so that no receipt can be made: HTTP 400."""
