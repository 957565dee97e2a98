"""Everything about one persona as one file: for the person themselves, and for whoever answers for their data.

A zip of `person.json`, which programs read, and `person.html`, which people read without any. It is sent while it is
being made, a page of history and of messages at a time. Of other people it holds no more than the names that messages
in shared conversations were written under.
"""

import json
import zipfile
from collections.abc import Iterable, Iterator
from datetime import date, datetime, tzinfo
from typing import IO, Any

from django.template.loader import render_to_string
from django.utils.html import format_html

from delivery.models import Delivery
from personas.attributes import json_value
from personas.history import Cause
from personas.models import Persona, PersonaChange
from personas.privacy import conversations

_PAGE = 500
_CHUNK_BYTES = 64 * 1024


class _Outbox:
    """What was written and not yet sent; a file as zipfile needs one."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts, self.size = [], 0
        return taken


def stream_disclosure(persona: Persona, *, cause: Cause, zone: tzinfo) -> Iterator[bytes]:
    """The bytes of the zip, in chunks; people read its moments in `zone`, programs in UTC."""
    outbox = _Outbox()
    archive = zipfile.ZipFile(outbox, "w", zipfile.ZIP_DEFLATED)
    facts = _facts(persona, cause=cause)
    for name, pieces in (("person.json", _as_json(persona, facts)), ("person.html", _as_html(persona, facts, zone))):
        with archive.open(zipfile.ZipInfo(name, date_time=cause.at.timetuple()[:6]), "w") as part:
            yield from _sent(part, pieces, outbox)
    archive.close()
    yield outbox.take()


def _sent(part: IO[bytes], pieces: Iterable[str], outbox: _Outbox) -> Iterator[bytes]:
    for piece in pieces:
        part.write(piece.encode())
        if outbox.size >= _CHUNK_BYTES:
            yield outbox.take()


def _facts(persona: Persona, *, cause: Cause) -> dict[str, Any]:
    """What there is little of: all but history, messages and deliveries."""
    values = persona.attributes.select_related("definition").order_by("definition__position", "definition_id")
    return {
        "workspace": persona.workspace.name,
        "made_at": cause.at,
        "made_by": cause.actor_label,
        "persona": {
            "id": persona.pk,
            "name": persona.name,
            "gender": persona.gender,
            "birthday": persona.birthday,
            "notes": persona.notes,
            "created_at": persona.created_at,
            "updated_at": persona.updated_at,
        },
        "contacts": [
            {"type": c.type, "label": c.label, "key": c.key, "normalized": c.normalized, "created_at": c.created_at}
            for c in persona.contacts.all()
        ],
        "attributes": [
            {"key": v.definition.key, "label": v.definition.label, "value": json_value(v.definition.type, v.value)}
            for v in values
        ],
        "absorbed": list(persona.merges.filter(undone_at=None).values("absorbed_id", "absorbed_name", "merged_at")),
    }


def _changes(persona: Persona) -> Iterator[dict[str, Any]]:
    for change in _pages(PersonaChange.objects.filter(persona=persona)):
        yield {
            "field": change.field,
            "old": change.old,
            "new": change.new,
            "origin": change.origin,
            "by": change.actor_label,
            "request_id": change.request_id,
            "happened_at": change.happened_at,
        }


def _deliveries(persona: Persona) -> Iterator[dict[str, Any]]:
    for delivery in _pages(Delivery.objects.filter(persona_id=persona.pk)):
        yield {
            "kind": delivery.kind,
            "fields": delivery.fields,
            "state": delivery.state,
            "created_at": delivery.created_at,
        }


def _pages(rows: Any) -> Iterator[Any]:
    last = 0
    while page := list(rows.filter(pk__gt=last).order_by("pk")[:_PAGE]):
        last = page[-1].pk
        yield from page


def _as_json(persona: Persona, facts: dict[str, Any]) -> Iterator[str]:
    yield _dumped(facts)[:-2]  # without the closing brace
    lists = {
        "history": _changes(persona),
        "messages": conversations().messages(persona),
        "deliveries": _deliveries(persona),
    }
    for name, entries in lists.items():
        yield f',\n  "{name}": ['
        separator = "\n"
        for entry in entries:
            yield separator + _dumped(entry)
            separator = ",\n"
        yield "\n  ]"
    yield "\n}\n"


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=_plain)


def _plain(value: Any) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(type(value))


def _as_html(persona: Persona, facts: dict[str, Any], zone: tzinfo) -> Iterator[str]:
    def at(moment: datetime) -> str:
        return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"

    yield render_to_string("personas/disclosure_head.html", {"facts": facts, "zone": zone, "at": at(facts["made_at"])})
    yield "<h2>Messages</h2>\n<table><tr><th>Time</th><th>Topic</th><th>From</th><th>Text</th><th>Went to</th></tr>\n"
    for message in conversations().messages(persona):
        to = ", ".join(f"{contact['type']} {contact['key']}" for contact in message["to"])
        yield format_html(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            at(message["created_at"]), message["topic"], message["sender"], message["text"], to,
        )  # fmt: skip
    yield "</table>\n<h2>History</h2>\n<table><tr><th>Time</th><th>Field</th><th>Old</th><th>New</th><th>By</th></tr>\n"
    for change in _changes(persona):
        yield format_html(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            at(change["happened_at"]), change["field"], change["old"], change["new"], change["by"],
        )  # fmt: skip
    yield "</table>\n</body>\n</html>\n"
