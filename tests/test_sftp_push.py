"""We put documents into a partner's folder: whole or not at all, once, whatever breaks."""

import hashlib
import re
import time

import pytest
from paramiko.sftp import SFTP_FAILURE, SFTP_PERMISSION_DENIED

from tests.sftp_remote import HOST_KEY, RemoteServer
from tests.sftp_running import Background, profile, x12

COUNT = iter(range(1, 1000))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Background(tmp_path_factory.mktemp("gateway"))
    home.public = home.operate("sftp.key.generate", name="main")["public"]
    yield home
    home.close()


@pytest.fixture
def server(home):
    server = RemoteServer()
    server.trust(home.public)
    yield server
    server.close()


def partner_of(home: Background, server: RemoteServer, more: str = "") -> str:
    """A partner who gets its 997s by SFTP, and sends over HTTP."""
    name = f"push{next(COUNT)}"
    text = profile(name).replace("channels: {sftp: ", f"channels: {{sftp_push: {{{server.terms()}, folder: /in{more}}}, sftp: ")
    text = text.replace("identities: {", f"identities: {{tokens: [{{sha256: {hashlib.sha256(name.encode()).hexdigest()}}}], ")
    home.operate("partners.apply", text=text)
    return name


def send(home: Background, partner: str, number: int = 1) -> str:
    """A 945, whose 997 is to go out."""
    answer = home.do(home.gateway.partner(partner).send(home.gateway.session, "a.edi", x12(number)))
    return answer[1]["id"]


def receipts(home: Background, partner: str) -> list[dict]:
    shown = [home.operate("show", id=one["id"]) for one in home.messages(partner)]
    return [one for message in shown for one in message["deliveries"] if one["destination"] == f"sftp:{partner}"]


def delivered(home: Background, partner: str, count: int = 1) -> None:
    home.settle(lambda: [one["state"] for one in receipts(home, partner)] == ["delivered"] * count, "it was not delivered")


def test_a_document_gets_its_name_when_it_is_whole(home, server):
    partner = partner_of(home, server)
    send(home, partner)
    delivered(home, partner)
    ((name, data),) = server.files.items()
    assert re.fullmatch(r"/in/[\w.-]*997[\w.-]*\.edi", name)
    assert b"AK9*A*1*1*1" in data
    wrote = [one.split()[-1] for one in server.log if one.startswith("write")]
    assert wrote
    assert all(path.endswith(".part") for path in wrote)
    (moved,) = [one for one in server.log if one.startswith("rename")]
    assert moved.split()[1:] == [wrote[0], name]


@pytest.mark.parametrize(
    ("template", "pattern"),
    [("{set}-{date}-{id}.txt", r"997-\d{8}-[0-9a-f]{12}\.txt"), ("{stem}_{time}.{ending}", r".*997.*_\d{6}\.edi"), ("fixed.edi", r"fixed\.edi")],
    ids=["set", "stem", "fixed"],
)
def test_names_follow_the_template(home, server, template, pattern):
    partner = partner_of(home, server, f", name: '{template}', temporary: hidden, marker: .done")
    send(home, partner)
    delivered(home, partner)
    names = sorted(server.files)
    assert re.fullmatch(f"/in/{pattern}", names[0])
    assert names[1] == names[0] + ".done"
    assert any("/in/." in one for one in server.log if one.startswith("write"))


def test_nothing_that_waits_there_is_overwritten(home, server):
    partner = partner_of(home, server, ", name: fixed.edi")
    for number in (1, 2, 3):
        send(home, partner, number)
        delivered(home, partner, number)
    assert len(server.files) == 3
    assert len(set(server.files.values())) == 3
    assert sum(bool(re.fullmatch(r"/in/fixed-[0-9a-f]{8}\.edi", name)) for name in server.files) == 2


@pytest.mark.parametrize("step", ["open", "write 0", "close", "stat", "rename", "list"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_cut_line_doubles_nothing(home, server, step, after):
    partner = partner_of(home, server)
    done = []

    def cut(what, path):
        if what == step and not done:
            done.append(what)
            if after and what == "rename":
                old, new = path.split()
                server.files[new], server.times[new] = server.files.pop(old), server.times.pop(old)
            server.cut()

    server.before = cut
    send(home, partner)
    delivered(home, partner)
    assert len(server.files) == 1
    assert next(iter(server.files)).endswith(".edi")


def test_an_upload_goes_on_where_it_broke(home, server):
    """The first bytes are there under the temporary name: only the rest is sent."""
    partner = partner_of(home, server)
    halves = []

    def cut(what, path):
        if what == "write 0" and not halves:
            halves.append(path)
            return
        if what == "close" and len(halves) == 1:
            halves.append(path)
            server.files[path] = server.files[path][:100]
            server.cut()
        return

    server.before = cut
    send(home, partner)
    delivered(home, partner)
    assert [one.split()[1] for one in server.log if one.startswith("write")][-1] == "100"
    assert b"AK9*A*1*1*1" in next(iter(server.files.values()))


def test_a_server_that_keeps_less_than_we_wrote_gets_it_again(home, server):
    partner = partner_of(home, server)
    done = []

    def swallow(what, path):
        if what == "close" and path.endswith(".part") and not done:
            done.append(path)
            server.files[path] = server.files[path][:-1]

    server.before = swallow
    send(home, partner)
    delivered(home, partner)
    assert next(iter(server.files.values())).endswith(b"~")
    attempts = [one for one in home.operate("show", id=home.messages(partner)[0]["id"])["life"] if "were written; it is sent anew" in one["text"]]
    assert attempts


@pytest.mark.parametrize("status", [SFTP_PERMISSION_DENIED, SFTP_FAILURE], ids=["denied", "failure"])
@pytest.mark.parametrize("step", ["open", "write 0", "rename"])
def test_what_the_server_refuses_parks_it_and_waits(home, server, step, status):
    partner = partner_of(home, server)
    server.before = lambda what, path: status if what == step else None
    send(home, partner)
    home.settle(lambda: [one for one in home.operate("alarms") if one["partner"] == partner and one["kind"] == "destination.parked"])
    assert [one["state"] for one in receipts(home, partner)] == ["due"]
    server.before = lambda what, path: None
    delivered(home, partner)
    assert len(server.files) == 1


def test_servers_without_posix_rename_are_asked_for_a_plain_one(home, server):
    server.posix_rename = False
    partner = partner_of(home, server)
    send(home, partner)
    delivered(home, partner)
    assert len(server.files) == 1


def test_connections_are_used_again(home, server):
    partner = partner_of(home, server)
    for number in range(1, 4):
        send(home, partner, number)
        delivered(home, partner, number)
    assert len(server.transports) == 1
    assert len(server.files) == 3


def test_another_host_key_gets_nothing(home, server):
    from gateway.keys import generate_ssh

    other = RemoteServer(host_key=generate_ssh("ed25519"))
    partner = partner_of(home, server)
    name = partner
    text = home.operate("partners.show", partner=name)["text"].replace(f"port: {server.port}", f"port: {other.port}")
    home.operate("partners.apply", text=text)
    other.key = server.key
    send(home, partner)
    home.settle(lambda: [one for one in home.operate("alarms") if one["partner"] == partner and "none that is pinned" in one["text"]])
    assert other.files == {}
    assert other.log == []
    other.close()
    home.operate("partners.apply", text=text.replace(f"port: {other.port}", f"port: {server.port}"))
    delivered(home, partner)


def test_the_time_in_a_name_is_that_of_the_delivery(home, server):
    """Each attempt gives the same name, whenever it is made."""
    partner = partner_of(home, server, ", name: '{date}{time}.edi'")
    server.before = lambda what, path: SFTP_PERMISSION_DENIED if what == "rename" else None
    send(home, partner)
    home.settle(lambda: sum(one.startswith("rename") for one in server.log) >= 1)
    time.sleep(1.1)
    server.before = lambda what, path: None
    delivered(home, partner)
    assert len({one.split()[2] for one in server.log if one.startswith("rename")}) == 1


def test_the_selftest_tries_all_ways_for_real(home, server):
    partner = partner_of(home, server)
    text = home.operate("partners.show", partner=partner)["text"].replace(
        "sftp_push:", f"sftp_poll: [{{{server.terms()}, folder: /out}}], sftp_push:"
    )
    home.operate("partners.apply", text=text)
    told = home.operate("sftp.selftest", partner=partner)
    assert [one["check"] for one in told if not one["good"]] == []
    assert [one["check"] for one in told] == [
        "login at our server", "our server", "our host key", "poll poll: login", "poll poll: /out", "push: login", "push: /in",
    ]  # fmt: skip
    assert server.files == {}
    server.before = lambda what, path: SFTP_PERMISSION_DENIED if what in ("open", "list") else None
    assert [one["check"] for one in home.operate("sftp.selftest", partner=partner) if not one["good"]] == ["poll poll", "push"]
    server.close()
    assert [one["check"] for one in home.operate("sftp.selftest", partner=partner) if not one["good"]] == ["poll poll: login", "push: login"]


def test_a_scan_shows_what_may_be_pinned(home, server):
    assert home.operate("sftp.scan", host="127.0.0.1", port=server.port)["hostkey"] == HOST_KEY.public
