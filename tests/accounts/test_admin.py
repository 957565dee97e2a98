from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from accounts.models import Membership, User, Workspace
from accounts.roles import Role

pytestmark = pytest.mark.django_db
PEOPLE = reverse("admin:accounts_membership_changelist")
ADD = reverse("admin:accounts_membership_add")
GOOD = "a long new phrase"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def membership_of(user: User) -> Membership:
    return Membership.objects.get(user=user)


def person(**changes: Any) -> dict[str, Any]:
    new = {
        "account": "new",
        "username": "dewi",
        "full_name": "Dewi A",
        "email": "",
        "password": GOOD,
        "role": "support",
    }
    return new | changes


def test_admin_adds_a_person_who_can_sign_in_at_once(admin_user: User) -> None:
    answer = signed_in(admin_user).post(ADD, person(), follow=True)

    assert "Dewi A can sign in now." in answer.content.decode()
    newcomer = Client()
    newcomer.post(reverse("admin:login"), {"username": "dewi", "password": GOOD})
    assert newcomer.get(reverse("admin:index")).status_code == 200
    assert membership_of(User.objects.get(username="dewi")).role == Role.SUPPORT


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"username": "AYU"}, "already has the username"),
        ({"password": "password123"}, "too common"),
        ({"password": ""}, "Type a password"),
        ({"account": "existing", "email": ""}, "Write the e-mail address"),
        ({"account": "existing", "email": "x@example.org"}, "There is no account with this username and this e-mail"),
        ({"role": "owner"}, "Select a valid choice"),
        ({"username": "a b"}, "Enter a valid username"),
    ],
)
def test_person_who_cannot_be_added_is_refused_beside_the_field(
    admin_user: User, given: dict[str, str], said: str
) -> None:
    answer = signed_in(admin_user).post(ADD, person(**given))

    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert Membership.objects.count() == 1


def test_people_of_a_workspace_without_any_say_what_the_roles_may_do() -> None:
    Workspace.objects.create(name="New", slug="new")
    superuser = User.objects.create_superuser("root", password=GOOD)

    page = signed_in(superuser).get(PEOPLE).text

    assert "Nobody works here yet" in page
    assert "support works with personas and messages" in page
    assert f'href="{ADD}"' in page


def test_admin_changes_a_role_and_the_history_says_so(admin_user: User, viewer_user: User) -> None:
    client = signed_in(admin_user)
    row = membership_of(viewer_user)

    client.post(reverse("admin:accounts_membership_change", args=[row.pk]), {"role": "support"})

    assert membership_of(viewer_user).role == Role.SUPPORT
    history = client.get(reverse("admin:accounts_membership_history", args=[row.pk])).content.decode()
    assert "Changed Role." in history
    assert "Ayu" in history


def test_last_admin_reads_why_they_stay_admin(admin_user: User) -> None:
    client = signed_in(admin_user)
    row = membership_of(admin_user)

    demoted = client.post(reverse("admin:accounts_membership_change", args=[row.pk]), {"role": "viewer"}, follow=True)
    removed = client.post(reverse("admin:accounts_membership_delete", args=[row.pk]), {"post": "yes"}, follow=True)

    for answer in (demoted, removed):
        assert "Ayu is the last admin of this workspace." in answer.content.decode()
    assert membership_of(admin_user).role == Role.ADMIN
    assert not LogEntry.objects.exists()


def test_admin_removes_a_person(admin_user: User, viewer_user: User) -> None:
    row = membership_of(viewer_user)

    answer = signed_in(admin_user).post(
        reverse("admin:accounts_membership_delete", args=[row.pk]), {"post": "yes"}, follow=True
    )

    assert answer.status_code == 200
    assert not Membership.objects.filter(user=viewer_user).exists()
    assert User.objects.filter(pk=viewer_user.pk).exists()


def test_admin_sets_a_new_password(admin_user: User, viewer_user: User) -> None:
    row = membership_of(viewer_user)

    signed_in(admin_user).post(reverse("admin:accounts_membership_password", args=[row.pk]), {"password": GOOD})

    viewer_user.refresh_from_db()
    assert viewer_user.check_password(GOOD)


def test_password_of_a_person_with_another_workspace_is_refused(
    admin_user: User, viewer_user: User, other_workspace: Workspace
) -> None:
    row = membership_of(viewer_user)
    Membership.objects.create(workspace=other_workspace, user=viewer_user)
    address = reverse("admin:accounts_membership_password", args=[row.pk])

    answer = signed_in(admin_user).post(address, {"password": GOOD})

    assert "only they themselves can change" in answer.content.decode()
    viewer_user.refresh_from_db()
    assert not viewer_user.check_password(GOOD)


def test_viewer_sees_who_works_here_and_no_button_to_change_it(viewer_user: User, admin_user: User) -> None:
    page = signed_in(viewer_user).get(PEOPLE).content.decode()

    assert "Ayu" in page
    assert ADD not in page


def test_admin_changes_name_zone_and_country_but_not_pro_nor_numbers(admin_user: User, workspace: Workspace) -> None:
    address = reverse("admin:accounts_workspace_change", args=[workspace.pk])
    given = {
        "name": "New name", "time_zone": "Asia/Makassar", "country": "MY", "slug": "taken-over",
        "account_number": "1", "pro_is_on": "", "pro_until": "2030-01-01T00:00",
    }  # fmt: skip

    answer = signed_in(admin_user).post(address, given)

    assert (answer.status_code, answer["Location"]) == (302, address)
    before = workspace.account_number
    workspace.refresh_from_db()
    assert (workspace.name, workspace.time_zone, workspace.country) == ("New name", "Asia/Makassar", "MY")
    assert (workspace.slug, workspace.account_number) == ("demo", before)
    assert (workspace.pro_is_on, workspace.pro_until) == (True, None)


def test_superuser_switches_pro_and_makes_workspaces(admin_user: User, workspace: Workspace) -> None:
    User.objects.filter(pk=admin_user.pk).update(is_superuser=True)
    client = signed_in(admin_user)
    given = {"name": "Demo", "time_zone": "Asia/Jakarta", "country": "ID", "pro_until": "2030-01-01T00:00"}

    client.post(reverse("admin:accounts_workspace_change", args=[workspace.pk]), given)
    client.post(reverse("admin:accounts_workspace_add"), given | {"name": "Third", "slug": "third", "pro_is_on": "on"})

    workspace.refresh_from_db()
    assert not workspace.pro_is_on
    assert workspace.pro_until is not None
    assert workspace.pro_until.isoformat() == "2029-12-31T17:00:00+00:00"
    assert Workspace.objects.get(slug="third").account_number == workspace.account_number + 1


@pytest.mark.parametrize("moment", ["0001-01-01T00:00", "9999-12-31T23:59"])
def test_pro_ends_at_a_moment_that_every_time_zone_can_show(
    admin_user: User, workspace: Workspace, moment: str
) -> None:
    User.objects.filter(pk=admin_user.pk).update(is_superuser=True)
    given = {"name": "Demo", "time_zone": "Asia/Jakarta", "country": "ID", "pro_until": moment}

    refused = signed_in(admin_user).post(reverse("admin:accounts_workspace_change", args=[workspace.pk]), given)

    assert "Write a moment between the years 1900 and 9998" in refused.text
    workspace.refresh_from_db()
    assert workspace.pro_until is None


def test_person_changes_their_own_profile_and_nothing_beyond(viewer_user: User) -> None:
    given = {
        "first_name": "Citra", "last_name": "Dewi", "email": "c@example.org", "time_zone": "Asia/Tokyo",
        "username": "root", "is_superuser": "on",
    }  # fmt: skip

    signed_in(viewer_user).post(reverse("admin:profile"), given)

    viewer_user.refresh_from_db()
    assert (viewer_user.get_full_name(), viewer_user.email, viewer_user.time_zone) == (
        "Citra Dewi", "c@example.org", "Asia/Tokyo",
    )  # fmt: skip
    assert (viewer_user.username, viewer_user.is_superuser) == ("citra", False)


def test_times_are_shown_in_the_zone_of_the_viewer(viewer_user: User) -> None:
    User.objects.filter(pk=viewer_user.pk).update(time_zone="Asia/Tokyo")
    Membership.objects.filter(user=viewer_user).update(created_at="2026-11-21T09:00:00Z")

    page = signed_in(viewer_user).get(reverse("admin:accounts_membership_change", args=[membership_of(viewer_user).pk]))

    assert (
        '<time class="nowrap" datetime="2026-11-21T09:00:00Z" title="2026-11-21 09:00:00 UTC">21 Nov 2026, 18:00'
        in (page.content.decode())
    )
