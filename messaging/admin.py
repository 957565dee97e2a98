"""Topics and messages in the console, to read; templates and locations, to edit."""

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from accounts.access import current_workspace
from accounts.console import WorkspaceChangeList, WorkspaceModelAdmin, WorkspaceModelForm, among_newest, whole_number
from accounts.language import grouped
from accounts.roles import Action
from delivery.models import Destination
from messaging.console import RetentionPage
from messaging.locations import add_location, update_location
from messaging.models import Location, Message, Recipient, Template, Topic
from messaging.templates import count_gaps

_MESSAGES_SHOWN = 20
_RECIPIENTS_A_PAGE = 50
_STATE_PILLS = {
    Recipient.State.FAILED: "bad",
    Recipient.State.UNKNOWN: "warn",
    Recipient.State.WAITING: "info",
    Recipient.State.SENT: "info",
    Recipient.State.DELIVERED: "good",
    Recipient.State.READ: "good",
}
_STATUS_PILLS = {Topic.Status.OPEN: "info", Topic.Status.PENDING: "warn", Topic.Status.RESOLVED: "good"}


@admin.register(Topic)
class TopicAdmin(WorkspaceModelAdmin):
    list_display = ("name", "type", "persona", "status_pill", "created_at")
    list_display_links = ("name",)
    list_filter = ("type", "status")
    list_select_related = ("persona",)
    search_fields = ("name",)
    search_help_text = _("Name of the topic")
    sortable_by = ()
    ordering = ("-id",)
    change_form_template = "messaging/topic.html"
    empty_title = _("No topics yet")
    empty_text = _("A program makes a topic by naming a new one in message:send.")

    @admin.display(description=_("status"))
    def status_pill(self, topic: Topic) -> str:
        pill = _STATUS_PILLS[Topic.Status(topic.status)]
        return format_html('<span class="pill pill--{}">{}</span>', pill, topic.get_status_display())

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False, change: bool = False,
        form_url: str = "", obj: Any = None,
    ) -> Any:  # fmt: skip
        before = whole_number(request.GET.get("before", ""))
        messages = obj.messages.all() if before is None else obj.messages.filter(pk__lt=before)
        page = list(messages.order_by("-id")[: _MESSAGES_SHOWN + 1])
        context["shown"], context["is_newest"] = page[:_MESSAGES_SHOWN], before is None
        context["older_than"] = page[_MESSAGES_SHOWN - 1].pk if len(page) > _MESSAGES_SHOWN else None
        return super().render_change_form(request, context, add, change, form_url, obj)


class MessageChangeList(WorkspaceChangeList):
    """Knows for each message on its page to how many people it goes, and how far it got with them."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        found = super().get_queryset(request, exclude_parameters)
        if self.is_narrowed:
            return among_newest(found, self.root_queryset.filter(workspace=current_workspace(request)))
        return found

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        ids = [message.pk for message in self.result_list]
        rows = Recipient.objects.filter(message__in=ids).order_by().values_list("message", "state")
        counts: dict[int, dict[str, int]] = {}
        for message_id, state, count in rows.annotate(Count("pk")):
            counts.setdefault(message_id, {})[state] = count
        for message in self.result_list:
            message.count_by_state = counts.get(message.pk, {})


@admin.register(Message)
class MessageAdmin(RetentionPage):
    list_display = ("excerpt", "topic_name", "sender", "recipients", "state", "created_at")
    list_display_links = ("excerpt",)
    list_filter = ("direction", "topic__type")
    list_select_related = ("topic",)
    search_fields = ("text",)
    search_help_text = _("Words of the text")
    sortable_by = ()
    ordering = ("-id",)
    change_list_template = "messaging/messages.html"
    change_form_template = "messaging/message.html"
    empty_title = _("No messages yet")
    empty_text = _(
        "Messages that programs send with a token are listed here, newest first. The page with a new token's secret "
        "has a command that sends one."
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[MessageChangeList]:
        return MessageChangeList

    @admin.display(description=_("text"))
    def excerpt(self, message: Message) -> str:
        return Truncator(message.text).chars(80)

    @admin.display(description=_("topic"))
    def topic_name(self, message: Message) -> str:
        url = reverse("admin:messaging_topic_change", args=[message.topic_id])
        return format_html('<a href="{}">{}</a>', url, Truncator(message.topic.name).chars(60))

    @admin.display(description=_("sent as"))
    def sender(self, message: Message) -> str:
        return message.sent_as

    @admin.display(description=_("recipients"))
    def recipients(self, message: Any) -> int:
        return sum(message.count_by_state.values())

    recipients.is_number = True  # type: ignore[attr-defined]

    @admin.display(description=_("state"))
    def state(self, message: Any) -> str:
        if message.direction == Message.Direction.INCOMING:
            return format_html('<span class="pill pill--good">{}</span>', _("Received"))
        counts = message.count_by_state
        if not counts:
            return "–"
        shown = next(state for state in _STATE_PILLS if state in counts)  # what needs somebody comes first
        text = f"{shown.label} × {grouped(counts[shown])}" if len(counts) > 1 else shown.label
        return format_html('<span class="pill pill--{}">{}</span>', _STATE_PILLS[shown], text)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False, change: bool = False,
        form_url: str = "", obj: Any = None,
    ) -> Any:  # fmt: skip
        recipients = obj.recipients.select_related("persona", "contact").order_by("id")
        pages = Paginator(recipients, _RECIPIENTS_A_PAGE)
        page = pages.get_page(request.GET.get("page"))
        for recipient in page.object_list:
            recipient.pill = _STATE_PILLS[Recipient.State(recipient.state)]
        context["recipients"] = page
        context["is_carried"] = Destination.objects.filter(
            workspace=obj.workspace_id, carries_messages=True, removed_at=None
        ).exists()
        return super().render_change_form(request, context, add, change, form_url, obj)


@admin.register(Template)
class TemplateAdmin(WorkspaceModelAdmin):
    form = WorkspaceModelForm
    write_action = Action.PERSONA_WRITE
    fields = ("name", "language", "body")
    list_display = ("name", "language", "excerpt", "gaps", "created_at")
    list_filter = ("language",)
    search_fields = ("name",)
    search_help_text = _("Name of the template")
    sortable_by = ()
    ordering = ("name", "language")
    empty_title = _("No templates yet")
    empty_text = _("A template is a text with gaps, as {{1}}, that programs fill in and send with template:send.")

    @admin.display(description=_("text"))
    def excerpt(self, template: Template) -> str:
        return Truncator(template.body).chars(80)

    @admin.display(description=_("gaps"))
    def gaps(self, template: Template) -> int:
        return count_gaps(template.body)

    gaps.is_number = True  # type: ignore[attr-defined]


@admin.register(Location)
class LocationAdmin(WorkspaceModelAdmin):
    form = WorkspaceModelForm
    write_action = Action.PERSONA_WRITE
    fields = ("name", "code", "address", "phone", "time_zone", "is_open")
    list_display = ("name", "code", "address", "phone", "time_zone", "open_pill")
    list_filter = ("is_open",)
    search_fields = ("name", "code")
    search_help_text = _("Name or code")
    sortable_by = ()
    ordering = ("name",)
    empty_title = _("No locations yet")
    empty_text = _("Locations are the places of your organisation. Programs read and write them.")

    @admin.display(description=_("open"))
    def open_pill(self, location: Location) -> str:
        style, label = ("good", _("Open")) if location.is_open else ("off", _("Closed"))
        return format_html('<span class="pill pill--{}">{}</span>', style, label)

    def get_changeform_initial_data(self, request: HttpRequest) -> Any:
        workspace = current_workspace(request)
        return {"time_zone": workspace.time_zone if workspace else "UTC"}

    def save_model(self, request: HttpRequest, obj: Location, form: Any, change: bool) -> None:
        """Through the services that programs use, so that followers of the event feed hear of it."""
        given = {name: form.cleaned_data[name] for name in self.fields}
        if change:
            update_location(
                workspace_id=obj.workspace_id, location_id=obj.pk, fields=given, version=None, at=timezone.now()
            )
        else:
            obj.pk = add_location(workspace_id=obj.workspace_id, fields=given, at=timezone.now()).pk
