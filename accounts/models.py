"""People who sign in, the workspaces they work in, and their role in each."""

import zoneinfo
from datetime import datetime
from typing import Any, ClassVar, Self

import phonenumbers
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.roles import ROLE_ACTIONS, Action, Role


def validate_time_zone(value: str) -> None:
    """`value` is a zone of the IANA database, as `Asia/Jakarta`."""
    if value not in zoneinfo.available_timezones():
        raise ValidationError(
            _("%(value)s is not a known time zone. Write one as Asia/Jakarta."), params={"value": value}
        )


def validate_country(value: str) -> None:
    """`value` is a country of libphonenumber, as `ID`."""
    if value not in phonenumbers.SUPPORTED_REGIONS:
        raise ValidationError(
            _("%(value)s is not a known country. Write its two letters, as ID."), params={"value": value}
        )


class User(AbstractUser):
    """A person who signs in, or a bot's name that messages are sent under."""

    time_zone = models.CharField(
        _("time zone"), max_length=64, blank=True, validators=[validate_time_zone],
        help_text=_("Empty: the workspace's own."),
    )  # fmt: skip
    language = models.CharField(
        _("language"), max_length=10, blank=True, help_text=_("Empty: the one that the browser asks for.")
    )

    class Meta(AbstractUser.Meta):
        constraints = [
            models.UniqueConstraint(
                Lower("username"),
                name="user_username_unique_in_any_case",
                violation_error_message=_("A user with that username already exists."),
            )
        ]

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.username


class WorkspaceQuerySet(models.QuerySet["Workspace"]):
    def of(self, user: Any) -> Self:
        """The workspaces `user` is a member of; a superuser sees all."""
        if user.is_superuser:
            return self
        return self.filter(memberships__user=user)


class Workspace(models.Model):
    """An organisation's own set of tokens, personas and messages; every other row belongs to exactly one."""

    name = models.CharField(_("name"), max_length=100)
    slug = models.SlugField(_("short name"), max_length=50, unique=True)
    account_number = models.PositiveBigIntegerField(_("account number"), unique=True, editable=False)
    pro_is_on = models.BooleanField(_("Pro"), default=True, help_text=_("Without Pro, every API call answers 401."))
    pro_until = models.DateTimeField(_("Pro until"), null=True, blank=True, help_text=_("Empty: no end."))
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC", validators=[validate_time_zone])
    country = models.CharField(
        _("country"), max_length=2, default="ID", validators=[validate_country, RegexValidator(r"^[A-Z]{2}$")],
        help_text=_("Phone numbers written without a country code are read as this country's."),
    )  # fmt: skip
    message_retention_days = models.PositiveIntegerField(
        _("days that messages are kept"), null=True, blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(36_500)],
        help_text=_("Older messages are deleted every night. Empty: they are kept for ever."),
    )  # fmt: skip
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects: ClassVar[Any] = WorkspaceQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name = _("workspace")
        verbose_name_plural = _("workspaces")

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.account_number is None:
            highest = Workspace.objects.aggregate(highest=models.Max("account_number"))["highest"]
            self.account_number = (highest or 1000) + 1
        super().save(*args, **kwargs)

    def is_pro(self, *, at: datetime) -> bool:
        return self.pro_is_on and (self.pro_until is None or at < self.pro_until)


class Membership(models.Model):
    """That a person works in a workspace, and as what."""

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("workspace")
    )
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("person"))
    role = models.CharField(_("role"), max_length=10, choices=Role.choices, default=Role.VIEWER)
    created_at = models.DateTimeField(_("since"), default=timezone.now, editable=False)

    class Meta:
        ordering = ["workspace", "user"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "user"], name="membership_unique"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role_known"),
        ]
        verbose_name = _("person")
        verbose_name_plural = _("people")

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()}"

    def may(self, action: Action) -> bool:
        return action in ROLE_ACTIONS[self.role]
