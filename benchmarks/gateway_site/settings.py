"""The product's own settings, and beside its addresses an empty view behind the framework's own TokenAuthentication."""

import os

from raven_admin.settings import *  # noqa: F403
from raven_admin.settings import DATABASES
from raven_admin.settings import INSTALLED_APPS as PRODUCT_APPS

INSTALLED_APPS = [*PRODUCT_APPS, "rest_framework.authtoken"]
ROOT_URLCONF = "benchmarks.gateway_site.urls"
if os.environ.get("CONNECT_EACH_TIME"):
    DATABASES["default"] |= {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False}
