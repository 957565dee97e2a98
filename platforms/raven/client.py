"""Raven, as its client: people, messages and tokens to any server that speaks Raven's API.

The vendor publishes `message:send` alone; the rest is the API of our own gateway (README.md). Every call may be
repeated, because such a server honours `Idempotency-Key`.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from delivery.carriers import Temporary
from personas.models import ContactType
from platforms.contract import (
    Answer,
    Job,
    Plan,
    PlannedCall,
    Platform,
    Setting,
    Target,
    Trouble,
    Undeliverable,
    Unreached,
)
from platforms.happenings import Happening
from platforms.people import Address, OutgoingMessage, Person
from platforms.raven import incoming
from platforms.tokens import OutgoingToken
from platforms.transport import Exchange

PAGE_SIZE = 200
_FIELDS = ("name", "gender", "birthday", "notes")
_NEEDED = {
    "personas": ("persona_read", "persona_add", "persona_update", "attribute_update", "contact_add"),
    "messages": ("message_send", "topic_add"),
    "tokens": ("token_write",),
}


_CONFLICTS = {
    "token_id_taken": gettext_lazy("That server knows this token already, in another workspace. It can't be in two."),
    "token_digest_differs": gettext_lazy(
        "That server knows a token of this id with another secret. Delete that one there, or generate a new one here."
    ),
    "token_is_revoked": gettext_lazy("That token was revoked there, which can't be undone. Generate a new one."),
}


class Raven(Platform):
    key = "raven"
    label = gettext_lazy("Raven")
    summary = gettext_lazy("A Raven server: this one's other workspaces, another Raven Admin, or Raven itself.")
    default_url = "https://main.ginalne.com/raven/xapi/v1"
    url_help = gettext_lazy("Up to and including /raven/xapi/v1.")
    credential_label = gettext_lazy("Token")
    credential_help = gettext_lazy("A token of that server, as rvn_…; its abilities decide what it takes from us.")
    settings = (
        Setting(
            "username", gettext_lazy("Send as"), gettext_lazy("A user name there; empty: the token's user aliases."),
            is_required=False,
        ),
    )  # fmt: skip
    requests_per_minute = 600
    rate_help = gettext_lazy("600 is what a Raven Admin allows a token; the vendor names no limit.")
    carries = frozenset({"personas", "messages", "tokens"})
    reaches = frozenset(ContactType.values)
    deletes = True
    lists_people = True
    limits = (
        gettext_lazy("A contact can be added there and not taken away."),
        gettext_lazy("Attributes must be defined there under the same keys."),
        gettext_lazy(
            "A token works there too when both servers have the same TOKEN_PEPPERS; its secret never travels. "
            "Its callbacks and its caretaker stay here, and temporary tokens too."
        ),
    )
    names_of_senders_alone = True
    receives = incoming.EVENTS
    receives_summary = gettext_lazy(
        "What people write there, and how far your messages got, arrives here by itself, once the token there knows an "
        "address to call."
    )
    receives_help = gettext_lazy(
        "There: Tokens → the token that is entered here → Callbacks. Paste the address for the events below, and store "
        "the signing secret that is shown there on the connection’s page."
    )
    honours_idempotency_key = True
    has_many_contacts = True
    takes_contacts_away = False

    # ------------------------------------------------------------------ mapping
    def values(self, person: Person, fields: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for field in fields:
            kind, _colon, detail = field.partition(":")
            if kind in _FIELDS:
                value = getattr(person, kind)
                found[kind] = value.isoformat() if kind == "birthday" and value else value or None
            elif kind == "attribute":
                attribute = person.attributes.get(detail)
                found[f"attribute.{detail}"] = attribute.json if attribute else None
            elif kind == "contact" and (addresses := person.of_type(detail)):
                found[f"contact.{detail}"] = [_contact(address) for address in addresses]
        return found

    def cannot_reach(self, person: Person, fields: Sequence[str]) -> list[Unreached]:
        return [
            Unreached(field, _("Raven's API can't take a contact away."))
            for field in fields
            if field.startswith("contact:") and not person.of_type(field.partition(":")[2])
        ]

    # ------------------------------------------------------------------ plans
    def push(self, values: Mapping[str, Any], person: Person, job: Job) -> Plan:
        remote_id = job.remote_id
        if not remote_id:
            remote_id, is_new = yield from self._find_or_add(person)
            if is_new:
                return remote_id
            job.check_is_free(remote_id)
            values = self.values(person, person.known_fields)
        if header := {name: values[name] for name in _FIELDS if name in values}:
            yield PlannedCall("update", "POST", "persona:update", {"persona": _id(remote_id), **header})
        if attributes := _within(values, "attribute."):
            body = {"persona": _id(remote_id), "attribute": attributes}
            yield PlannedCall("attributes", "POST", "attribute:update", body)
        # It can't be taken away there: one that was taken away here meanwhile (a merge undone, say) is not told at all.
        theirs = {(address.type, address.key) for address in person.addresses}
        told = [contact for of_type in _within(values, "contact.").values() for contact in of_type]
        if contacts := [contact for contact in told if (contact["type"], contact["key"]) in theirs]:
            yield PlannedCall("contacts", "POST", "contact:add", {"persona": _id(remote_id), "contact": contacts})
        return remote_id

    def _find_or_add(self, person: Person) -> Generator[PlannedCall, Answer, tuple[str, bool]]:
        """The record's id, and whether it is new."""
        if found := (yield from self._find(person)):
            return found, False
        body = {"name": person.name, **_body_of_new(self.values(person, person.known_fields))}
        added = yield PlannedCall("add", "POST", "persona:add", body, bears=frozenset({409}))
        if added.status != 409:
            return str(added.value["data"]["id"]), True
        # Somebody else added them between the two calls, perhaps another connection to the same place.
        if found := (yield from self._find(person)):
            return found, False
        raise Undeliverable.because_of(added)

    def _find(self, person: Person) -> Plan:
        for address in person.addresses:
            found = yield PlannedCall("find", "GET", f"persona?{urlencode({'contact': address.key})}")
            if known := found.value["data"]:
                return str(known[0]["id"])
        return ""

    def delete(self, job: Job) -> Plan:
        yield PlannedCall("delete", "DELETE", f"persona/{job.remote_id}", bears=frozenset({404}))
        return job.remote_id

    def send(self, message: OutgoingMessage, job: Job) -> Plan:
        body: dict[str, Any] = {
            "topic": {"type": message.topic_type, "name": message.topic_name},
            "recipient": [{"name": message.person.name, "contact": [_contact(message.to)]}],
            "message": message.text,
        }
        if username := job.target.settings.get("username"):
            body["username"] = username
        sent = yield PlannedCall("send", "POST", "message:send", body)
        return str(sent.value["data"])

    def configure(self, values: Mapping[str, Any], token: OutgoingToken, job: Job) -> Plan:
        """By its digest; where the pepper of that is not held, a token that is known there by its id is configured."""
        path = f"token/{quote(token.public_id)}"
        if token.proof:
            body = {**token.proof, **values, **({"replaces": token.replaces} if token.replaces else {})}
            shared = yield PlannedCall("share", "PUT", path, body, bears=frozenset({409}))
            if shared.status != 409:
                return token.public_id
            if (code := shared.value["code"]) != "pepper_not_held":
                raise _conflict(code, shared)
        configured = yield PlannedCall("configure", "PATCH", path, dict(values), bears=frozenset({404, 409}))
        if configured.status == 404 and configured.value["code"] == "token_not_found":
            raise _unshareable(token)
        if configured.status in {404, 409}:
            raise _conflict(configured.value["code"], configured)
        return token.public_id

    def revoke(self, public_id: str, job: Job) -> Plan:
        path = f"token/{quote(public_id)}:revoke"
        revoked = yield PlannedCall("revoke", "POST", path, bears=frozenset({404}))
        if revoked.status == 404 and revoked.value["code"] != "token_not_found":
            raise Undeliverable.because_of(revoked)
        return "" if revoked.status == 404 else public_id

    def listing(self, job: Job, *, after: str) -> Plan:
        query = {"limit": PAGE_SIZE} | ({"cursor": after} if after else {})
        listed = yield PlannedCall("list", "GET", f"persona?{urlencode(query)}")
        return str(listed.value["next"] or "")

    def records(self, answer: Answer) -> Iterator[tuple[str, Answer]]:
        for persona in answer.value["data"]:
            yield str(persona["id"]), Answer(answer.status, {"data": persona})

    def read(self, job: Job) -> Plan:
        yield PlannedCall("read", "GET", f"persona/{job.remote_id}")
        return job.remote_id

    def read_values(self, answer: Answer) -> dict[str, Any]:
        record = answer.value["data"]
        contacts: dict[str, Any] = {}
        for contact in record["contact"]:
            shown = {"type": contact["type"], "key": contact["normalized"], "name": contact["name"]}
            contacts.setdefault(f"contact.{contact['type']}", []).append(shown)
        header = {name: record[name] or None for name in _FIELDS}
        return header | {f"attribute.{key}": value for key, value in record["attribute"].items()} | contacts

    def in_our_fields(self, values: Mapping[str, Any], person: Person) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in values.items():
            kind, _dot, detail = name.partition(".")
            if kind == "contact":
                found[f"contact:{detail}"] = [Address(c["type"], c["key"], c["name"]) for c in value]
            else:
                found[f"{kind}:{detail}" if detail else kind] = value
        return found

    # ------------------------------------------------------------------ what it tells us by itself
    def is_signed(self, headers: Mapping[str, str], body: bytes, *, secret: str, at: datetime) -> bool:
        return incoming.is_signed(headers, body, secret=secret, at=at)

    def event_of(self, event: Mapping[str, Any]) -> Any:
        return event.get("type")

    def key_of_call(self, headers: Mapping[str, str], event: Mapping[str, Any]) -> str:
        return incoming.key_of(headers)

    def happening(self, event: Mapping[str, Any], settings: Mapping[str, Any]) -> Happening:
        return incoming.happening_of(event)

    def probe(self, job: Job) -> Plan:
        yield PlannedCall("test", "GET", "token:self")
        return ""

    def advice(self, answer: Answer, carries: Sequence[str], job: Job) -> list[str]:
        """What the token there lacks for what the connection carries."""
        held = set(answer.value["data"]["abilities"])
        missing = [key for what in carries for key in _NEEDED[what] if key not in held]
        return [_("That token lacks: %(abilities)s.") % {"abilities": ", ".join(missing)}] if missing else []

    # ------------------------------------------------------------------ the wire
    def headers(self, target: Target) -> dict[str, str]:
        return {"Authorization": f"Bearer {target.credential}"}

    def trouble(self, call: PlannedCall, done: Exchange) -> Trouble | None:
        if done.status == 409 and _code(done) in {"idempotency_key_in_flight", "changed_meanwhile"}:
            return Temporary("in_flight", _("The same is still under way there."))
        return super().trouble(call, done)

    def is_gone(self, done: Exchange) -> bool:
        return done.status == 404 and _code(done) == "persona_not_found"

    def said(self, done: Exchange) -> str:
        body = done.json()
        return str(body.get("notification") or "") if isinstance(body, dict) else ""

    def expires_at(self, headers: Mapping[str, str]) -> str:
        return headers.get("raven-token-expires", "")


def _conflict(code: str, answer: Answer) -> Undeliverable:
    reason = _CONFLICTS.get(code)
    return Undeliverable(code, str(reason)) if reason else Undeliverable.because_of(answer)


def _unshareable(token: OutgoingToken) -> Undeliverable:
    """What to do about a token that is not known there and can't be made known."""
    if token.pepper:
        reason = _(
            "That server does not hold the pepper %(pepper)s, so this token can't work there. "
            "Set the same TOKEN_PEPPERS on both servers, restart them, then retry."
        )
        return Undeliverable("pepper_not_held", reason % {"pepper": token.pepper})
    reason = _("This server holds the pepper of this token no more, so it works nowhere. Generate a new one.")
    return Undeliverable("pepper_retired", reason)


def _contact(address: Address) -> dict[str, str]:
    return {"type": address.type, "name": address.label, "key": address.key}


def _within(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}


def _body_of_new(values: Mapping[str, Any]) -> dict[str, Any]:
    body = {name: values[name] for name in _FIELDS if values.get(name) is not None}
    if attributes := _within(values, "attribute."):
        body["attribute"] = attributes
    if contacts := [contact for of_type in _within(values, "contact.").values() for contact in of_type]:
        body["contact"] = contacts
    return body


def _id(remote_id: str) -> int | str:
    """Raven's ids are numbers on the wire; of one not known yet, in a preview, what stands for it."""
    return int(remote_id) if remote_id.isdigit() else remote_id


def _code(done: Exchange) -> str:
    body = done.json()
    return str(body.get("code", "")) if isinstance(body, dict) else ""
