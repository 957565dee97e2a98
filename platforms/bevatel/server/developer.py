"""Bevatel's developer API: contacts and template messages, with the account in the header api_account_id."""

from platforms.bevatel.server import contacts, templates
from platforms.bevatel.server.dialect import BevatelDialect
from tokens.endpoints import Endpoint
from tokens.gateway import routes

ENDPOINTS: tuple[Endpoint, ...] = (*contacts.DEVELOPER_ENDPOINTS, *templates.ENDPOINTS)

urlpatterns = routes(BevatelDialect(), ENDPOINTS, slash_is_optional=True)
