from django.contrib.admin.apps import AdminConfig


class ConsoleConfig(AdminConfig):
    """Django's admin with the console's own site in place of the stock one."""

    default_site = "raven_admin.site.ConsoleSite"
