"""How long messages are kept, in the console: what would go is said before it is saved."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.access import current_workspace, may
from accounts.console import WorkspaceModelAdmin
from accounts.language import as_stored, grouped
from accounts.models import Workspace
from accounts.roles import Action
from delivery.models import ScheduledTask
from messaging.retention import COUNTED_AT_MOST, MAX_DAYS, MIN_DAYS, count_older, set_retention

PRUNING = "messaging.tasks.prune_messages"


class RetentionForm(forms.Form):
    days = forms.IntegerField(
        label=_("Days that messages are kept"),
        required=False,
        min_value=MIN_DAYS,
        max_value=MAX_DAYS,
        help_text=_("Empty: messages are kept for ever."),
    )


class RetentionPage(WorkspaceModelAdmin):
    """The one setting of messages; it belongs to those who may change the workspace."""

    def get_urls(self) -> list[URLPattern]:
        own = path("retention/", self.admin_site.admin_view(self.retention_view), name="messaging_message_retention")
        return [own, *super().get_urls()]

    def retention_view(self, request: HttpRequest) -> HttpResponse:
        workspace = current_workspace(request)
        if workspace is None or not may(request.user, Action.WORKSPACE_WRITE, workspace):
            raise PermissionDenied
        posted = request.POST if request.method == "POST" else None
        form = RetentionForm(posted, initial={"days": workspace.message_retention_days})
        is_looked_at, days = False, workspace.message_retention_days
        if posted is not None and form.is_valid():
            days = form.cleaned_data["days"]
            # What was looked at is what is saved: another number is looked at first.
            if "save" in posted and posted.get("looked_at") == _as_text(days):
                set_retention(workspace=workspace, days=days)
                with as_stored():
                    self.log_change(request, workspace, gettext("Keeps messages: %(days)s") % {"days": _in_words(days)})
                messages.success(request, gettext("Messages are kept: %(days)s.") % {"days": _in_words(days)})
                return redirect("admin:messaging_message_retention")
            is_looked_at = True
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("How long messages are kept"),
            "opts": self.opts,
            "form": form,
            "days": days,
            "days_text": _as_text(days),
            "is_looked_at": is_looked_at,
            "now_in_words": _in_words(workspace.message_retention_days),
            "then_in_words": _in_words(days),
            **_older(workspace, days),
            "next_run": ScheduledTask.objects.filter(path=PRUNING).values_list("due_at", flat=True).first(),
        }
        return TemplateResponse(request, "messaging/retention.html", context)


def _as_text(days: int | None) -> str:
    return "" if days is None else str(days)


def _in_words(days: int | None) -> str:
    if days is None:
        return gettext("for ever")
    return ngettext("%(days)s day", "%(days)s days", days) % {"days": days}


def _older(workspace: Workspace, days: int | None) -> dict[str, Any]:
    """How many messages that number of days would delete, and the same as a person reads it."""
    count = 0 if days is None else count_older(workspace=workspace, before=timezone.now() - timedelta(days=days))
    return {"older": count, "older_shown": f"{grouped(count)}{'+' if count >= COUNTED_AT_MOST else ''}"}
