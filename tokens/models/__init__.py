"""Tokens, what each may do, what was changed on them, and every call made with them."""

from tokens.models.callbacks import Callback, CallbackEvent, SigningSecret
from tokens.models.calls import (
    USAGE_DAYS,
    CallCount,
    IdempotencyKey,
    RateBucket,
    RequestLogEntry,
    TokenDay,
    UsageCount,
    UsageProgress,
    WorkspaceDay,
    WorkspaceHour,
)
from tokens.models.notices import BannerDismissal, CalendarFeed, ExpiryNotice
from tokens.models.tokens import (
    EXPIRING_WITHIN,
    Status,
    Token,
    TokenAbility,
    TokenEvent,
    masked,
    status_of,
)

__all__ = [
    "EXPIRING_WITHIN",
    "USAGE_DAYS",
    "BannerDismissal",
    "CalendarFeed",
    "CallCount",
    "Callback",
    "CallbackEvent",
    "ExpiryNotice",
    "IdempotencyKey",
    "RateBucket",
    "RequestLogEntry",
    "SigningSecret",
    "Status",
    "Token",
    "TokenAbility",
    "TokenDay",
    "TokenEvent",
    "UsageCount",
    "UsageProgress",
    "WorkspaceDay",
    "WorkspaceHour",
    "masked",
    "status_of",
]
