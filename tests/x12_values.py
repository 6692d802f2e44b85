"""Right values of X12 elements by type, length and code list, chosen by a chooser (see x12_strategies.py).

No value holds a control character, nor any of the delimiters that tests use.
"""

from collections.abc import Callable, Mapping

from translators.x12.guide import Element
from translators.x12.options import Options

Choose = Callable[[int], int]

CLOSED = Options().closed_lists
CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LETTERS = CAPITALS + "0123456789 -./,'&()abcxyz#@_%+=?!"
BEYOND = "éÜñŁ€漢"
USUAL = 12
"""Characters over an element's minimum that are usually tried."""


def value_of(element: Element, codes: Mapping[str, Mapping[str, str]], choose: Choose, *, odd: bool) -> str:
    """One right value of a simple element; `odd` also tries the rare right forms and the greatest length."""
    known = [code for code in codes.get(element.number, ()) if element.minimum <= len(code) <= element.maximum]
    if known and (element.number in CLOSED or choose(3)):
        return known[choose(len(known))]
    kind = element.kind[0] if element.kind[0] == "N" else element.kind
    return MAKERS[kind](element, choose, odd)


def _length(element: Element, choose: Choose, odd: bool) -> int:
    least, most = max(element.minimum, 1), element.maximum
    if odd and most <= 1_000 and choose(8) == 7:
        return most
    return least + choose(min(most - least, USUAL) + 1)


def _text(element: Element, choose: Choose, odd: bool) -> str:
    """Neither begins nor ends with a space."""
    size = _length(element, choose, odd)
    letters = [(LETTERS + BEYOND if odd else LETTERS)[choose(len(LETTERS) + (len(BEYOND) if odd else 0))] for _ in range(min(size, 6))]
    text = ("".join(letters) * (size // len(letters) + 1))[:size]
    return "".join("A" if text[at] == " " and at in (0, size - 1) else text[at] for at in range(size))


def _code(element: Element, choose: Choose, odd: bool) -> str:
    size = _length(element, choose, odd)
    signs = CAPITALS + "0123456789"
    return "".join(signs[choose(len(signs))] for _ in range(min(size, 6))).ljust(size, "A")


def _date(element: Element, choose: Choose, odd: bool) -> str:
    year, month, day = 2026 - choose(30), 1 + choose(12), 1 + choose(31)
    if odd and choose(8) == 7:
        year, month, day = 2024, 2, 29
    last = (31, 29 if year % 4 == 0 else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]
    text = f"{year:04}{month:02}{min(day, last):02}"
    return text if element.maximum >= 8 else text[2:]


def _time(element: Element, choose: Choose, odd: bool) -> str:
    sizes = [size for size in (4, 6, 7, 8) if element.minimum <= size <= element.maximum]
    hour, minute, second, rest = choose(24), choose(60), choose(60), choose(100)
    return f"{hour:02}{minute:02}{second:02}{rest:02}"[: sizes[choose(len(sizes) if odd else min(2, len(sizes)))]]


def _digits(least: int, most: int, choose: Choose) -> str:
    """No leading zero but in "0" itself."""
    size = least + choose(most - least + 1)
    return str(choose(10)) if size == 1 else str(10 ** (size - 1) + choose(9 * 10 ** (size - 1)))


def _integer(element: Element, choose: Choose, odd: bool) -> str:
    least, most = max(element.minimum, 1), min(element.maximum, 18 if odd else max(element.minimum, 6))
    text = _digits(least, most, choose)
    if odd and choose(4) == 3:
        return "-" + text.rjust(most, "0")
    return text


def _decimal(element: Element, choose: Choose, odd: bool) -> str:
    least, most = max(element.minimum, 1), min(element.maximum, max(element.minimum, 7))
    if odd and choose(4) == 3:
        digits = _digits(least, most, choose)
        powers = ["E2", "E-2"] if len(digits) < most else []
        forms = ["-" + digits, digits + ".", "." + digits, "-." + digits, digits.rjust(most, "0"), *(digits + power for power in powers)]
        return forms[choose(len(forms))]
    decimals = choose(3) if most > 3 else 0
    if not decimals:
        return _digits(least, most, choose)
    whole = _digits(max(least - decimals, 1), max(most - decimals, 1), choose)
    return f"{whole}.{'0' * (decimals - 1)}{1 + choose(9)}"


def _binary(element: Element, choose: Choose, odd: bool) -> str:
    """Odd data holds what would be delimiters."""
    return ("x" * (1 + choose(20))) + ("~SE*1*~GE*:\n" if odd else "")


MAKERS: Mapping[str, Callable[[Element, Choose, bool], str]] = {
    "AN": _text,
    "ID": _code,
    "DT": _date,
    "TM": _time,
    "N": _integer,
    "R": _decimal,
    "B": _binary,
}
