"""The clients that partners have, each as a process of its own, against our server: they put files, some under temporary names, and fetch their 997."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sftp_running import KEY, Background, address, x12

ROOT = Path(__file__).parent.parent
PEER = ROOT / ".venv-peer"
DEBIAN = PEER / "debian" / "root"
LARGE = bytes(range(251)) * 20_000

pytestmark = [pytest.mark.big, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Background(tmp_path_factory.mktemp("gateway"))
    home.with_partner("keeper")
    yield home
    home.close()


class Bench:
    """A partner, its key and its files; runs programs and says which they are."""

    def __init__(self, home: Background, folder: Path, partner: str, **terms) -> None:
        home.with_partner(partner, **terms)
        self.home, self.folder, self.partner = home, folder, partner
        self.host, port = address(home.gateway)
        self.port = str(port)
        self.key = folder / "key"
        self.key.write_bytes(KEY.private)
        self.key.chmod(0o600)
        (folder / "small.edi").write_bytes(x12(1))
        (folder / "large.csv").write_bytes(LARGE)
        (folder / "home").mkdir()

    def run(self, *command: str, text: str = "", status: int = 0) -> str:
        environment = os.environ | {"HOME": str(self.folder / "home"), "XDG_CONFIG_HOME": str(self.folder / "home")}
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, cwd=self.folder, env=environment)
        assert done.returncode == status, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    @property
    def options(self) -> list[str]:
        given = [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "IdentitiesOnly=yes",
            "BatchMode=yes",
            f"IdentityFile={self.key}",
        ]
        return [word for one in given for word in ("-o", one)]

    def has_taken(self, *files: bytes) -> None:
        """Exactly these files are messages, byte for byte."""
        found = self.home.decided(self.partner, len(files))
        digests = {self.home.operate("show", id=one["id"])["message"]["sha256"] for one in found}
        assert digests == {hashlib.sha256(one).hexdigest() for one in files}

    def receipts(self, state: str) -> list[str]:
        """997s of the partner in this state."""
        shown = [self.home.operate("show", id=one["id"]) for one in self.home.messages(self.partner)]
        return [one["id"] for message in shown for one in message["deliveries"] if one["id"].startswith("997:") and one["state"] == state]

    def waits(self) -> None:
        """A 997 waits to be fetched."""
        self.home.settle(lambda: self.receipts("due"), "no 997 waits")

    def has_fetched(self, pattern: str = "*997*") -> None:
        """A 997 lies in the folder, and that delivery is done."""
        (file,) = list(self.folder.glob(pattern))
        assert b"AK9*A*1*1*1" in file.read_bytes()

        self.home.settle(lambda: self.receipts("delivered"), "the 997 was fetched and is not delivered")


def program(name: str, *versions: str) -> str:
    """The program of the machine, or ours from Debian; skips where there is none. Prints what it is."""
    found = shutil.which(name) or (str(path) if (path := DEBIAN / "usr" / "bin" / name).exists() else None)
    if found is None:
        if os.environ.get("CI") and shutil.which("apt-get"):
            pytest.fail(f"{name} is not here; `make peers` gets it")
        pytest.skip(f"there is no {name} on this machine; `make peers` gets it where there is Debian")
    told = subprocess.run([found, *versions], capture_output=True, text=True, timeout=30)
    print(f"{name}: {(told.stdout + told.stderr).strip().splitlines()[0]}")
    return found


def test_openssh_sftp(home, tmp_path):
    sftp = program("sftp", "-V")
    program("ssh", "-V")
    bench = Bench(home, tmp_path, "openssh")
    call = [sftp, *bench.options, "-P", bench.port, "-b", "-", f"openssh@{bench.host}"]
    bench.run(
        *call,
        text="put -p small.edi in/small.edi\nput -f large.csv in/large.csv.tmp\nls -l in\nrename in/large.csv.tmp in/large.csv\nchmod 600 in/large.csv\n",
    )
    bench.has_taken(x12(1), LARGE)
    bench.waits()
    assert "997" in bench.run(*call, text="ls -l out\nget out/*997* .\nls out\n")
    bench.has_fetched()
    (tmp_path / "part.csv").write_bytes(LARGE[:1_000_000])
    bench.run(*call, text="put part.csv in/again.csv.filepart\n")
    shutil.copy(tmp_path / "large.csv", tmp_path / "more.csv")
    (tmp_path / "more.csv").write_bytes(LARGE + b"more")
    bench.run(*call, text="reput more.csv in/again.csv.filepart\nrename in/again.csv.filepart in/again.csv\n")
    bench.has_taken(x12(1), LARGE, LARGE + b"more")
    bench.run(*call, text="put small.edi /etc/cron.d/x\n", status=1)
    bench.run(*call, text="put small.edi out/x\n", status=1)


def test_openssh_scp(home, tmp_path):
    scp = program("scp")
    bench = Bench(home, tmp_path, "scp")
    bench.run(scp, *bench.options, "-p", "-P", bench.port, "small.edi", "large.csv", f"scp@{bench.host}:in/")
    bench.has_taken(x12(1), LARGE)
    bench.waits()
    bench.run(scp, *bench.options, "-P", bench.port, f"scp@{bench.host}:out/*997*", ".")
    bench.has_fetched()


def test_curl(home, tmp_path):
    curl = program("curl", "-V")
    if "sftp" not in subprocess.run([curl, "-V"], capture_output=True, text=True).stdout:
        pytest.skip("this curl has no SFTP")
    bench = Bench(home, tmp_path, "curl")
    call = [curl, "-sS", "-f", "--insecure", "--key", str(bench.key), "--pubkey", "", "-u", "curl:"]
    base = f"sftp://{bench.host}:{bench.port}"
    bench.run(*call, "-T", "small.edi", f"{base}/in/small.edi")
    bench.run(*call, "-T", "large.csv", f"{base}/in/large.tmp", "-Q", "-rename /in/large.tmp /in/large.csv")
    bench.has_taken(x12(1), LARGE)
    bench.waits()
    name = next(word for word in bench.run(*call, "-l", f"{base}/out/").split() if "997" in word)
    bench.run(*call, "-o", name, f"{base}/out/{name}")
    bench.has_fetched()
    (tmp_path / "other.csv").write_bytes(LARGE[::-1])
    (tmp_path / "half.csv").write_bytes(LARGE[::-1][:999_999])
    bench.run(*call, "-T", "half.csv", f"{base}/in/other.csv.part")
    bench.run(*call, "-C", "-", "-T", "other.csv", f"{base}/in/other.csv.part", "-Q", "-rename /in/other.csv.part /in/other.csv")
    bench.has_taken(x12(1), LARGE, LARGE[::-1])


def test_lftp(home, tmp_path):
    lftp = program("lftp", "--version")
    bench = Bench(home, tmp_path, "lftp")
    connect = f"ssh -a -x {' '.join(bench.options)}"
    begin = f"set sftp:connect-program '{connect}'; set net:max-retries 1; set net:timeout 20; open -u lftp, -p {bench.port} sftp://{bench.host}; "
    bench.run(lftp, "-c", begin + "put small.edi -o in/small.edi; put large.csv -o in/large.tmp; mv in/large.tmp in/large.csv; cls -l in; quit")
    bench.has_taken(x12(1), LARGE)
    bench.waits()
    bench.run(lftp, "-c", begin + "mget -E out/*997*; quit")
    bench.has_fetched()


def test_rclone(home, tmp_path):
    rclone = program("rclone", "version")
    bench = Bench(home, tmp_path, "rclone")
    remote = f":sftp,host={bench.host},port={bench.port},user=rclone,key_file={bench.key},shell_type=none:"
    bench.run(rclone, "copyto", "small.edi", f"{remote}in/small.edi", "--retries", "1")
    bench.run(rclone, "copyto", "large.csv", f"{remote}in/large.csv", "--retries", "1")
    bench.has_taken(x12(1), LARGE)
    bench.waits()
    bench.run(rclone, "move", f"{remote}out", ".", "--include", "*997*", "--retries", "1")
    bench.has_fetched()


def test_putty_psftp(home, tmp_path):
    psftp = program("psftp", "-V")
    puttygen = program("puttygen", "-V")
    bench = Bench(home, tmp_path, "putty")
    bench.run(puttygen, str(bench.key), "-O", "private", "-o", "key.ppk")
    hostkey = home.operate("sftp.hostkeys")[0]["fingerprint"]
    call = [psftp, "-batch", "-hostkey", hostkey, "-i", "key.ppk", "-P", bench.port, "-b", "script", f"putty@{bench.host}"]
    (tmp_path / "script").write_text("cd in\nput small.edi\nput large.csv large.tmp\nmv large.tmp large.csv\nls\n")
    bench.run(*call)
    bench.has_taken(x12(1), LARGE)
    bench.waits()
    (tmp_path / "script").write_text("cd out\nmget *997*\n")
    bench.run(*call)
    bench.has_fetched()


def test_asyncssh(home, tmp_path):
    python = PEER / "bin" / "python"
    if not python.exists():
        pytest.skip("the peers are not installed; `make peers` does it")
    print("asyncssh:", subprocess.run([python, "-c", "import asyncssh; print(asyncssh.__version__)"], capture_output=True, text=True).stdout.strip())
    bench = Bench(home, tmp_path, "asyncssh", agreements="[{receive: '945', overlays: [demo-3pl], default_zone: America/New_York}]")
    bench.run(str(python), str(ROOT / "tests" / "peers" / "sftp_asyncssh.py"), bench.host, bench.port, "asyncssh", str(bench.key), str(tmp_path))
    bench.has_taken(x12(1), LARGE)
    bench.has_fetched()


def test_paramiko_in_a_process_of_its_own(home, tmp_path):
    import paramiko

    print("paramiko:", paramiko.__version__)
    bench = Bench(home, tmp_path, "paramiko")
    script = (
        "import paramiko,sys,time\n"
        "t=paramiko.Transport((sys.argv[1],int(sys.argv[2]))); t.connect(username='paramiko',pkey=paramiko.Ed25519Key(filename='key'))\n"
        "s=paramiko.SFTPClient.from_transport(t); s.put('small.edi','in/small.edi'); s.put('large.csv','in/large.tmp'); s.posix_rename('in/large.tmp','in/large.csv')\n"
        "names=[]\n"
        "while not any('997' in n for n in names): names=s.listdir('out'); time.sleep(0.1)\n"
        "[s.get('out/'+n,n) for n in names if '997' in n]; t.close()\n"
    )
    bench.run(sys.executable, "-c", script, bench.host, bench.port)
    bench.has_taken(x12(1), LARGE)
    bench.has_fetched()


def test_ssh_audit_has_nothing_to_fail(home):
    audit = PEER / "bin" / "ssh-audit"
    if not audit.exists():
        pytest.skip("the peers are not installed; `make peers` does it")
    host, port = address(home.gateway)
    done = subprocess.run([audit, "-j", "-p", str(port), host], capture_output=True, text=True, timeout=120)
    told = json.loads(done.stdout)
    fails = [
        (kind, one["algorithm"], one["notes"]["fail"])
        for kind in ("kex", "key", "enc", "mac")
        for one in told[kind]
        if one.get("notes", {}).get("fail")
    ]
    print(told["banner"]["raw"], [one["algorithm"] for kind in ("kex", "key", "enc", "mac") for one in told[kind]])
    assert told["kex"]
    assert not fails
