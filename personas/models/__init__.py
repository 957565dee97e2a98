"""The people a workspace writes to, and all that is kept about them."""

from personas.models.duplicates import DuplicateKey, DuplicatePair, DuplicateScan
from personas.models.operations import Operation, OperationFile, OperationRow
from personas.models.people import (
    KEY_OF_WORKSPACE,
    AsNumber,
    AttributeDefinition,
    AttributeType,
    AttributeValue,
    Contact,
    ContactType,
    DoubtField,
    Persona,
    SavedFilter,
    SearchDocument,
    WorkspaceOf,
)
from personas.models.records import DeletionReceipt, Merge, Origin, PersonaChange

__all__ = [
    "KEY_OF_WORKSPACE",
    "AsNumber",
    "AttributeDefinition",
    "AttributeType",
    "AttributeValue",
    "Contact",
    "ContactType",
    "DeletionReceipt",
    "DoubtField",
    "DuplicateKey",
    "DuplicatePair",
    "DuplicateScan",
    "Merge",
    "Operation",
    "OperationFile",
    "OperationRow",
    "Origin",
    "Persona",
    "PersonaChange",
    "SavedFilter",
    "SearchDocument",
    "WorkspaceOf",
]
