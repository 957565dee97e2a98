from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Workspace
from platforms.connections import ConnectionDraft, add_connection
from platforms.encryption import SecretUnreadable, seal, unseal
from platforms.models import Connection
from platforms.targets import target_of

OLD, NEW = "old-key-old-key-old-key-old-key-old", "new-key-new-key-new-key-new-key-new"


@pytest.fixture(autouse=True)
def _keys(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = [OLD]


@pytest.fixture
def connection(workspace: Workspace) -> Connection:
    draft = ConnectionDraft("chative", "Chative", "https://api.example.org", "hush", carries=frozenset({"personas"}))
    return add_connection(workspace=workspace, draft=draft)


def test_what_is_sealed_is_read_with_any_of_the_keys(settings: Any) -> None:
    sealed = seal("hush")
    settings.ENCRYPTION_KEYS = [NEW, OLD]

    assert unseal(sealed) == "hush"
    assert "hush" not in sealed
    assert seal("hush") != sealed


def test_without_its_key_a_secret_is_unreadable_and_never_shown_as_it_is(settings: Any) -> None:
    sealed = seal("hush")
    settings.ENCRYPTION_KEYS = [NEW]

    with pytest.raises(SecretUnreadable):
        unseal(sealed)


def test_after_rotation_the_old_key_can_go(settings: Any, connection: Connection) -> None:
    settings.ENCRYPTION_KEYS = [NEW, OLD]

    call_command("rotate_encryption", stdout=StringIO())

    settings.ENCRYPTION_KEYS = [NEW]
    connection.refresh_from_db()
    assert target_of(connection).credential == "hush"


def test_rotation_without_the_old_key_changes_nothing(settings: Any, connection: Connection) -> None:
    settings.ENCRYPTION_KEYS = [NEW]

    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("rotate_encryption", stdout=StringIO())

    assert Connection.objects.get().sealed_credential == connection.sealed_credential
