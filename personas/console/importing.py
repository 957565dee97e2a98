"""People from and to Excel: uploading, saying which column is which, and the downloads."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.access import current_workspace, may
from accounts.console import ListButton
from accounts.language import grouped
from accounts.models import User, Workspace
from accounts.roles import Action
from personas.console.operations import OperationPages
from personas.excel import people_response, refused_response, template_response
from personas.filters import FilterInvalid, PersonaFilter
from personas.importing.columns import clear_word, columns_of
from personas.importing.kind import is_enough
from personas.importing.reading import (
    MAX_BYTES,
    MAX_ROWS,
    FileTooLarge,
    NoWorkbook,
    check_is_as_named,
    megabytes,
)
from personas.models import Operation, OperationRow
from personas.operations import begin_operation, count_of, prepare_again
from raven_admin.errors import RavenError

_BEGINNING = 16


class UploadForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("File"),
        widget=forms.FileInput(attrs={"accept": ".xlsx,.csv,.txt"}),
        error_messages={
            "required": gettext_lazy("Choose a file first."),
            "empty": gettext_lazy("This file is empty."),
            "missing": gettext_lazy("Choose a file first."),
        },
    )

    def clean_file(self) -> "UploadedFile[bytes]":
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if (file.size or 0) > MAX_BYTES:
            raise forms.ValidationError(str(FileTooLarge(megabytes(file.size or 0), megabytes(MAX_BYTES))))
        try:
            check_is_as_named(file.name or "", file.read(_BEGINNING))
        except NoWorkbook as refusal:
            raise forms.ValidationError(str(refusal)) from None
        file.seek(0)
        return file


class ImportPages(OperationPages):
    """Operations, and how an import begins and ends."""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("import/", self.import_view, "import"),
            self.page("import/template/", self.template_view, "template"),
            self.page("people/", self.people_view, "people"),
            self.page("<path:object_id>/columns/", self.columns_view, "columns"),
            self.page("<path:object_id>/refused/", self.refused_view, "refused"),
            *super().get_urls(),
        ]

    def list_buttons(self, request: HttpRequest, changelist: ChangeList) -> list[ListButton]:
        if not may(request.user, Action.PERSONA_WRITE, current_workspace(request)):
            return []
        return [
            ListButton(
                gettext_lazy("Import people"), reverse("admin:personas_operation_import"), "upload", "btn--primary"
            )
        ]

    # ----------------------------------------------------------------------------------------------- uploading
    def import_view(self, request: HttpRequest) -> HttpResponse:
        workspace = _allowed(request, Action.PERSONA_WRITE)
        form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
        if request.method == "POST" and form.is_valid():
            file: UploadedFile[bytes] = form.cleaned_data["file"]
            operation = begin_operation(
                workspace=workspace, kind=Operation.Kind.IMPORT, title=file.name or "People", plan={},
                by=cast(User, request.user), file=file.read(), at=timezone.now(),
            )  # fmt: skip
            return redirect("admin:personas_operation_change", operation.pk)
        context = self.admin_site.each_context(request) | {
            "title": _("Import people"),
            "form": form,
            "columns": [column for column in columns_of(workspace) if column.is_read],
            "max_size": megabytes(MAX_BYTES),
            "max_rows": grouped(MAX_ROWS),
            "clear": clear_word(),
        }
        return TemplateResponse(request, "personas/import.html", context, status=422 if form.errors else 200)

    def operation_context(self, request: HttpRequest, operation: Operation) -> dict[str, Any]:
        context = super().operation_context(request, operation)
        if operation.kind != Operation.Kind.IMPORT:
            return context
        file_columns = operation.plan.get("columns", [])
        return context | {
            "file_columns": list(enumerate(file_columns)),
            "ignored": [column["title"] for column in file_columns if not column["key"] and column["title"]],
            "is_enough": is_enough([column["key"] for column in file_columns]),
            "choices": [column for column in columns_of(operation.workspace) if column.is_read],
            "refused_count": count_of(operation, states=[OperationRow.State.REFUSED]),
            "may_download": may(request.user, Action.DOWNLOAD, operation.workspace),
        }

    def columns_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        operation = self.operation(request, object_id, to_write=True)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        known = {column.key for column in columns_of(operation.workspace) if column.is_read}
        chosen = [request.POST.get(f"column-{index}", "") for index in range(len(operation.plan.get("columns", [])))]
        repeated = {key for key in chosen if key and chosen.count(key) > 1}
        if repeated or not set(chosen) <= known | {""}:
            messages.error(request, _("Each of our columns can be chosen once. Nothing was changed."))
            return redirect("admin:personas_operation_change", operation.pk)
        columns = [
            {"title": column["title"], "key": key}
            for column, key in zip(operation.plan["columns"], chosen, strict=True)
        ]
        try:
            prepare_again(operation_id=operation.pk, plan=operation.plan | {"columns": columns}, at=timezone.now())
        except RavenError as refusal:
            messages.error(request, str(refusal))
        return redirect("admin:personas_operation_change", operation.pk)

    # ----------------------------------------------------------------------------------------------- downloads
    def template_view(self, request: HttpRequest) -> HttpResponse:
        return template_response(workspace=_allowed(request, Action.DOWNLOAD))

    def people_view(self, request: HttpRequest) -> HttpResponseBase:
        """The people that the list shows at the same address."""
        workspace = _allowed(request, Action.DOWNLOAD)
        try:
            shown = PersonaFilter.from_query(request.GET, workspace)
        except FilterInvalid as refusal:
            messages.error(request, str(refusal))
            return redirect("admin:personas_persona_changelist")
        return people_response(
            people=shown.apply(workspace).order_by("-id"),
            workspace=workspace,
            viewer=cast(User, request.user),
            filters=[(_("Filters"), shown.in_words())] if shown else [],
        )

    def refused_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        operation = self.operation(request, object_id)
        if not may(request.user, Action.DOWNLOAD, operation.workspace):
            raise PermissionDenied
        return refused_response(operation=operation, viewer=cast(User, request.user))


def excel_buttons(request: HttpRequest) -> list[ListButton]:
    """For the list of people: importing some, and a download of those on the screen."""
    workspace = current_workspace(request)
    buttons = []
    if may(request.user, Action.DOWNLOAD, workspace):
        url = f"{reverse('admin:personas_operation_people')}?{request.GET.urlencode()}".rstrip("?")
        buttons.append(ListButton(gettext_lazy("Download Excel"), url, "download"))
    if may(request.user, Action.PERSONA_WRITE, workspace):
        buttons.append(ListButton(gettext_lazy("Import"), reverse("admin:personas_operation_import"), "upload"))
    return buttons


def _allowed(request: HttpRequest, action: Action) -> Workspace:
    """The current workspace, if the person may do this in it."""
    workspace = current_workspace(request)
    if workspace is None or not may(request.user, action, workspace):
        raise PermissionDenied
    return workspace
