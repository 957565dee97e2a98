"""Calls of the gateway: the log of each, the figures that outlive it, and what limits and repeats them."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Workspace
from tokens.models.tokens import Token

USAGE_DAYS = 30


class RequestLogEntry(models.Model):
    """One call of the gateway, refused ones too. Token and workspace are None when no known token was shown.

    Rows are written by every call and pruned in batches, so they keep no foreign-key constraint: deleting a token
    must not wait for its log.
    """

    request_id = models.CharField(_("request id"), max_length=32, unique=True)
    received_at = models.DateTimeField(_("time"))
    workspace = models.ForeignKey(
        Workspace, on_delete=models.DO_NOTHING, null=True, related_name="+", db_constraint=False, db_index=False
    )
    token = models.ForeignKey(
        Token, on_delete=models.DO_NOTHING, null=True, related_name="+", db_constraint=False, db_index=False
    )
    ability = models.CharField(_("ability"), max_length=30, blank=True)
    method = models.CharField(_("method"), max_length=10)
    path = models.CharField(_("path"), max_length=500)
    status = models.PositiveSmallIntegerField(_("status"))
    code = models.CharField(_("code"), max_length=40, blank=True)
    """The stable code of a refusal; empty on success."""
    duration_ms = models.FloatField(_("milliseconds"))
    address = models.GenericIPAddressField(_("address"))
    agent = models.CharField(_("agent"), max_length=300, blank=True)
    request_body = models.TextField(_("request body"), blank=True)
    response_body = models.TextField(_("response body"), blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("API call")
        verbose_name_plural = _("API calls")
        indexes = [
            models.Index(fields=["token", "-id"], name="requestlog_of_token"),
            models.Index(fields=["workspace", "-id"], name="requestlog_of_workspace"),
        ]

    def __str__(self) -> str:
        return self.request_id


class UsageCount(models.Model):
    """How many calls of one kind a token made on a day (UTC), counted from the request log by the worker."""

    token = models.ForeignKey(Token, on_delete=models.CASCADE, related_name="+", db_index=False)
    day = models.DateField()
    ability = models.CharField(max_length=30, blank=True)
    address = models.GenericIPAddressField()
    status = models.PositiveSmallIntegerField()
    calls = models.PositiveBigIntegerField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["token", "day", "ability", "address", "status"], name="usagecount_unique")
        ]

    def __str__(self) -> str:
        return f"{self.token_id} {self.day} {self.ability} {self.status}: {self.calls}"


class _Day(models.Model):
    """How many calls of one kind there were on a day (UTC); kept long after the calls have left the log."""

    day = models.DateField()
    ability = models.CharField(max_length=30, blank=True)
    status = models.PositiveSmallIntegerField()
    code = models.CharField(max_length=40, blank=True)
    calls = models.PositiveBigIntegerField()
    last_at = models.DateTimeField()

    class Meta:
        abstract = True


class TokenDay(_Day):
    token = models.ForeignKey(Token, on_delete=models.CASCADE, related_name="+", db_index=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["token", "day", "ability", "status", "code"], name="tokenday_unique")
        ]
        indexes = [models.Index(fields=["day"], name="tokenday_oldest")]

    def __str__(self) -> str:
        return f"{self.token_id} {self.day} {self.ability} {self.status} {self.code}: {self.calls}"


class WorkspaceDay(_Day):
    """Of all tokens of a workspace, those too that are deleted since."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "day", "ability", "status", "code"], name="workspaceday_unique"
            )
        ]
        indexes = [models.Index(fields=["day"], name="workspaceday_oldest")]

    def __str__(self) -> str:
        return f"{self.workspace_id} {self.day} {self.ability} {self.status} {self.code}: {self.calls}"


class WorkspaceHour(models.Model):
    """How many calls of a workspace were answered so in an hour (UTC), for what is asked of the last 24 of them."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    hour = models.DateTimeField()
    """When it began."""
    status = models.PositiveSmallIntegerField()
    code = models.CharField(max_length=40, blank=True)
    calls = models.PositiveBigIntegerField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "hour", "status", "code"], name="workspacehour_unique")
        ]
        indexes = [models.Index(fields=["hour"], name="workspacehour_oldest")]

    def __str__(self) -> str:
        return f"{self.workspace_id} {self.hour} {self.status} {self.code}: {self.calls}"


class UsageProgress(models.Model):
    """The one row that says up to which log entry calls are counted: by caller, by day and by hour."""

    last_entry_id = models.PositiveBigIntegerField(default=0)
    days_known_from = models.DateTimeField(null=True)
    """Calls before were gone when days began to be counted; None: days know all calls."""

    def __str__(self) -> str:
        return str(self.last_entry_id)


class CallCount(models.Model):
    """How many calls of one kind there were since counting began, and their time; see `tokens.measures`."""

    status = models.PositiveSmallIntegerField()
    code = models.CharField(max_length=40, blank=True)
    bound_ms = models.PositiveIntegerField()
    """They took no longer than this, and longer than the bound before; 0: longer than the last bound."""
    calls = models.PositiveBigIntegerField(default=0)
    milliseconds = models.FloatField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["status", "code", "bound_ms"], name="callcount_unique")]

    def __str__(self) -> str:
        return f"{self.status} {self.code} ≤ {self.bound_ms} ms: {self.calls}"


class RateBucket(models.Model):
    """A token bucket: how many calls are left for a token or an address.

    PostgreSQL keeps no write-ahead log of this table: after a crash it is empty, and buckets are full.
    """

    key = models.CharField(max_length=64, primary_key=True)
    level = models.FloatField()
    refilled_at = models.FloatField()
    """Seconds since 1970."""
    was_allowed = models.BooleanField()

    def __str__(self) -> str:
        return f"{self.key}: {self.level:.1f}"


class IdempotencyKey(models.Model):
    """That a token used an Idempotency-Key, with the answer it got; no status yet means the call is still running."""

    token = models.ForeignKey(Token, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    claimed_at = models.DateTimeField(db_index=True)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(blank=True)
    etag = models.CharField(max_length=20, blank=True, db_default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token", "key"], name="idempotencykey_unique")]

    def __str__(self) -> str:
        return self.key
