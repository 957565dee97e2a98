"""Bevatel's account API, which is Chatwoot's: contacts, conversations and messages below `accounts/<number>/`."""

from platforms.bevatel.server import contacts, conversations
from platforms.bevatel.server.dialect import BevatelDialect
from tokens.endpoints import Endpoint
from tokens.gateway import routes

ENDPOINTS: tuple[Endpoint, ...] = (*contacts.ENDPOINTS, *conversations.ENDPOINTS)

urlpatterns = routes(BevatelDialect(), ENDPOINTS, slash_is_optional=True)
