"""Pages about the signed-in person themselves; the console site gives them their addresses."""

from typing import Any, cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import current_workspace, switch_workspace
from accounts.console import page_to_return_to, whole_number
from accounts.forms import ProfileForm
from accounts.language import choose_language, is_spoken
from accounts.models import User, Workspace


@require_POST
def switch(request: HttpRequest) -> HttpResponse:
    """Lists show the chosen workspace from now on; 404 for one that the person may not see."""
    chosen = whole_number(request.POST.get("workspace", "")) or 0
    workspace = Workspace.objects.of(request.user).filter(pk=chosen).first()
    if workspace is None:
        raise Http404("no such workspace")
    switch_workspace(request, workspace)
    return redirect("admin:index")


@require_POST
def switch_language(request: HttpRequest) -> HttpResponse:
    """Pages speak the chosen language from now on, before signing in as well; 404 for one that they don't."""
    chosen = request.POST.get("language", "")
    if not is_spoken(chosen):
        raise Http404("no such language")
    response = redirect(page_to_return_to(request))
    choose_language(request, response, chosen)
    return response


def profile(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """The person changes their own name, e-mail address, language and time zone."""
    user = cast(User, request.user)
    workspace = current_workspace(request)
    zone = workspace.time_zone if workspace else "UTC"
    form = ProfileForm(request.POST or None, instance=User.objects.get(pk=user.pk), workspace_zone=zone)
    if request.method == "POST" and form.is_valid():
        form.save()
        with translation.override(form.cleaned_data["language"] or translation.get_language()):
            messages.success(request, _("Your profile is saved."))
        response = redirect("admin:profile")
        choose_language(request, response, form.cleaned_data["language"])
        return response
    return TemplateResponse(request, "accounts/profile.html", {**context, "title": _("Your profile"), "form": form})
