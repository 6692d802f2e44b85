"""Lines that break after any number of bytes, in either direction, whoever is the client: each file counts once, and never a part of it."""

import contextlib
import hashlib
import io

import paramiko
import pytest

from tests.relay import BACK, FORTH, Relay
from tests.sftp_remote import RemoteServer
from tests.sftp_running import KEY, Background, address, profile, x12
from tests.test_sftp_door import close
from tests.test_sftp_poll import Partner
from tests.test_sftp_push import delivered, send

SIZE = 150_000
"""Of the files that are carried: above what is kept in a row, and many packets long."""
OFFSETS = [pytest.param(5, id="some offsets"), pytest.param(30, id="many offsets", marks=[pytest.mark.big, pytest.mark.timeout(600)])]
PUSHED_OFFSETS = [pytest.param(3, id="some offsets"), pytest.param(16, id="many offsets", marks=[pytest.mark.big, pytest.mark.timeout(600)])]
"""Fewer: after each cut we wait a second before we come again."""
AGREEMENTS = "[{receive: '945', overlays: [demo-3pl], default_zone: America/New_York}]"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    # Lines that break again and again open the breaker, as they must; its rest is short here.
    home = Background(tmp_path_factory.mktemp("gateway"), limits={"disk_free": "1 MiB"}, breaker={"pause": "1s"})
    home.public = home.operate("sftp.key.generate", name="main")["public"]
    home.with_partner("keeper")  # opens the door
    home.gateway.node.poller._task.cancel()  # each poll is asked for
    yield home
    home.close()


@pytest.fixture
def server(home):
    server = RemoteServer()
    server.trust(home.public)
    yield server
    server.close()


def offsets(whole: int, count: int) -> list[int]:
    """So many of a conversation, both its ends among them."""
    return [1 + (whole - 2) * number // (count - 1) for number in range(count)]


@contextlib.contextmanager
def through(relay: Relay, user: str):
    transport = paramiko.Transport(("127.0.0.1", relay.port))
    try:
        transport.banner_timeout = 10
        transport.connect(username=user, pkey=paramiko.Ed25519Key.from_private_key(io.StringIO(KEY.private.decode())))
        sftp = paramiko.SFTPClient.from_transport(transport)
        sftp.get_channel().settimeout(10)
        yield sftp
    finally:
        transport.close()


def body(number: int) -> bytes:
    return x12(number) + b"\n" * SIZE


def upload(relay: Relay, user: str, number: int) -> int:
    """As partners do: under a temporary name, until it gets a yes. How often it began."""
    for tries in range(1, 4):
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException), through(relay, user) as sftp:
            file = sftp.open(f"/in/{number}.edi.tmp", "wb")
            file.set_pipelined(True)
            file.write(body(number))
            close(file)
            sftp.posix_rename(f"/in/{number}.edi.tmp", f"/in/{number}.edi")
            return tries
    raise AssertionError("it never got a yes")


@pytest.mark.parametrize("count", OFFSETS)
@pytest.mark.parametrize("way", [FORTH, BACK], ids=["what it sends", "what we answer"])
def test_uploads(home, request, way, count):
    user = f"up{way}{count}"
    home.with_partner(user, agreements=AGREEMENTS)
    relay = Relay(address(home.gateway)[1])
    upload(relay, user, 1)
    places = offsets(relay.passed[way], count)
    for number, after in enumerate(places, start=2):
        relay.cut(after, way)
        upload(relay, user, number)
    found = home.decided(user, 1 + count)
    digests = sorted(home.operate("show", id=one["id"])["message"]["sha256"] for one in found)
    assert digests == sorted(hashlib.sha256(body(number)).hexdigest() for number in range(1, count + 2))
    assert relay.cuts >= count - 2, "the lines did break"
    files = home.operate("sftp.files", partner=user, limit=1000)
    assert not [one for one in files if one["state"] in ("partial", "waiting")]


@pytest.mark.parametrize("count", OFFSETS)
def test_downloads(home, count):
    """A document is delivered when it was read whole and closed: whoever is cut off before gets it again, and everyone gets it once."""
    user = f"down{count}"
    home.with_partner(user, agreements=AGREEMENTS)
    relay = Relay(address(home.gateway)[1])
    mailbox: dict[str, bytes] = {}
    with through(relay, user) as sftp:
        for number in range(1, count + 2):
            file = sftp.open(f"/in/{number}.edi", "wb")
            file.write(x12(number))
            close(file)

        def names() -> list[str]:
            return sorted(sftp.listdir("/out"))

        home.settle(lambda: len(names()) == count + 1, "not all 997s wait")
        waiting = names()

    def fetch(name: str) -> None:
        for _ in range(3):
            with contextlib.suppress(EOFError, paramiko.SSHException, OSError), through(relay, user) as sftp:
                with contextlib.suppress(FileNotFoundError):
                    file = sftp.open(f"/out/{name}", "rb")
                    mailbox[name] = file.read()
                    close(file)
                return

    fetch(waiting[0])
    for name, after in zip(waiting[1:], offsets(relay.passed[BACK], count), strict=True):
        relay.cut(after, BACK)
        fetch(name)
    assert relay.cuts >= count - 2
    assert set(mailbox) == set(waiting)
    assert len(set(mailbox.values())) == count + 1

    def states() -> list[str]:
        shown = [home.operate("show", id=one["id"]) for one in home.messages(user)]
        return [one["state"] for message in shown for one in message["deliveries"] if one["id"].startswith("997:")]

    home.settle(lambda: states() == ["delivered"] * (count + 1), "read whole, and not delivered")


@pytest.mark.parametrize("count", OFFSETS)
@pytest.mark.parametrize("way", [FORTH, BACK], ids=["what we ask", "what they answer"])
def test_polls(home, server, way, count):
    relay = Relay(server.port)
    partner = Partner(home, server, "whole: listed", {"port": relay.port})
    server.put("/out/1.edi", body(1))
    partner.go()
    places = offsets(relay.passed[way], count)
    for number, after in enumerate(places, start=2):
        server.put(f"/out/{number}.edi", body(number))
        relay.cut(after, way)
        partner.go()
        partner.go()
    partner.has(*[body(number) for number in range(1, count + 2)])
    partner.go()
    assert server.files == {}
    assert relay.cuts >= count - 2


@pytest.mark.parametrize("count", PUSHED_OFFSETS)
@pytest.mark.parametrize("way", [FORTH, BACK], ids=["what we send", "what they answer"])
def test_pushes(home, server, way, count):
    relay = Relay(server.port)
    name = f"cut{way}{count}"
    text = profile(name, agreements=AGREEMENTS).replace(
        "channels: {sftp: ", f"channels: {{sftp_push: {{{server.terms(port=relay.port)}, folder: /in, connections: 1}}, sftp: "
    )
    home.operate(
        "partners.apply", text=text.replace("identities: {", f"identities: {{tokens: [{{sha256: {hashlib.sha256(name.encode()).hexdigest()}}}], ")
    )
    send(home, name, 1)
    delivered(home, name, 1)
    places = offsets(relay.passed[way], count)
    for number, after in enumerate(places, start=2):
        server.cut()  # the connection that is kept is gone: the next one is cut
        relay.cut(after, way)
        send(home, name, number)
        delivered(home, name, number)
    assert len(server.files) == count + 1
    assert all(path.endswith(".edi") for path in server.files)
    assert len(set(server.files.values())) == count + 1
