"""A running gateway with the keys and partners of the AS2 corpus, or with keys of our own, and raw HTTP that sends what it is given."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway.simulators.as2 import PretendAs2Partner
from tests import as2
from tests.as2_keys import key
from tests.running import Running, running
from translators.as2.cms.keys import certificate
from translators.as2.mime import Headers

SET_214 = "[{receive: '214'}, {send: '940'}]"


def profile(
    partner: str, as2_id: str, *, receive: str = "{}", send: str = "{}", url: str | None = None, agreements: str = "[{receive: csv/status}]"
) -> str:
    address = f', url: "{url}"' if url else ""
    return (
        f"partner: {partner}\nname: {as2_id}\nidentities: {{tokens: [], isa: [{{qualifier: '02', id: NWFX}}]}}\n"
        f'channels: {{as2: {{id: "{as2_id}"{address}, receive: {receive}, send: {send}}}}}\nagreements: {agreements}\n'
    )


async def with_corpus_partners(gateway: Running) -> None:
    """The profile of partners.json, with every certificate that it names."""
    await gateway.operate("keys.generate", name="spare")
    await gateway.operate("keys.retire", id="spare")
    for name in as2.partners()["us"]["decryption_keys"]:
        both = (as2.FOLDER / "keys" / f"{name}.key.pem").read_bytes() + (as2.FOLDER / "keys" / f"{name}.cert.pem").read_bytes()
        await gateway.operate("keys.import", name=name, data=text_of(both), **{"from": "2020-01-01"})
    for number, partner in enumerate(as2.partners()["partners"]):
        await under_policy(gateway, f"acme{number}", partner["as2_id"], {}, partner["signing_certificates"])


async def under_policy(gateway: Running, partner: str, as2_id: str, changes: dict[str, Any], signers: list[str]) -> None:
    """The partner with the policy of partners.json and a case's changes, and with exactly these signing certificates."""
    given = {**as2.partners()["policy"], **changes}
    weak = {"sha1": "allow_sha1", "md5": "allow_md5", "3des": "allow_3des"}
    allowed = [name for name, switch in weak.items() if given[switch]]
    if not given["check_certificate_dates"]:
        allowed.append("expired")
    exceptions = ", ".join(f"{name}: {{until: 2099-12-31, because: corpus}}" for name in allowed)
    receive = (
        f"{{require_signature: {str(given['require_signature']).lower()}, require_encryption: {str(given['require_encryption']).lower()},"
        f" receipt_hosts: ['127.0.0.1:10081'], exceptions: {{{exceptions}}}}}"
    )
    await gateway.operate("partners.apply", text=profile(partner, as2_id, receive=receive))
    for row in await gateway.operate("keys.list", partner=partner):
        await gateway.operate("keys.retire", id=row["id"])
    for name in signers:
        data = text_of((as2.FOLDER / "keys" / f"{name}.cert.pem").read_bytes())
        await gateway.operate("keys.add", partner=partner, data=data, use="sign", weak=True, **{"from": "2020-01-01"})


@contextlib.asynccontextmanager
async def two(
    folder: Path, *, receive: str = "{}", send: str = "{}", agreements: str = SET_214, settings: dict[str, Any] | None = None
) -> AsyncIterator[tuple[Running, PretendAs2Partner]]:
    """The gateway and a pretend AS2 partner, each with its key and the other's certificate."""
    async with running(folder, **(settings or {})) as gateway:
        made = await gateway.operate("keys.generate", name="ours")
        der = base64.b64decode("".join((await gateway.operate("keys.show", id=made["id"]))["pem"].splitlines()[1:-1]))
        partner = PretendAs2Partner("ACME3PL", key("signer"), certificate(der), stranger=key("stranger"))
        runner = web.AppRunner(partner.app(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        await gateway.operate("partners.apply", text=profile("acme", "ACME3PL", receive=receive, send=send, url=f"{url}/as2", agreements=agreements))
        await gateway.operate("keys.add", partner="acme", data=text_of(key("signer").certificate.der), **{"from": "2020-01-01"})
        gateway.as2_url = url  # type: ignore[attr-defined]
        try:
            yield gateway, partner
        finally:
            await runner.cleanup()


def text_of(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


async def exchange(gateway: Running, head: bytes, body: bytes, *, chunked: bool = False, piece: int = 0) -> tuple[int, Headers, bytes]:
    """POST /as2 with these header lines as they are; (status, headers, body)."""
    host, _, port = gateway.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        lines = [
            line
            for line in head.split(b"\r\n")
            if line and not line.lower().startswith((b"content-length:", b"transfer-encoding:", b"host:", b"connection:"))
        ]
        length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
        out = b"\r\n".join([b"POST /as2 HTTP/1.1", b"Host: test", b"Connection: close", length, *lines, b"", b""])
        if chunked:
            size = piece or 1000
            out += b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in (body[at : at + size] for at in range(0, len(body), size))) + b"0\r\n\r\n"
        else:
            out += body
        for at in range(0, len(out), piece or len(out)):
            writer.write(out[at : at + (piece or len(out))])
            await writer.drain()
        raw = await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.close()
    answer_head, _, answer = raw.partition(b"\r\n\r\n")
    first, *fields = answer_head.decode("latin-1").split("\r\n")
    return int(first.split()[1]), Headers([(name, value.strip()) for name, _, value in (field.partition(":") for field in fields)]), answer
