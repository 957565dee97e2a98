"""Template messages, by Bevatel's developer API."""

from accounts.models import Workspace
from messaging.refusals import UserMissing, UserNotFound
from messaging.templates import (
    TemplateAmbiguous,
    TemplateNotFound,
    TemplateParametersWrong,
    TemplateTextTooLong,
    fill_template,
)
from personas.history import Cause
from personas.matching import ContactDraft
from personas.models import Contact, ContactType, Persona
from personas.services import PersonaDraft, PersonaNotFound, add_persona, get_persona
from platforms.bevatel.server import wire
from platforms.bevatel.server.common import (
    TYPES_OF_FIELD,
    check_account_of_header,
    contact_of_field,
    in_own_account,
    key_of_field,
    refuse_given,
)
from platforms.bevatel.server.dialect import AccountRefused, FieldRefused, TemplateInboxNotFound
from platforms.bevatel.server.sessions import conversation_with, send_in
from platforms.calls import cause_of
from tokens.endpoints import Answer, Call, Endpoint
from tokens.rate_limit import Rate

MESSAGES_RATE = Rate("bevatel-messages", requests=10, window_s=1)


def template_send(call: Call, workspace: Workspace, body: wire.TemplateMessage) -> Answer:
    if int(body.inbox_id) != workspace.account_number:
        raise TemplateInboxNotFound
    cause = cause_of(call)
    text = _text(workspace, body.message.template)
    contact = _contact(workspace, body.contact, cause)
    persona = contact.persona
    topic = conversation_with(workspace=workspace, persona=persona, cause=cause)
    send_in(call, workspace=workspace, topic=topic, persona=persona, contact=contact, text=text)
    return Answer(wire.DeveloperMessage("Message created successfully"), status=201)


def _text(workspace: Workspace, template: wire.TemplateChoice) -> str:
    """The template's text with its gaps filled."""
    parameters = template.parameters or wire.TemplateParameters()
    path = "message.template.parameters.media"
    refuse_given(path, parameters.media, "Media is not supported: a template is a text.")
    return fill_template(
        workspace_id=workspace.pk, name=template.name, language=template.language or "", parameters=parameters.body
    )


def _contact(workspace: Workspace, given: wire.TemplateContact, cause: Cause) -> Contact:
    """The number that the template goes to; a number nobody has becomes a persona."""
    if (given.contact_id is None) == (given.phone_number is None):
        raise FieldRefused(path="contact", problem="Contact is named by phone_number or by contact_id.")
    if given.contact_id is not None:
        persona = get_persona(workspace_id=workspace.pk, persona_id=int(given.contact_id))
        found = contact_of_field(persona, "phone_number")
        if found is None:
            raise FieldRefused(path="contact.contact_id", problem="Contact has no phone number.")
        return found
    number = key_of_field(workspace, "phone_number", given.phone_number or "", path="contact.phone_number")
    known = Contact.objects.filter(
        workspace=workspace, type__in=TYPES_OF_FIELD["phone_number"], normalized=number
    ).select_related("persona")
    # Somebody's WhatsApp number before somebody's phone, should both be known.
    return known.order_by("-type").first() or _new(workspace, number, given.name, cause)


def _new(workspace: Workspace, number: str, name: str | None, cause: Cause) -> Contact:
    persona: Persona = add_persona(
        workspace=workspace,
        draft=PersonaDraft(name=(name or "").strip() or number),
        contacts=[ContactDraft(ContactType.WHATSAPP, number)],
        cause=cause,
    )
    return Contact.objects.select_related("persona").get(persona=persona)


ENDPOINTS = (
    Endpoint(
        "POST", "messages", "template_send", in_own_account(template_send), "Send a template message",
        body=wire.TemplateMessage, data=wire.DeveloperMessage, status=201,
        rate=MESSAGES_RATE, check=check_account_of_header,
        refusals=(
            AccountRefused, TemplateInboxNotFound, PersonaNotFound, FieldRefused, TemplateNotFound, TemplateAmbiguous,
            TemplateParametersWrong, TemplateTextTooLong, UserMissing, UserNotFound,
        ),
    ),
)  # fmt: skip
