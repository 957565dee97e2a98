"""Chative's API: contacts listed, read, changed and deleted; each contact is a persona."""

from datetime import date, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import UNSET as ABSENT

from accounts.models import Workspace
from personas.attributes import json_value
from personas.matching import ContactDraft
from personas.models import AttributeDefinition, AttributeType, Contact, ContactType, Persona
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
    delete_persona,
    get_persona,
    update_persona,
)
from platforms.calls import cause_of, naming_nobody_else, workspace_of
from platforms.chative.server import wire
from platforms.chative.server.dialect import ChativeDialect, ContactNotFound
from platforms.chative.server.mapping import (
    birthday_of,
    date_text,
    first_and_last,
    joined,
    persona_id_of,
    read_birthday,
    read_date,
    uuid_of,
)
from tokens.endpoints import Answer, Call, Endpoint
from tokens.gateway import routes
from tokens.refusals import AbilityMissing, BodyInvalid

_MAX_NAME = 255
_ADDRESSES = (ContactType.EMAIL, ContactType.PHONE)
"""The types of contact of which Chative knows one each, by the names of its fields."""
_DATE_WANTED = "takes a date: milliseconds since 1970, or ISO 8601 as 2023-05-02T00:00:00+00:00."


def contact_list(call: Call, query: wire.ContactQuery) -> Answer:
    personas = Persona.objects.filter(workspace=call.token.workspace_id)
    if call.only_persona is not None:
        personas = personas.filter(pk=call.only_persona)
    start = query.page * query.limit
    found = list(
        personas.order_by("pk").prefetch_related("contacts", "attributes__definition")[start : start + query.limit + 1]
    )
    page = [_contact(persona) for persona in found[: query.limit]]
    return Answer(wire.ContactList(page, page=query.page, limit=query.limit, has_more=len(found) > query.limit))


def contact_read(call: Call, contact_id: str) -> Answer:
    return _answer(_persona(call, contact_id))


def contact_update(call: Call, contact_id: str, body: wire.ContactUpdate) -> Answer:
    if body.custom_fields is not ABSENT:
        call.require("attribute_update")
    if body.email is not ABSENT or body.phone is not ABSENT:
        call.require("contact_add")
    workspace = workspace_of(call)
    persona = _persona(call, contact_id, lock=True)
    added, changed = _addresses(persona, body)
    with naming_nobody_else(call):
        update_persona(
            workspace=workspace,
            persona_id=persona.pk,
            draft=_draft(persona, body, workspace),
            contacts=added,
            changed_contacts=changed,
            version=call.if_match,
            cause=cause_of(call),
        )
    return _answer(_persona(call, contact_id))


def contact_delete(call: Call, contact_id: str) -> Answer:
    persona = _persona(call, contact_id, lock=True)
    delete_persona(workspace=workspace_of(call), persona_id=persona.pk, version=call.if_match, cause=cause_of(call))
    return Answer(wire.ContactDeleted(id=contact_id.lower()))


ENDPOINTS = (
    Endpoint(
        "GET", "contacts", "persona_read", contact_list, "List the contacts",
        query=wire.ContactQuery, data=wire.ContactList, heeds_bounds=True,
    ),
    Endpoint(
        "GET", "contacts/<str:contact_id>", "persona_read", contact_read, "Get a contact by its id",
        data=wire.Contact, refusals=(ContactNotFound,), heeds_bounds=True,
    ),
    Endpoint(
        "PATCH", "contacts/<str:contact_id>", "persona_update", contact_update, "Update a contact's attributes",
        body=wire.ContactUpdate, data=wire.Contact, if_match=True, heeds_bounds=True,
        refusals=(
            ContactNotFound, VersionConflict, AbilityMissing, NameMissing, AttributeUnknown, AttributeValueInvalid,
            ContactRefused, ContactTaken,
        ),
    ),
    Endpoint(
        "DELETE", "contacts/<str:contact_id>", "persona_delete", contact_delete, "Delete a contact",
        data=wire.ContactDeleted, if_match=True, refusals=(ContactNotFound, VersionConflict), heeds_bounds=True,
    ),
)  # fmt: skip

urlpatterns = routes(ChativeDialect(), ENDPOINTS)


def _persona(call: Call, contact_id: str, *, lock: bool = False) -> Persona:
    persona_id = persona_id_of(contact_id)
    if persona_id is None:
        raise ContactNotFound(contact_id=contact_id)
    call.check_persona(persona_id)
    try:
        return get_persona(workspace_id=call.token.workspace_id, persona_id=persona_id, lock=lock)
    except PersonaNotFound:
        raise ContactNotFound(contact_id=contact_id) from None


def _answer(persona: Persona) -> Answer:
    return Answer(_contact(persona), headers={"ETag": f'"{persona.version}"'})


def _contact(persona: Persona) -> wire.Contact:
    first, last = first_and_last(persona.name)
    return wire.Contact(
        id=uuid_of(persona.pk),
        first_name=first,
        last_name=last,
        email=_first_key(persona, ContactType.EMAIL),
        gender=persona.gender,
        birthday=birthday_of(persona.birthday),
        phone=_first_key(persona, ContactType.PHONE),
        custom_fields={
            v.definition.key: date_text(v.value)
            if v.definition.type == AttributeType.DATE
            else json_value(v.definition.type, v.value)
            for v in persona.attributes.all()
        },
        channels=[
            wire.Channel(type=c.type, name=c.label, key=c.key, normalized=c.normalized) for c in persona.contacts.all()
        ],
        version=persona.version,
        created_at=persona.created_at,
        updated_at=persona.updated_at,
    )


def _first_of(persona: Persona, type: str) -> Contact | None:
    return next((contact for contact in persona.contacts.all() if contact.type == type), None)


def _first_key(persona: Persona, type: str) -> str:
    contact = _first_of(persona, type)
    return contact.normalized if contact else ""


def _addresses(persona: Persona, body: wire.ContactUpdate) -> tuple[list[ContactDraft], dict[int, str | None]]:
    """The contacts to add, and those to change or to take away (None), so that the persona's first ones are these."""
    added: list[ContactDraft] = []
    changed: dict[int, str | None] = {}
    for type in _ADDRESSES:
        given = getattr(body, type)
        if given is ABSENT:
            continue
        has, key = _first_of(persona, type), (given or "").strip()
        if has is not None:
            changed[has.pk] = key or None
        elif key:
            added.append(ContactDraft(type=type, key=key))
    return added, changed


def _draft(persona: Persona, body: wire.ContactUpdate, workspace: Workspace) -> PersonaDraft:
    zone = ZoneInfo(workspace.time_zone)
    return PersonaDraft(
        name=UNSET if body.first_name is ABSENT and body.last_name is ABSENT else _name(persona, body),
        gender=UNSET if body.gender is ABSENT else body.gender,
        birthday=UNSET if body.birthday is ABSENT else _birthday(body.birthday, zone),
        attributes={} if body.custom_fields is ABSENT else _custom_values(body.custom_fields, workspace, zone),
    )


def _name(persona: Persona, body: wire.ContactUpdate) -> str:
    """The name of both parts; the one that the body leaves out is the persona's own."""
    first, last = first_and_last(persona.name)
    if body.first_name is not ABSENT:
        first = body.first_name or ""
    if body.last_name is not ABSENT:
        last = body.last_name or ""
    name = joined(first, last)
    if len(name) > _MAX_NAME:
        path = "firstName" if body.last_name is ABSENT else "lastName"
        raise BodyInvalid(path=path, problem=f"firstName and lastName together have at most {_MAX_NAME} characters.")
    return name


def _birthday(given: int | str | None, zone: tzinfo) -> date | None:
    if given is None or given == "":
        return None
    try:
        return read_birthday(given, zone=zone)
    except ValueError:
        raise BodyInvalid(path="birthday", problem=f"The birthday {_DATE_WANTED}") from None


def _custom_values(given: dict[str, wire.CustomValue], workspace: Workspace, zone: tzinfo) -> dict[str, Any]:
    """`given` with each date, in whatever notation, as the day that it is."""
    dates = AttributeDefinition.objects.filter(workspace=workspace, type=AttributeType.DATE, key__in=given)
    values: dict[str, Any] = dict(given)
    for key in dates.values_list("key", flat=True):
        value = values[key]
        if value is None or value == "":
            continue
        if isinstance(value, bool):
            raise AttributeValueInvalid(key=key, problem=_DATE_WANTED)
        try:
            values[key] = read_date(value, zone=zone).isoformat()
        except ValueError:
            raise AttributeValueInvalid(key=key, problem=_DATE_WANTED) from None
    return values
