"""Contacts of the account API and of the developer API: our personas."""

from collections.abc import Mapping
from typing import Any

from django.db.models import F, Min, Q, QuerySet
from msgspec import UNSET as ABSENT
from msgspec import UnsetType

from accounts.models import Workspace
from messaging.models import Topic, TopicType
from personas.matching import ContactDraft
from personas.models import Contact, Persona
from personas.search import search_personas
from personas.services import (
    UNSET,
    AttributeUnknown,
    AttributeValueInvalid,
    ContactTaken,
    NameMissing,
    PersonaDraft,
    PersonaNotFound,
    add_persona,
    get_persona,
    update_persona,
)
from platforms.bevatel.server import wire
from platforms.bevatel.server.common import (
    TYPES_OF_FIELD,
    check_account_of_header,
    check_inbox,
    contact_data,
    contact_of_field,
    conversations_data,
    counted,
    in_account,
    in_own_account,
    key_of_field,
    page_of,
    refuse_given,
    session_data,
    shown,
)
from platforms.bevatel.server.dialect import (
    AccountRefused,
    FieldRefused,
    InboxNotFound,
    SearchTextMissing,
    SourceTaken,
)
from platforms.bevatel.server.sessions import open_session
from platforms.calls import cause_of
from platforms.models import ContactSession
from tokens.endpoints import Answer, Call, Endpoint
from tokens.rate_limit import Rate
from tokens.refusals import AbilityMissing

CONTACTS_RATE = Rate("bevatel-contacts", requests=5, window_s=1)
PAGE_SIZE = 15
CONVERSATIONS_OF_CONTACT = 20
_SORTED_BY_CONTACT = {field: TYPES_OF_FIELD[field] for field in ("email", "phone_number")}
_SORTED_BY = {"name": "name", "last_activity_at": "updated_at", "created_at": "created_at"}
_FIELD_REFUSALS = (FieldRefused, ContactTaken, AttributeUnknown, AttributeValueInvalid)


def contact_create(call: Call, workspace: Workspace, body: wire.ContactCreate) -> Answer:
    persona, session = _create(call, workspace, body)
    created = wire.NewContact(
        contact_data(persona, workspace), session_data(session, workspace) if session is not None else None
    )
    return Answer(wire.ContactCreated(created))


def developer_contact_create(call: Call, workspace: Workspace, body: wire.ContactCreate) -> Answer:
    persona, _session = _create(call, workspace, body)
    made = wire.DeveloperContact("contact created successfully", contact_data(persona, workspace))
    return Answer(made, status=201)


def contact_update(call: Call, workspace: Workspace, contact_id: int, body: wire.ContactUpdate) -> Answer:
    return Answer(wire.ContactShown(contact_data(_update(call, workspace, contact_id, body), workspace)))


def developer_contact_update(call: Call, workspace: Workspace, contact_id: int, body: wire.ContactUpdate) -> Answer:
    persona = _update(call, workspace, contact_id, body)
    return Answer(wire.DeveloperContact("contact updated successfully", contact_data(persona, workspace)))


def contact_show(call: Call, workspace: Workspace, contact_id: int) -> Answer:
    return Answer(wire.ContactShown(contact_data(_persona(workspace, contact_id), workspace)))


def contact_list(call: Call, workspace: Workspace, query: wire.ContactQuery) -> Answer:
    personas = Persona.objects.filter(workspace=workspace)
    meta = wire.ContactListMeta(counted(_labelled(personas, query)), query.page)
    return Answer(wire.ContactList(meta, _page(personas, query, workspace)))


def contact_search(call: Call, workspace: Workspace, query: wire.ContactSearch) -> Answer:
    text = query.q.strip()
    if not text:
        raise SearchTextMissing
    personas = search_personas(Persona.objects.filter(workspace=workspace), text, workspace=workspace)
    count = counted(_labelled(personas, query))
    meta = wire.ContactSearchMeta(count, query.page, has_more=count > query.page * PAGE_SIZE)
    return Answer(wire.ContactsFound(meta, _page(personas, query, workspace)))


def contact_conversations(call: Call, workspace: Workspace, contact_id: int) -> Answer:
    persona = _persona(workspace, contact_id)
    topics = Topic.objects.filter(workspace=workspace, persona=persona, type=TopicType.PERSONA).order_by("-pk")
    return Answer(wire.ConversationsOfContact(conversations_data(list(topics[:CONVERSATIONS_OF_CONTACT]), workspace)))


def contact_inbox_create(call: Call, workspace: Workspace, contact_id: int, body: wire.ContactInboxCreate) -> Answer:
    persona = _persona(workspace, contact_id)
    check_inbox(workspace, body.inbox_id)
    session = open_session(workspace=workspace, persona=persona, source_id=body.source_id, cause=cause_of(call))
    return Answer(session_data(session, workspace))


def _create(call: Call, workspace: Workspace, body: wire.ContactCreate) -> tuple[Persona, ContactSession | None]:
    _refuse_block(body.blocked)
    if body.inbox_id is not None:
        check_inbox(workspace, body.inbox_id)
    given = {"phone_number": body.phone_number, "email": body.email, "identifier": body.identifier}
    keys = {field: key_of_field(workspace, field, value) for field, value in given.items() if value}
    _check_free(workspace, keys, of=None)
    persona = add_persona(
        workspace=workspace,
        draft=PersonaDraft(
            name=(body.name or "").strip() or next(iter(keys.values()), "New Contact"),
            attributes=body.custom_attributes or {},
        ),
        contacts=[ContactDraft(TYPES_OF_FIELD[field][0], key) for field, key in keys.items()],
        cause=cause_of(call),
    )
    session = None
    if body.inbox_id is not None:
        session = open_session(workspace=workspace, persona=persona, source_id=body.source_id, cause=cause_of(call))
    return _persona(workspace, persona.pk), session


def _update(call: Call, workspace: Workspace, contact_id: int, body: wire.ContactUpdate) -> Persona:
    _refuse_block(body.blocked)
    persona = get_persona(workspace_id=workspace.pk, persona_id=contact_id, lock=True)
    given = {"phone_number": body.phone_number, "email": body.email, "identifier": body.identifier}
    keys = _keys_given(workspace, given)
    had = {field: contact for field in keys if (contact := contact_of_field(persona, field)) is not None}
    added = {field: key for field, key in keys.items() if key is not None and field not in had}
    if added or had:
        call.require("contact_add")
    if body.custom_attributes:
        call.require("attribute_update")
    _check_free(workspace, {field: key for field, key in keys.items() if key is not None}, of=persona)
    update_persona(
        workspace=workspace,
        persona_id=persona.pk,
        draft=PersonaDraft(name=UNSET if body.name is None else body.name, attributes=body.custom_attributes or {}),
        contacts=[ContactDraft(TYPES_OF_FIELD[field][0], key) for field, key in added.items()],
        changed_contacts={contact.pk: keys[field] for field, contact in had.items()},
        cause=cause_of(call),
    )
    return _persona(workspace, persona.pk)


def _keys_given(workspace: Workspace, given: Mapping[str, str | UnsetType | None]) -> dict[str, str | None]:
    """The normalised key of each field that is given; None where it is empty, which clears."""
    return {
        field: key_of_field(workspace, field, str(value)) if value else None
        for field, value in given.items()
        if value is not ABSENT
    }


def _check_free(workspace: Workspace, keys: Mapping[str, str], *, of: Persona | None) -> None:
    """Raises ContactTaken when a key belongs to another persona, whichever type of the field it is there."""
    for field, key in keys.items():
        taken = Contact.objects.filter(workspace=workspace, type__in=TYPES_OF_FIELD[field], normalized=key)
        owner = taken.exclude(persona=of).select_related("persona").first()
        if owner is not None:
            raise ContactTaken(0, owner.type, key, owner.persona_id, owner.persona.name)


def _refuse_block(blocked: Any) -> None:
    refuse_given("blocked", blocked, "Blocked is not supported: messages to the contact would still be sent.")


def _persona(workspace: Workspace, contact_id: int) -> Persona:
    return get_persona(workspace_id=workspace.pk, persona_id=contact_id)


def _labelled(personas: QuerySet[Persona], query: wire.ContactQuery) -> QuerySet[Persona]:
    return personas.none() if query.labels or query.labels_of_rails else personas


def _page(personas: QuerySet[Persona], query: wire.ContactQuery, workspace: Workspace) -> list[wire.ContactData]:
    ordered = _sorted(_labelled(personas, query), query.sort or "")
    page = page_of(shown(ordered), page=query.page, size=PAGE_SIZE)
    return [contact_data(persona, workspace if query.include_contact_inboxes else None) for persona in page]


def _sorted(personas: QuerySet[Persona], sort: str) -> QuerySet[Persona]:
    """By what `sort` names, then by id; by id alone for what no contact has."""
    field = sort.removeprefix("-")
    order = F(_SORTED_BY.get(field, "pk"))
    if field in _SORTED_BY_CONTACT:
        of_types = Q(contacts__type__in=_SORTED_BY_CONTACT[field])
        personas = personas.annotate(sorted_by=Min("contacts__normalized", filter=of_types))
        order = F("sorted_by")
    descending = sort.startswith("-")
    return personas.order_by(order.desc(nulls_last=True) if descending else order.asc(nulls_last=True), "pk")


ENDPOINTS = (
    Endpoint(
        "POST", "accounts/<int:account_id>/contacts", "persona_add", in_account(contact_create), "Create a contact",
        body=wire.ContactCreate, data=wire.ContactCreated,
        refusals=(AccountRefused, InboxNotFound, SourceTaken, *_FIELD_REFUSALS),
    ),
    Endpoint(
        "GET", "accounts/<int:account_id>/contacts", "persona_read", in_account(contact_list), "List the contacts",
        query=wire.ContactQuery, data=wire.ContactList, refusals=(AccountRefused,),
    ),
    Endpoint(
        "GET", "accounts/<int:account_id>/contacts/search", "persona_read", in_account(contact_search),
        "Find contacts", query=wire.ContactSearch, data=wire.ContactsFound,
        refusals=(AccountRefused, SearchTextMissing),
    ),
    Endpoint(
        "GET", "accounts/<int:account_id>/contacts/<int:contact_id>", "persona_read", in_account(contact_show),
        "Read one contact", data=wire.ContactShown, refusals=(AccountRefused, PersonaNotFound),
    ),
    *(
        Endpoint(
            method, "accounts/<int:account_id>/contacts/<int:contact_id>", "persona_update",
            in_account(contact_update), "Change a contact", body=wire.ContactUpdate, data=wire.ContactShown,
            refusals=(AccountRefused, PersonaNotFound, NameMissing, AbilityMissing, *_FIELD_REFUSALS),
        )
        # The published document has PUT; Rails takes PATCH for the same.
        for method in ("PUT", "PATCH")
    ),
    Endpoint(
        "GET", "accounts/<int:account_id>/contacts/<int:contact_id>/conversations", "conversation_read",
        in_account(contact_conversations), "List a contact's conversations", data=wire.ConversationsOfContact,
        refusals=(AccountRefused, PersonaNotFound),
    ),
    Endpoint(
        "POST", "accounts/<int:account_id>/contacts/<int:contact_id>/contact_inboxes", "contact_add",
        in_account(contact_inbox_create), "Open a session for a contact", body=wire.ContactInboxCreate,
        data=wire.ContactInbox,
        refusals=(AccountRefused, PersonaNotFound, InboxNotFound, SourceTaken, FieldRefused),
    ),
)  # fmt: skip

DEVELOPER_ENDPOINTS = (
    Endpoint(
        "POST", "contacts", "persona_add", in_own_account(developer_contact_create), "Create a contact",
        body=wire.ContactCreate, data=wire.DeveloperContact, status=201,
        rate=CONTACTS_RATE, check=check_account_of_header,
        refusals=(AccountRefused, InboxNotFound, SourceTaken, *_FIELD_REFUSALS),
    ),
    Endpoint(
        "PATCH", "contacts/<int:contact_id>", "persona_update", in_own_account(developer_contact_update),
        "Change a contact", body=wire.ContactUpdate, data=wire.DeveloperContact,
        rate=CONTACTS_RATE, check=check_account_of_header,
        refusals=(AccountRefused, PersonaNotFound, NameMissing, AbilityMissing, *_FIELD_REFUSALS),
    ),
)  # fmt: skip
