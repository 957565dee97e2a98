"""Which connections depend on a token: those that show it to this server, and those that its configuration goes to."""

from collections.abc import Iterator

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext

from accounts.models import Workspace
from platforms.encryption import SecretUnreadable, unseal
from platforms.models import Connection
from tokens.console.impact import Dependent, register_dependents
from tokens.models import Token
from tokens.secrets import parse_secret

_LOOKED_AT_AT_MOST = 100


def connections_of(request: HttpRequest, token: Token) -> list[Dependent]:
    """Connections of workspaces that the viewer does not see are told of without their names."""
    seen = set(Workspace.objects.of(request.user).values_list("pk", flat=True))
    here = Connection.objects.filter(base_url__startswith=f"{settings.BASE_URL}/", destination__removed_at=None)
    newest = here.select_related("destination", "workspace").order_by("-pk")[:_LOOKED_AT_AT_MOST]
    found = [
        _showing(connection, is_seen=connection.workspace_id in seen)
        for connection in newest
        if _shows(connection, token)
    ]
    return [*found, *_told(token)]


def _shows(connection: Connection, token: Token) -> bool:
    try:
        secret = parse_secret(unseal(connection.sealed_credential))
    except SecretUnreadable:
        return False
    return secret is not None and secret.public_id == token.public_id


def _showing(connection: Connection, *, is_seen: bool) -> Dependent:
    stops = gettext("connection: what goes out by it is refused here")
    if not is_seen:
        return Dependent(gettext("A connection of another workspace of this server"), stops)
    label = f"{connection.workspace.name}: {connection.name}"
    return Dependent(label, stops, reverse("admin:platforms_connection_change", args=[connection.pk]))


def _told(token: Token) -> Iterator[Dependent]:
    carrying = Connection.objects.filter(
        workspace=token.workspace_id, destination__removed_at=None, destination__carries_tokens=True
    )
    for connection in carrying.select_related("destination")[:_LOOKED_AT_AT_MOST]:
        yield Dependent(
            connection.name,
            gettext("connection: the token is switched off there too"),
            reverse("admin:platforms_connection_change", args=[connection.pk]),
        )


def register_connections() -> None:
    register_dependents(connections_of)
