"""The platforms there are. The one place that knows every vendor."""

from dataclasses import dataclass
from typing import ClassVar

from platforms.bevatel.client import Bevatel
from platforms.chative.client import Chative
from platforms.contract import Platform
from platforms.email.client import Email
from platforms.raven.client import Raven
from platforms.webhook.client import Webhook
from raven_admin.errors import RavenError

PLATFORMS: dict[str, Platform] = {
    platform.key: platform for platform in (Raven(), Chative(), Bevatel(), Webhook(), Email())
}


@dataclass(eq=False)
class PlatformUnknown(RavenError):
    """There is no platform “{key}”."""

    code: ClassVar[str] = "platform_unknown"
    key: str


def platform_of(key: str) -> Platform:
    """Raises PlatformUnknown."""
    if key not in PLATFORMS:
        raise PlatformUnknown(key=key)
    return PLATFORMS[key]
