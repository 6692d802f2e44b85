"""How we prove ourselves to an ERP: each way, both directions of failure, and never to anybody else."""

import asyncio
import base64
import hmac
import json
import ssl
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import SECOND
from gateway.errors import DestinationFault, TemporaryFailure, UnknownOutcome
from gateway.settings import SettingsError, masked, read_settings
from gateway.targets.erp_terms import same_server
from gateway.targets.http import Answer
from gateway.targets.tokens import Proof, Tokens, use_until
from tests.running import document, running
from tests.test_door_callers import certificate_of
from tests.their_erp import Time, event, target_of, their_erp

NOTICE = document("856-notice.edi")
DATA = b'{"a":1}'
SECRETS = ["whsec_" + base64.b64encode(letter * 32).decode() for letter in (b"k", b"n")]
FIXED = [
    ("token", {"token": "their-word"}, "authorization", "Bearer their-word"),
    ("basic", {"basic": {"user": "us", "password": "ä: b"}}, "authorization", "Basic " + base64.b64encode("us:ä: b".encode()).decode()),
    ("api key", {"api_key": {"header": "X-Key", "secret": "k 1"}}, "x-key", "k 1"),
    ("api key in Authorization", {"api_key": {"header": "Authorization", "secret": "token a:b"}}, "authorization", "token a:b"),
    ("both", {"token": "w", "api_key": {"secret": "k"}}, "x-api-key", "k"),
]


@pytest.mark.parametrize(("terms", "header", "value"), [one[1:] for one in FIXED], ids=[one[0] for one in FIXED])
def test_what_never_changes_is_in_every_request(terms: dict[str, Any], header: str, value: str):
    async def act() -> None:
        async with their_erp() as there, target_of(there, repeats="look_up", look_up_url=f"{there.url}/has/{{id}}", **terms) as target:
            there.answer = lambda request, body: web.json_response({}, status=404 if request.method == "GET" else 200)
            await target.deliver(event(attempts=1), DATA)
            assert [(one.method, one.headers.get(header)) for one in there.requests] == [("GET", value), ("POST", value)]

    asyncio.run(act())


def test_an_oauth2_token_is_fetched_once_however_many_wait_and_renewed_before_its_end():
    async def act() -> None:
        time = Time()
        async with (
            their_erp() as there,
            target_of(there, clock=time, oauth2={"token_url": f"{there.url}/token", "client_id": "us:", "secret": "s/ä", "scope": "a b"}) as target,
        ):
            there.takes, there.slow_tokens = there.by_token, 0.05
            await asyncio.gather(*[target.deliver(event(f"e{number}-r1"), DATA) for number in range(20)])
            assert there.forms == [{"grant_type": "client_credentials", "scope": "a b"}]
            assert there.proofs == ["Basic " + base64.b64encode(b"us%3A:s%2F%C3%A4").decode()]
            time.pass_(3600 - 61)
            await target.deliver(event(), DATA)
            assert len(there.forms) == 1
            time.pass_(1)
            await target.deliver(event(), DATA)
            assert len(there.forms) == 2, "a minute before its end"
            assert {one.headers["authorization"] for one in there.events()[:21]} == {"Bearer token-1"}

    asyncio.run(act())


def test_tokens_that_are_ended_before_their_time_are_renewed_once_for_all():
    async def act() -> None:
        oauth2 = {"client_id": "us", "secret": "s"}
        async with their_erp() as there, target_of(there, oauth2={"token_url": f"{there.url}/token", **oauth2}) as target:
            there.takes = there.by_token
            await target.deliver(event(), DATA)
            there.good, there.slow_tokens = set(), 0.05
            await asyncio.gather(*[target.deliver(event(f"e{number}-r1"), DATA) for number in range(10)])
            assert len(there.forms) == 2
            assert sum(one.headers["authorization"] == "Bearer token-2" for one in there.events()) == 10

    asyncio.run(act())


def test_a_new_token_that_is_refused_too_parks_after_one_repeat():
    async def act() -> None:
        async with (
            their_erp() as there,
            target_of(there, oauth2={"token_url": f"{there.url}/token", "client_id": "us", "secret": "s"}) as target,
        ):
            there.takes = lambda asked: False
            with pytest.raises(DestinationFault) as told:
                await target.deliver(event(), DATA)
            assert (told.value.status, len(there.forms), len(there.events())) == (401, 2, 2)

    asyncio.run(act())


def test_a_word_that_never_changes_is_not_tried_twice():
    async def act() -> None:
        async with their_erp() as there, target_of(there, token="wrong") as target:
            there.takes = lambda asked: False
            with pytest.raises(DestinationFault):
                await target.deliver(event(), DATA)
            assert len(there.events()) == 1

    asyncio.run(act())


NO_TOKENS = [
    ("400, as RFC 6749 says it", lambda: web.json_response({"error": "invalid_client"}, status=400), DestinationFault, "400 invalid_client"),
    ("401", lambda: web.json_response({"error": "invalid_client"}, status=401), DestinationFault, "401 invalid_client"),
    ("a page", lambda: web.Response(text="<html>", status=403), DestinationFault, "answered 403"),
    ("503", lambda: web.Response(status=503), TemporaryFailure, "answered 503"),
    ("a redirect", lambda: web.Response(status=302, headers={"Location": "/elsewhere"}), DestinationFault, "answered 302"),
    ("no JSON", lambda: web.Response(text="hello"), TemporaryFailure, "no token"),
    ("no token in it", lambda: web.json_response({"token": "x"}), TemporaryFailure, "no token"),
    ("a token that breaks the header", lambda: web.json_response({"access_token": "a\r\nX: y"}), TemporaryFailure, "no token"),
    ("another kind", lambda: web.json_response({"access_token": "a", "token_type": "mac"}), DestinationFault, "'mac'"),
]


@pytest.mark.parametrize(("answer", "kind", "words"), [one[1:] for one in NO_TOKENS], ids=[one[0] for one in NO_TOKENS])
def test_without_a_token_nothing_leaves_and_nothing_dies(answer: Any, kind: type[Exception], words: str):
    """Whatever the token server says: the event was not sent, so its outcome is never unknown, and it is no dead letter."""

    async def act() -> None:
        async with (
            their_erp() as there,
            target_of(there, oauth2={"token_url": f"{there.url}/token", "client_id": "us", "secret": "s3cret"}) as target,
        ):
            there.token_answer = answer
            with pytest.raises(kind, match=words) as told:
                await target.deliver(event(), DATA)
            assert not isinstance(told.value, UnknownOutcome)
            assert "s3cret" not in str(told.value)
            assert there.requests == []
            there.token_answer = None
            await target.deliver(event(), DATA)

    asyncio.run(act())


def pem_of_private(private: Any) -> bytes:
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def holds(algorithm: str, public: Any, signed: bytes, signature: bytes) -> None:
    """RFC 7518, 3.3 to 3.5, as a token server verifies; raises where it does not hold."""
    if algorithm == "ES256":
        assert len(signature) == 64
        public.verify(encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:])), signed, ec.ECDSA(hashes.SHA256()))
    elif algorithm == "RS256":
        public.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    else:
        public.verify(signature, signed, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def claims_of(form: dict[str, str], public: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """(head, claims) of a proven assertion."""
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    head, claims, signature = form["client_assertion"].split(".")
    found = json.loads(decoded(head))
    holds(found["alg"], public, f"{head}.{claims}".encode(), decoded(signature))
    return found, json.loads(decoded(claims))


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", None])
def test_an_assertion_is_signed_for_each_request_alone(tmp_path: Path, algorithm: str | None):
    private = rsa.generate_private_key(65537, 2048) if algorithm in ("RS256", "PS256") else ec.generate_private_key(ec.SECP256R1())
    file = tmp_path / "client.pem"
    file.write_bytes(pem_of_private(private))

    async def act() -> None:
        time = Time()
        terms = {"client_id": "us", "proof": "private_key_jwt", "key": str(file), "key_id": "k7", "more": {"resource": "erp"}}
        more = {"algorithm": algorithm} if algorithm else {}
        async with their_erp() as there, target_of(there, clock=time, oauth2={"token_url": f"{there.url}/token", **terms, **more}) as target:
            await target.deliver(event(), DATA)
            time.pass_(4000)
            await target.deliver(event(), DATA)
            seen = []
            for form in there.forms:
                assert (form["client_id"], form["resource"], "client_secret" in form) == ("us", "erp", False)
                head, claims = claims_of(form, private.public_key())
                assert head == {"alg": algorithm or "ES256", "typ": "JWT", "kid": "k7"}
                assert (claims["iss"], claims["sub"], claims["aud"]) == ("us", "us", f"{there.url}/token")
                assert claims["exp"] - claims["iat"] == 120
                seen.append(claims["jti"])
            assert len(set(seen)) == 2
            assert there.proofs == [None, None]

    asyncio.run(act())


WRONG_KEYS = [
    ("RS256", lambda: pem_of_private(ec.generate_private_key(ec.SECP256R1())), "does not sign by RS256"),
    (None, lambda: pem_of_private(ec.generate_private_key(ec.SECP384R1())), "secp384r1 does not sign by ES256"),
    (None, lambda: b"no key", "holds no private key"),
    (None, lambda: None, "No such file"),
]


@pytest.mark.parametrize(("algorithm", "make", "words"), WRONG_KEYS)
def test_a_key_that_cannot_sign_parks(tmp_path: Path, algorithm: str | None, make: Any, words: str):
    file = tmp_path / "client.pem"
    if (data := make()) is not None:
        file.write_bytes(data)

    async def act() -> None:
        terms = {"client_id": "us", "proof": "private_key_jwt", "key": str(file)} | ({"algorithm": algorithm} if algorithm else {})
        async with their_erp() as there, target_of(there, oauth2={"token_url": f"{there.url}/token", **terms}) as target:
            with pytest.raises(DestinationFault, match=words):
                await target.deliver(event(), DATA)
            assert there.requests == []
            assert there.forms == []

    asyncio.run(act())


def test_a_secret_may_stand_in_the_form():
    async def act() -> None:
        terms = {"client_id": "us", "secret": "s&", "proof": "client_secret_post"}
        async with their_erp() as there, target_of(there, oauth2={"token_url": f"{there.url}/token", **terms}) as target:
            await target.deliver(event(), DATA)
            assert there.forms == [{"grant_type": "client_credentials", "client_id": "us", "client_secret": "s&"}]
            assert there.proofs == [None]

    asyncio.run(act())


def test_each_attempt_is_signed_by_every_secret(monkeypatch: pytest.MonkeyPatch):
    async def act() -> None:
        time = Time()
        monkeypatch.setattr("gateway.targets.credentials.wall", time)
        async with their_erp() as there, target_of(there, signing_secrets=" ".join(SECRETS)) as target:
            for _ in range(2):
                await target.deliver(event(), DATA)
                time.pass_(10)
            first, second = (one.headers for one in there.events())
            assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 10
            for headers in (first, second):
                assert headers["webhook-id"] == "e-r1"
                signed = f"e-r1.{headers['webhook-timestamp']}.".encode() + DATA
                wanted = [base64.b64encode(hmac.digest(letter * 32, signed, "sha256")).decode() for letter in (b"k", b"n")]
                assert headers["webhook-signature"] == " ".join(f"v1,{one}" for one in wanted)

    asyncio.run(act())


def test_a_redirect_is_not_followed_and_takes_no_credentials_along():
    async def act() -> None:
        async with their_erp() as elsewhere, their_erp() as there, target_of(there, token="word") as target:
            there.answer = lambda request, body: web.Response(status=307, headers={"Location": f"{elsewhere.url}/events"})
            with pytest.raises(DestinationFault):
                await target.deliver(event(), DATA)
            assert elsewhere.requests == []

    asyncio.run(act())


def server_context(files: tuple[Path, Path, bytes]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[0], files[1])
    return context


def test_only_a_pinned_server_is_spoken_to_and_files_are_read_again(tmp_path: Path):
    theirs, others = certificate_of(tmp_path, "localhost"), certificate_of(tmp_path, "others")
    pinned = tmp_path / "authorities.pem"
    pinned.write_bytes(others[0].read_bytes())

    async def act() -> None:
        async with their_erp(server_context(theirs)) as there:
            async with target_of(there, token="word") as target:
                with pytest.raises(DestinationFault, match="not to be trusted"):
                    await target.deliver(event(), DATA)
            async with target_of(there, token="word", tls={"authorities": str(pinned)}) as target:
                with pytest.raises(DestinationFault, match="not to be trusted"):
                    await target.deliver(event(), DATA)
                assert there.requests == []
                pinned.write_bytes(theirs[0].read_bytes() + b"\n")
                await target.deliver(event(), DATA)
                pinned.write_text("nothing")
                with pytest.raises(DestinationFault, match=r"authorities.pem: the file is no certificate"):
                    await target.deliver(event(), DATA)
                pinned.unlink()
                with pytest.raises(DestinationFault, match=r"authorities.pem: No such file"):
                    await target.deliver(event(), DATA)

    asyncio.run(act())


def test_a_pinned_certificate_is_good_for_its_own_name_alone(tmp_path: Path):
    theirs = certificate_of(tmp_path, "erp.example")

    async def act() -> None:
        async with their_erp(server_context(theirs)) as there, target_of(there, tls={"authorities": str(theirs[0])}) as target:
            with pytest.raises(DestinationFault, match="not to be trusted"):
                await target.deliver(event(), DATA)

    asyncio.run(act())


def test_our_certificate_is_shown_from_files(tmp_path: Path):
    theirs, ours, strangers = (certificate_of(tmp_path, name) for name in ("localhost", "ours", "strangers"))

    async def act() -> None:
        context = server_context(theirs)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(ours[0])
        async with their_erp(context) as there:
            tls = {"authorities": str(theirs[0]), "certificate": str(ours[0]), "key": str(ours[1])}
            async with target_of(there, tls=tls) as target:
                await target.deliver(event(), DATA)
            assert there.requests[0].certificate == x509.load_der_x509_certificate(ours[2]).fingerprint(hashes.SHA256()).hex()
            for wrong in ({"certificate": str(strangers[0]), "key": str(strangers[1])}, {}):
                async with target_of(there, tls={"authorities": str(theirs[0])} | wrong) as target:
                    with pytest.raises((TemporaryFailure, DestinationFault)):
                        await target.deliver(event(), DATA)
            async with target_of(there, tls=tls | {"key": str(strangers[1])}) as target:
                with pytest.raises(DestinationFault):
                    await target.deliver(event(), DATA)
            assert len(there.requests) == 1

    asyncio.run(act())


def test_the_token_server_elsewhere_is_not_shown_our_certificate(tmp_path: Path):
    """The ERP's pinned authority and our certificate are for the ERP; the token server has terms of its own."""
    theirs, ours = certificate_of(tmp_path, "localhost"), certificate_of(tmp_path, "ours")

    async def act() -> None:
        context = server_context(theirs)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(ours[0])
        async with their_erp(context) as tokens, their_erp(context) as there:
            tls = {"authorities": str(theirs[0]), "certificate": str(ours[0]), "key": str(ours[1])}
            oauth2 = {"token_url": f"{tokens.url}/token", "client_id": "us", "secret": "s"}
            async with target_of(there, tls=tls, oauth2=oauth2) as target:
                with pytest.raises(DestinationFault, match=r"token server .*not to be trusted"):
                    await target.deliver(event(), DATA)
            async with target_of(there, tls=tls, oauth2=oauth2 | {"tls": {"authorities": str(theirs[0])}}) as target:
                await target.deliver(event(), DATA)
            async with target_of(there, tls=tls, oauth2=oauth2 | {"token_url": f"{there.url}/token"}) as target:
                await target.deliver(event(), DATA)
            assert (len(tokens.forms), len(there.forms), len(there.events())) == (1, 1, 2)

    asyncio.run(act())


def test_a_key_of_ours_signs_and_is_shown_by_its_name(tmp_path: Path):
    """Through the whole gateway: a key that is not there yet parks the target, and its coming frees it."""
    theirs = certificate_of(tmp_path, "localhost")

    async def act() -> None:
        context = server_context(theirs)
        async with their_erp(context) as there:
            oauth2 = {"token_url": f"{there.url}/token", "client_id": "us", "proof": "private_key_jwt", "our_key": "erp"}
            tls = {"authorities": str(theirs[0]), "our_key": "erp"}
            async with running(tmp_path, target={"url": f"{there.url}/events", "oauth2": oauth2, "tls": tls}) as gateway:
                await gateway.sent("northway", NOTICE)
                told: list[str] = []
                while not told:
                    await asyncio.sleep(0.05)
                    told = [one["text"] for one in await gateway.operate("alarms") if one["kind"] == "destination.parked"]
                assert "no key of ours is called erp" in told[0]
                made = await gateway.operate("keys.generate", name="erp", kind="ec-p256")
                pem = (await gateway.operate("keys.show", id=made["id"]))["pem"]
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(cadata=pem)
                await gateway.settle(there.events)
                assert there.events()[0].certificate == made["fingerprint"]
                head, _ = claims_of(there.forms[0], x509.load_pem_x509_certificate(pem.encode()).public_key())
                assert head["x5t#S256"] == base64.urlsafe_b64encode(bytes.fromhex(made["fingerprint"])).decode().rstrip("=")

    asyncio.run(act())


def test_secrets_come_from_files_and_are_not_shown(tmp_path: Path):
    words = {"BASIC__PASSWORD": "s3cret-1", "OAUTH2__SECRET": "s3cret-2", "API_KEY__SECRET": "s3cret-3", "SIGNING_SECRETS": " ".join(SECRETS)}
    environment = {"CROSSDOCK_TARGETS__ERP__URL": "https://erp"}
    for name, word in words.items():
        (tmp_path / name).write_text(word + "\n")
        environment[f"CROSSDOCK_TARGETS__ERP__{name}_FILE"] = str(tmp_path / name)
    basic = {key: value for key, value in environment.items() if "OAUTH2" not in key} | {"CROSSDOCK_TARGETS__ERP__BASIC__USER": "us"}
    oauth2 = {key: value for key, value in environment.items() if "BASIC" not in key} | {
        "CROSSDOCK_TARGETS__ERP__OAUTH2__TOKEN_URL": "https://login/token",
        "CROSSDOCK_TARGETS__ERP__OAUTH2__CLIENT_ID": "us",
    }
    for one in (basic, oauth2):
        read = read_settings(None, None, one)
        shown = str(masked(read.model_dump(mode="json")))
        assert "s3cret" not in shown
        assert "whsec_" not in shown
        assert read.targets["erp"].signing_secrets == SECRETS
    assert "https://login/token" in shown


MISTAKES = [
    ({"token": "a", "basic": {"user": "u", "password": "p"}}, "keep one of them"),
    ({"token": "a", "api_key": {"header": "authorization", "secret": "b"}}, "keep one of them"),
    ({"token": "a\nb"}, "printable ASCII"),
    ({"api_key": {"header": "Content-Type", "secret": "b"}}, "says something else already"),
    ({"api_key": {"header": "a b", "secret": "b"}}, "no name of a header"),
    ({"signing_secrets": ["whsec_?"]}, "whsec_ and Base64"),
    ({"signing_secrets": [base64.b64encode(b"k" * 32).decode()]}, "whsec_ and Base64"),
    ({"oauth2": {"token_url": "https://l/t", "client_id": "u"}}, "needs a secret"),
    ({"oauth2": {"token_url": "https://u:p@l/t", "client_id": "u", "secret": "s"}}, "token_url"),
    ({"oauth2": {"token_url": "https://l/t", "client_id": "u", "proof": "private_key_jwt"}}, "needs our_key or key"),
    ({"oauth2": {"token_url": "https://l/t", "client_id": "u", "proof": "private_key_jwt", "our_key": "k", "secret": "s"}}, "needs our_key or key"),
    ({"tls": {"certificate": "/a"}}, "go together"),
    ({"tls": {"certificate": "/a", "key": "/b", "our_key": "k"}}, "keep one of them"),
    ({"url": "http://erp", "tls": {}}, "tls needs a url that begins with https"),
]


@pytest.mark.parametrize(("terms", "told"), MISTAKES)
def test_a_mistake_in_the_credentials_names_the_mend(terms: dict[str, Any], told: str):
    with pytest.raises(SettingsError, match=told):
        read_settings(None, {"targets": {"erp": {"url": "https://erp"} | terms}}, environment={})


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 200), st.booleans()), min_size=1, max_size=40))
@settings(max_examples=200, deadline=None)
def test_a_token_is_never_used_after_its_end_and_never_fetched_in_vain(steps: list[tuple[int, int, bool]]):
    """Law: whatever lives tokens have, whenever they are wanted, and whichever are ended before their time."""
    time, lives = Time(at=10**15), []
    life = 0

    async def ask(form: bytes, headers: list[tuple[str, str]]) -> Answer:
        lives.append((time.at, life))
        return Answer(200, (), json.dumps({"access_token": f"t{len(lives) - 1}", "expires_in": str(life) if life % 2 else life}).encode())

    async def act() -> None:
        nonlocal life
        tokens, refused = Tokens("https://l/t", ask, form={}, proof=Proof, clock=time), True
        for wait, life, is_refused in steps:  # noqa: B007
            time.pass_(wait)
            before = len(lives)
            used = set(await asyncio.gather(tokens.token(), tokens.token()))
            assert used == {f"t{len(lives) - 1}"}
            begun, lived = lives[-1]
            assert time.at < begun + lived * SECOND
            wanted = refused or time.at >= use_until(*lives[before - 1])
            assert len(lives) - before == int(wanted)
            if refused := is_refused:
                tokens.refused(f"t{len(lives) - 1}")
            tokens.refused("one from long ago")

    asyncio.run(act())


def test_servers_are_the_same_by_scheme_host_and_port():
    assert same_server("https://erp.example/a", "HTTPS://ERP.example:443/b?c")
    for other in ("http://erp.example/a", "https://erp.example:8443/a", "https://erp.example.evil/a", "https://erp.example@evil/a"):
        assert not same_server("https://erp.example/a", other)
