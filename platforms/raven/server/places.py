"""Locations."""

import msgspec

from messaging.locations import LocationCodeTaken, LocationNotFound, TimeZoneUnknown, add_location, update_location
from messaging.models import Location
from personas.services import VersionConflict
from platforms.paging import page_after
from platforms.raven.server import wire
from platforms.raven.server.common import listed, location_data, said
from tokens.endpoints import Answer, Call, Endpoint


def location_list(call: Call, query: wire.Page) -> Answer:
    locations = Location.objects.filter(workspace=call.token.workspace_id)
    page, following = page_after(locations, cursor=query.cursor, limit=query.limit)
    return listed([location_data(location) for location in page], "Locations Read Successfully", next=following)


def location_add(call: Call, body: wire.LocationAdd) -> Answer:
    location = add_location(workspace_id=call.token.workspace_id, fields=msgspec.structs.asdict(body), at=call.now)
    return said(location_data(location), "Location Added Successfully", version=location.version)


def location_read(call: Call, location_id: int) -> Answer:
    location = Location.objects.filter(workspace=call.token.workspace_id, pk=location_id).first()
    if location is None:
        raise LocationNotFound(location_id=location_id)
    return said(location_data(location), "Location Read Successfully", version=location.version)


def location_update(call: Call, location_id: int, body: wire.LocationUpdate) -> Answer:
    given = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not msgspec.UNSET}
    location = update_location(
        workspace_id=call.token.workspace_id, location_id=location_id, fields=given, version=call.if_match, at=call.now
    )
    return said(location_data(location), "Location Updated Successfully", version=location.version)


ENDPOINTS = (
    Endpoint(
        "GET", "location", "location_read", location_list, "List the locations",
        query=wire.Page, data=list[wire.LocationData], is_list=True,
    ),
    Endpoint(
        "POST", "location", "location_write", location_add, "Add a location",
        body=wire.LocationAdd, data=wire.LocationData, refusals=(LocationCodeTaken, TimeZoneUnknown),
    ),
    Endpoint(
        "GET", "location/<int:location_id>", "location_read", location_read, "Read one location",
        data=wire.LocationData, refusals=(LocationNotFound,),
    ),
    Endpoint(
        "PATCH", "location/<int:location_id>", "location_write", location_update, "Change a location",
        body=wire.LocationUpdate, data=wire.LocationData, if_match=True,
        refusals=(LocationNotFound, VersionConflict, LocationCodeTaken, TimeZoneUnknown),
    ),
)  # fmt: skip
