"""Who calls over HTTP: tokens, OAuth2, signatures, certificates, addresses, proxies; over plain HTTP and over TLS of our own."""

import asyncio
import base64
import contextlib
import gzip
import hashlib
import hmac
import json
import ssl
import time
import warnings
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.keys import generate, pem_of
from tests.running import Running, document, running

NOTICE = document("856-notice.edi")
SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes, eh").decode()


async def post(
    gateway: Running, body: Any = NOTICE, *, path: str = "/v1/inbox", headers: dict[str, str] | None = None, **more: Any
) -> tuple[int, Any]:
    async with gateway.session.post(gateway.url + path, data=body, headers=headers or {}, **more) as response:
        return response.status, await response.json(content_type=None)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def signed(body: bytes, *, identity: str = "msg_1", at: float | None = None, secret: str = SECRET) -> dict[str, str]:
    when = str(int(time.time() if at is None else at))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    code = base64.b64encode(hmac.digest(key, f"{identity}.{when}.".encode() + body, "sha256")).decode()
    return {"webhook-id": identity, "webhook-timestamp": when, "webhook-signature": f"v1,bm90IHRoaXM= v1a,xx v1,{code}"}


async def with_http(gateway: Running, terms: str) -> None:
    await gateway.apply("northway", ("agreements:", f"channels: {{http: {{{terms}}}}}\nagreements:"))


def test_a_signature_proves_a_partner_and_names_the_message(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            await gateway.operate("keys.secret", name="northway", value=SECRET)
            await with_http(gateway, "signatures: [old, northway]")
            path = "/v1/inbox/northway"
            first = await post(gateway, path=path, headers=signed(NOTICE))
            assert first[0] == 202
            assert (await post(gateway, path=path, headers=signed(NOTICE, at=time.time() - 60)))[1] == first[
                1
            ]  # the same webhook-id, the same answer
            wrong = [
                ({}, NOTICE, path),
                (signed(NOTICE), NOTICE + b"x", path),
                (signed(NOTICE, at=time.time() - 400), NOTICE, path),
                (signed(NOTICE, at=time.time() + 400), NOTICE, path),
                (signed(NOTICE, secret="whsec_" + base64.b64encode(b"another").decode()), NOTICE, path),
                (signed(NOTICE), NOTICE, "/v1/inbox/lake3pl"),
                (signed(NOTICE), NOTICE, "/v1/inbox"),
                (signed(NOTICE) | {"webhook-timestamp": "soon"}, NOTICE, path),
                (signed(NOTICE) | bearer("lake3pl"), NOTICE, path),
            ]
            for number, (headers, body, place) in enumerate(wrong):
                status, value = await post(gateway, body, path=place, headers=headers)
                assert (status, value["type"]) == (401, "/problems/not-authenticated"), number
            packed = gzip.compress(NOTICE)
            status, _ = await post(gateway, packed, path=path, headers=signed(packed, identity="msg_2") | {"Content-Encoding": "gzip"})
            assert status == 202

    asyncio.run(act())


def test_what_the_profile_requires_must_all_be_there(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            await gateway.operate("keys.secret", name="northway", value=SECRET)
            await with_http(gateway, "signatures: northway, require: [token, signature]")
            assert (await post(gateway, headers=bearer("northway")))[0] == 401
            assert (await post(gateway, path="/v1/inbox/northway", headers=signed(NOTICE)))[0] == 401
            assert (await post(gateway, headers=bearer("northway") | signed(NOTICE)))[0] == 202
            async with gateway.session.get(f"{gateway.url}/v1/outbox", headers=bearer("northway")) as response:
                assert response.status == 200

    asyncio.run(act())


def test_an_oauth2_client_gets_tokens_that_open_for_an_hour(tmp_path: Path):
    clock = [time.time_ns() // 1000]

    async def ask(gateway: Running, form: dict[str, str], **more: Any) -> tuple[int, dict[str, Any]]:
        return await post(gateway, form, path="/v1/token", **more)

    async def act() -> None:
        async with running(tmp_path, clock=lambda: clock[0]) as gateway:
            digest = hashlib.sha256(b"its secret").hexdigest()
            text = f"partner: oauth\nname: o\nidentities: {{clients: [{{id: oauth-1, sha256: {digest}}}]}}\nagreements: [{{receive: csv/status}}]\n"
            await gateway.operate("partners.apply", text=text)
            grant = {"grant_type": "client_credentials", "client_id": "oauth-1", "client_secret": "its secret"}
            status, value = await ask(gateway, grant)
            assert (status, value["token_type"], value["expires_in"]) == (200, "Bearer", 3600)
            basic = {"Authorization": "Basic " + base64.b64encode(b"oauth-1:its%20secret").decode()}
            assert (await ask(gateway, {"grant_type": "client_credentials"}, headers=basic))[0] == 200
            assert (await ask(gateway, grant | {"client_secret": "another"})) == (401, {"error": "invalid_client"})
            assert (await ask(gateway, grant | {"client_id": "nobody"}))[0] == 401
            assert (await ask(gateway, grant | {"grant_type": "password"}))[1]["error"] == "unsupported_grant_type"
            token = value["access_token"]
            assert (await post(gateway, headers=bearer(token)))[0] == 202
            head, body, code = token.split(".")
            other = base64.urlsafe_b64encode(json.dumps({"c": "oauth-1", "e": 2**40}).encode()).decode().rstrip("=")
            for forged in (f"{head}.{other}.{code}", f"{head}.{body}.", f"{head}.{body}", token[:-1], f"{head}..", f"{head}.é.x"):
                with contextlib.suppress(UnicodeEncodeError):
                    assert (await post(gateway, headers=bearer(forged)))[0] == 401, forged
            clock[0] += 3601 * 1_000_000
            assert (await post(gateway, headers=bearer(token)))[0] == 401
            token = (await ask(gateway, grant))[1]["access_token"]
            await gateway.operate("partners.apply", text=text.replace(digest, "0" * 64).replace("oauth-1", "oauth-2"))
            assert (await post(gateway, headers=bearer(token)))[0] == 401

    asyncio.run(act())


def test_addresses_are_those_of_the_connection_or_of_a_proxy_that_is_believed(tmp_path: Path):
    async def act() -> None:
        from_outside = {"X-Forwarded-For": "198.51.100.9, 203.0.113.7"}
        async with running(tmp_path / "a") as gateway:
            await with_http(gateway, "addresses: [203.0.113.0/24]")
            assert (await post(gateway, headers=bearer("northway")))[0] == 401
            assert (await post(gateway, headers=bearer("northway") | from_outside))[0] == 401  # nobody is believed
        async with running(tmp_path / "b", partner_listener={"proxies": ["127.0.0.0/8"]}) as gateway:
            await with_http(gateway, "addresses: [203.0.113.0/24]")
            assert (await post(gateway, headers=bearer("northway") | from_outside))[0] == 202
            for forged in ("203.0.113.7, 198.51.100.9", "203.0.113.7, nonsense", ""):
                assert (await post(gateway, headers=bearer("northway") | {"X-Forwarded-For": forged}))[0] == 401, forged

    asyncio.run(act())


def certificate_of(folder: Path, name: str) -> tuple[Path, Path, bytes]:
    """Files of certificate and key, and the certificate as DER."""
    from datetime import UTC, datetime

    from cryptography.hazmat.primitives import serialization

    made = generate(name, at=datetime.now(UTC), kind="ec-p256")
    key = serialization.load_der_private_key(made.private, None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{name}.pem").write_text(pem_of(made.certificate))
    (folder / f"{name}.key").write_bytes(key)
    return folder / f"{name}.pem", folder / f"{name}.key", made.certificate


def trusting(server: bytes, client: tuple[Path, Path, bytes] | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=server)
    if client is not None:
        context.load_cert_chain(client[0], client[1])
    return context


def test_tls_of_our_own_knows_partners_by_their_certificates(tmp_path: Path):
    ours, theirs, strangers = (certificate_of(tmp_path, name) for name in ("ours", "theirs", "strangers"))

    async def act() -> None:
        tls = {"tls": {"certificate": str(ours[0]), "key": str(ours[1])}}
        async with running(tmp_path, partner_listener=tls) as gateway:
            assert gateway.url.startswith("https://")
            plain = trusting(ours[2])
            assert (await post(gateway, headers=bearer("northway"), ssl=plain))[0] == 202
            mutual = trusting(ours[2], theirs)
            await gateway.operate("keys.add", partner="northway", data=base64.b64encode(theirs[2]).decode(), use="tls")
            assert (await post(gateway, NOTICE + b"\n", ssl=mutual))[0] == 202
            assert (await post(gateway, NOTICE + b"\n", ssl=mutual, headers=bearer("lake3pl")))[0] == 202  # a token speaks first
            assert (await post(gateway, path="/v1/inbox/lake3pl", ssl=mutual))[0] == 401
            with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
                await post(gateway, ssl=trusting(ours[2], strangers))
            await with_http(gateway, "require: [certificate]")
            assert (await post(gateway, headers=bearer("northway"), ssl=plain))[0] == 401
            assert (await post(gateway, headers=bearer("northway"), ssl=mutual))[0] == 202
            for row in await gateway.operate("keys.list", partner="northway"):
                await gateway.operate("keys.retire", id=row["id"])
            assert (await post(gateway, headers=bearer("northway"), ssl=mutual))[0] == 401

    asyncio.run(act())


def test_tls_is_new_and_a_renewed_certificate_is_taken(tmp_path: Path):
    ours = certificate_of(tmp_path, "ours")

    async def shown(gateway: Running) -> bytes:
        host, _, port = gateway.url.removeprefix("https://").partition(":")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        _, writer = await asyncio.open_connection(host, int(port), ssl=context)
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return der

    async def act() -> None:
        async with running(tmp_path, partner_listener={"tls": {"certificate": str(ours[0]), "key": str(ours[1])}}) as gateway:
            assert await shown(gateway) == ours[2]
            old = trusting(ours[2])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # deprecated is what it is to be
                old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
            with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
                await post(gateway, ssl=old)
            ours[0].write_text("half a certificate")
            await gateway.node.reload_profiles()
            assert await shown(gateway) == ours[2]
            newer = certificate_of(tmp_path, "ours")
            await gateway.node.reload_profiles()
            assert await shown(gateway) == newer[2]

    asyncio.run(act())


def test_a_proxy_that_is_believed_may_show_the_certificate(tmp_path: Path):
    theirs = certificate_of(tmp_path, "theirs")
    header = {"Client-Cert": f":{base64.b64encode(theirs[2]).decode()}:"}

    async def act() -> None:
        for number, (proxies, status) in enumerate([(["127.0.0.1"], 202), (["10.0.0.0/8"], 401), ([], 401)]):
            async with running(tmp_path / str(number), partner_listener={"proxies": proxies}) as gateway:
                await gateway.operate("keys.add", partner="northway", data=base64.b64encode(theirs[2]).decode(), use="tls")
                assert (await post(gateway, headers=header))[0] == status
                assert (await post(gateway, headers={"Client-Cert": ":nonsense:"}))[0] == 401

    asyncio.run(act())


def test_several_files_are_kept_together_or_not_at_all(tmp_path: Path):
    def form(*files: bytes) -> aiohttp.FormData:
        data = aiohttp.FormData()
        for number, body in enumerate(files):
            data.add_field("file", body, filename=f"{number}.edi")
        return data

    async def act() -> None:
        async with running(tmp_path) as gateway:
            other = document("856-notice-again.edi")
            status, value = await post(gateway, form(NOTICE, other), headers=bearer("northway") | {"Idempotency-Key": "both"})
            assert status == 202
            assert [one["file_name"] for one in value["messages"]] == ["0.edi", "1.edi"]
            assert (await post(gateway, form(NOTICE, other), headers=bearer("northway") | {"Idempotency-Key": "both"})) == (202, value)
            status, told = await post(gateway, form(other, b"ISA other"), headers=bearer("northway") | {"Idempotency-Key": "both"})
            assert (status, told["type"]) == (422, "/problems/key-reused")
            assert len(await gateway.operate("messages", partner="northway")) == 2
            status, told = await post(gateway, form(b"ISA new", b""), headers=bearer("northway"))
            assert (status, told["type"]) == (422, "/problems/empty-body")
            assert len(await gateway.operate("messages", partner="northway")) == 2

    asyncio.run(act())


def test_who_expects_to_be_asked_is_refused_before_the_body(tmp_path: Path):
    async def exchange(gateway: Running, head: str, body: bytes) -> tuple[bytes, bytes]:
        """(what came before the body was sent, what came after it)."""
        host, _, port = gateway.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"POST /v1/inbox HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\r\n\r\n".encode())
        first = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        if not first.startswith(b"HTTP/1.1 100"):
            writer.close()
            return first, b""
        writer.write(body)
        rest = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        return first, rest

    async def act() -> None:
        async with running(tmp_path) as gateway:
            token, length = "Authorization: Bearer northway", f"Content-Length: {len(NOTICE)}"
            first, rest = await exchange(gateway, f"{token}\r\n{length}\r\nExpect: 100-continue", NOTICE)
            assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
            assert rest.startswith(b"HTTP/1.1 202")
            for head, status in [
                (f"{length}\r\nExpect: 100-continue", b"401"),
                (f"{token}\r\nContent-Length: {10**12}\r\nExpect: 100-continue", b"413"),
                (f"{token}\r\n{length}\r\nExpect: something", b"417"),
            ]:
                first, _ = await exchange(gateway, head, NOTICE)
                assert first.startswith(b"HTTP/1.1 " + status), head

    asyncio.run(act())


def test_a_compressed_body_is_the_same_document(tmp_path: Path):
    async def act() -> None:
        async with running(tmp_path) as gateway:
            headers = bearer("northway") | {"Content-Encoding": "gzip"}
            halves = gzip.compress(NOTICE[:100]) + gzip.compress(NOTICE[100:])  # RFC 1952: members one after another
            status, value = await post(gateway, halves, headers=headers)
            assert status == 202
            shown = await gateway.operate("show", id=value["id"])
            assert shown["message"]["sha256"] == hashlib.sha256(NOTICE).hexdigest()
            assert (await post(gateway, gzip.compress(NOTICE), headers=headers))[1]["duplicate"] is True

    asyncio.run(act())
