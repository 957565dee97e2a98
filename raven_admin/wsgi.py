"""The WSGI application that granian serves."""

import os

from django.core.wsgi import get_wsgi_application

from raven_admin.checkpoints import start_checkpoints
from raven_admin.lending import lend_connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "raven_admin.settings")
application = get_wsgi_application()
lend_connections()
start_checkpoints()
