"""What SQLite has written ahead is moved into its file beside the calls."""

import pytest
from django.db import connection

from accounts.models import Workspace
from raven_admin.checkpoints import checkpoint

pytestmark = pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has a process of its own for it")


@pytest.mark.django_db(transaction=True)
def test_what_was_written_is_in_the_file_afterwards() -> None:
    checkpoint()
    Workspace.objects.create(name="Written ahead", slug="written-ahead")
    name = connection.settings_dict["NAME"]
    before = _file(name)

    checkpoint()

    assert b"written-ahead" not in before
    assert b"written-ahead" in _file(name)


def _file(name: str) -> bytes:
    with open(name, "rb") as file:
        return file.read()
