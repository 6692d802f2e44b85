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


MISTAKES = [
    ({"CROSSDOCK_WORKERS": "many"}, "workers"),
    ({"CROSSDOCK_WROKERS": "2"}, "wrokers"),
    ({"CROSSDOCK_TARGETS__ERP__URL": "ftp://x"}, "targets.erp.url"),
    ({"CROSSDOCK_TARGETS__ERP__URL": "http://x", "CROSSDOCK_TARGETS__ERP__REPEATS": "look_up"}, "look_up needs look_up_url"),
    ({"CROSSDOCK_TARGETS__BOX__KIND": "folder"}, "targets.box.path: Field required"),
    ({"CROSSDOCK_TARGETS__BOX__KIND": "ftp"}, "targets.box: kind must be rest or folder"),
    ({"CROSSDOCK_BREAKER__PAUSE": "soon"}, "breaker.pause"),
    ({"CROSSDOCK_CONFIG": "/nowhere/crossdock.yaml"}, "/nowhere/crossdock.yaml"),
    ({"CROSSDOCK_TARGETS__ERP__TOKEN_FILE": "/nowhere/token"}, "CROSSDOCK_TARGETS__ERP__TOKEN_FILE"),
]


@pytest.mark.parametrize(("environment", "told"), MISTAKES, ids=[told for _, told in MISTAKES])
def test_a_mistake_names_the_setting(environment: dict[str, str], told: str):
    with pytest.raises(SettingsError, match=told):
        read_settings(None, None, environment)
