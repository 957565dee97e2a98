"""Raven's API: `message:send` as the vendor publishes it, the rest in the same style (ours)."""

from platforms.raven.server import messages, people, places, reports, tokens
from platforms.raven.server.dialect import RavenDialect
from tokens.endpoints import Endpoint
from tokens.gateway import routes

ENDPOINTS: tuple[Endpoint, ...] = (
    *messages.ENDPOINTS,
    *people.ENDPOINTS,
    *places.ENDPOINTS,
    *reports.ENDPOINTS,
    *tokens.ENDPOINTS,
)

urlpatterns = routes(RavenDialect(), ENDPOINTS)
