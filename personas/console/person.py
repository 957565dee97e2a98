"""The page of a person."""

from typing import Any

from django.http import HttpRequest

from accounts.console import WorkspaceModelAdmin

_TOPICS_SHOWN = 20


class PersonPage(WorkspaceModelAdmin):
    """One persona: what is known of them, to read and to edit."""

    change_form_template = "personas/persona.html"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False, change: bool = False,
        form_url: str = "", obj: Any = None,
    ) -> Any:  # fmt: skip
        context |= {
            "contacts": obj.contacts.all(),
            "attributes": obj.attributes.select_related("definition").order_by("definition__position", "definition"),
            "topics": obj.topics.order_by("-id")[:_TOPICS_SHOWN],
            "changes": obj.changes.order_by("-id")[:_TOPICS_SHOWN],
        }
        return super().render_change_form(request, context, add, change, form_url, obj)
