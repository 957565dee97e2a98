import pytest
from django.test import Client

from accounts.models import Membership, User, Workspace
from accounts.roles import Role
from accounts.services import (
    AccountNotFound,
    AlreadyMember,
    LastAdmin,
    PasswordNotYours,
    PasswordTooWeak,
    UsernameTaken,
    add_existing_person,
    add_new_person,
    change_role,
    remove_person,
    reset_password,
)

pytestmark = pytest.mark.django_db
GOOD = "a long new phrase"


def membership_of(user: User) -> Membership:
    return Membership.objects.get(user=user)


def test_new_person_can_sign_in_and_has_the_role(workspace: Workspace, client: Client) -> None:
    made = add_new_person(
        workspace=workspace, username="dewi", full_name="Dewi Anggraini", email="d@example.org", password=GOOD,
        role=Role.SUPPORT,
    )  # fmt: skip

    assert (made.user.get_full_name(), made.role, made.workspace) == ("Dewi Anggraini", "support", workspace)
    assert made.user.check_password(GOOD)
    assert not made.user.is_superuser


def test_username_of_somebody_elsewhere_is_refused_in_any_letters(workspace: Workspace, viewer_user: User) -> None:
    with pytest.raises(UsernameTaken):
        add_new_person(workspace=workspace, username="CITRA", full_name="", email="", password=GOOD, role=Role.VIEWER)


def test_new_person_with_a_weak_password_is_refused(workspace: Workspace) -> None:
    with pytest.raises(PasswordTooWeak, match="too short"):
        add_new_person(workspace=workspace, username="dewi", full_name="", email="", password="dewi", role=Role.VIEWER)

    assert not User.objects.filter(username="dewi").exists()


def test_existing_person_is_added_by_username_and_email_together(other_workspace: Workspace, viewer_user: User) -> None:
    User.objects.filter(pk=viewer_user.pk).update(email="Citra@example.org")

    made = add_existing_person(workspace=other_workspace, username="Citra", email="citra@EXAMPLE.org", role=Role.VIEWER)

    assert (made.user, made.workspace) == (viewer_user, other_workspace)
    viewer_user.refresh_from_db()
    assert viewer_user.check_password("correct horse battery")


@pytest.mark.parametrize(
    ("username", "email"), [("citra", "other@example.org"), ("nobody", "c@example.org"), ("ayu", "")]
)
def test_account_of_which_only_half_is_known_is_not_told_from_none(
    other_workspace: Workspace, admin_user: User, viewer_user: User, username: str, email: str
) -> None:
    User.objects.filter(pk=viewer_user.pk).update(email="c@example.org")

    with pytest.raises(AccountNotFound):
        add_existing_person(workspace=other_workspace, username=username, email=email, role=Role.VIEWER)


def test_person_is_not_added_twice(workspace: Workspace, viewer_user: User) -> None:
    User.objects.filter(pk=viewer_user.pk).update(email="c@example.org")

    with pytest.raises(AlreadyMember):
        add_existing_person(workspace=workspace, username="citra", email="c@example.org", role=Role.ADMIN)

    assert membership_of(viewer_user).role == Role.VIEWER


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.VIEWER])
def test_last_admin_is_neither_demoted_nor_removed(admin_user: User, viewer_user: User, role: Role) -> None:
    last = membership_of(admin_user)

    with pytest.raises(LastAdmin):
        change_role(membership=last, role=role)
    with pytest.raises(LastAdmin):
        remove_person(membership=last)

    assert membership_of(admin_user).role == Role.ADMIN


def test_admin_is_demoted_and_removed_when_there_is_another(admin_user: User, viewer_user: User) -> None:
    change_role(membership=membership_of(viewer_user), role=Role.ADMIN)

    change_role(membership=membership_of(admin_user), role=Role.VIEWER)
    remove_person(membership=membership_of(admin_user))

    assert list(Membership.objects.values_list("user__username", "role")) == [("citra", "admin")]
    assert User.objects.filter(username="ayu").exists()


def test_admins_of_other_workspaces_do_not_count(
    admin_user: User, other_workspace: Workspace, viewer_user: User
) -> None:
    Membership.objects.create(workspace=other_workspace, user=viewer_user, role=Role.ADMIN)

    with pytest.raises(LastAdmin):
        remove_person(membership=membership_of(admin_user))


def test_password_of_a_person_of_this_workspace_only_is_set_and_ends_their_session(
    viewer_user: User, client: Client
) -> None:
    client.force_login(viewer_user, backend="django.contrib.auth.backends.ModelBackend")

    reset_password(membership=membership_of(viewer_user), password=GOOD)

    viewer_user.refresh_from_db()
    assert viewer_user.check_password(GOOD)
    assert client.get("/console/").status_code == 302


def test_password_of_a_person_who_works_elsewhere_too_is_not_in_an_admins_hands(
    viewer_user: User, other_workspace: Workspace
) -> None:
    here = membership_of(viewer_user)
    Membership.objects.create(workspace=other_workspace, user=viewer_user, role=Role.VIEWER)

    with pytest.raises(PasswordNotYours):
        reset_password(membership=here, password=GOOD)


def test_password_of_a_superuser_is_not_in_an_admins_hands(viewer_user: User) -> None:
    User.objects.filter(pk=viewer_user.pk).update(is_superuser=True)

    with pytest.raises(PasswordNotYours):
        reset_password(membership=membership_of(viewer_user), password=GOOD)
