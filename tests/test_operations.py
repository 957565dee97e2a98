"""What docs/operations.md and deploy/ say is what the server does."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands
from django.test import Client

DOCUMENTS = ("docs/operations.md", "docs/threat-model.md")


@pytest.mark.django_db
def test_every_metric_is_described_and_every_alert_asks_for_one_that_there_is(project: Path, settings: Any) -> None:
    settings.METRICS_TOKEN = "Tn5cQ8wXv2Lz7Rb4Hy1K"
    text = Client().get("/metrics", headers={"authorization": f"Bearer {settings.METRICS_TOKEN}"}).content.decode()
    metrics = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))

    described = re.findall(r"^\| `(raven_\w+)` \|", (project / "docs/operations.md").read_text(), re.MULTILINE)
    asked = re.findall(r"\braven_\w+", (project / "deploy/prometheus-rules.yaml").read_text())

    assert sorted(described) == sorted(metrics)
    assert asked
    assert set(asked) <= metrics


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(project: Path, name: str) -> None:
    page = project / name
    links = re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text())

    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_command_exists(project: Path) -> None:
    files = [project / "docs/operations.md", *(project / "deploy").rglob("*.*"), project / "deploy/Dockerfile"]
    text = "\n".join(path.read_text() for path in files if path.is_file())

    commands = set(re.findall(r"manage\.py(?: |\", \")([a-z_]+)", text))

    assert {"backup", "restore", "worker", "migrate"} <= commands
    assert commands <= set(get_commands())


def test_the_image_leaves_secrets_and_data_out(project: Path) -> None:
    ignored = (project / ".dockerignore").read_text().splitlines()

    assert {".env", "var", ".git"} <= set(ignored)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd on this machine")
def test_systemd_accepts_the_units(project: Path, tmp_path: Path) -> None:
    units = []
    for unit in sorted((project / "deploy/systemd").glob("*.service")):
        here = tmp_path / unit.name.replace("@", "@1")
        here.write_text(re.sub(r"/opt/raven-admin/\.venv/bin/\w+", "/bin/true", unit.read_text()))
        units.append(str(here))

    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )

    assert len(units) == 2
    assert [line for line in checked.stderr.splitlines() if str(tmp_path) in line or "raven" in line] == []
