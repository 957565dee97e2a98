"""Locations: added and changed, with codes of their own."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from accounts.models import Workspace
from delivery.models import Event
from messaging.locations import LocationCodeTaken, LocationNotFound, TimeZoneUnknown, add_location, update_location
from messaging.models import Location
from personas.services import VersionConflict

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
SHOP = {"name": "Shop", "code": "shop-1", "time_zone": "Asia/Jakarta"}


def _add(workspace: Workspace, **fields: Any) -> Location:
    return add_location(workspace_id=workspace.pk, fields=SHOP | fields, at=AT)


def _update(location: Location, version: int | None = None, **fields: Any) -> Location:
    return update_location(
        workspace_id=location.workspace_id, location_id=location.pk, fields=fields, version=version, at=AT
    )


def test_a_code_is_taken_in_its_workspace_only(workspace: Workspace, other_workspace: Workspace) -> None:
    _add(workspace)
    _add(other_workspace)

    with pytest.raises(LocationCodeTaken) as refused:
        _add(workspace, name="Other")

    assert str(refused.value) == "The code “shop-1” already belongs to the location “Shop”."
    assert Location.objects.filter(workspace=workspace).count() == 1


def test_a_change_is_one_version_and_one_event(workspace: Workspace) -> None:
    location = _add(workspace)
    Event.objects.all().delete()

    changed = _update(location, version=1, name="Store", code="shop-1", is_open=False)
    again = _update(location, name="Store")

    assert (changed.name, changed.version, again.version) == ("Store", 2, 2)
    assert Event.objects.get().data == {"location": location.pk, "fields": ["is_open", "name"]}


def test_a_wrong_change_leaves_it_as_it_was(workspace: Workspace, other_workspace: Workspace) -> None:
    location = _add(workspace)
    _add(workspace, code="taken")
    elsewhere = Location(pk=location.pk, workspace=other_workspace)

    with pytest.raises(LocationCodeTaken):
        _update(location, name="X", code="taken")
    with pytest.raises(TimeZoneUnknown):
        _update(location, name="X", time_zone="Mars/Olympus")
    with pytest.raises(VersionConflict):
        _update(location, version=2, name="X")
    with pytest.raises(LocationNotFound):
        _update(elsewhere, name="X")

    location.refresh_from_db()
    assert (location.name, location.version) == ("Shop", 1)


@pytest.mark.django_db(transaction=True)
def test_a_code_that_many_want_at_once_is_ones(workspace: Workspace) -> None:
    gate = threading.Barrier(6)

    def add(number: int) -> str:
        try:
            gate.wait(30)
            _add(workspace, name=str(number))
        except LocationCodeTaken as error:
            return error.code
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(6) as pool:
        said = list(pool.map(add, range(6)))

    assert sorted(said) == ["", *["location_code_taken"] * 5]
    assert Location.objects.get().name == str(said.index(""))
    assert Event.objects.count() == 1
