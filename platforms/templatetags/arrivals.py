"""Where a person's changes or a token's configuration have arrived, for pages of rooms below that can't know it."""

from typing import Any

from django import template
from django.template.context import Context

from personas.models import Persona
from platforms.console.showing import persona_context, token_context
from tokens.models import Token

register = template.Library()


@register.inclusion_tag("platforms/_arrivals.html", takes_context=True)
def persona_arrivals(context: Context, persona: Persona) -> dict[str, Any]:
    return persona_context(context["request"], persona)


@register.inclusion_tag("platforms/_arrivals.html", takes_context=True)
def token_arrivals(context: Context, token: Token) -> dict[str, Any]:
    return token_context(context["request"], token)
