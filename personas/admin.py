"""Personas in the console: which pages there are; what they do is in `personas.console`."""

from django.contrib import admin

from personas.console.attributes import AttributeDefinitionPages
from personas.console.importing import ImportPages
from personas.console.listing import PersonaListing
from personas.console.person import PersonPage
from personas.models import AttributeDefinition, Operation, Persona


@admin.register(Persona)
class PersonaAdmin(PersonaListing, PersonPage):
    pass


admin.site.register(AttributeDefinition, AttributeDefinitionPages)
admin.site.register(Operation, ImportPages)
