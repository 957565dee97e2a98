"""Personas that are likely one person, and what was looked at to find them."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Workspace
from personas.models.people import Persona


class DuplicatePair(models.Model):
    """Two personas that are likely one person, until somebody merges them or says that they are two."""

    class Reason(models.TextChoices):
        SAME_NUMBER = "same_number", _("Same number")
        SAME_EMAIL = "same_email", _("Same e-mail address")
        NEAR_NAME = "near_name", _("Near name and something shared")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    first = models.ForeignKey(Persona, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Persona, on_delete=models.CASCADE, related_name="+")
    """The younger of the two: its id is the higher one."""
    reason = models.CharField(max_length=20, choices=Reason.choices)
    detail = models.CharField(max_length=255, blank=True)
    """What they share, as the number."""
    found_at = models.DateTimeField(default=timezone.now)
    dismissed_at = models.DateTimeField(null=True)
    dismissed_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("pair of duplicates")
        verbose_name_plural = _("duplicates")
        constraints = [
            models.UniqueConstraint(fields=["first", "second"], name="duplicatepair_unique"),
            models.CheckConstraint(
                condition=models.Q(first__lt=models.F("second")), name="duplicatepair_older_one_first"
            ),
        ]
        indexes = [
            models.Index(
                fields=["workspace", "-id"], condition=models.Q(dismissed_at__isnull=True), name="duplicatepair_open"
            ),
            models.Index(
                fields=["workspace", "-id"], condition=models.Q(dismissed_at__isnull=False), name="duplicatepair_closed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.first_id} = {self.second_id}?"


class DuplicateKey(models.Model):
    """Something that two personas may share who are one person, in one notation: see `personas.duplicates`."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    persona = models.ForeignKey(Persona, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=100)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "key", "persona"], name="duplicatekey_unique")]

    def __str__(self) -> str:
        return self.key


class DuplicateScan(models.Model):
    """How far a workspace's personas have been looked at for duplicates, in the order in which they were changed."""

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, primary_key=True, related_name="+")
    updated_at = models.DateTimeField(null=True)
    """Of the last persona that was looked at; None: begin with the first."""
    persona_id = models.BigIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)
    """When there was nobody left to look at; None while the first or a whole scan goes on."""

    def __str__(self) -> str:
        return f"{self.workspace_id}: {self.updated_at}"
