"""The AS2 corpus as values: each case's request, what is expected of it, and the keys (shared/corpus/as2)."""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tests.corpus import CORPUS
from translators.as2.cms.keys import Certificate, OurKey, certificate, our_key
from translators.as2.limits import Limits, Policy
from translators.as2.mime import Headers, headers_of

FOLDER = CORPUS / "as2"


@dataclass(frozen=True)
class Case:
    name: str
    headers: Headers
    body: bytes
    expected: dict[str, Any]

    @property
    def outcomes(self) -> list[str]:
        return [self.expected["outcome"], *self.expected.get("also_ok", [])]


def names() -> list[str]:
    """Of all cases; none where there is no corpus."""
    return sorted(path.parent.name for path in FOLDER.glob("*/expect.json")) if FOLDER.is_dir() else []


def case(name: str) -> Case:
    folder = FOLDER / name
    headers = headers_of((folder / "request.http-headers").read_bytes(), Limits())
    return Case(name, headers, (folder / "body.bin").read_bytes(), json.loads((folder / "expect.json").read_text(encoding="utf-8")))


def partners() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "partners.json").read_text(encoding="utf-8"))
    return found


@lru_cache
def registered(name: str) -> Certificate:
    return certificate((FOLDER / "keys" / f"{name}.cert.pem").read_bytes())


@lru_cache
def ours(name: str) -> OurKey:
    return our_key((FOLDER / "keys" / f"{name}.key.pem").read_bytes(), (FOLDER / "keys" / f"{name}.cert.pem").read_bytes())


def policy(own: dict[str, Any]) -> tuple[Policy, Limits]:
    """The profile of partners.json with what a case changes."""
    given = {**partners()["policy"], **own}
    return (
        Policy(
            require_signature=given["require_signature"],
            require_encryption=given["require_encryption"],
            allow_sha1=given["allow_sha1"],
            allow_md5=given["allow_md5"],
            allow_3des=given["allow_3des"],
            check_dates=given["check_certificate_dates"],
        ),
        Limits(ratio=given["max_decompression_ratio"], ratio_floor=given["decompression_floor_bytes"], layers=given["max_layers"]),
    )
