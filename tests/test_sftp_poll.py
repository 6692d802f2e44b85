"""We fetch from a partner's server: what is whole is fetched once, whatever is refused, altered, cut or put there meanwhile."""

import hashlib
import threading
import time

import pytest
from paramiko.sftp import SFTP_PERMISSION_DENIED

from gateway.doors.sftp_turn import OURS, Turn
from gateway.errors import StoreUnavailable
from gateway.keys import generate_ssh
from tests.sftp_remote import HOST_KEY, RemoteServer
from tests.sftp_running import Background, x12

BIG = bytes(range(256)) * 2000
AGREEMENTS = "[{receive: '945', overlays: [demo-3pl], default_zone: America/New_York}, {receive: csv/status}]"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Background(tmp_path_factory.mktemp("gateway"))
    made = home.operate("sftp.key.generate", name="main")
    home.public = made["public"]
    home.gateway.node.poller._task.cancel()  # each poll is asked for
    yield home
    home.close()


@pytest.fixture
def server(home):
    server = RemoteServer()
    server.trust(home.public)
    yield server
    server.close()


COUNT = iter(range(1, 1000))


class Partner:
    """One that is polled; each poll is asked for, and waited for."""

    def __init__(self, home: Background, server: RemoteServer, poll: str = "whole: listed", remote: dict | None = None) -> None:
        self.home, self.server, self.name = home, server, f"poll{next(COUNT)}"
        self.poll(poll, remote)

    def poll(self, poll: str, remote: dict | None = None) -> None:
        terms = f"{{{self.server.terms(**(remote or {}))}, folder: /out, every: 400d, {poll}}}"
        self.home.operate(
            "partners.apply",
            text=f"partner: {self.name}\nname: p\nidentities: {{isa: [{{qualifier: ZZ, id: LAKE3PL}}]}}\nchannels: {{sftp_poll: [{terms}]}}\nagreements: {AGREEMENTS}\n",
        )

    def go(self) -> dict:
        """Polls once; what is told of it."""
        node = self.home.gateway.node
        self.home.operate("sftp.poll", partner=self.name)
        revision = node.profiles.book.by_name(self.name)
        (poll,) = revision.profile.channels.sftp_poll
        Turn(node.poller, revision, poll, f"{self.name}:{poll.name}").run()
        return self.told()

    def told(self) -> dict:
        found = [one for one in self.home.operate("sftp.polls") if one["partner"] == self.name]
        return found[0] if found else {"at": None}

    def has(self, *files: bytes) -> None:
        found = self.home.decided(self.name, len(files)) if files else self.home.messages(self.name)
        shown = sorted(self.home.operate("show", id=one["id"])["message"]["sha256"] for one in found)
        assert shown == sorted(hashlib.sha256(one).hexdigest() for one in files)

    def alarms(self) -> list[str]:
        return [one["text"] for one in self.home.operate("alarms") if one["partner"] == self.name and one["kind"] == "sftp.poll"]


def test_files_are_fetched_once_and_deleted_after_the_commit(home, server):
    partner = Partner(home, server)
    server.put("/out/a.edi", x12(1))
    server.put("/out/b.csv", BIG)
    server.put("/out/c.edi.tmp", x12(2))
    server.put("/out/empty.edi", b"")
    assert partner.go()["told"] == "2 fetched"
    partner.has(x12(1), BIG)
    assert set(server.files) == {"/out/c.edi.tmp", "/out/empty.edi"}
    assert partner.go()["told"] == "0 fetched"
    server.put("/out/a.edi", x12(3))
    partner.go()
    partner.has(x12(1), BIG, x12(3))
    first = next(one for one in server.log if one.startswith("rename"))
    assert first.split()[2].startswith(f"/out/{OURS}")


def test_files_are_archived(home, server):
    partner = Partner(home, server, "whole: listed, after: archive, archive: /archive")
    for number in (1, 2):
        server.put("/out/a.edi", x12(number))
        partner.go()
    assert len(server.files) == 2
    assert all(name.startswith("/archive/a.") and name.endswith(".edi") for name in server.files)
    partner.has(x12(1), x12(2))


def test_a_server_that_is_only_read_is_remembered(home, server):
    partner = Partner(home, server, "whole: listed, after: keep")
    server.put("/out/a.edi", x12(1), 1000)
    for _ in range(3):
        partner.go()
    partner.has(x12(1))
    server.put("/out/a.edi", x12(2), 1000)  # another size or time, another file; the same ones, the same
    assert len(x12(2)) == len(x12(1))
    partner.go()
    partner.has(x12(1))
    server.put("/out/a.edi", x12(2), 1001)
    partner.go()
    partner.has(x12(1), x12(2))


def test_where_deleting_is_refused_nothing_is_fetched_twice(home, server):
    partner = Partner(home, server)
    server.put("/out/a.edi", x12(1))
    server.before = lambda what, path: SFTP_PERMISSION_DENIED if what in ("rename", "remove") else None
    for _ in range(2):
        assert "1 not" in partner.go()["told"]
        partner.has(x12(1))
    assert "cannot rename /out/a.edi" in partner.alarms()[0]
    server.before = lambda what, path: SFTP_PERMISSION_DENIED if what == "remove" else None
    partner.go()
    assert [name for name in server.files if OURS in name]
    server.before = lambda what, path: None
    assert partner.go()["failures"] == 0
    assert server.files == {}
    partner.has(x12(1))


def test_a_file_is_fetched_when_it_has_not_changed_for_a_while(home, server):
    partner = Partner(home, server, "stable: 1s")
    server.put("/out/a.edi", x12(1)[:300], 1000)
    partner.go()
    time.sleep(1.1)
    server.put("/out/a.edi", x12(1), 1001)
    partner.go()
    partner.has()
    time.sleep(1.1)
    partner.go()
    partner.has(x12(1))


def test_a_marker_says_that_a_file_is_whole(home, server):
    partner = Partner(home, server, "whole: marker, marker: .ok")
    server.put("/out/a.edi", x12(1))
    server.put("/out/b.edi", x12(2))
    server.put("/out/b.ok", b"")
    partner.go()
    partner.has(x12(2))
    assert set(server.files) == {"/out/a.edi"}
    server.put("/out/a.edi.ok", b"")
    partner.go()
    partner.has(x12(1), x12(2))
    assert server.files == {}


@pytest.mark.parametrize("how", ["grows", "shrinks", "replaced", "vanishes"])
def test_a_file_that_changes_while_it_is_read_waits(home, server, how):
    partner = Partner(home, server)
    server.put("/out/a.csv", BIG, 1000)
    others = {"grows": BIG + b"more", "shrinks": BIG[:-1], "replaced": BIG[::-1]}

    def alter(what, path):
        if what.startswith("read 65536"):
            if how == "vanishes":
                server.files.pop("/out/a.csv", None)
            else:
                server.put("/out/a.csv", others[how], 1001)
            server.before = lambda what, path: None

    server.before = alter
    partner.go()
    partner.has()
    partner.go()
    partner.has(*([] if how == "vanishes" else [others[how]]))


def test_a_file_that_is_replaced_before_we_delete_it_keeps_its_name(home, server):
    partner = Partner(home, server)
    server.put("/out/a.edi", x12(1), 1000)

    def alter(what, path):
        if what == "rename":
            server.put("/out/a.edi", x12(2), 1001)
            server.before = lambda what, path: None

    server.before = alter
    partner.go()
    partner.has(x12(1))
    assert server.files == {"/out/a.edi": x12(2)}
    partner.go()
    partner.has(x12(1), x12(2))
    assert server.files == {}


@pytest.mark.parametrize("step", ["list", "open", "read 0", "read 262144", "close", "stat", "rename", "remove"])
def test_a_cut_line_loses_and_doubles_nothing(home, server, step):
    partner = Partner(home, server)
    server.put("/out/a.edi", x12(1))
    server.put("/out/b.csv", BIG)

    def cut(what, path):
        if what == step:
            server.before = lambda what, path: None
            server.cut()

    server.before = cut
    partner.go()
    partner.go()
    partner.has(x12(1), BIG)
    partner.go()
    assert server.files == {}


def test_only_a_pinned_host_key_is_spoken_to(home, server):
    other = generate_ssh("ed25519")
    partner = Partner(home, server, remote={"hostkeys": f"['{other.public}']"})
    server.put("/out/a.edi", x12(1))
    told = partner.go()
    assert told["failures"] == 1
    assert "which is none that is pinned" in told["told"]
    assert server.log == []
    partner.poll("whole: listed", {"hostkeys": "['SHA256:" + "A" * 43 + "']"})
    assert "which is none that is pinned" in partner.go()["told"]


def test_a_fingerprint_pins_too(home, server):
    from partners.ssh_keys import read_public_key

    partner = Partner(home, server, remote={"hostkeys": f"['{read_public_key(HOST_KEY.public).fingerprint}']"})
    server.put("/out/a.edi", x12(1))
    partner.go()
    partner.has(x12(1))


def test_a_login_that_is_refused_is_told_and_a_password_may_open(home, server):
    server.key, server.password = None, "their word"
    partner = Partner(home, server, remote={"password": "lake"})
    assert "no secret is called lake" in partner.go()["told"]
    home.operate("keys.secret", name="lake", value="another word")
    assert "does not let crossdock in" in partner.go()["told"]
    home.operate("keys.secret", name="lake", value="their word")
    server.put("/out/a.edi", x12(1))
    assert partner.go()["failures"] == 0
    partner.has(x12(1))
    assert "their word" not in str(home.operate("sftp.keys"))


def test_who_does_not_answer_is_waited_for_longer_and_longer(home, server):
    partner = Partner(home, server)
    server.close()
    told = [partner.go() for _ in range(3)]
    assert [one["failures"] for one in told] == [1, 2, 3]
    assert "cannot be reached" in told[-1]["told"]


def test_hostile_listings_are_not_believed(home, server):
    partner = Partner(home, server)
    server.extra_names = ["../../etc/cron.d/x", "..", "", "a\nb", "a\0b", "/etc/passwd", "x" * 300, "\u202egnp.edi", "ok\\..\\x"]
    server.put("/out/a.edi", x12(1))
    folder = home.gateway.node.settings.data_dir
    before = {path for path in folder.rglob("*") if path.is_file() and "crossdock.db" not in path.name}
    partner.go()
    partner.has(x12(1))
    assert not [one for one in server.log if ".." in one or "etc" in one]
    assert {path for path in folder.rglob("*") if path.is_file() and "crossdock.db" not in path.name} == before


def test_files_that_are_too_large_stay_there(home, server):
    partner = Partner(home, server, "whole: listed, max_body: 1 KiB")
    server.put("/out/big.csv", BIG)
    server.put("/out/a.edi", x12(1))
    assert "max_body" in partner.go()["told"]
    partner.has(x12(1))
    assert set(server.files) == {"/out/big.csv"}


def test_a_listing_that_lies_about_sizes_gives_nothing(home, server, monkeypatch):
    import tests.sftp_remote as remote

    partner = Partner(home, server)
    server.put("/out/a.csv", BIG)
    honest = remote._Session.facts

    def lying(self, path, name):
        found = honest(self, path, name)
        if path == "/out/a.csv":
            found.st_size = 1000
        return found

    with monkeypatch.context() as patch:
        patch.setattr(remote._Session, "facts", lying)
        partner.go()
        partner.has()
    partner.go()
    partner.has(BIG)


def test_ten_thousand_files_are_listed_and_fetched_in_order(home, server):
    partner = Partner(home, server, "whole: listed, most: 20, files: '*.edi', order: time")
    for number in range(10_000):
        server.put(f"/out/{number:05}.txt", b"x", 1000)
    for number in range(30):
        server.put(f"/out/{number:05}.edi", x12(number + 1), 5000 - number)
    assert partner.go()["told"] == "20 fetched"
    opened = [one.split()[1] for one in server.log if one.startswith("open")]
    assert opened == [f"/out/{number:05}.edi" for number in range(29, 9, -1)]
    partner.go()
    partner.has(*[x12(number + 1) for number in range(30)])


def test_a_folder_is_polled_by_one_node_at_a_time(home, server):
    partner = Partner(home, server)
    node = home.gateway.node
    partner.go()
    home.operate("sftp.poll", partner=partner.name)
    name = f"{partner.name}:poll"
    claimed = node.poller.claim(name, partner.name)
    assert claimed is not None
    assert node.poller.claim(name, partner.name) is None
    server.put("/out/a.edi", x12(1))
    log = list(server.log)
    partner.go()
    assert server.log == log
    partner.has()


def test_a_full_disk_of_ours_does_not_keep_the_folder(home, server, monkeypatch):
    """The lease of a turn that our own store ended is given back, not waited for."""
    partner = Partner(home, server)
    server.put("/out/a.edi", x12(1))

    def full() -> None:
        raise StoreUnavailable("the disk is nearly full")

    monkeypatch.setattr("gateway.doors.sftp_turn.PAUSES", (0.0,))
    with monkeypatch.context() as patch:
        patch.setattr(home.gateway.node.receive, "spool", full)
        told = partner.go()
    assert "nearly full" in told["told"]
    assert told["failures"] == 0
    partner.go()
    partner.has(x12(1))


def test_a_file_that_is_denied_does_not_slow_the_others(home, server):
    partner = Partner(home, server)
    server.put("/out/a.edi", x12(1))
    server.before = lambda what, path: SFTP_PERMISSION_DENIED if (what, path) == ("open", "/out/a.edi") else None
    told = partner.go()
    assert told["failures"] == 0
    assert "1 not" in told["told"]
    server.put("/out/b.edi", x12(2))
    partner.go()
    partner.has(x12(2))
    assert len(partner.alarms()) == 1
    server.before = lambda what, path: None
    partner.go()
    partner.has(x12(1), x12(2))
    assert partner.alarms() == [], "its end is known, too"


def test_folders_are_polled_when_they_are_due(tmp_path, server):
    home = Background(tmp_path)
    server.trust(home.operate("sftp.key.generate", name="main")["public"])
    server.put("/out/a.edi", x12(1))
    partner = Partner(home, server, "whole: stable, stable: 1s")
    partner.has(x12(1))
    home.settle(lambda: not server.files)
    server.put("/out/b.edi", x12(2))
    home.operate("sftp.poll", partner=partner.name)
    home.gateway.node.poller.soon()
    partner.has(x12(1), x12(2))
    home.close()


def test_a_server_that_hangs_does_not_hold_up_the_end(tmp_path, server):
    """The node gives the folder back and ends; the next one fetches the file whole."""
    home = Background(tmp_path)
    server.trust(home.operate("sftp.key.generate", name="main")["public"])
    reading, ended, answered = threading.Event(), threading.Event(), []

    def hang(what: str, path: str) -> None:
        if what.startswith("read"):
            reading.set()
            answered.append(ended.wait(60))

    server.before = hang
    server.put("/out/a.csv", BIG)
    partner = Partner(home, server)
    assert reading.wait(20)
    home.close()
    assert answered == [], "the end came while the server still said nothing"
    server.before = lambda what, path: None
    ended.set()
    assert set(server.files) == {"/out/a.csv"}
    home = Background(tmp_path)
    partner.home = home
    home.settle(lambda: not server.files)
    partner.has(BIG)
    home.close()
