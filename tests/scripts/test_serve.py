import re
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.password_validation import validate_password

from scripts import serve

NAMES = ["SECRET_KEY", "TOKEN_PEPPERS", "ENCRYPTION_KEYS", "DEMO_ADMIN_PASSWORD"]


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path / ".env"


def values(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", path.read_text(), re.MULTILINE))


def test_the_first_run_writes_secrets_that_only_the_owner_reads(env_file: Path) -> None:
    assert serve.write_missing_secrets(env_file) == NAMES

    written = values(env_file)
    number, pepper = written["TOKEN_PEPPERS"].split(":")
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600
    assert list(written) == NAMES
    assert len(written["SECRET_KEY"]) >= 50
    assert (number, len(pepper) >= 32) == ("1", True)
    assert len(written["ENCRYPTION_KEYS"]) >= 32
    validate_password(written["DEMO_ADMIN_PASSWORD"])


def test_two_machines_get_different_secrets(env_file: Path, tmp_path: Path) -> None:
    serve.write_missing_secrets(env_file)
    serve.write_missing_secrets(tmp_path / "other")

    assert set(values(env_file).values()).isdisjoint(values(tmp_path / "other").values())


def test_the_second_run_writes_nothing(env_file: Path) -> None:
    serve.write_missing_secrets(env_file)
    before = env_file.read_bytes()

    assert serve.write_missing_secrets(env_file) == []

    assert env_file.read_bytes() == before


def test_what_the_environment_gives_is_not_written(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "given")
    monkeypatch.setenv("DEMO_ADMIN_PASSWORD_FILE", "/run/secrets/password")

    assert serve.write_missing_secrets(env_file) == ["TOKEN_PEPPERS", "ENCRYPTION_KEYS"]


def test_what_the_file_says_already_is_kept(env_file: Path) -> None:
    env_file.write_text(
        "PORT=9000\nSECRET_KEY=\nTOKEN_PEPPERS_FILE=/run/secrets/peppers\nENCRYPTION_KEYS=kept\nDEMO_ADMIN_PASSWORD=mine"
    )

    assert serve.write_missing_secrets(env_file) == ["SECRET_KEY"]

    written = values(env_file)
    assert written.pop("SECRET_KEY") != ""
    assert written == {
        "PORT": "9000",
        "TOKEN_PEPPERS_FILE": "/run/secrets/peppers",
        "ENCRYPTION_KEYS": "kept",
        "DEMO_ADMIN_PASSWORD": "mine",
    }


def test_a_taken_port_is_refused_in_one_line(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings.BIND_ADDRESS, settings.PORT = "127.0.0.1", taken.getsockname()[1]

        with pytest.raises(SystemExit) as refused:
            serve.refuse_a_taken_port()

    message = str(refused.value)
    assert message.startswith(f"Raven Admin can't listen on 127.0.0.1, port {settings.PORT}: Address already in use.")
    assert "\n" not in message


def test_a_free_port_is_accepted(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings.BIND_ADDRESS, settings.PORT = "127.0.0.1", taken.getsockname()[1]

    serve.refuse_a_taken_port()
