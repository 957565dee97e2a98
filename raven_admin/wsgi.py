"""The WSGI application that granian serves."""

import os
import sys

from django.core.wsgi import get_wsgi_application

from raven_admin.checkpoints import start_checkpoints
from raven_admin.lending import lend_connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "raven_admin.settings")
# A thread that makes a file, and only computes, gives way ten times as soon as Python would have it: a call of another
# thread, which waits for the database several times, else waits 5 ms for it each time.
sys.setswitchinterval(0.0005)
application = get_wsgi_application()
lend_connections()
start_checkpoints()
