"""Three people to whom one thing is done."""

import pytest

from accounts.models import Workspace
from personas.bulk.choosing import Chosen
from personas.filters import PersonaFilter
from personas.history import Cause
from personas.matching import ContactDraft
from personas.models import (
    AttributeDefinition,
    Origin,
    Persona,
)
from personas.services import PersonaDraft, add_persona
from tests.personas.operating import AT

CAUSE = Cause(origin=Origin.TOKEN, actor_label="token Shop", at=AT)
EVERYBODY = Chosen(PersonaFilter())


@pytest.fixture
def city(workspace: Workspace) -> AttributeDefinition:
    return AttributeDefinition.objects.create(workspace=workspace, key="city", label="City")


@pytest.fixture
def people(workspace: Workspace, city: AttributeDefinition) -> list[Persona]:
    """Rina in Jakarta, Joko in Bandung, Maya somewhere."""
    return [
        add_persona(
            workspace=workspace,
            draft=PersonaDraft(name, attributes={"city": town} if town else {}),
            contacts=[ContactDraft("phone", f"+62812000010{number}")],
            cause=CAUSE,
        )
        for number, (name, town) in enumerate([("Rina", "Jakarta"), ("Joko", "Bandung"), ("Maya", "")])
    ]
