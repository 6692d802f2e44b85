"""`crossdock sftp …` without a node, and what keys of others it takes."""

import base64
import json
import subprocess

import pytest
from typer.testing import CliRunner

from gateway.__main__ import app
from gateway.passwords import fits
from partners.ssh_keys import SshKeyRefused, read_public_key
from tests.sftp_running import KEY


def wire(*fields: bytes) -> str:
    return base64.b64encode(b"".join(len(one).to_bytes(4) + one for one in fields)).decode()


def run(tmp_path, *words: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, ["sftp", *words, "--data-dir", str(tmp_path)])
    assert done.exit_code == status, done.output
    return done.stdout


def test_host_keys_are_made_once(tmp_path):
    first = json.loads(run(tmp_path, "hostkeys", "--json"))
    assert [one["kind"] for one in first] == ["ssh-ed25519", "ssh-rsa"]
    assert json.loads(run(tmp_path, "hostkeys", "--json")) == first
    assert first[0]["fingerprint"] in run(tmp_path, "hostkeys")


def test_keys_are_made_listed_and_retired(tmp_path):
    made = json.loads(run(tmp_path, "key-generate", "main", "--json"))
    assert made["public"].startswith("ssh-ed25519 AAAA")
    assert "is called main already" in CliRunner().invoke(app, ["sftp", "key-generate", "main", "--data-dir", str(tmp_path)]).output
    assert [one["name"] for one in json.loads(run(tmp_path, "keys", "--json"))] == ["main"]
    assert json.loads(run(tmp_path, "key-retire", "main", "--json"))["state"] == "retired"
    assert json.loads(run(tmp_path, "keys", "--json")) == []
    assert [one["state"] for one in json.loads(run(tmp_path, "keys", "--all", "--json"))] == ["retired"]


def test_a_host_key_that_partners_know_is_brought_along(tmp_path):
    run(tmp_path, "hostkeys")
    (tmp_path / "old").write_bytes(KEY.private)
    brought = json.loads(run(tmp_path, "key-import", "old", str(tmp_path / "old"), "--host", "--json"))
    assert brought["fingerprint"] == read_public_key(KEY.public).fingerprint
    assert [one["name"] for one in json.loads(run(tmp_path, "hostkeys", "--json"))] == ["old", "host-rsa-3072"]
    (tmp_path / "bad").write_bytes(b"no key")
    run(tmp_path, "key-import", "bad", str(tmp_path / "bad"), status=1)


def test_passwords_are_made_and_hashed():
    told = CliRunner().invoke(app, ["sftp", "password"]).stdout.split()
    assert told[0::2] == ["password:", "argon2:"]
    assert fits(told[1], [told[3]])
    assert not fits(told[1] + "x", [told[3]])
    assert not fits("nobody's", [])


def test_files_are_none_at_first(tmp_path):
    assert "no files yet" in run(tmp_path, "files")
    run(tmp_path, "files", "--state", "lost", status=1)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "on one line"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "on one line"),
        ("ssh-dss AAAAB3NzaC1kc3M=", "are not taken"),
        ("ssh-ed25519 AAAA", "cut or altered"),
        ("ssh-ed25519 " + KEY.public.split()[1][:-8], "cut or altered"),
        ("ssh-rsa " + KEY.public.split()[1], "of another kind"),
        ("ssh-rsa " + wire(b"ssh-rsa", b"\x01\x00\x01", b"\x7f" * 128), "the least"),
    ],
    ids=range(7),
)
def test_public_keys_that_are_none_are_told_apart(line, words):
    with pytest.raises(SshKeyRefused, match=words):
        read_public_key(line)


def test_public_keys_are_those_of_ssh_keygen(tmp_path):
    for kind in ("ed25519", "rsa", "ecdsa"):
        try:
            subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "a comment", "-f", tmp_path / kind], check=True)
        except FileNotFoundError:
            pytest.skip("there is no ssh-keygen on this machine")
        found = read_public_key((tmp_path / f"{kind}.pub").read_text())
        told = subprocess.run(["ssh-keygen", "-l", "-f", tmp_path / f"{kind}.pub"], check=True, capture_output=True, text=True).stdout
        assert found.fingerprint == told.split()[1]
