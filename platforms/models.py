"""What the dialects of platforms keep beside the domain."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Workspace
from personas.models import Persona


class ContactSession(models.Model):
    """A persona's session on a workspace's API inbox: what Chatwoot calls a contact inbox, known by its source id."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    persona = models.ForeignKey(
        Persona, on_delete=models.CASCADE, related_name="contact_sessions", verbose_name=_("persona")
    )
    source_id = models.CharField(_("source id"), max_length=255)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        ordering = ["id"]
        verbose_name = _("contact session")
        verbose_name_plural = _("contact sessions")
        constraints = [models.UniqueConstraint(fields=["workspace", "source_id"], name="contactsession_source_unique")]

    def __str__(self) -> str:
        return self.source_id
