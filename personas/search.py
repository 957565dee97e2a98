"""Finding a persona by what a person types into a search box."""

from typing import Any

from django.db.models import Exists, FloatField, Func, OuterRef, Q, QuerySet

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


def with_problem(problem: str, *, workspace: Workspace) -> Q:
    """On the persona: that it has this problem, `any`, `no_contact` or `invalid_number`."""
    contacts = Contact.objects.filter(persona=OuterRef("pk"))
    return ~Q(Exists(contacts))


class AsNumber(Func):
    """The value of an attribute of type number, as a number; of others, anything. An index has it, written alike."""

    output_field = FloatField()
    template = "CAST(%(expressions)s AS REAL)"

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "CASE WHEN %(expressions)s ~ '^-?[0-9.]+$' THEN CAST(%(expressions)s AS double precision) END"
        return self.as_sql(compiler, connection, template=template, **context)
