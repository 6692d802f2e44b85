"""What we send to partners' own addresses: with which proof, to which address, and word of what became of their messages."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.errors import DestinationFault
from gateway.targets.addresses import GuardedResolver, NotFit, check_literal, fit
from tests.running import Running, document, running
from tests.test_door_callers import certificate_of

NOTICE = document("856-notice.edi")


class Listening:
    """A partner's own server: keeps what comes, answers as it is told."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.tokens = 0
        self.no_tokens = False
        self.accept: Any = lambda headers: True
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        inside = request.transport.get_extra_info("ssl_object") if request.transport else None
        if inside is not None and (der := inside.getpeercert(binary_form=True)):
            headers["their certificate"] = hashlib.sha256(der).hexdigest()
        if request.path == "/token":
            if self.no_tokens:
                return web.json_response({"error": "invalid_client"}, status=400)
            self.tokens += 1
            self.requests.append((request.path, headers, body))
            return web.json_response({"access_token": f"token-{self.tokens}", "token_type": "Bearer", "expires_in": 3600})
        good = self.accept(headers)
        self.requests.append((request.path, headers, body))
        return web.json_response({"ok": good}, status=200 if good else 401)


@contextlib.asynccontextmanager
async def listening(context: ssl.SSLContext | None = None) -> AsyncIterator[Listening]:
    one = Listening()
    app = web.Application()
    app.router.add_post("/{path:.*}", one.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    one.url = f"{'https' if context else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield one
    finally:
        await runner.cleanup()


async def with_terms(gateway: Running, terms: str) -> None:
    await gateway.apply("northway", ("agreements:", f"channels: {{http: {{{terms}}}}}\nagreements:"))


async def with_secrets(gateway: Running) -> None:
    for name, value in {"word": "their word", "signing": "whsec_" + base64.b64encode(b"k" * 32).decode()}.items():
        await gateway.operate("keys.secret", name=name, value=value)


PROOFS = [
    ("bearer", "bearer: word", "Bearer their word"),
    ("basic", "basic: {user: us, secret: word}", "Basic " + base64.b64encode(b"us:their word").decode()),
    ("none", "private: false", None),
]


@pytest.mark.parametrize(("terms", "wanted"), [case[1:] for case in PROOFS], ids=[case[0] for case in PROOFS])
def test_a_push_brings_the_proof_that_is_agreed(tmp_path: Path, terms: str, wanted: str | None):
    async def act() -> None:
        async with listening() as there, running(tmp_path) as gateway:
            await with_secrets(gateway)
            await with_terms(gateway, f'way_back: push, push_url: "{there.url}/in", push: {{{terms}}}')
            await gateway.sent("northway", NOTICE)
            await gateway.settle(lambda: there.requests)
            path, headers, body = there.requests[0]
            assert path == "/in"
            assert headers.get("authorization") == wanted
            assert body.startswith(b"ISA")

    asyncio.run(act())


def test_an_oauth2_token_is_fetched_once_and_anew_when_it_is_refused(tmp_path: Path):
    async def act() -> None:
        async with listening() as there, running(tmp_path) as gateway:
            await with_secrets(gateway)
            oauth2 = f'oauth2: {{token_url: "{there.url}/token", client_id: us, secret: word, scope: edi}}'
            await with_terms(gateway, f'way_back: push, push_url: "{there.url}/in", push: {{{oauth2}}}')
            await gateway.sent("northway", NOTICE)
            await gateway.settle(lambda: len(there.requests) == 2)
            (_, asked, form), (_, pushed, _) = there.requests
            assert asked["authorization"] == "Basic " + base64.b64encode(b"us:their+word").decode()
            assert form == b"grant_type=client_credentials&scope=edi"
            assert pushed["authorization"] == "Bearer token-1"
            there.accept = lambda headers: headers["authorization"] == "Bearer token-2"
            await gateway.sent("northway", document("214-status.edi"))
            await gateway.settle(lambda: there.requests[-1][1]["authorization"] == "Bearer token-2")
            assert there.tokens == 2

    asyncio.run(act())


def test_a_token_server_that_refuses_us_parks_and_nothing_dies(tmp_path: Path):
    """It says so with 400 (RFC 6749, 5.2), which of the partner's own address would mean that it will not take the document."""

    async def act() -> None:
        async with listening() as there, running(tmp_path) as gateway:
            await with_secrets(gateway)
            there.no_tokens = True
            oauth2 = f'oauth2: {{token_url: "{there.url}/token", client_id: us, secret: word}}'
            await with_terms(gateway, f'way_back: push, push_url: "{there.url}/in", push: {{{oauth2}}}')
            await gateway.sent("northway", NOTICE)
            told: list[str] = []
            while not told:
                await asyncio.sleep(0.05)
                told = [one["text"] for one in await gateway.operate("alarms") if one["kind"] == "destination.parked"]
            assert "400 invalid_client" in told[0]
            there.no_tokens = False
            await gateway.settle(lambda: any(path == "/in" for path, _, _ in there.requests))

    asyncio.run(act())


def test_a_secret_that_is_missing_parks_and_waits(tmp_path: Path):
    async def act() -> None:
        async with listening() as there, running(tmp_path) as gateway:
            await with_terms(gateway, f'way_back: push, push_url: "{there.url}/in", push: {{bearer: word}}')
            await gateway.sent("northway", NOTICE)
            told: list[str] = []
            while not told:
                await asyncio.sleep(0.05)
                told = [one["text"] for one in await gateway.operate("alarms") if one["kind"] == "destination.parked"]
            assert "no secret is called word" in told[0]
            assert there.requests == []
            await with_secrets(gateway)
            await gateway.settle(lambda: there.requests)

    asyncio.run(act())


def test_our_certificate_is_shown_and_only_a_pinned_one_is_spoken_to(tmp_path: Path):
    theirs = certificate_of(tmp_path, "theirs")

    async def act() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(theirs[0], theirs[1])
        async with running(tmp_path) as gateway:
            made = await gateway.operate("keys.generate", name="ours", kind="ec-p256")
            pem = (await gateway.operate("keys.show", id=made["id"]))["pem"]
            context.load_verify_locations(cadata=pem)
            context.verify_mode = ssl.CERT_REQUIRED
            async with listening(context) as there:
                url = there.url.replace("127.0.0.1", "localhost")
                await with_terms(gateway, f'way_back: push, push_url: "{url}/in", push: {{certificate: ours}}')
                await gateway.sent("northway", NOTICE)
                await asyncio.sleep(1)
                assert there.requests == []  # nobody has said that this server is theirs
                (alarm,) = [one for one in await gateway.operate("alarms") if one["kind"] == "destination.parked"]
                assert "its certificate is not to be trusted: " in alarm["text"]
                pinned = certificate_of(tmp_path, "localhost")
                context.load_cert_chain(pinned[0], pinned[1])
                await gateway.operate("keys.add", partner="northway", data=base64.b64encode(pinned[2]).decode(), use="tls")
                await gateway.settle(lambda: there.requests)
                assert there.requests[0][1]["their certificate"] == made["fingerprint"]

    asyncio.run(act())


def test_a_webhook_is_told_what_became_of_each_message(tmp_path: Path):
    async def act() -> None:
        async with listening() as there, running(tmp_path) as gateway:
            await with_secrets(gateway)
            await with_terms(gateway, f'webhook: {{url: "{there.url}/told", sign: [signing]}}')
            good = await gateway.sent("northway", NOTICE)
            await gateway.settle(lambda: there.requests)
            path, headers, body = there.requests[0]
            assert path == "/told"
            told = json.loads(body)
            assert told["type"] == "message.decided"
            assert told["data"] | {"received_at": ""} == {
                "id": good["id"], "state": "translated", "reason": None, "file_name": "test.edi", "channel": "http", "received_at": "",
                "documents": [{"set": "856", "state": "translated", "count": 1}], "status_url": f"/v1/messages/{good['id']}",
            }  # fmt: skip
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
            assert headers["webhook-signature"] == "v1," + base64.b64encode(hmac.digest(b"k" * 32, signed, "sha256")).decode()
            held = await gateway.sent("northway", b"no document at all")
            await gateway.settle(lambda: len(there.requests) == 2)
            told = json.loads(there.requests[1][2])["data"]
            assert (told["id"], told["state"], told["documents"]) == (held["id"], "held", [])
            await gateway.sent("lake3pl", document("945-shipped.edi"))
            await asyncio.sleep(0.5)
            assert len(there.requests) == 2  # another partner has none

    asyncio.run(act())


UNFIT = [
    "127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1",
    "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:db8::1", "no address", "", "[::1]",
]  # fmt: skip
NEVER = ["169.254.169.254", "0.0.0.0", "224.0.0.1", "::", "fe80::1", "ff02::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"]


@pytest.mark.parametrize("address", UNFIT)
def test_addresses_that_requests_do_not_go_to(address: str):
    assert not fit(address, private=False)


@pytest.mark.parametrize("address", NEVER)
def test_addresses_that_no_profile_opens(address: str):
    assert not fit(address, private=True)
    with pytest.raises(DestinationFault):
        check_literal(address, private=True)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_that_are_fit(address: str):
    assert fit(address, private=False)
    check_literal(address, private=False)
    check_literal("edi.example.com", private=False)


def test_a_name_that_stands_for_this_machine_is_no_way_in():
    async def act() -> None:
        resolver = GuardedResolver(private=False)
        with pytest.raises(NotFit):
            await resolver.resolve("localhost", 80)
        assert await GuardedResolver(private=True).resolve("localhost", 80)

    asyncio.run(act())


def test_a_push_to_a_name_within_parks_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from aiohttp.resolver import DefaultResolver

    async def within(self: Any, host: str, port: int = 0, family: Any = 0) -> list[dict[str, Any]]:
        return [{"hostname": host, "host": "10.1.2.3", "port": port, "family": 2, "proto": 6, "flags": 0}]

    async def act() -> None:
        async with running(tmp_path) as gateway:
            monkeypatch.setattr(DefaultResolver, "resolve", within)
            await with_terms(gateway, 'way_back: push, push_url: "https://inside.example/in"')
            await gateway.sent("northway", NOTICE)
            told: list[str] = []
            while not told:
                await asyncio.sleep(0.05)
                told = [one["text"] for one in await gateway.operate("alarms") if one["kind"] == "destination.parked"]
            assert "stands for 10.1.2.3" in told[0]

    asyncio.run(act())
