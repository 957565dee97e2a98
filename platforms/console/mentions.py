"""The names that the monitor of deliveries shows of people, messages, tokens and connections."""

from collections.abc import Collection

from django.urls import reverse
from django.utils.text import Truncator
from django.utils.translation import gettext

from accounts.models import Workspace
from delivery.console.mentions import Causes, Mention, ShownChange, register_directory
from delivery.models import Delivery
from messaging.models import Recipient
from personas.console.words import Words
from personas.models import AttributeDefinition, ContactType, Persona, PersonaChange
from personas.search import TextQuery
from platforms.models import Connection
from platforms.registry import platform_of
from tokens.models import Callback, RequestLogEntry, Token

_HAPPENED = frozenset({"created", "restored", "merged", "merge_undone"})
"""What a `PersonaChange` says instead of a field, when no value changed."""
_CHANGES_SHOWN = 50


class NamesOfRooms:
    """Reads the names in the rooms themselves."""

    def people(self, ids: Collection[int]) -> dict[int, Mention]:
        named = Persona.objects.filter(pk__in=ids).values_list("pk", "name") if ids else ()
        return {pk: Mention(name, reverse("admin:personas_persona_change", args=[pk])) for pk, name in named}

    def find_people(self, text: str, workspace: Workspace, *, at_most: int) -> list[int]:
        return TextQuery.of(text, workspace).newest(at_most)

    def connections(self, destination_ids: Collection[int]) -> dict[int, Mention]:
        connections = Connection.objects.filter(destination__in=destination_ids).select_related("destination")
        callbacks = Callback.objects.filter(destination__in=destination_ids).select_related("destination")
        return {
            connection.destination_id: Mention(
                connection.name,
                reverse("admin:platforms_connection_change", args=[connection.pk]),
                str(platform_of(connection.platform).label),
            )
            for connection in connections
        } | {
            callback.destination_id: Mention(
                callback.destination.shown_name,
                reverse("admin:tokens_callback_change", args=[callback.pk]),
                gettext("Callback"),
            )
            for callback in callbacks
        }

    def field_labels(self, workspace: Workspace) -> dict[str, str]:
        defined = AttributeDefinition.objects.filter(workspace=workspace).values_list("key", "label")
        contacts = {f"contact:{type}": str(label) for type, label in ContactType.choices}
        return contacts | {f"attribute:{key}": label for key, label in defined}

    def causes(self, delivery: Delivery) -> Causes:
        return Causes(_message(delivery), _token(delivery), _call(delivery), _changes(delivery))


def _message(delivery: Delivery) -> Mention | None:
    if delivery.recipient_id is None:
        return None
    sent_to = Recipient.objects.filter(pk=delivery.recipient_id).select_related("message", "contact").first()
    if sent_to is None:
        return Mention(gettext("deleted since"))
    text = Truncator(sent_to.message.text).chars(300)
    url = reverse("admin:messaging_message_change", args=[sent_to.message_id])
    return Mention(text, url, str(sent_to.address))


def _token(delivery: Delivery) -> Mention | None:
    if delivery.token_id is None:
        return None
    token = Token.objects.filter(pk=delivery.token_id).first()
    if token is None:
        return Mention(gettext("deleted since"))
    return Mention(token.name, reverse("admin:tokens_token_change", args=[token.pk]), token.masked)


def _call(delivery: Delivery) -> Mention | None:
    if not delivery.request_id:
        return None
    call = RequestLogEntry.objects.filter(request_id=delivery.request_id, workspace=delivery.workspace_id).first()
    if call is None:
        return Mention(delivery.request_id)
    url = reverse("admin:tokens_requestlogentry_change", args=[call.request_id])
    return Mention(f"{call.method} {call.path}", url, delivery.request_id)


def _changes(delivery: Delivery) -> list[ShownChange]:
    ids = [pk for pk in delivery.change_ids if isinstance(pk, int)][:_CHANGES_SHOWN]
    if not ids:
        return []
    changes = PersonaChange.objects.filter(pk__in=ids, workspace=delivery.workspace_id).order_by("id")
    words = Words(list(AttributeDefinition.objects.filter(workspace=delivery.workspace_id)))
    return [
        ShownChange(
            shown.label,
            shown.old,
            shown.new,
            shown.change.field in _HAPPENED,
            reverse("admin:personas_personachange_change", args=[shown.change.pk]),
        )
        for shown in words.changes(list(changes))
    ]


def register_names() -> None:
    register_directory(NamesOfRooms())
