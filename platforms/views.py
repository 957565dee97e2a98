"""The address that platforms call when something happens there."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone, translation
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from platforms.receiving import receive_call
from raven_admin.errors import RavenError

_STATUSES = {"address_unknown": 404, "signature_wrong": 401, "call_not_understood": 400, "secret_unreadable": 503}


@csrf_exempt
@require_POST
def receive(request: HttpRequest, secret: str) -> HttpResponse:
    """Stored and answered; what follows comes later, since the platform waits five seconds and calls once."""
    body = request.read(settings.MAX_BODY_BYTES + 1)
    if len(body) > settings.MAX_BODY_BYTES:
        return JsonResponse({"error": "The body is too long.", "code": "body_too_large"}, status=413)
    try:
        receive_call(secret=secret, headers=request.headers, body=body, at=timezone.now())
    except RavenError as refusal:
        with translation.override(settings.LANGUAGE_CODE):  # whatever the caller says it reads: it is a program
            return JsonResponse({"error": str(refusal), "code": refusal.code}, status=_STATUSES[refusal.code])
    return JsonResponse({"received": True})
