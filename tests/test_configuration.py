"""Settings, `.env.example` and docs/configuration.md say the same, and the server refuses to start half configured."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

SETTINGS = Path(__file__).parent.parent / "raven_admin" / "settings.py"
PRODUCTION = {
    "DEBUG": "False",
    "SECRET_KEY": "Lq3v-0fW_8Kc1sTzR7yXbN4mGpJhU2aEoDi9VkQwZtM5nBxA6Hd",
    "TOKEN_PEPPERS": "1:eR8kW2mZ5tQ0xJ7vB4nL9cY1hP6sD3gF",
    "ENCRYPTION_KEYS": "wN4cV8bX2zL6kJ0hG5fD9sA3pO7iU1yT",
    "BASE_URL": "https://raven.example.org",
}


def variables() -> set[str]:
    """The names that settings.py asks the environment for."""
    asked = set()
    for node in ast.walk(ast.parse(SETTINGS.read_text())):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = ast.unparse(node.func)
            if re.fullmatch(r"_secret|env\.\w+", function):
                asked.add(str(node.args[0].value))
    return asked


def python(*arguments: str, environment: dict[str, str], cwd: Path) -> "subprocess.CompletedProcess[str]":
    kept = {name: os.environ[name] for name in ("PATH", "DATABASE_URL") if name in os.environ}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=kept | environment, capture_output=True, text=True, check=False
    )


def test_settings_ask_for_variables() -> None:
    assert {"SECRET_KEY", "TOKEN_PEPPERS", "DATABASE_URL", "LOG_LEVEL", "DEMO_ADMIN_PASSWORD"} <= variables()


def test_env_example_lists_every_variable(project: Path) -> None:
    listed = re.findall(r"^# ([A-Z_]+)=", (project / ".env.example").read_text(), re.MULTILINE)

    assert sorted(listed) == sorted(variables())


def test_env_example_changes_nothing_when_it_is_copied(project: Path) -> None:
    lines = (project / ".env.example").read_text().splitlines()

    assert [line for line in lines if line and not line.startswith("# ")] == []


def test_the_documentation_describes_every_variable(project: Path) -> None:
    described = re.findall(r"^\| `([A-Z_]+)` \|", (project / "docs" / "configuration.md").read_text(), re.MULTILINE)

    assert sorted(described) == sorted(variables())


def test_every_variable_can_be_read_from_a_file(project: Path, tmp_path: Path) -> None:
    values = PRODUCTION | {
        "BIND_ADDRESS": "192.0.2.1",
        "PORT": "8123",
        "ALLOWED_HOSTS": "raven.example.org,localhost",
        "TRUSTED_PROXY_COUNT": "2",
        "ALLOWED_PRIVATE_ADDRESSES": "10.0.0.5:3000",
        "DATABASE_URL": "postgres://raven:pass@db.example.org:5433/raven",
        "EMAIL_URL": "smtp+tls://me:pass@mail.example.org:587",
        "MAIL_FROM": "Shop <raven@shop.example.org>",
        "DEFAULT_REQUESTS_PER_MINUTE": "7",
        "REQUEST_LOG_DAYS": "8",
        "DAILY_FIGURES_DAYS": "120",
        "OUTBOX_THREADS": "9",
        "DELIVERY_DAYS": "11",
        "OUTBOX_AGE_LIMIT_MINUTES": "10",
        "CALLBACK_BUDGET_HOURS": "24",
        "DEMO_ADMIN_USERNAME": "chief",
        "DEMO_ADMIN_PASSWORD": "vako-limu-beda-runi",
        "LOG_LEVEL": "WARNING",
        "LOG_FORMAT": "json",
        "METRICS_TOKEN": "mQ2v9XcT5bN8kL1zR4yW",
    }
    for name, value in values.items():
        (tmp_path / name).write_text(f"{value}\n")
    show = (
        "import json; from raven_admin import settings as s; d = s.DATABASES['default']; print(json.dumps([s.DEBUG,"
        " s.SECRET_KEY, s.TOKEN_PEPPERS, s.ENCRYPTION_KEYS, s.BASE_URL, s.BIND_ADDRESS, s.PORT, s.ALLOWED_HOSTS,"
        " s.TRUSTED_PROXY_COUNT, s.ALLOWED_PRIVATE_ADDRESSES,"
        " d['PASSWORD'], d['NAME'], d['PORT'], s.EMAIL_HOST, s.MAIL_FROM,"
        " s.DEFAULT_REQUESTS_PER_MINUTE, s.REQUEST_LOG_DAYS, s.DAILY_FIGURES_DAYS,"
        " s.OUTBOX_THREADS, s.DELIVERY_DAYS, s.OUTBOX_AGE_LIMIT.total_seconds(), s.CALLBACK_BUDGET_HOURS,"
        " s.DEMO_ADMIN_USERNAME, s.DEMO_ADMIN_PASSWORD, s.LOGGING['root']['level'],"
        " s.LOGGING['handlers']['console']['formatter'], s.METRICS_TOKEN]))"
    )

    shown = python("-c", show, environment={f"{name}_FILE": str(tmp_path / name) for name in values}, cwd=project)

    assert shown.stderr == ""
    assert set(values) == variables()
    assert json.loads(shown.stdout) == [
        False, PRODUCTION["SECRET_KEY"], {"1": "eR8kW2mZ5tQ0xJ7vB4nL9cY1hP6sD3gF"}, [PRODUCTION["ENCRYPTION_KEYS"]],
        "https://raven.example.org", "192.0.2.1", 8123, ["raven.example.org", "localhost"], 2, ["10.0.0.5:3000"],
        "pass", "raven", 5433, "mail.example.org", "Shop <raven@shop.example.org>", 7, 8, 120, 9, 11, 600.0, 24,
        "chief", "vako-limu-beda-runi", "WARNING", "json", "mQ2v9XcT5bN8kL1zR4yW",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("url", "folder"),
    [("", "{project}/var/mail"), ("filemail:///srv/mail", "/srv/mail"), ("filemail:////srv/m", "/srv/m")],
)
def test_mails_become_files_in_one_folder_wherever_the_server_is_started(
    project: Path, tmp_path: Path, url: str, folder: str
) -> None:
    show = "from raven_admin import settings; print(settings.EMAIL_FILE_PATH)"
    environment = PRODUCTION | ({"EMAIL_URL": url} if url else {}) | {"PYTHONPATH": str(project)}

    shown = python("-c", show, environment=environment, cwd=tmp_path)

    assert shown.stdout == f"{folder.format(project=project)}\n"


def test_the_base_url_follows_the_port(project: Path) -> None:
    show = "from raven_admin import settings; print(settings.BASE_URL, settings.CSRF_TRUSTED_ORIGINS)"
    environment = {**PRODUCTION, "PORT": "8123"}
    del environment["BASE_URL"]

    shown = python("-c", show, environment=environment, cwd=project)

    assert shown.stdout == "http://127.0.0.1:8123 ['http://127.0.0.1:8123']\n"


def test_a_production_server_passes_the_deployment_check(project: Path) -> None:
    checked = python("manage.py", "check", "--deploy", "--fail-level=DEBUG", environment=PRODUCTION, cwd=project)

    assert (checked.returncode, checked.stdout) == (0, "System check identified no issues (0 silenced).\n")


@pytest.mark.parametrize(
    ("command", "name", "value", "says"),
    [
        ("check", "SECRET_KEY", "", "SECRET_KEY is not set."),
        ("migrate", "SECRET_KEY", "", "SECRET_KEY is not set."),
        ("worker", "SECRET_KEY", "", "SECRET_KEY is not set."),
        ("check", "SECRET_KEY", "insecure-secret-key-for-debug-and-tests-only-000000000000", "SECRET_KEY is not set."),
        ("check", "TOKEN_PEPPERS", "", "TOKEN_PEPPERS is not set."),
        ("check", "TOKEN_PEPPERS", "1:short", "TOKEN_PEPPERS must look like"),
        ("check", "ENCRYPTION_KEYS", "", "ENCRYPTION_KEYS is not set."),
        ("check", "ENCRYPTION_KEYS", "insecure-encryption-key-for-debug-and-tests-only", "ENCRYPTION_KEYS is not set."),
        ("check", "ENCRYPTION_KEYS", "short", "ENCRYPTION_KEYS must be"),
        ("check", "BASE_URL", "raven.example.org", "BASE_URL must look like"),
        ("check", "DATABASE_URL", "", "DATABASE_URL must look like"),
        ("check", "DATABASE_URL", "postgress://raven:pass@db.example.org/raven", "DATABASE_URL must look like"),
        ("check", "METRICS_TOKEN", "short", "METRICS_TOKEN must be 20 or more"),
        ("check", "LOG_FORMAT", "xml", "LOG_FORMAT must be line or json"),
    ],
)
def test_a_half_configured_server_says_so_in_one_line(
    project: Path, command: str, name: str, value: str, says: str
) -> None:
    refused = python("manage.py", command, environment={**PRODUCTION, name: value}, cwd=project)

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"Raven Admin can't start: {says}")
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["run.txt", "dev.txt"])
def test_a_lock_names_no_server(project: Path, name: str) -> None:
    lock = (project / "requirements" / name).read_text()

    assert "hash=sha256:" in lock
    assert re.findall(r"//|^--|^\s+--(?!hash=)|@", lock, re.MULTILINE) == []


def test_the_locks_hold_what_the_project_asks_for(project: Path) -> None:
    asked = tomllib.loads((project / "pyproject.toml").read_text())
    pins = {}
    for name in ("run", "dev"):
        lock = (project / "requirements" / f"{name}.txt").read_text()
        pins[name] = dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", lock, re.MULTILINE))

    run = {re.split(r"[\[<>=]", line)[0] for line in asked["project"]["dependencies"]}
    dev = {re.split(r"[\[<>=]", line)[0] for line in asked["dependency-groups"]["dev"]}
    assert run <= set(pins["run"])
    assert run | dev <= set(pins["dev"])
    assert pins["run"].items() <= pins["dev"].items()
