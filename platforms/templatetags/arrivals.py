"""Where a person's changes or a token's configuration have arrived, for pages of rooms below that can't know it."""

from typing import Any

from django import template
from django.template.context import Context
from django.urls import reverse

from personas.models import Persona
from platforms.console.previewing import TOKEN_FORMS
from platforms.console.showing import persona_context, token_context
from platforms.models import Connection
from tokens.forms import ConfigurationForm
from tokens.models import Token

register = template.Library()


@register.inclusion_tag("platforms/_arrivals.html", takes_context=True)
def persona_arrivals(context: Context, persona: Persona) -> dict[str, Any]:
    return persona_context(context["request"], persona)


@register.simple_tag
def token_preview_url(token: Token, form: ConfigurationForm) -> str:
    """Where `form` shows what saving it would send; "" when no connection carries tokens."""
    if not Connection.objects.filter(
        workspace=token.workspace_id, destination__removed_at=None, destination__carries_tokens=True
    ).exists():
        return ""
    tab = next(tab for tab, (form_class, _page) in TOKEN_FORMS.items() if isinstance(form, form_class))
    return reverse("admin:platforms_token_preview", args=[token.pk, tab])


@register.inclusion_tag("platforms/_arrivals.html", takes_context=True)
def token_arrivals(context: Context, token: Token) -> dict[str, Any]:
    return token_context(context["request"], token)
