"""Settings: command line over environment over file over default, each mistake named."""

from pathlib import Path

import pytest

from gateway.settings import SettingsError, masked, read_settings


def test_the_nearer_word_wins(tmp_path: Path):
    file = tmp_path / "crossdock.yaml"
    file.write_text("workers: 3\ndata_dir: /from/file\ntargets:\n  erp: {url: 'http://erp/events', rate: 5}\n")
    environment = {"CROSSDOCK_WORKERS": "4", "CROSSDOCK_TARGETS__ERP__RATE": "7", "OTHER": "x"}
    settings = read_settings(file, {"data_dir": "/from/line"}, environment)
    assert (settings.workers, str(settings.data_dir), settings.targets["erp"].rate) == (4, "/from/line", 7)


def test_a_secret_comes_from_a_file_and_is_not_shown(tmp_path: Path):
    secret = tmp_path / "token"
    secret.write_text("s3cret\n")
    environment = {
        "CROSSDOCK_TARGETS__ERP__URL": "http://erp",
        "CROSSDOCK_TARGETS__ERP__TOKEN_FILE": str(secret),
        "CROSSDOCK_DATABASE": "postgresql://me:pw@db/x",
    }
    settings = read_settings(None, None, environment)
    assert settings.targets["erp"].token == "s3cret"
    shown = str(masked(settings.model_dump(mode="json")))
    assert "s3cret" not in shown
    assert ":pw@" not in shown


BUS = {"CROSSDOCK_TARGETS__BUS__KIND": "nats", "CROSSDOCK_TARGETS__BUS__SERVERS": "nats://a:4222"}
MISTAKES = [
    ({"CROSSDOCK_WORKERS": "many"}, "workers"),
    ({"CROSSDOCK_WROKERS": "2"}, "wrokers"),
    ({"CROSSDOCK_TARGETS__ERP__URL": "ftp://x"}, "targets.erp.url"),
    ({"CROSSDOCK_TARGETS__ERP__URL": "http://x", "CROSSDOCK_TARGETS__ERP__REPEATS": "look_up"}, "look_up needs look_up_url"),
    ({"CROSSDOCK_TARGETS__BOX__KIND": "folder"}, "targets.box.path: Field required"),
    ({"CROSSDOCK_TARGETS__BOX__KIND": "ftp"}, "targets.box: kind must be rest or calls or folder or nats"),
    (BUS | {"CROSSDOCK_TARGETS__BUS__SERVERS": "http://x"}, "targets.bus.servers.0"),
    (BUS | {"CROSSDOCK_TARGETS__BUS__SUBJECT": "a.{partner}.{set}"}, "{set} is not known; there are {stream}"),
    (BUS | {"CROSSDOCK_TARGETS__BUS__SUBJECT": "a.>"}, "subject is words of letters"),
    (BUS | {"CROSSDOCK_TARGETS__BUS__SERVERS": "nats://a:1, tls://b:1"}, "all nats:// or all tls://"),
    (BUS | {"CROSSDOCK_TARGETS__BUS__SERVERS": "nats://me:pw@a:1"}, "targets.bus.servers.0"),
    (BUS | {"CROSSDOCK_TARGETS__BUS__USER": "me"}, "user and password go together"),
    (BUS | {"CROSSDOCK_TARGETS__BUS__TOKEN": "t", "CROSSDOCK_TARGETS__BUS__NKEY": "/seed"}, "give one of user"),
    (BUS | {"CROSSDOCK_TARGETS__BUS__AUTHORITY": "/ca.pem"}, "are for servers with tls://"),
    (BUS | {"CROSSDOCK_TARGETS__BUS__CREATE_STREAM": "true"}, "create_stream needs stream"),
    (BUS | {"CROSSDOCK_TARGETS__BUS__ACK_WAIT": "40s"}, "ack_wait is within timeout"),
    ({"CROSSDOCK_BREAKER__PAUSE": "soon"}, "breaker.pause"),
    ({"CROSSDOCK_CONFIG": "/nowhere/crossdock.yaml"}, "/nowhere/crossdock.yaml"),
    ({"CROSSDOCK_TARGETS__ERP__TOKEN_FILE": "/nowhere/token"}, "CROSSDOCK_TARGETS__ERP__TOKEN_FILE"),
]


@pytest.mark.parametrize(("environment", "told"), MISTAKES, ids=[told for _, told in MISTAKES])
def test_a_mistake_names_the_setting(environment: dict[str, str], told: str):
    with pytest.raises(SettingsError, match=told):
        read_settings(None, None, environment)


def test_a_kind_whose_library_is_missing_names_its_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gateway.targets.terms.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"targets.bus: .*pip install 'crossdock\[nats\]'"):
        read_settings(None, None, BUS)


def test_the_servers_of_a_cluster_stand_in_one_variable():
    settings = read_settings(None, None, BUS | {"CROSSDOCK_TARGETS__BUS__SERVERS": "nats://a:4222, nats://b:4222"})
    assert settings.targets["bus"].servers == ["nats://a:4222", "nats://b:4222"]
