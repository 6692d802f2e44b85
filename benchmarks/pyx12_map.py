"""Writes our guide of a set as a map of pyx12, so that both readers check the same things.

Knows nothing of timing. The folder holds all that pyx12 looks for: index, data elements, code lists, control segments, the set.
"""

from pathlib import Path
from xml.sax.saxutils import escape

from translators.x12.guide import Element, Guide, Rules
from translators.x12.layout import Loop, Place
from translators.x12.options import Options

CLOSED = Options().closed_lists

CONTROL = {
    "ISA": "I01 ID 2 2,I02 AN 10 10,I03 ID 2 2,I04 AN 10 10,I05 ID 2 2,I06 AN 15 15,I05 ID 2 2,I07 AN 15 15,I08 DT 6 6,I09 TM 4 4,I10 ID 1 1,"
    "I11 ID 5 5,I12 N0 9 9,I13 ID 1 1,I14 ID 1 1,I15 AN 1 1",
    "GS": "479 ID 2 2,142 AN 2 15,124 AN 2 15,373 DT 8 8,337 TM 4 8,28 N0 1 9,455 ID 1 2,480 AN 1 12",
    "GE": "97 N0 1 6,28 N0 1 9",
    "IEA": "I16 N0 1 5,I12 N0 9 9",
}
"""Data element, type, shortest, longest of the envelope's segments."""


def write_maps(folder: Path, guide: Guide) -> None:
    """Fills `folder` with pyx12's files for one guide."""
    name = f"{guide.set_id}.{guide.release}.xml"
    maps = f'<version icvn="00401"><map vriic="{guide.release}" fic="{guide.functional}" abbr="{guide.set_id}">{name}</map></version>'
    (folder / "maps.xml").write_text(f"<maps>{maps}</maps>")
    (folder / "codes.xml").write_text("<codes/>")
    (folder / "dataele.xml").write_text(f"<data_elements>{''.join(_data_elements(guide))}</data_elements>")
    envelope = _transaction(guide, "")
    (folder / "x12.control.00401.xml").write_text(envelope)
    (folder / name).write_text(_transaction(guide, _set(guide)))


def _data_elements(guide: Guide) -> list[str]:
    """A number has one length in pyx12 and may have several in ours; each length gets its own number."""
    known = {field for tag in CONTROL for field in _control(tag)}
    known |= {_key(part) for rules in guide.dictionary.segments.values() for element in rules.elements for part in (element.parts or (element,))}
    return [
        f'<data_ele ele_num="{_number(number, kind, low, high)}" data_type="{kind}" min_len="{low}" max_len="{high}" name="{number}"/>'
        for number, kind, low, high in sorted(known)
    ]


def _control(tag: str) -> list[tuple[str, str, int, int]]:
    fields = [field.split(" ") for field in CONTROL[tag].split(",")]
    return [(number, kind, int(low), int(high)) for number, kind, low, high in fields]


def _key(element: Element) -> tuple[str, str, int, int]:
    return element.number, element.kind, element.minimum, element.maximum


def _number(number: str, kind: str, low: int, high: int) -> str:
    return f"{number}_{kind}_{low}_{high}"


def _transaction(guide: Guide, inner: str) -> str:
    def control(tag: str, position: int) -> str:
        elements = [_element(f"{tag}{n:02}", n, "R", _number(*field), []) for n, field in enumerate(_control(tag), start=1)]
        return _segment(tag, position, "R", "1", elements, [])

    group = _loop("GS_LOOP", 20, "R", ">1", control("GS", 10) + inner + control("GE", 30), kind="explicit")
    whole = _loop("ISA_LOOP", 1, "R", ">1", control("ISA", 10) + group + control("IEA", 30), kind="explicit")
    return f'<transaction xid="{guide.set_id}"><name>{escape(guide.title)}</name>{whole}</transaction>'


def _set(guide: Guide) -> str:
    return _loop("ST_LOOP", 20, "R", ">1", _items(guide, guide.layout.root), kind="explicit")


def _items(guide: Guide, loop: Loop) -> str:
    text = ""
    for at, item in enumerate(loop.items, start=1):
        times = str(item.maximum) if item.maximum else ">1"
        usage = "R" if item.required else "S"
        if isinstance(item, Place):
            rules = guide.dictionary.segments.get(item.tag)
            text += _segment(
                item.tag, at * 10, usage, times, _elements(guide, rules), [str(one) for one in rules.conditions if one.sure] if rules else []
            )
        else:
            text += _loop(item.tag, at * 10, usage, times, _items(guide, item))
    return text


def _elements(guide: Guide, rules: Rules | None) -> list[str]:
    if rules is None:
        return [_element(f"ANY{n:02}", n, "S", _number("127", "AN", 1, 30), []) for n in range(1, 4)]
    texts = []
    for n, element in enumerate(rules.elements, start=1):
        name, usage = f"{rules.tag}{n:02}", "R" if element.required == "M" else "S"
        closed = sorted(guide.dictionary.codes[element.number]) if element.number in CLOSED & guide.dictionary.codes.keys() else []
        if element.parts:
            parts = "".join(
                _element(f"{name}-{k:02}", k, "R" if part.required == "M" else "S", _number(*_key(part)), [])
                for k, part in enumerate(element.parts, 1)
            )
            texts.append(
                f"<composite><data_ele>{element.number}</data_ele><name>{escape(element.title)}</name><usage>{usage}</usage>"
                f"<seq>{n:02}</seq>{parts}</composite>"
            )
        else:
            texts.append(_element(name, n, usage, _number(*_key(element)), closed))
    return texts


def _loop(name: str, position: int, usage: str, times: str, inner: str, *, kind: str = "") -> str:
    attribute = f' type="{kind}"' if kind else ""
    return (
        f'<loop xid="{name}"{attribute}><name>{name}</name><usage>{usage}</usage><pos>{position:03}</pos>'
        f"<repeat>{escape(times)}</repeat>{inner}</loop>"
    )


def _segment(tag: str, position: int, usage: str, times: str, elements: list[str], conditions: list[str]) -> str:
    syntax = "".join(f"<syntax>{one}</syntax>" for one in conditions)
    end = {"ISA": "<end_tag>IEA</end_tag>", "GS": "<end_tag>GE</end_tag>", "ST": "<end_tag>SE</end_tag>"}.get(tag, "")
    return (
        f'<segment xid="{tag}"><name>{tag}</name>{end}<usage>{usage}</usage><pos>{position:03}</pos><max_use>{escape(times)}</max_use>'
        f"{syntax}{''.join(elements)}</segment>"
    )


def _element(name: str, position: int, usage: str, number: str, codes: list[str]) -> str:
    valid = "<valid_codes>" + "".join(f"<code>{code}</code>" for code in codes) + "</valid_codes>" if codes else ""
    return f'<element xid="{name}"><data_ele>{number}</data_ele><name>{name}</name><usage>{usage}</usage><seq>{position:02}</seq>{valid}</element>'
