"""Examples of all bodies and data of Raven's API, for its document; a test calls every operation with them."""

from datetime import UTC, date, datetime
from typing import Any

from platforms.raven.server import wire
from tokens.secrets import DIGEST_SCHEME

_MADE = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
_RECIPIENT = {
    "name": "Ginalne Official",
    "contact": [{"type": "whatsapp", "name": "Main Contact", "key": "+6285174314159"}],
}

BODIES: dict[Any, dict[str, Any]] = {
    # The vendor's own, of the page "Add Message As-User".
    wire.MessageSend: {
        "username": "your_username",
        "topic": {"type": "persona", "name": "Test Message Bot"},
        "recipient": [_RECIPIENT],
        "message": "Hello! This is a message from Raven 🚀",
    },
    wire.MessageAdd: {
        "persona": 17,
        "topic": {"type": "persona", "name": "Order 1001"},
        "message": "Is my order on its way?",
    },
    wire.TopicAdd: {"type": "mass", "name": "Opening hours in December"},
    wire.TopicStatus: {"topic": 5, "status": "resolved"},
    wire.TemplateSend: {
        "template": "order_shipped",
        "language": "en",
        "parameter": ["Rina", "1001"],
        "username": "your_username",
        "topic": {"type": "mass", "name": "Order updates"},
        "recipient": [_RECIPIENT],
    },
    wire.PersonaAdd: {
        "name": "Rina Hartono",
        "gender": "female",
        "birthday": "1990-04-21",
        "notes": "Prefers mornings.",
        "attribute": {"city": "Bandung", "customer_since": "2024-02-01"},
        "contact": [
            {"type": "whatsapp", "name": "Main contact", "key": "+6281200000101"},
            {"type": "email", "key": "rina@example.org"},
        ],
    },
    wire.PersonaUpdate: {"persona": 17, "name": "Rina Wulandari", "notes": None},
    wire.AttributeUpdate: {"persona": 17, "attribute": {"city": "Jakarta", "customer_since": ""}},
    wire.ContactAdd: {"persona": 17, "contact": [{"type": "telegram", "name": "Private", "key": "@rina"}]},
    wire.LocationAdd: {
        "name": "Jakarta store",
        "code": "JKT-1",
        "time_zone": "Asia/Jakarta",
        "address": "Jalan Sudirman 1",
        "phone": "+62 21 5550101",
        "is_open": True,
    },
    wire.LocationUpdate: {"is_open": False},
    wire.TokenDerive: {"ability": ["persona_read"], "seconds": 900, "persona": 17},
    wire.TokenIssue: {
        "name": "Checkout",
        "ability": ["message_send", "topic_add"],
        "expires_at": "2027-06-30T17:00:00Z",
        "source_networks": ["203.0.113.0/24"],
        "requests_per_minute": 120,
        "notice_address": "shop-team@example.org",
    },
    wire.TokenSettings: {"name": "Checkout (live)", "expires_at": None},
    wire.TokenShare: {
        "digest": f"{DIGEST_SCHEME}5f1c2ab0de93484e77a86d0f3c1b92e5a4d8071c6be9f2354d10c87ab3e6f59d",
        "pepper": "f89d03d99f0ce147",
        "last_four": "8f2a",
        "name": "Checkout",
        "ability": ["message_send", "topic_add"],
        "expires_at": "2027-06-30T17:00:00Z",
    },
    wire.TokenRotate: {"overlap_seconds": 3600},
}

_PERSONA = wire.PersonaData(
    id=17, name="Rina Hartono", gender="female", birthday=date(1990, 4, 21), notes="Prefers mornings.",
    attribute={"city": "Bandung", "customer_since": "2024-02-01"},
    contact=[
        wire.ContactData(
            id=23, type="whatsapp", name="Main contact", key="0812-0000-0101", normalized="+6281200000101"
        )
    ],
    version=4, created_at=_MADE, updated_at=_MADE,
)  # fmt: skip
_TOKEN = wire.TokenData(
    id="k3v9q2m7x4b6", name="Checkout", token="rvn_k3v9q2m7x4b6_…8f2a", status="active", is_on=True,  # noqa: S106
    ability=["message_send", "topic_add"], activates_at=None, expires_at=datetime(2027, 6, 30, 17, tzinfo=UTC),
    revoked_at=None, topic_anchor="Announcements", user_alias="your_username", source_networks=["203.0.113.0/24"],
    requests_per_minute=120, caretaker="your_username", notice_address="shop-team@example.org", last_used_at=_MADE,
    version=1,
)  # fmt: skip

DATA: dict[Any, Any] = {
    int: 1042,
    wire.PersonaData: _PERSONA,
    wire.PersonaDeleted: wire.PersonaDeleted(receipt=8),
    wire.TopicData: wire.TopicData(
        id=5, type="persona", name="Order 1001", status="open", persona=17, created_at=_MADE, updated_at=_MADE
    ),
    wire.MessageData: wire.MessageData(
        id=1042, topic=5, direction="outgoing", sender="Sari Wulandari", persona=None,
        message="Your order 1001 has left our house.",
        recipient=[wire.RecipientData(persona=17, contact=23, state="waiting")], created_at=_MADE,
    ),
    wire.TemplateData: wire.TemplateData(
        name="order_shipped", language="en", body="Dear {{1}}, your order {{2}} has left our house.", parameters=2
    ),
    wire.LocationData: wire.LocationData(
        id=3, name="Jakarta store", code="JKT-1", address="Jalan Sudirman 1", phone="+62 21 5550101",
        time_zone="Asia/Jakarta", is_open=True, version=1,
    ),
    wire.EventData: wire.EventData(
        number=311, kind="message.sent", data={"message": 1042, "topic": 5}, happened_at=_MADE
    ),
    wire.StatsData: wire.StatsData(
        personas=1830, topics_open=42,
        days=[wire.DayData(day=date(2026, 11, 21), messages_sent=310, messages_received=97)],
    ),
    wire.TokenSelfData: wire.TokenSelfData(
        name="Checkout", token="rvn_k3v9q2m7x4b6_…8f2a", status="active",  # noqa: S106
        workspace=wire.WorkspaceData(name="Demo", slug="demo", account=1), abilities=["message_send", "topic_add"],
        activates_at=None, expires_at="2027-06-30T17:00:00+00:00", topic_anchor="Announcements",
        user_alias="your_username", source_networks=[], requests_per_minute=600,
    ),
    wire.TokenData: _TOKEN,
    wire.TokenSecretData: wire.TokenSecretData(token=_TOKEN, secret="rvn_k3v9q2m7x4b6_…"),  # noqa: S106
    wire.DerivedData: wire.DerivedData(
        secret="rvt_p8w2n5c7z1h4_…", expires_at=_MADE.replace(minute=45), ability=["persona_read"]  # noqa: S106
    ),
}  # fmt: skip

NOTIFICATIONS = {
    "message_send": "Chat Sent Successfully",
    "message_add": "Message Added Successfully",
    "topic_add": "Topic Added Successfully",
    "topic_status": "Topic Status Set Successfully",
    "topic_list": "Topics Read Successfully",
    "topic_messages": "Messages Read Successfully",
    "template_list": "Templates Read Successfully",
    "template_send": "Chat Sent Successfully",
    "persona_add": "Persona Added Successfully",
    "persona_update": "Persona Updated Successfully",
    "attribute_update": "Attribute Updated Successfully",
    "contact_add": "Contact Added Successfully",
    "persona_list": "Personas Read Successfully",
    "persona_read": "Persona Read Successfully",
    "persona_delete": "Persona Deleted Successfully",
    "location_list": "Locations Read Successfully",
    "location_add": "Location Added Successfully",
    "location_read": "Location Read Successfully",
    "location_update": "Location Updated Successfully",
    "stats": "Statistics Read Successfully",
    "event_list": "Events Read Successfully",
    "token_self": "Token Read Successfully",
    "token_derive": "Token Derived Successfully",
    "token_list": "Tokens Read Successfully",
    "token_issue": "Token Issued Successfully",
    "token_read": "Token Read Successfully",
    "token_configure": "Token Configured Successfully",
    "token_share": "Token Shared Successfully",
    "token_rotate": "Token Rotated Successfully",
    "token_revoke": "Token Revoked Successfully",
    "token_delete": "Token Deleted Successfully",
}
"""By operationId."""
