"""Personas: adding, changing, reading, deleting, exporting."""

from collections.abc import Iterator, Sequence
from datetime import date

from django.db.models import Q, QuerySet
from msgspec import UNSET as ABSENT

from personas.attributes import json_value
from personas.contacts import ContactKeyInvalid, normalise
from personas.models import AttributeDefinition, AttributeType, ContactType, Persona
from personas.search import search_personas
from personas.services import (
    UNSET,
    AttributeUnknown,
    AttributeValueInvalid,
    ContactRefused,
    ContactTaken,
    NameMissing,
    PersonaDraft,
    PersonaNotFound,
    VersionConflict,
    add_persona,
    delete_persona,
    get_persona,
    update_persona,
)
from platforms.calls import cause_of, naming_nobody_else, workspace_of
from platforms.exports import MEDIA_TYPES, Cell, Export, answer_with_file
from platforms.paging import page_after
from platforms.raven.server import wire
from platforms.raven.server.common import contact_drafts, listed, persona_data, said
from tokens.endpoints import Answer, Call, Endpoint

_ATTRIBUTE_REFUSALS = (AttributeUnknown, AttributeValueInvalid)
_CONTACT_REFUSALS = (ContactRefused, ContactTaken)
_EXPORT_PAGE = 1000


def persona_add(call: Call, body: wire.PersonaAdd) -> Answer:
    persona = add_persona(
        workspace=workspace_of(call),
        draft=PersonaDraft(body.name, body.gender, body.birthday, body.notes, body.attribute),
        contacts=contact_drafts(body.contact),
        cause=cause_of(call),
    )
    return _answer(call, persona.pk, "Persona Added Successfully")


def persona_update(call: Call, body: wire.PersonaUpdate) -> Answer:
    draft = PersonaDraft(
        name=UNSET if body.name is ABSENT else body.name,
        gender=UNSET if body.gender is ABSENT else body.gender,
        birthday=UNSET if body.birthday is ABSENT else body.birthday,
        notes=UNSET if body.notes is ABSENT else body.notes,
    )
    return _update(call, body.persona, "Persona Updated Successfully", draft=draft)


def attribute_update(call: Call, body: wire.AttributeUpdate) -> Answer:
    draft = PersonaDraft(attributes=body.attribute)
    return _update(call, body.persona, "Attribute Updated Successfully", draft=draft)


def contact_add(call: Call, body: wire.ContactAdd) -> Answer:
    return _update(call, body.persona, "Contact Added Successfully", contacts=body.contact)


def persona_list(call: Call, query: wire.PersonaQuery) -> Answer:
    personas = _filtered(call, query).prefetch_related("contacts", "attributes__definition")
    page, following = page_after(personas, cursor=query.cursor, limit=query.limit)
    return listed([persona_data(persona) for persona in page], "Personas Read Successfully", next=following)


def persona_read(call: Call, persona_id: int) -> Answer:
    call.check_persona(persona_id)
    return _answer(call, persona_id, "Persona Read Successfully")


def persona_delete(call: Call, persona_id: int) -> Answer:
    call.check_persona(persona_id)
    receipt = delete_persona(
        workspace=workspace_of(call), persona_id=persona_id, version=call.if_match, cause=cause_of(call)
    )
    return said(wire.PersonaDeleted(receipt=receipt.pk), "Persona Deleted Successfully")


def persona_export(call: Call, query: wire.ExportQuery) -> Answer:
    workspace = workspace_of(call)
    definitions = list(AttributeDefinition.objects.filter(workspace=workspace))
    personas = Persona.objects.filter(workspace=workspace)
    if query.updated_since is not None:
        personas = personas.filter(updated_at__gte=query.updated_since)
    export = Export(
        name="personas",
        columns=[
            "id", "name", "gender", "birthday", "notes", *ContactType.values,
            *(f"attribute:{definition.key}" for definition in definitions), "version", "created_at", "updated_at",
        ],
        rows=lambda: _export_rows(personas, definitions),
        workspace=workspace.slug,
        made_by=f"token {call.token.name}",
    )  # fmt: skip
    return answer_with_file(export, format=query.format, at=call.now)


ENDPOINTS = (
    Endpoint(
        "POST", "persona:add", "persona_add", persona_add, "Add a persona with attributes and contacts",
        body=wire.PersonaAdd, data=wire.PersonaData, refusals=(NameMissing, *_ATTRIBUTE_REFUSALS, *_CONTACT_REFUSALS),
    ),
    Endpoint(
        "POST", "persona:update", "persona_update", persona_update, "Change a persona's name and other fields",
        body=wire.PersonaUpdate, data=wire.PersonaData, if_match=True, heeds_bounds=True,
        refusals=(PersonaNotFound, VersionConflict, NameMissing),
    ),
    Endpoint(
        "POST", "attribute:update", "attribute_update", attribute_update, "Set or clear a persona's attributes",
        body=wire.AttributeUpdate, data=wire.PersonaData, if_match=True, heeds_bounds=True,
        refusals=(PersonaNotFound, VersionConflict, *_ATTRIBUTE_REFUSALS),
    ),
    Endpoint(
        "POST", "contact:add", "contact_add", contact_add, "Add contacts to a persona",
        body=wire.ContactAdd, data=wire.PersonaData, if_match=True, heeds_bounds=True,
        refusals=(PersonaNotFound, VersionConflict, *_CONTACT_REFUSALS),
    ),
    Endpoint(
        "GET", "persona", "persona_read", persona_list, "List the personas",
        query=wire.PersonaQuery, data=list[wire.PersonaData], is_list=True, heeds_bounds=True,
    ),
    Endpoint(
        "GET", "persona/<int:persona_id>", "persona_read", persona_read, "Read one persona",
        data=wire.PersonaData, refusals=(PersonaNotFound,), heeds_bounds=True,
    ),
    Endpoint(
        "DELETE", "persona/<int:persona_id>", "persona_delete", persona_delete, "Delete a persona",
        data=wire.PersonaDeleted, if_match=True, refusals=(PersonaNotFound, VersionConflict), heeds_bounds=True,
    ),
    Endpoint(
        "GET", "persona:export", "data_export", persona_export, "Export the personas as a file",
        query=wire.ExportQuery, files=MEDIA_TYPES,
    ),
)  # fmt: skip


def _update(
    call: Call,
    persona_id: int,
    notification: str,
    *,
    draft: PersonaDraft = PersonaDraft(),  # noqa: B008 - frozen
    contacts: Sequence[wire.Contact] = (),
) -> Answer:
    call.check_persona(persona_id)
    with naming_nobody_else(call):
        update_persona(
            workspace=workspace_of(call),
            persona_id=persona_id,
            draft=draft,
            contacts=contact_drafts(contacts),
            version=call.if_match,
            cause=cause_of(call),
        )
    return _answer(call, persona_id, notification)


def _answer(call: Call, persona_id: int, notification: str) -> Answer:
    persona = get_persona(workspace_id=call.token.workspace_id, persona_id=persona_id)
    return said(persona_data(persona), notification, version=persona.version)


def _filtered(call: Call, query: wire.PersonaQuery) -> QuerySet[Persona]:
    personas = Persona.objects.filter(workspace=call.token.workspace_id)
    if call.only_persona is not None:
        personas = personas.filter(pk=call.only_persona)
    if query.contact:
        same = Q(pk__in=[])
        for type in ContactType.values:
            try:
                key = normalise(type, query.contact, country=call.token.country)
            except ContactKeyInvalid:
                continue
            same |= Q(contacts__type=type, contacts__normalized=key, contacts__workspace=call.token.workspace_id)
        personas = personas.filter(same).distinct()
    if query.updated_since is not None:
        personas = personas.filter(updated_at__gte=query.updated_since)
    if query.q:
        personas = search_personas(personas, query.q, workspace=workspace_of(call))
    return personas


def _export_rows(personas: QuerySet[Persona], definitions: Sequence[AttributeDefinition]) -> Iterator[Sequence[Cell]]:
    last_id = 0
    while page := list(
        personas.filter(pk__gt=last_id).order_by("pk").prefetch_related("contacts", "attributes")[:_EXPORT_PAGE]
    ):
        for persona in page:
            contacts = dict.fromkeys(ContactType.values, "")
            for contact in persona.contacts.all():
                contacts[contact.type] = ", ".join(filter(None, [contacts[contact.type], contact.normalized]))
            values = {value.definition_id: value.value for value in persona.attributes.all()}
            yield (
                persona.pk, persona.name, persona.gender, persona.birthday, persona.notes, *contacts.values(),
                *(_cell(definition, values.get(definition.pk)) for definition in definitions),
                persona.version, persona.created_at, persona.updated_at,
            )  # fmt: skip
        last_id = page[-1].pk


def _cell(definition: AttributeDefinition, stored: str | None) -> Cell:
    if stored is None:
        return None
    return date.fromisoformat(stored) if definition.type == AttributeType.DATE else json_value(definition.type, stored)
