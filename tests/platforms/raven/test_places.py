"""Locations over Raven's API."""

from typing import Any

import pytest

from accounts.models import Workspace
from delivery.models import Event
from messaging.models import Location
from personas.models import Persona
from tests.platforms.raven.conftest import Api, refused

pytestmark = pytest.mark.django_db

SHOP = {"name": "Shop", "code": "shop-1", "time_zone": "Asia/Jakarta"}


@pytest.fixture
def shop(workspace: Workspace) -> Location:
    return Location.objects.create(workspace=workspace, **SHOP)


@pytest.fixture
def theirs(other_workspace: Workspace) -> Location:
    return Location.objects.create(workspace=other_workspace, name="Theirs", code="shop-1", time_zone="UTC")


def test_an_added_location_is_there(call: Api, theirs: Location) -> None:
    answer = call("location", SHOP | {"address": "Jl. Merdeka 1", "phone": "+62 21 1234", "is_open": False})

    location = Location.objects.exclude(pk=theirs.pk).get()
    expected = {
        "id": location.pk, "name": "Shop", "code": "shop-1", "address": "Jl. Merdeka 1", "phone": "+62 21 1234",
        "time_zone": "Asia/Jakarta", "is_open": False, "version": 1,
    }  # fmt: skip
    assert (answer.status_code, answer["ETag"]) == (200, '"1"')
    assert answer.json() == {"data": expected, "notification": "Location Added Successfully"}
    assert call(f"location/{location.pk}").json()["data"] == expected
    assert call("location").json()["data"] == [expected]
    assert (Event.objects.get().kind, Event.objects.get().data) == ("location.created", {"location": location.pk})


@pytest.mark.parametrize(
    ("changes", "status", "code", "path"),
    [
        ({"name": ""}, 400, "body_invalid", "name"),
        ({"name": "x" * 101}, 400, "body_invalid", "name"),
        ({"name": None}, 400, "body_invalid", "name"),
        ({"code": ""}, 400, "body_invalid", "code"),
        ({"code": "a b"}, 400, "body_invalid", "code"),
        ({"code": "a\n"}, 400, "body_invalid", "code"),
        ({"code": "é"}, 400, "body_invalid", "code"),
        ({"code": "x" * 51}, 400, "body_invalid", "code"),
        ({"code": "taken"}, 409, "location_code_taken", "code"),
        ({"time_zone": "Mars/Olympus"}, 400, "time_zone_unknown", "time_zone"),
        ({"time_zone": ""}, 400, "time_zone_unknown", "time_zone"),
        ({"time_zone": "../etc/passwd"}, 400, "time_zone_unknown", "time_zone"),
        ({"address": "x" * 501}, 400, "body_invalid", "address"),
        ({"phone": "x" * 31}, 400, "body_invalid", "phone"),
        ({"is_open": 1}, 400, "body_invalid", "is_open"),
        ({"version": 1}, 400, "body_invalid", "version"),
    ],
)
def test_a_wrong_location_is_refused_when_added_and_when_changed(
    call: Api, workspace: Workspace, shop: Location, changes: dict[str, Any], status: int, code: str, path: str
) -> None:
    Location.objects.create(workspace=workspace, name="Other", code="taken", time_zone="UTC")

    added = call("location", SHOP | {"code": "new"} | changes)
    changed = call(f"location/{shop.pk}", changes, method="PATCH")

    assert refused(added) == refused(changed) == (status, code, path)
    shop.refresh_from_db()
    assert (Location.objects.count(), shop.name, shop.version, Event.objects.count()) == (2, "Shop", 1, 0)


@pytest.mark.parametrize("missing", ["name", "code", "time_zone"])
def test_a_location_needs_a_name_a_code_and_a_zone(call: Api, workspace: Workspace, missing: str) -> None:
    assert refused(call("location", {k: v for k, v in SHOP.items() if k != missing})) == (400, "body_invalid", missing)


def test_what_a_change_names_changes_and_the_rest_stays(call: Api, shop: Location) -> None:
    answer = call(f"location/{shop.pk}", {"name": "Store", "is_open": False, "code": "shop-1"}, method="PATCH")

    assert (answer.json()["notification"], answer["ETag"]) == ("Location Updated Successfully", '"2"')
    shop.refresh_from_db()
    assert (shop.name, shop.is_open, shop.code, shop.time_zone, shop.version) == (
        "Store", False, "shop-1", "Asia/Jakarta", 2,
    )  # fmt: skip
    assert Event.objects.get().data == {"location": shop.pk, "fields": ["is_open", "name"]}


def test_a_change_that_changes_nothing_leaves_no_trace(call: Api, shop: Location) -> None:
    answers = [call(f"location/{shop.pk}", body, method="PATCH") for body in ({}, SHOP)]

    assert [answer.json()["data"]["version"] for answer in answers] == [1, 1]
    assert Event.objects.count() == 0


def test_a_change_of_a_version_that_is_gone_is_412(call: Api, shop: Location) -> None:
    def change(name: str, version: str) -> Any:
        return call(f"location/{shop.pk}", {"name": name}, method="PATCH", **{"If-Match": version})

    first, second, nonsense = change("One", '"1"'), change("Two", '"1"'), change("Three", '"x"')

    assert first.status_code == 200
    assert refused(second) == (412, "version_conflict", "If-Match")
    assert refused(nonsense)[:2] == (400, "if_match_invalid")
    shop.refresh_from_db()
    assert shop.name == "One"


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_location_elsewhere_is_not_found(call: Api, theirs: Location, method: str) -> None:
    body = {"name": "Mine"} if method == "PATCH" else None

    answers = [call(f"location/{id}", body, method=method) for id in (theirs.pk, 0, 2**63 - 1, 2**63, 10**40)]

    assert [refused(answer)[:2] for answer in answers] == [(404, "location_not_found")] * 5
    assert call("location").json()["data"] == []
    theirs.refresh_from_db()
    assert theirs.name == "Theirs"


def test_pages_of_locations_stay_while_rows_are_added(call: Api, workspace: Workspace) -> None:
    for code in "zyx":
        Location.objects.create(workspace=workspace, name=code, code=code, time_zone="UTC")

    first = call("location?limit=2").json()
    Location.objects.create(workspace=workspace, name="a", code="a", time_zone="UTC")
    second = call(f"location?limit=2&cursor={first['next']}").json()

    assert [[location["code"] for location in page["data"]] for page in (first, second)] == [["z", "y"], ["x", "a"]]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("query", "path"), [("limit=0", "limit"), ("limit=201", "limit"), ("cursor=x", "cursor"), ("name=Shop", "name")]
)
def test_a_wrong_parameter_is_refused_by_its_name(call: Api, query: str, path: str) -> None:
    assert refused(call(f"location?{query}")) == (400, "query_invalid", path)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b'{"name": "a", "name": "b"}', b'{"name": "\\ud800"}', b'{"name": "\\u0000"}', b"[" * 100_000,
        b'{"is_open": 1e400}', b'{"address": ' + b'{"a":' * 30_000,
    ],
    ids=range(8),
)  # fmt: skip
def test_garbage_is_refused_and_nothing_is_saved(call: Api, shop: Location, raw: bytes) -> None:
    answers = [call("location", raw), call(f"location/{shop.pk}", raw, method="PATCH")]

    assert [refused(answer)[:2] for answer in answers] == [(400, "body_invalid")] * 2
    assert (Location.objects.count(), Location.objects.get().version) == (1, 1)


def test_a_bound_token_has_no_business_with_locations(call: Api, derive: Any, shop: Location) -> None:
    bound = derive(persona=Persona.objects.create(workspace=shop.workspace, name="Peter").pk)

    answers = [
        call("location", token=bound),
        call("location", SHOP | {"code": "new"}, token=bound),
        call(f"location/{shop.pk}", token=bound),
        call(f"location/{shop.pk}", {"name": "x"}, method="PATCH", token=bound),
    ]

    assert [refused(answer)[:2] for answer in answers] == [(403, "token_bound")] * 4
