"""Everything that happens to people and workspaces, each in one transaction."""

from dataclasses import dataclass
from typing import ClassVar

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.models import Membership, User, Workspace
from accounts.roles import Role
from raven_admin.errors import RavenError


@dataclass(eq=False)
class LastAdmin(RavenError):
    """{name} is the last admin of this workspace. Make somebody else an admin first."""

    code: ClassVar[str] = "last_admin"
    name: str


@dataclass(eq=False)
class UsernameTaken(RavenError):
    """Somebody already has the username “{username}”. Choose another, or add them with the account they have."""

    code: ClassVar[str] = "username_taken"
    username: str


@dataclass(eq=False)
class AccountNotFound(RavenError):
    """There is no account with this username and this e-mail address. Ask the person how both are written."""

    code: ClassVar[str] = "account_not_found"


@dataclass(eq=False)
class AlreadyMember(RavenError):
    """{name} already works in this workspace."""

    code: ClassVar[str] = "already_member"
    name: str


@dataclass(eq=False)
class PasswordTooWeak(RavenError):
    """{reasons}"""

    code: ClassVar[str] = "password_too_weak"
    reasons: str


@dataclass(eq=False)
class PasswordNotYours(RavenError):
    """{name} also works in other workspaces, so only they themselves can change their password."""

    code: ClassVar[str] = "password_not_yours"
    name: str


@transaction.atomic
def add_new_person(
    *, workspace: Workspace, username: str, full_name: str, email: str, password: str, role: Role
) -> Membership:
    """A new account exists and works in `workspace`. Raises UsernameTaken and PasswordTooWeak."""
    first_name, _space, last_name = full_name.strip().partition(" ")
    user = User(username=User.normalize_username(username), first_name=first_name, last_name=last_name, email=email)
    _set_password(user, password)
    if User.objects.filter(username__iexact=user.username).exists():
        raise UsernameTaken(username=user.username)
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:
        raise UsernameTaken(username=user.username) from None
    return Membership.objects.create(workspace=workspace, user=user, role=role)


@transaction.atomic
def add_existing_person(*, workspace: Workspace, username: str, email: str, role: Role) -> Membership:
    """Somebody who has an account works in `workspace` too.

    An admin must know the username and the e-mail address together, and learns nothing of accounts of which they
    know one only. Raises AccountNotFound and AlreadyMember.
    """
    user = User.objects.filter(username__iexact=username.strip(), is_active=True).first()
    if user is None or not user.email or user.email.lower() != email.strip().lower():
        raise AccountNotFound
    membership, is_new = Membership.objects.get_or_create(workspace=workspace, user=user, defaults={"role": role})
    if not is_new:
        raise AlreadyMember(name=user.display_name)
    return membership


@transaction.atomic
def change_role(*, membership: Membership, role: Role) -> None:
    """The person has `role`. Raises LastAdmin."""
    if role != Role.ADMIN:
        _leaves_an_admin(membership)
    Membership.objects.filter(pk=membership.pk).update(role=role)


@transaction.atomic
def remove_person(*, membership: Membership) -> None:
    """The person no longer works in the workspace; their account stays. Raises LastAdmin."""
    _leaves_an_admin(membership)
    Membership.objects.filter(pk=membership.pk).delete()


@transaction.atomic
def reset_password(*, membership: Membership, password: str) -> None:
    """The person signs in with `password` from now on, and is signed out everywhere.

    An account that reaches further than this workspace is not in its admin's hands. Raises PasswordNotYours and
    PasswordTooWeak.
    """
    user = User.objects.select_for_update().get(pk=membership.user_id)
    if may_not_reset(membership):
        raise PasswordNotYours(name=user.display_name)
    _set_password(user, password)
    user.save(update_fields=["password"])


def may_not_reset(membership: Membership) -> bool:
    """Whether the account reaches further than the workspace of `membership`."""
    user = membership.user
    return user.is_superuser or user.memberships.exclude(workspace=membership.workspace_id).exists()


def _leaves_an_admin(membership: Membership) -> None:
    """Locks the workspace's admins, so that two admins can't remove each other at once."""
    admins = Membership.objects.select_for_update().filter(workspace=membership.workspace_id, role=Role.ADMIN)
    ids = set(admins.values_list("pk", flat=True))
    if ids == {membership.pk}:
        raise LastAdmin(name=membership.user.display_name)


def _set_password(user: User, password: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as weak:
        raise PasswordTooWeak(reasons=" ".join(weak.messages)) from None
    user.set_password(password)
