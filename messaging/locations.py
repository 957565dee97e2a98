"""Places of the organisation: added and changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.models import validate_time_zone
from delivery import events
from messaging.models import Location
from personas.services import VersionConflict
from raven_admin.errors import RavenError


@dataclass(eq=False)
class LocationNotFound(RavenError):
    """There is no location {location_id} in this workspace."""

    code: ClassVar[str] = "location_not_found"
    location_id: int


@dataclass(eq=False)
class LocationCodeTaken(RavenError):
    """The code “{location_code}” already belongs to the location “{name}”."""

    code: ClassVar[str] = "location_code_taken"
    location_code: str
    name: str


@dataclass(eq=False)
class TimeZoneUnknown(RavenError):
    """“{time_zone}” is not a known time zone. Write one as Asia/Jakarta."""

    code: ClassVar[str] = "time_zone_unknown"
    time_zone: str


@transaction.atomic
def add_location(*, workspace_id: int, fields: Mapping[str, Any], at: datetime) -> Location:
    """A new location exists. Raises LocationCodeTaken and TimeZoneUnknown."""
    _check_zone(fields)
    _check_code(workspace_id, fields, location_id=None)
    location = Location(workspace_id=workspace_id, **fields, created_at=at, updated_at=at)
    _save(location, fields)
    events.record(workspace_id=workspace_id, kind="location.created", data={"location": location.pk}, at=at)
    return location


@transaction.atomic
def update_location(
    *, workspace_id: int, location_id: int, fields: Mapping[str, Any], version: int | None, at: datetime
) -> Location:
    """The location has these values; `version` as in `update_persona`.

    Raises TimeZoneUnknown, LocationNotFound, VersionConflict and LocationCodeTaken.
    """
    _check_zone(fields)
    location = Location.objects.select_for_update().filter(workspace=workspace_id, pk=location_id).first()
    if location is None:
        raise LocationNotFound(location_id=location_id)
    if version is not None and location.version != version:
        raise VersionConflict(current=location.version, given=version)
    changed = {name: value for name, value in fields.items() if getattr(location, name) != value}
    if changed:
        _check_code(workspace_id, changed, location_id=location_id)
        for name, value in changed.items():
            setattr(location, name, value)
        location.version += 1
        location.updated_at = at
        _save(location, changed)
        data = {"location": location.pk, "fields": sorted(changed)}
        events.record(workspace_id=workspace_id, kind="location.updated", data=data, at=at)
    return location


def _save(location: Location, fields: Mapping[str, Any]) -> None:
    try:
        with transaction.atomic():
            location.save()
    except IntegrityError:  # another call took the code a moment ago
        _check_code(location.workspace_id, fields, location_id=location.pk)
        raise


def _check_code(workspace_id: int, fields: Mapping[str, Any], *, location_id: int | None) -> None:
    if "code" in fields:
        taken = Location.objects.filter(workspace=workspace_id, code=fields["code"]).first()
        if taken is not None and taken.pk != location_id:
            raise LocationCodeTaken(location_code=taken.code, name=taken.name)


def _check_zone(fields: Mapping[str, Any]) -> None:
    if "time_zone" in fields:
        try:
            validate_time_zone(fields["time_zone"])
        except ValidationError:
            raise TimeZoneUnknown(time_zone=fields["time_zone"]) from None
