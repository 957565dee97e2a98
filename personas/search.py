"""Finding a persona by what a person types into a search box."""

from typing import Any

from django.db.models import Q, QuerySet

from accounts.models import Workspace
from personas.contacts import ContactKeyInvalid, normalise
from personas.models import Contact, ContactType


def search_personas(personas: QuerySet[Any], text: str, *, workspace: Workspace) -> QuerySet[Any]:
    """Those whose name contains `text`, or who are reached at it, in whatever notation a phone number is typed."""
    text = text.strip()
    keys = {text, text.lower(), text.casefold().removeprefix("@")}
    for kind in (ContactType.PHONE, ContactType.EMAIL):
        try:
            keys.add(normalise(kind, text, country=workspace.country))
        except ContactKeyInvalid:
            continue
    contacts = Contact.objects.filter(workspace=workspace, type__in=ContactType.values, normalized__in=keys)
    return personas.filter(Q(name__icontains=text) | Q(pk__in=contacts.values("persona")))
