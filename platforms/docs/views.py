"""The documents and the pages to try them on, for anybody: nothing of a workspace is in them."""

from typing import Any

import msgspec
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from platforms.docs.catalogue import DOCUMENTS
from platforms.docs.document import Document
from platforms.docs.openapi import document_of
from platforms.docs.page import groups_of, how_shown


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The page of the first document."""
    return page(request, next(iter(DOCUMENTS)))


@require_safe
def page(request: HttpRequest, name: str) -> HttpResponse:
    """All operations of one document, each to be tried out with a pasted token."""
    chosen = _document(name)
    context: dict[str, Any] = {
        "documents": DOCUMENTS.values(),
        "document": chosen,
        "title": chosen.title,
        "info": document_of(chosen)["info"],
        "base_url": request.build_absolute_uri(chosen.prefix),
        "groups": groups_of(chosen),
        "shown": how_shown(chosen),
    }
    return render(request, "docs/page.html", context)


@require_safe
def list_documents(request: HttpRequest) -> JsonResponse:
    """The paths of all documents, so that a tool can find them."""
    return JsonResponse([reverse("docs:document", args=[name]) for name in DOCUMENTS], safe=False)


@require_safe
def document(request: HttpRequest, name: str) -> HttpResponse:
    """One OpenAPI document; its server is the one that was asked for it."""
    chosen = _document(name)
    server = request.build_absolute_uri(chosen.prefix.rstrip("/"))
    made = {**document_of(chosen), "servers": [{"url": server}]}
    return HttpResponse(msgspec.json.encode(made), content_type="application/json")


def _document(name: str) -> Document:
    if name not in DOCUMENTS:
        raise Http404
    return DOCUMENTS[name]
