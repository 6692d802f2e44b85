"""Our SFTP server as its clients meet it: what counts as whole, what is listed, who is let in, and what is refused."""

import contextlib
import hashlib
import io
import socket
import struct
import time

import obstore
import paramiko
import pytest
from obstore.store import MemoryStore
from paramiko.sftp import CMD_CLOSE, CMD_EXTENDED, CMD_EXTENDED_REPLY

from gateway.clock import DAY, now
from gateway.errors import StoreUnavailable
from gateway.passwords import hash_of
from gateway.sftp import leftovers
from gateway.store.bucket import Bucket
from gateway.store.spool import INLINE_LIMIT
from tests.sftp_running import KEY, OTHER_KEY, Background, address, client, connected, x12

BIG = bytes(range(256)) * 1024 * 2
CSV = "[{receive: csv/status}]"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Background(tmp_path_factory.mktemp("gateway"))
    home.with_partner("keeper")  # opens the door
    yield home
    home.close()


def put(sftp, name: str, data: bytes) -> None:
    file = sftp.open(name, "wb")
    file.write(data)
    close(file)


def close(file) -> None:
    """CLOSE, and what the server says to it; paramiko's own close() does not tell."""
    file.flush()
    file._closed = True
    file.sftp._request(CMD_CLOSE, file.handle)


def cut_off(gateway, user: str, name: str, data: bytes) -> None:
    """An upload whose connection breaks before its CLOSE."""
    with connected(gateway, user) as transport:
        sftp = paramiko.SFTPClient.from_transport(transport)
        file = sftp.open(name, "wb")
        file.write(data)
        file.flush()
        transport.sock.close()
        file._closed = True


def refused(code: int | None = None):
    return pytest.raises((OSError, paramiko.SSHException))


# Whole or not.


@pytest.mark.parametrize("data", [x12(700), BIG, b"x" * INLINE_LIMIT, b"x" * (INLINE_LIMIT + 1)], ids=["small", "big", "limit", "above"])
def test_a_closed_file_is_a_message_and_stays_listed(home, data):
    partner = f"closer{len(data)}"
    home.with_partner(partner)
    with client(home.gateway, partner) as sftp:
        put(sftp, "/in/945.edi", data)
        facts = sftp.stat("in/945.edi")
        assert facts.st_size == len(data)
        assert abs(facts.st_mtime - time.time()) < 60
        sftp.utime("/in/945.edi", (1_700_000_000, 1_700_000_000))
        sftp.chmod("/in/945.edi", 0o600)
        assert [(one.filename, one.st_size, one.st_mtime) for one in sftp.listdir_attr("/in")] == [("945.edi", len(data), 1_700_000_000)]
    (message,) = home.decided(partner)
    assert (message["size"], message["file_name"]) == (len(data), "945.edi")
    assert home.operate("show", id=message["id"])["message"]["sha256"] == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("size", [1000, 300_000])
def test_a_lost_connection_completes_nothing_and_the_rest_may_follow(home, size):
    partner, data = f"loser{size}", (x12(size // 1000) * 600)[: size * 2]
    home.with_partner(partner, agreements=CSV)
    cut_off(home.gateway, partner, "/in/half.csv", data[:size])
    with client(home.gateway, partner) as sftp:
        home.settle(lambda: sftp.stat("/in/half.csv").st_size == size)
        home.settle(lambda: not home.gateway.node.files._open)
        assert home.messages(partner) == []
        with sftp.open("/in/half.csv", "r+b"):
            pass  # opened and closed again without a byte: still a half
        assert home.messages(partner) == []
        with refused():
            sftp.rename("/in/half.csv", "/in/whole.csv")
        with sftp.open("/in/half.csv", "r+b") as file:
            file.seek(size)
            file.write(data[size:])
    (message,) = home.decided(partner)
    assert home.operate("show", id=message["id"])["message"]["sha256"] == hashlib.sha256(data).hexdigest()


def test_a_client_that_comes_back_before_we_know_that_it_was_lost_goes_on(home):
    home.with_partner("hasty", agreements=CSV)
    with client(home.gateway, "hasty") as first, client(home.gateway, "hasty") as second:
        file = first.open("/in/a.csv", "wb")
        file.write(b"A" * 100_000)
        file.flush()
        assert second.stat("/in/a.csv").st_size == 100_000
        with second.open("/in/a.csv", "ab") as again:
            again.write(b"B" * 100)
        with refused():
            close(file)
    (message,) = home.decided("hasty")
    assert message["size"] == 100_100


@pytest.mark.parametrize("name", ["a.edi.tmp", "b.part", "c.edi.filepart", ".d.edi"])
def test_a_temporary_name_waits_for_its_last_one(home, name):
    partner = "renamer" + name.replace(".", "").replace("edi", "")
    home.with_partner(partner)
    with client(home.gateway, partner) as sftp:
        put(sftp, f"/in/{name}", x12(1))
        assert sftp.stat(f"/in/{name}").st_size == len(x12(1))
        assert home.messages(partner) == []
        sftp.rename(f"/in/{name}", f"/in/{name}.tmp")
        assert home.messages(partner) == []
        sftp.posix_rename(f"/in/{name}.tmp", "/in/last.edi")
        assert sftp.listdir("/in") == ["last.edi"]
    assert home.decided(partner)[0]["file_name"] == "last.edi"


def test_large_files_under_temporary_names_go_the_same_way(home):
    home.with_partner("largerenamer", agreements=CSV)
    files = home.gateway.node.store.files
    with client(home.gateway, "largerenamer") as sftp:
        put(sftp, "/in/a.tmp", BIG)
        put(sftp, "/in/b.tmp", BIG[::-1])
        assert len(list(files.parts.iterdir())) == 2
        sftp.rename("/in/a.tmp", "/in/a.csv")
        sftp.remove("/in/b.tmp")
        assert list(files.parts.iterdir()) == []
    assert [one["size"] for one in home.decided("largerenamer")] == [len(BIG)]


def test_no_part_outlives_its_file(home, tmp_path, monkeypatch):
    """With a bucket: not where the file got its last name, nor for long where a crash came between the commit and the removal."""
    home.with_partner("parted", agreements=CSV)
    store = home.gateway.node.store
    shared = MemoryStore()
    monkeypatch.setattr(store.files, "parts", tmp_path)
    monkeypatch.setattr(store.files, "bucket", Bucket(shared, "s3://test"))

    def parts() -> tuple[int, int]:
        return len(list(store.files.parts.iterdir())), len(obstore.list(shared, prefix="parts").collect())

    with client(home.gateway, "parted") as sftp:
        put(sftp, "/in/a.tmp", BIG)
        put(sftp, "/in/waits.tmp", BIG[::-1])
        sftp.rename("/in/a.tmp", "/in/a.csv")
        assert parts() == (1, 1)
        for name in ("crashed-1", "crashed-2"):
            (store.files.parts / name).write_bytes(b"x")
            store.files.share_part(name)
        assert leftovers.sweep_here(store, time.time() - 60) == 0, "its commit may be on its way"
        assert leftovers.sweep_here(store, time.time() + 60) == 2
        assert list(leftovers.in_bucket(store.files, 0)) == [[]]
        (page,) = leftovers.in_bucket(store.files, now() + DAY)
        assert leftovers.drop_left(store, page) == 2
        assert parts() == (1, 1), "what waits for its last name stays"
        sftp.rename("/in/waits.tmp", "/in/waits.csv")
        assert parts() == (0, 0)
    assert len(home.decided("parted", 2)) == 2


def test_where_the_profile_says_so_only_a_new_name_completes(home):
    home.with_partner("byrename", terms="complete: rename")
    with client(home.gateway, "byrename") as sftp:
        put(sftp, "/in/a.edi", x12(1))
        assert home.messages("byrename") == []
        sftp.rename("/in/a.edi", "/in/b.edi")
    assert [one["file_name"] for one in home.decided("byrename")] == ["b.edi"]


def test_where_the_profile_says_so_a_marker_completes(home):
    home.with_partner("bymarker", terms="complete: marker, marker: .ok")
    with client(home.gateway, "bymarker") as sftp:
        put(sftp, "/in/a.edi", x12(1))
        put(sftp, "/in/b.edi", x12(2))
        assert home.messages("bymarker") == []
        put(sftp, "/in/a.edi.ok", b"")
        home.decided("bymarker", 1)
        put(sftp, "/in/b.ok", b"done")
        home.decided("bymarker", 2)
        put(sftp, "/in/c.edi.ok", b"")  # before its file
        put(sftp, "/in/c.edi", x12(3))
        home.decided("bymarker", 3)
        assert set(sftp.listdir("/in")) == {"a.edi", "a.edi.ok", "b.edi", "b.ok", "c.edi", "c.edi.ok"}


def test_an_empty_file_is_no_message_and_may_be_filled(home):
    home.with_partner("toucher")
    with client(home.gateway, "toucher") as sftp:
        put(sftp, "/in/a.edi", b"")
        assert sftp.stat("/in/a.edi").st_size == 0
        assert home.messages("toucher") == []
        put(sftp, "/in/a.edi", x12(1))
    assert len(home.decided("toucher")) == 1


def test_the_same_bytes_again_are_one_message_and_others_under_the_name_another(home):
    home.with_partner("repeater")
    with client(home.gateway, "repeater") as sftp:
        for data, count in [(x12(1), 1), (x12(1), 1), (x12(2), 2)]:
            put(sftp, "/in/a.edi", data)
            assert len(home.messages("repeater")) == count
        assert sftp.listdir("/in") == ["a.edi"]
        sftp.remove("/in/a.edi")
        assert sftp.listdir("/in") == []
    assert len(home.decided("repeater", 2)) == 2


def test_bytes_in_any_order_are_the_same_file(home):
    home.with_partner("shuffler", agreements=CSV)
    data = BIG[:200_000]
    with client(home.gateway, "shuffler") as sftp, sftp.open("/in/a.csv", "wb") as file:
        for start in (0, 60_000, 30_000, 90_000, 60_000):
            file.seek(start)
            file.write(data[start : start + 30_000])
        file.seek(120_000)
        file.write(data[120_000:] + b"too much")
        file.flush()
        file.truncate(len(data))
    (message,) = home.decided("shuffler")
    assert home.operate("show", id=message["id"])["message"]["sha256"] == hashlib.sha256(data).hexdigest()


def test_a_file_with_a_hole_is_refused(home):
    home.with_partner("holes")
    with client(home.gateway, "holes") as sftp:
        file = sftp.open("/in/a.edi", "wb")
        file.write(b"A" * 100)
        file.flush()
        file.seek(1000)
        file.write(b"B")
        with refused():
            close(file)
        for far in (2**31, 2**62):
            file = sftp.open("/in/far.edi", "wb")
            file.seek(far)
            with refused():
                file.write(b"B")
                file.flush()
            with contextlib.suppress(OSError):
                file.close()
        assert sftp.listdir("/in") == []
        told = [sftp.open(f"/error/{name}").read().decode() for name in sftp.listdir("/error")]
    assert home.messages("holes") == []
    assert any("bytes from 100 on are missing" in text for text in told)


def test_what_cannot_be_kept_is_not_said_to_be(home, monkeypatch):
    home.with_partner("unkept")
    store = home.gateway.node.store

    def broken(item):
        raise StoreUnavailable("the disk is full")

    with client(home.gateway, "unkept") as sftp:
        with monkeypatch.context() as patch:
            patch.setattr(store, "put_file", broken)
            file = sftp.open("/in/a.edi", "wb")
            file.write(x12(1))
            with refused():
                close(file)
        assert home.messages("unkept") == []
        put(sftp, "/in/a.edi", x12(1))
    home.decided("unkept")


def test_what_was_synced_is_there_for_a_client_that_comes_back(home):
    home.with_partner("syncer", agreements=CSV)
    with client(home.gateway, "syncer") as sftp:
        file = sftp.open("/in/a.csv", "wb")
        file.write(BIG[:100_000])
        file.flush()
        kind, _ = sftp._request(CMD_EXTENDED, "fsync@openssh.com", file.handle)
        assert kind == 101
        parts = [path.stat().st_size for path in home.gateway.node.store.files.parts.iterdir()]
        assert parts == [100_000]
        file.write(BIG[100_000:])
        file.close()
        assert list(home.gateway.node.store.files.parts.iterdir()) == []
    (message,) = home.decided("syncer")
    assert home.operate("show", id=message["id"])["message"]["sha256"] == hashlib.sha256(BIG).hexdigest()


def test_files_that_are_never_whole_end_with_an_alarm(home):
    home.with_partner("forgetful", terms="keep: 1s")
    with client(home.gateway, "forgetful") as sftp:
        put(sftp, "/in/a.tmp", x12(1))
        put(sftp, "/in/b.tmp", BIG)
        node = home.gateway.node
        channel = node.profiles.book.by_name("forgetful").profile.channels.sftp
        home.settle(lambda: node.files.expire("forgetful", channel) == 2 or (time.sleep(0.5) or False))
        assert sftp.listdir("/in") == []
    assert list(node.store.files.parts.iterdir()) == []
    assert [one["kind"] for one in home.operate("alarms") if one["partner"] == "forgetful"] == ["sftp.unfinished"]


def test_folders_of_ones_own_part_kinds_of_files(home):
    agreements = "[{receive: csv/status, file: status/in/*}, {receive: csv/stock, file: stock/*}]"
    home.with_partner("sorter", terms="folders: {into: [status/in, stock], out: fetch, error: trouble}", agreements=agreements)
    with client(home.gateway, "sorter") as sftp:
        assert sftp.listdir("/") == ["fetch", "status", "stock", "trouble"]
        assert sftp.listdir("/status") == ["in"]
        put(sftp, "/stock/a.csv", b"WAREHOUSE,ITEM,QUANTITY\n")
        with refused():
            put(sftp, "/status/a.csv", b"x")
        with refused():
            put(sftp, "/in/a.csv", b"x")
    assert home.decided("sorter")[0]["file_name"] == "stock/a.csv"


# Our documents.


def waiting(home, partner: str, sftp, count: int = 1) -> list[str]:
    return home.settle(lambda: len(found := sftp.listdir("/out")) == count and found, f"{partner} has not {count} documents")


def states(home, partner: str) -> list[str]:
    shown = [home.operate("show", id=one["id"]) for one in home.messages(partner)]
    return [delivery["state"] for one in shown for delivery in one["deliveries"] if delivery["destination"].startswith("outbox:")]


def test_a_document_that_was_read_whole_and_closed_is_delivered_once(home):
    home.with_partner("reader")
    with client(home.gateway, "reader") as sftp:
        put(sftp, "/in/a.edi", x12(1))
        (name,) = waiting(home, "reader", sftp)
        size = sftp.stat(f"/out/{name}").st_size
        with refused():
            sftp.remove(f"/out/{name}")
        with refused():
            sftp.rename(f"/out/{name}", "/out/b.edi")
        with refused():
            put(sftp, f"/out/{name}", b"mine")
        with sftp.open(f"/out/{name}") as file:
            file.read(10)
        assert states(home, "reader") == ["due"]
        with sftp.open(f"/out/{name}") as file:
            assert len(file.read()) == size
        assert states(home, "reader") == ["delivered"]
        assert sftp.listdir("/out") == []
        with sftp.open(f"/out/{name}") as file:
            assert b"AK9*A*1*1*1" in file.read()
        sftp.remove(f"/out/{name}")
    (message,) = home.messages("reader")
    shown = home.operate("show", id=message["id"])
    assert sum(one["step"] == "delivered" and "outbox:reader" in one["text"] for one in shown["life"]) == 1


def test_what_was_fetched_can_be_fetched_again_after_a_restart(tmp_path):
    """A client whose CLOSE was never answered does not know that we count it as delivered."""
    for life in range(2):
        home = Background(tmp_path)
        home.with_partner("reader")
        with client(home.gateway, "reader") as sftp:
            if not life:
                put(sftp, "/in/a.edi", x12(1))
                (name,) = waiting(home, "reader", sftp)
            with sftp.open(f"/out/{name}") as file:
                assert b"AK9*A*1*1*1" in file.read()
            assert sftp.listdir("/out") == []
            assert states(home, "reader") == ["delivered"]
            if life:
                sftp.remove(f"/out/{name}")
                with refused():
                    sftp.remove("/out/other.edi")
        home.close()


def test_a_cut_reading_is_no_delivery_and_its_rest_completes_it(home):
    home.with_partner("cutreader")
    with client(home.gateway, "cutreader") as sftp:
        put(sftp, "/in/a.edi", x12(1))
        (name,) = waiting(home, "cutreader", sftp)
        size = sftp.stat(f"/out/{name}").st_size
    with connected(home.gateway, "cutreader") as transport:
        file = paramiko.SFTPClient.from_transport(transport).open(f"/out/{name}")
        assert len(file.read()) == size
        transport.sock.close()  # every byte went out, and nobody said that it arrived
        file._closed = True
    home.settle(lambda: not home.gateway.node.sftp.sessions["cutreader"])
    with client(home.gateway, "cutreader") as sftp:
        with sftp.open(f"/out/{name}") as file:
            file.read(1)
        assert states(home, "cutreader") == ["due"]
        with sftp.open(f"/out/{name}") as file:
            file.seek(100)
            file.read()
        assert states(home, "cutreader") == ["delivered"]


def test_where_the_profile_says_so_a_document_is_delivered_when_it_is_removed(home):
    home.with_partner("remover", terms="delivered: removed")
    with client(home.gateway, "remover") as sftp:
        put(sftp, "/in/a.edi", x12(1))
        (name,) = waiting(home, "remover", sftp)
        sftp.open(f"/out/{name}").read()
        with sftp.open(f"/out/{name}") as file:
            file.read()
        assert states(home, "remover") == ["due"]
        assert sftp.listdir("/out") == [name]
        sftp.remove(f"/out/{name}")
        assert states(home, "remover") == ["delivered"]
        assert sftp.listdir("/out") == []


def test_what_was_wrong_is_told_in_words(home):
    home.with_partner("wrong")
    with client(home.gateway, "wrong") as sftp:
        put(sftp, "/in/bad.edi", x12(1).replace(b"W06*", b"W99*"))
        (message,) = home.decided("wrong")
        (name,) = home.settle(lambda: sftp.listdir("/error"))
        assert name == f"bad.edi.{message['id']}.txt"
        facts = sftp.stat(f"/error/{name}")
        with sftp.open(f"/error/{name}") as file:
            text = file.read().decode()
        assert len(text.encode()) == facts.st_size
        assert "945 0001: rejected" in text
        for wish in (lambda: sftp.remove(f"/error/{name}"), lambda: put(sftp, "/error/x", b"x")):
            with refused():
                wish()


# Who.


def test_only_its_own_keys_let_a_partner_in(home):
    terms = f"keys: [{{key: '{KEY.public}', until: 2020-01-01}}, {{key: '{OTHER_KEY.public}', since: 2020-01-01}}]"
    home.operate(
        "partners.apply", text=f"partner: roller\nname: r\nidentities: {{}}\nchannels: {{sftp: {{user: roll.er, {terms}}}}}\nagreements: {CSV}\n"
    )
    with client(home.gateway, "roll.er", OTHER_KEY) as sftp:
        assert sftp.listdir("/in") == []
    for user, key in [
        ("roll.er", KEY),
        ("roller", OTHER_KEY),
        ("keeper", OTHER_KEY),
        ("nobody", KEY),
        ("../keeper", KEY),
        ("keeper\0", KEY),
        ("", KEY),
    ]:
        with pytest.raises(paramiko.SSHException), connected(home.gateway, user, key):
            pass


def test_passwords_are_tried_so_often_and_no_more(home):
    hashed = hash_of("correct horse")
    terms = f"passwords: [{{argon2: '{hashed}'}}, {{argon2: '{hash_of('old')}', until: 2020-01-01}}]"
    home.with_partner("guessed", terms=terms)
    home.with_partner("other", terms=f"passwords: [{{argon2: '{hashed}'}}]")
    with client(home.gateway, "guessed", password="correct horse") as sftp:
        assert sftp.listdir("/in") == []
    for number in range(10):
        with pytest.raises(paramiko.SSHException), connected(home.gateway, "guessed", password="old" if number == 0 else f"guess {number}"):
            pass
    with pytest.raises(paramiko.SSHException), connected(home.gateway, "guessed", password="correct horse"):
        pass  # right, and not looked at
    with client(home.gateway, "guessed") as sftp:
        assert sftp.listdir("/in") == []  # its key still opens
    with client(home.gateway, "other", password="correct horse") as sftp:
        assert sftp.listdir("/in") == []
    assert [one["kind"] for one in home.operate("alarms") if one["partner"] == "guessed"] == ["sftp.locked"]


def test_a_connection_gets_three_tries(home):
    home.with_partner("threetries", terms=f"passwords: [{{argon2: '{hash_of('right')}'}}]")
    transport = paramiko.Transport(address(home.gateway))
    transport.start_client(timeout=10)
    for _ in range(3):
        with pytest.raises(paramiko.SSHException):
            transport.auth_password("threetries", "wrong")
    home.settle(lambda: not transport.is_active())


def test_addresses_may_be_narrowed(home):
    home.with_partner("faraway", terms="addresses: [203.0.113.0/24]")
    with pytest.raises(paramiko.SSHException), connected(home.gateway, "faraway"):
        pass
    home.with_partner("faraway", terms="addresses: [203.0.113.0/24, 127.0.0.0/8]")
    with client(home.gateway, "faraway") as sftp:
        assert sftp.listdir("/in") == []


def test_a_login_that_ends_ends_for_open_sessions_too(home):
    home.with_partner("leaver")
    with client(home.gateway, "leaver") as sftp:
        assert sftp.listdir("/in") == []
        home.operate("partners.apply", text=f"partner: leaver\nname: l\nidentities: {{}}\nagreements: {CSV}\n")
        with refused():
            sftp.listdir("/in")


def test_two_partners_cannot_have_one_login(home):
    home.with_partner("first", terms="user: shared")
    with pytest.raises(Exception, match="shared is the login of first"):
        home.with_partner("second", terms="user: shared")


def test_nothing_but_sftp_is_offered(home):
    with connected(home.gateway, "keeper") as transport:
        for wish in ("exec", "shell", "pty", "subsystem"):
            channel = transport.open_session()
            with pytest.raises(paramiko.SSHException):
                {
                    "exec": lambda one: one.exec_command("id"),
                    "shell": lambda one: one.invoke_shell(),
                    "pty": lambda one: one.get_pty(),
                    "subsystem": lambda one: one.invoke_subsystem("netconf"),
                }[wish](channel)
            channel.close()
        for kind in ("direct-tcpip", "x11", "auth-agent@openssh.com"):
            with pytest.raises(paramiko.ChannelException):
                transport.open_channel(kind, ("127.0.0.1", 80), ("127.0.0.1", 80))
        with pytest.raises(paramiko.SSHException):
            transport.request_port_forward("127.0.0.1", 0)


def test_nothing_is_offered_before_the_login(home):
    transport = paramiko.Transport(address(home.gateway))
    transport.start_client(timeout=10)
    with pytest.raises((paramiko.SSHException, EOFError)):
        transport.open_session(timeout=5)
    transport.close()


def test_what_is_no_ssh_ends(home):
    with socket.create_connection(address(home.gateway), 5) as line:
        line.sendall(b"GET / HTTP/1.1\r\n\r\n" * 300)
        line.settimeout(20)
        with contextlib.suppress(ConnectionError):  # a line that stays open is a TimeoutError
            while line.recv(1000):
                pass


# Names and bounds.

STRANGE = [
    "../../etc/passwd", "/in/../../../etc/passwd", "/in/..", "in/./../../out/x", "/etc/passwd", "//etc//passwd", "/in/a\0b", "/in/a\nb", "/in/\u202egnp.exe",
    "/in/" + "x" * 300, "/in/" + "é" * 200, "/" + "a/" * 3000, "/in/a/b", "/in/CON/x", "~root/.ssh/authorized_keys", "/proc/self/environ", "/in\\..\\..\\x", "",
    "/", ".", "/in", "/out", "\ud800",
]  # fmt: skip


def test_no_name_leads_out_of_the_folders(home):
    home.with_partner("stranger")
    folder = home.gateway.node.settings.data_dir
    before = {path for path in folder.rglob("*") if path.is_file() and "crossdock.db" not in path.name}
    with client(home.gateway, "stranger") as sftp:
        wishes = [
            lambda name: put(sftp, name, b"x"), lambda name: sftp.open(name).read(), lambda name: sftp.rename(name, "/in/y"), sftp.remove,
            lambda name: sftp.symlink("/etc/passwd", name), sftp.readlink, sftp.rmdir, sftp.mkdir,
        ]  # fmt: skip
        for name in STRANGE:
            for wish in wishes:
                with contextlib.suppress(OSError, paramiko.SSHException, UnicodeEncodeError):
                    wish(name)
        for name in ("/in/a", "/../../in/b"):
            put(sftp, name, b"x")
        with refused():
            sftp.symlink("/etc/passwd", "/in/link")
        assert set(sftp.listdir("/")) == {"in", "out", "error"}
        assert set(sftp.listdir("/in")) >= {"a", "b"}
        assert sftp.normalize("/in/../../..") == "/"
    after = {path for path in folder.rglob("*") if path.is_file() and "crossdock.db" not in path.name}
    assert after == before


def test_partners_do_not_see_each_other(home):
    for partner in ("alpha", "beta"):
        home.with_partner(partner)
    with client(home.gateway, "alpha") as alpha, client(home.gateway, "beta") as beta:
        put(alpha, "/in/a.edi", x12(1))
        put(alpha, "/in/b.tmp", x12(2))
        (name,) = waiting(home, "alpha", alpha)
        assert (beta.listdir("/in"), beta.listdir("/out"), beta.listdir("/error")) == ([], [], [])
        for wish in (
            lambda: beta.stat("/in/a.edi"),
            lambda: beta.rename("/in/b.tmp", "/in/b.edi"),
            lambda: beta.open(f"/out/{name}"),
            lambda: beta.remove("/in/b.tmp"),
        ):
            with refused():
                wish()
    assert home.messages("beta") == []


def test_sizes_are_bounded(home):
    home.with_partner("big", terms="max_body: 100 KiB", agreements=CSV)
    with client(home.gateway, "big") as sftp:
        put(sftp, "/in/fits.csv", b"x" * 100 * 1024)
        with refused():
            put(sftp, "/in/big.csv", b"x" * (100 * 1024 + 1))
        (name,) = home.settle(lambda: [one for one in sftp.listdir("/error") if one.startswith("big")])
        assert "a file may have 102400 bytes" in sftp.open(f"/error/{name}").read().decode()
        assert sftp.listdir("/in") == ["fits.csv"]


def test_what_is_not_whole_is_bounded_together(home):
    home.with_partner("hoarder", terms="quota: 500 KiB, files: 5")
    with client(home.gateway, "hoarder") as sftp:
        files = []
        with refused():
            for number in range(10):
                files.append(sftp.open(f"/in/{number}.tmp", "wb"))
                files[-1].write(b"x" * 140_000)
                files[-1].flush()
        assert len(files) == 4  # the fourth was one too many
        for file in files[:3]:
            close(file)
        with refused():
            put(sftp, "/in/more.tmp", b"x" * 140_000)  # what waits for its name counts, too
        with refused():
            close(files[3])
        for name in sftp.listdir("/in"):
            sftp.remove(f"/in/{name}")
        for number in range(5):
            put(sftp, f"/in/{number}.edi", x12(number))
        with refused():
            put(sftp, "/in/one-more.edi", x12(9))


def test_handles_sessions_and_packets_are_bounded(home):
    home.with_partner("bounded", terms="handles: 3, sessions: 2")
    with connected(home.gateway, "bounded") as transport:
        first, second = paramiko.SFTPClient.from_transport(transport), paramiko.SFTPClient.from_transport(transport)
        with pytest.raises((paramiko.SSHException, EOFError)):
            paramiko.SFTPClient.from_transport(transport)
        files = [first.open(f"/in/{number}.tmp", "wb") for number in range(3)]
        with refused():
            first.open("/in/4.tmp", "wb")
        for file in files:
            file.close()
        first.get_channel().sendall(struct.pack(">IBI", 16 << 20, 6, 1) + b"x" * 100)
        with pytest.raises((EOFError, OSError, paramiko.SSHException)):
            first.listdir("/in")
        assert len(second.listdir("/in")) == 3
        third = home.settle(lambda: _try(lambda: paramiko.SFTPClient.from_transport(transport)))
        kind, message = third._request(CMD_EXTENDED, "limits@openssh.com")
        assert kind == CMD_EXTENDED_REPLY
        assert [message.get_int64() for _ in range(4)][3] == 3


def _try(what):
    with contextlib.suppress(Exception):
        return what()


def test_silence_ends_a_session(home):
    home.with_partner("sleeper", terms="idle: 1s")
    with client(home.gateway, "sleeper") as sftp:
        home.settle(lambda: not home.gateway.node.sftp.sessions["sleeper"])
        with pytest.raises((EOFError, OSError)):
            sftp.listdir("/in")


def test_ten_thousand_names_are_listed(home):
    home.with_partner("lister")
    store = home.gateway.node.store
    insert = "INSERT INTO sftp_files (id, partner, folder, name, state, size, mtime, duplicate, at, who) VALUES (?, 'lister', 'in', ?, 'empty', 0, 0, false, ?, 'x')"
    now = home.gateway.node.clock()

    def fill(tx, items):
        tx.exec_driver_sql(insert, [(f"{number:026}", f"{number}.edi", now) for number in range(9_999)])
        return [None for _ in items]

    store.writer.submit(fill, None).result(30)
    with client(home.gateway, "lister") as sftp:
        put(sftp, "/in/last.edi", x12(1))
        assert len(sftp.listdir("/in")) == 10_000
        with refused():
            put(sftp, "/in/one-more.edi", x12(2))


def test_algorithms_are_narrow(home):
    transport = paramiko.Transport(address(home.gateway))
    transport.start_client(timeout=10)
    assert transport.get_remote_server_key().get_name() == "ssh-ed25519"
    transport.close()
    for kind, names in {"ciphers": ["aes128-cbc", "3des-cbc"], "digests": ["hmac-sha1", "hmac-md5"], "kex": ["ecdh-sha2-nistp256"]}.items():
        weak = paramiko.Transport(address(home.gateway))
        options = weak.get_security_options()
        known = [name for name in names if name in getattr(options, kind)]
        if not known:
            continue
        setattr(options, kind, known)
        with pytest.raises((paramiko.SSHException, EOFError)):
            weak.start_client(timeout=10)
        weak.close()


def test_the_host_key_outlives_the_node(tmp_path):
    keys = []
    for _ in range(2):
        home = Background(tmp_path)
        home.with_partner("keeper")
        transport = paramiko.Transport(address(home.gateway))
        transport.start_client(timeout=10)
        keys.append(transport.get_remote_server_key().asbytes())
        transport.close()
        home.close()
    assert keys[0] == keys[1]
    assert io.BytesIO(keys[0]).read(4) == b"\0\0\0\x0b"
