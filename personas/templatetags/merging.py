"""What a person's page says about merges."""

from django import template

from personas.models import Merge, Persona

register = template.Library()
_SHOWN = 10


@register.simple_tag
def merges_of(persona: Persona) -> list[Merge]:
    """The latest that this persona has absorbed and that are not undone."""
    merges = Merge.objects.filter(kept=persona, undone_at=None).defer("before").order_by("-pk")
    return list(merges[:_SHOWN])
