"""Who is told that a token ends: by mail, by the console's banner, by a calendar."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.models import Workspace
from tokens.models.tokens import Token


class ExpiryNotice(models.Model):
    """That it was told that a token ends in so many days (0: it has ended); each is told once for an expiration."""

    token = models.ForeignKey(Token, on_delete=models.CASCADE, related_name="+", db_index=False)
    expires_at = models.DateTimeField()
    days = models.PositiveSmallIntegerField()
    told_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token", "expires_at", "days"], name="expirynotice_unique")]

    def __str__(self) -> str:
        return f"{self.token_id}: {self.days}"


class BannerDismissal(models.Model):
    """Up to when a person has seen what the console's banner tells of a workspace; it shows what came later."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    dismissed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "workspace"], name="bannerdismissal_unique")]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.workspace_id}: {self.dismissed_at}"


class CalendarFeed(models.Model):
    """That a person's calendar program may read when the tokens of a workspace end; its address was shown once."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64, unique=True)
    """Of the secret in the address."""
    made_at = models.DateTimeField(default=timezone.now)
    last_read_at = models.DateTimeField(null=True)
    """Exact to an hour."""
    content_tag = models.CharField(max_length=34, blank=True, db_default="")
    """The ETag of what was read last."""
    content_changed_at = models.DateTimeField(null=True)
    """When it was first read so."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "workspace"], name="calendarfeed_unique")]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.workspace_id}"
