"""Personas in the console: which pages there are; what they do is in `personas.console`."""

from django.contrib import admin

from personas.console.attributes import AttributeDefinitionPages
from personas.console.bulk import BulkPages, PersonaBulk
from personas.console.duplicates import DuplicatePages
from personas.console.history import DeletionReceiptPages, PersonaChangePages, PersonaHistory
from personas.console.listing import PersonaListing
from personas.console.merging import MergePages, MergeRecordPages
from personas.console.person import PersonPage
from personas.console.privacy import PersonaPrivacy
from personas.console.saved import SavedFilterPages
from personas.models import (
    AttributeDefinition,
    DeletionReceipt,
    DuplicatePair,
    Merge,
    Operation,
    Persona,
    PersonaChange,
    SavedFilter,
)


@admin.register(Persona)
class PersonaAdmin(PersonaListing, PersonaHistory, PersonaPrivacy, PersonaBulk, MergePages, PersonPage):
    pass


admin.site.register(AttributeDefinition, AttributeDefinitionPages)
admin.site.register(Operation, BulkPages)
admin.site.register(PersonaChange, PersonaChangePages)
admin.site.register(DeletionReceipt, DeletionReceiptPages)
admin.site.register(DuplicatePair, DuplicatePages)
admin.site.register(Merge, MergeRecordPages)
admin.site.register(SavedFilter, SavedFilterPages)
