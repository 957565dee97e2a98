"""What most tests start from: two workspaces, a person for each role, a token and its secret, and a clock."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import time_machine
from django.conf import settings
from playwright.sync_api import Browser, BrowserContext

from accounts.models import Membership, User, Workspace
from accounts.roles import Role
from scripts.run_tests import chromium
from tokens.abilities import ABILITY_KEYS
from tokens.configuration import Configuration
from tokens.models import Token
from tokens.services import COMMAND_LINE, IssuedToken, issue_token

PASSWORD = "correct horse battery"

# Nobody is refused for a case that chance found elsewhere; `--hypothesis-profile default` goes looking for such.
hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.load_profile("repeatable")


def pytest_configure() -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Playwright's event loop runs in the tests' thread; Django would refuse the database there.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    in_browser = [item for item in items if item.get_closest_marker("browser")]
    if in_browser and chromium() is None:
        for item in in_browser:
            item.add_marker(pytest.mark.skip(reason="no Chromium on this machine"))


@pytest.fixture
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A browser of nobody yet, light and wide; see `tests.browsing.in_every_look`."""
    theme: Any
    theme, width = getattr(request, "param", ("light", 1280))
    context = browser.new_context(color_scheme=theme, viewport={"width": width, "height": 900})
    yield context
    context.close()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """SQLite in a file: one in memory would be a single connection that all threads of the live server share."""
    database: dict[str, Any] = settings.DATABASES["default"]
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The system's Chromium, which never asks the network for anything."""
    flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    return {"executable_path": chromium(), "args": flags}


@pytest.fixture(scope="session")
def project() -> Path:
    """The folder that `manage.py` stands in."""
    folder: Path = settings.BASE_DIR
    return folder


@pytest.fixture
def now() -> Iterator[datetime]:
    """The clock stands still at this moment."""
    moment = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    with time_machine.travel(moment, tick=False):
        yield moment


@pytest.fixture
def clock(now: datetime) -> Iterator[time_machine.Traveller]:
    """It stands at `now` until a test moves it."""
    with time_machine.travel(now, tick=False) as traveller:
        yield traveller


@pytest.fixture
def workspace(db: None) -> Workspace:
    """As the demo: in Jakarta, with Pro."""
    made: Workspace = Workspace.objects.create(name="Demo", slug="demo", country="ID", time_zone="Asia/Jakarta")
    return made


@pytest.fixture
def other_workspace(db: None) -> Workspace:
    """Nobody is a member here, so nothing of it may ever be seen."""
    made: Workspace = Workspace.objects.create(name="Sandbox", slug="sandbox", country="DE", time_zone="Europe/Berlin")
    return made


@pytest.fixture
def admin_user(workspace: Workspace) -> User:
    """An admin of `workspace`, no superuser; all three persons' password is `PASSWORD`."""
    return _member(workspace, "ayu", Role.ADMIN)


@pytest.fixture
def support_user(workspace: Workspace) -> User:
    return _member(workspace, "budi", Role.SUPPORT)


@pytest.fixture
def viewer_user(workspace: Workspace) -> User:
    return _member(workspace, "citra", Role.VIEWER)


@pytest.fixture
def issued(workspace: Workspace) -> IssuedToken:
    """A token of `workspace` with all abilities, and its secret."""
    configuration = Configuration(name="Shop backend", abilities=ABILITY_KEYS)
    return issue_token(workspace=workspace, configuration=configuration, by=COMMAND_LINE)


@pytest.fixture
def token(issued: IssuedToken) -> Token:
    return issued.token


@pytest.fixture
def secret(issued: IssuedToken) -> str:
    """The secret of `token`, as its holder writes it."""
    return issued.secret.value


def _member(workspace: Workspace, username: str, role: Role) -> User:
    user = User.objects.create_user(username, password=PASSWORD, first_name=username.title())
    Membership.objects.create(workspace=workspace, user=user, role=role)
    return user
