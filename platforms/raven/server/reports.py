"""Numbers, exports of messages, and the feed of what happened."""

from collections.abc import Iterator, Sequence

from django.db.models import QuerySet
from django.db.models.functions import Coalesce

from accounts.models import Workspace
from delivery import events
from messaging.models import Message, Recipient
from messaging.stats import stats_of
from platforms.exports import MEDIA_TYPES, Cell, Export, answer_with_file
from platforms.raven.server import wire
from platforms.raven.server.common import said
from tokens.endpoints import Answer, Call, Endpoint

_EXPORT_PAGE = 500
"""Messages read at once; each may have a thousand recipients."""
_MESSAGE_COLUMNS = (
    "id", "topic", "topic_name", "direction", "sender", "message", "recipients", "request_id", "created_at",
)  # fmt: skip


def stats(call: Call, query: wire.StatsQuery) -> Answer:
    found = stats_of(workspace_id=call.token.workspace_id, days=query.days, now=call.now)
    days = [wire.DayData(day=d.day, messages_sent=d.sent, messages_received=d.received) for d in found.days]
    data = wire.StatsData(personas=found.personas, topics_open=found.topics_open, days=days)
    return said(data, "Statistics Read Successfully")


def message_export(call: Call, query: wire.ExportQuery) -> Answer:
    messages = Message.objects.filter(workspace=call.token.workspace_id)
    if query.updated_since is not None:
        messages = messages.filter(created_at__gte=query.updated_since)
    slug = Workspace.objects.values_list("slug", flat=True).get(pk=call.token.workspace_id)
    export = Export(
        name="messages",
        columns=_MESSAGE_COLUMNS,
        rows=lambda: _message_rows(messages),
        workspace=slug,
        made_by=f"token {call.token.name}",
    )
    return answer_with_file(export, format=query.format, at=call.now)


def event_list(call: Call, query: wire.EventQuery) -> Answer:
    found = events.read(workspace_id=call.token.workspace_id, after=query.after, limit=query.limit)
    data = [
        wire.EventData(number=event.number or 0, kind=event.kind, data=event.data, happened_at=event.happened_at)
        for event in found
    ]
    return said(data, "Events Read Successfully")


ENDPOINTS = (
    Endpoint(
        "GET", "stats", "stats_read", stats, "Read the workspace's numbers", query=wire.StatsQuery, data=wire.StatsData,
    ),
    Endpoint(
        "GET", "message:export", "data_export", message_export, "Export the messages as a file",
        query=wire.ExportQuery, files=MEDIA_TYPES,
    ),
    Endpoint(
        "GET", "event", "event_read", event_list, "Read what happened since an event",
        query=wire.EventQuery, data=list[wire.EventData],
    ),
)  # fmt: skip


def _message_rows(messages: QuerySet[Message]) -> Iterator[Sequence[Cell]]:
    last_id = 0
    while page := list(messages.filter(pk__gt=last_id).order_by("pk").select_related("topic")[:_EXPORT_PAGE]):
        addresses: dict[int, list[str]] = {}
        address = Coalesce("contact__normalized", "contact_key")
        for message_id, key in Recipient.objects.filter(message__in=page).values_list("message", address):
            addresses.setdefault(message_id, []).append(key)
        for message in page:
            yield (
                message.pk, message.topic_id, message.topic.name, message.direction, message.sender_name, message.text,
                ", ".join(addresses.get(message.pk, ())), message.request_id, message.created_at,
            )  # fmt: skip
        last_id = page[-1].pk
