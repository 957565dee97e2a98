"""Chative, as its client: six fields and the custom fields of people that are there already.

Its published API lists, reads, changes and deletes contacts (shared/vendors/chative.md); it can't add one and knows no
messages, and the form of a connection says so. A person here is linked to a contact there by its list.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from personas.models import AttributeType
from platforms.chative.server.mapping import read_birthday
from platforms.contract import (
    Answer,
    Job,
    Plan,
    PlannedCall,
    Platform,
    Target,
    Trouble,
    Undeliverable,
    Unreached,
    by_status,
)
from platforms.people import Address, Person
from platforms.transport import Exchange

PAGE_SIZE = 200
_PLAIN = ("name", "gender", "birthday")
_ADDRESSES = {"contact:email": "email", "contact:phone": "phone"}
_WAIT = timedelta(minutes=1)
"""The vendor's own words: "Retry in 1 minute." """


class Chative(Platform):
    key = "chative"
    label = gettext_lazy("Chative")
    summary = gettext_lazy("Chative's contacts: changes of people who are there already.")
    default_url = "https://api.chative.io/v1.0"
    url_help = gettext_lazy("Up to and including /v1.0.")
    credential_label = gettext_lazy("Secret key")
    credential_help = gettext_lazy("In Chative: Settings → Developer → API Keys. The key must be active.")
    requests_per_minute = 200
    rate_help = gettext_lazy("200 is the figure in Chative's documentation.")
    carries = frozenset({"personas"})
    adds_people = False
    not_linked = gettext_lazy("This person is not linked to anybody on Chative, and its API can't add people.")
    deletes = True
    lists_people = True
    limits = (
        gettext_lazy("Chative's API can't add people: only those who are there already are changed."),
        gettext_lazy("It takes first and last name, one e-mail, one phone, gender, birthday and custom fields."),
        gettext_lazy("WhatsApp and other contacts, second addresses and notes stay here."),
        gettext_lazy("It has no call for messages."),
    )

    # ------------------------------------------------------------------ mapping
    def values(self, person: Person, fields: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for field in fields:
            kind, _colon, key = field.partition(":")
            if kind == "name":
                found["firstName"], _space, found["lastName"] = person.name.partition(" ")
            elif kind == "gender":
                found["gender"] = person.gender
            elif kind == "birthday":
                found["birthday"] = _seconds(person) if person.birthday else None
            elif field in _ADDRESSES:
                address = person.first(key)
                found[_ADDRESSES[field]] = address.key if address else ""
            elif kind == "attribute":
                found[f"customFields.{key}"] = _custom(person, key)
        return found

    def cannot_reach(self, person: Person, fields: Sequence[str]) -> list[Unreached]:
        unreached = []
        for field in fields:
            kind, _colon, key = field.partition(":")
            if kind == "contact" and field not in _ADDRESSES:
                unreached.append(Unreached(field, _("Chative takes one e-mail and one phone only.")))
            elif field in _ADDRESSES and len(person.of_type(key)) > 1:
                unreached.append(Unreached(field, _("Chative takes one of each: the first is sent.")))
            elif kind not in {*_PLAIN, "contact", "attribute"}:
                unreached.append(Unreached(field, _("Chative has no such field.")))
        return unreached

    # ------------------------------------------------------------------ plans
    def push(self, values: Mapping[str, Any], person: Person, job: Job) -> Plan:
        if not job.remote_id:
            raise Undeliverable("not_linked", str(self.not_linked))
        body = {name: value for name, value in values.items() if "." not in name}
        custom = {name.partition(".")[2]: value for name, value in values.items() if "." in name}
        if custom:
            body["customFields"] = custom
        yield PlannedCall("update", "PATCH", f"contacts/{job.remote_id}", body, is_repeatable=True)
        return job.remote_id

    def delete(self, job: Job) -> Plan:
        path = f"contacts/{job.remote_id}"
        yield PlannedCall("delete", "DELETE", path, is_repeatable=True, bears=frozenset({404}))
        return job.remote_id

    def listing(self, job: Job, *, after: str) -> Plan:
        """Pages count from 0; the first empty one is the last."""
        page = int(after or 0)
        listed = yield PlannedCall("list", "GET", f"contacts?page={page}&limit={PAGE_SIZE}")
        return str(page + 1) if listed.value["list"] else ""

    def records(self, answer: Answer) -> Iterator[tuple[str, Answer]]:
        for contact in answer.value["list"]:
            yield str(contact["id"]), Answer(answer.status, contact)

    def read(self, job: Job) -> Plan:
        yield PlannedCall("read", "GET", f"contacts/{job.remote_id}")
        return job.remote_id

    def read_values(self, answer: Answer) -> dict[str, Any]:
        names = ("firstName", "lastName", "email", "gender", "birthday", "phone")
        custom = answer.value.get("customFields") or {}
        return {name: answer.value.get(name) for name in names} | {f"customFields.{k}": v for k, v in custom.items()}

    def in_our_fields(self, values: Mapping[str, Any], person: Person) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if "firstName" in values or "lastName" in values:
            found["name"] = " ".join(filter(None, (values.get("firstName"), values.get("lastName"))))
        if "gender" in values:
            found["gender"] = values["gender"]
        if "birthday" in values:
            born = values["birthday"]
            found["birthday"] = "" if born in {None, ""} else read_birthday(born, zone=UTC).isoformat()
        for field, name in _ADDRESSES.items():
            if name in values:
                found[field] = [Address(field.partition(":")[2], values[name])] if values[name] else []
        custom = {name.partition(".")[2]: value for name, value in values.items() if "." in name}
        return found | {f"attribute:{key}": value for key, value in custom.items()}

    def probe(self, job: Job) -> Plan:
        tested = yield PlannedCall("test", "GET", "contacts?page=0&limit=1")
        len(tested.value["list"])  # whatever else answers at this address has no such list
        return ""

    # ------------------------------------------------------------------ the wire
    def headers(self, target: Target) -> dict[str, str]:
        return {"Authorization": f"Bearer {target.credential}"}

    def trouble(self, call: PlannedCall, done: Exchange) -> Trouble | None:
        if done.status == 429:
            return by_status(done, said="", wait=_WAIT)
        return super().trouble(call, done)

    def is_gone(self, done: Exchange) -> bool:
        return done.status == 404 and "Contact not found" in self.said(done)

    def said(self, done: Exchange) -> str:
        """The published text, and what our own server says beside."""
        body = done.json()
        if not isinstance(body, dict):
            return ""
        detail = next((str(e.get("message", "")) for e in body.get("errors") or [] if isinstance(e, dict)), "")
        text = str(body.get("message") or body.get("error") or "")
        return text if not detail or detail == text else f"{text}: {detail}"


def _seconds(person: Person) -> int:
    """Midnight in UTC, in Unix seconds, as in the vendor's example."""
    assert person.birthday is not None  # noqa: S101 - the caller looked
    return int(datetime(person.birthday.year, person.birthday.month, person.birthday.day, tzinfo=UTC).timestamp())


def _custom(person: Person, key: str) -> Any:
    """In the four types: text, number, true or false, and a date in ISO 8601 with its offset; None clears."""
    attribute = person.attributes.get(key)
    if attribute is None:
        return None
    return f"{attribute.value}T00:00:00+00:00" if attribute.type == AttributeType.DATE else attribute.json
