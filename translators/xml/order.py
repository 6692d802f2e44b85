"""Where a document stands against its layout: elements in another order, missing, or too many. Warnings: the mapping decides what it can use.

Knows the tree and the layout; knows no parser.
"""

from collections.abc import Iterator

from translators.document import Document, Finding, Node
from translators.xml.layout import Inside, XmlForm

MAX_FINDINGS = 100


def layout_findings(document: Document, form: XmlForm) -> list[Finding]:
    """At most 100 findings, with line-less places: path and bytes. Elements that the layout does not name are left alone."""
    found: list[Finding] = []
    names = dict(document.names or {})
    waiting: list[tuple[Node, Inside]] = [(document.root, form.layout)]
    while waiting and len(found) < MAX_FINDINGS:
        node, inside = waiting.pop()
        if not inside.children:
            continue
        found += _of(node, inside, form, names)
        for child in reversed(node.children):
            known = inside.children.get(child.tag)
            if known is not None:
                waiting.append((child, known.inside))
    return found[:MAX_FINDINGS]


def _of(node: Node, inside: Inside, form: XmlForm, names: dict[str, str]) -> Iterator[Finding]:
    counts: dict[str, int] = {}
    last, before = -1, ""
    for child in node.children:
        known = inside.children.get(child.tag)
        if known is None:
            continue
        counts[child.tag] = counts.get(child.tag, 0) + 1
        if known.order < last:
            yield _finding(child, "order", f"{form.called(child.tag)} stands behind {form.called(before)}, and belongs before it", names)
        elif known.order > last:
            last, before = known.order, child.tag
        if known.most is not None and counts[child.tag] == known.most + 1:
            yield _finding(
                child, "too-many", f"{form.called(child.tag)} stands here more than {'once' if known.most == 1 else f'{known.most} times'}", names
            )
    for tag, known in inside.children.items():
        if known.least > counts.get(tag, 0):
            yield _finding(node, "missing", f"{form.called(tag)} is missing in it", names)._replace(segment=tag, position=0, element=1)


def _finding(node: Node, code: str, text: str, names: dict[str, str]) -> Finding:
    parts: list[str] = []
    here: Node | None = node
    while here is not None:
        parts.append(names.get(here.tag, here.tag))
        here = here.parent
    path = "/" + "/".join(reversed(parts))
    segment = node.segment
    return Finding(
        "segment",
        code,
        f"{path}: {text}",
        segment.byte_start,
        segment.byte_end,
        "",
        segment.position,
        kind="xml",
        severity="warning",
        path=path[:300],
    )
