"""Bevatel, as its client: Chatwoot's account API for contacts and messages, Bevatel's own for templates.

A message takes up to five calls (contact, session, conversations, conversation, message); what each gave is kept, so a
send that broke off goes on where it stopped. Sources: shared/vendors/bevatel.md, parts A and C.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from delivery.carriers import Temporary
from platforms.bevatel import incoming
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
from platforms.transport import Exchange

_TYPES = {
    "email": ("email",),
    # What Bevatel sends to is a WhatsApp number; our server reads its `phone_number` the same way.
    "phone_number": ("whatsapp", "phone"),
    "identifier": ("other",),
}
_MEMBER_OF = {f"contact:{type}": member for member, types in _TYPES.items() for type in types}


class Bevatel(Platform):
    key = "bevatel"
    label = gettext_lazy("Bevatel")
    summary = gettext_lazy("Bevatel Business Chat, or any Chatwoot: contacts, messages and template messages.")
    default_url = "https://chat.bevatel.com"
    url_help = gettext_lazy("Without /api or /developer.")
    credential_label = gettext_lazy("Access token")
    credential_help = gettext_lazy("At the end of your profile page there. It acts with your role.")
    settings = (
        Setting(
            "account_id", gettext_lazy("Account id"), gettext_lazy("At the end of the profile page."), is_number=True
        ),
        Setting(
            "inbox_id", gettext_lazy("Inbox id"),
            gettext_lazy("The inbox that contacts and messages belong to; the number in the address of its settings."),
            is_number=True,
        ),
    )  # fmt: skip
    requests_per_minute = 300
    rate_help = gettext_lazy("Bevatel publishes 5 changes of contacts and 10 messages a second: 300 keeps both.")
    carries = frozenset({"personas", "messages"})
    reaches = frozenset({"whatsapp", "phone"})
    lists_people = True
    receives = incoming.EVENTS
    receives_summary = gettext_lazy(
        "What people write there, how far your messages got, and what changes about people there arrives here by "
        "itself, once the platform knows an address to call."
    )
    receives_help = gettext_lazy(
        "There: Settings → Integrations → Webhooks → Add new webhook. Paste the address and choose the events below."
    )
    limits = (
        gettext_lazy("It takes the name, one e-mail, one number, one identifier and custom attributes."),
        gettext_lazy("Gender, birthday, notes and second addresses stay here."),
        gettext_lazy("Deleting a person here does not delete them there."),
        gettext_lazy("Messages reach WhatsApp and phone contacts."),
    )

    # ------------------------------------------------------------------ mapping
    def values(self, person: Person, fields: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for field in fields:
            kind, _colon, key = field.partition(":")
            if kind == "name":
                found["name"] = person.name
            elif member := _MEMBER_OF.get(field):
                address = person.first(*_TYPES[member])
                found[member] = address.key if address else None
            elif kind == "attribute":
                attribute = person.attributes.get(key)
                found[f"custom_attributes.{key}"] = attribute.json if attribute else None
        return found

    def cannot_reach(self, person: Person, fields: Sequence[str]) -> list[Unreached]:
        unreached = []
        for field in fields:
            kind, _colon, _key = field.partition(":")
            member = _MEMBER_OF.get(field)
            if kind in {"gender", "birthday", "notes"} or (kind == "contact" and member is None):
                unreached.append(Unreached(field, _("Bevatel has no such field.")))
            elif member and sum(len(person.of_type(type)) for type in _TYPES[member]) > 1:
                unreached.append(Unreached(field, _("Bevatel takes one of each: the first is sent.")))
        return unreached

    def may_add_twice(self, person: Person) -> bool:
        """With an address they are found, and a second one is refused there."""
        return not any(person.of_type(type) for types in _TYPES.values() for type in types)

    # ------------------------------------------------------------------ plans
    def push(self, values: Mapping[str, Any], person: Person, job: Job) -> Plan:
        remote_id = job.remote_id
        if not remote_id:
            remote_id, is_new = yield from self._find_or_create(person, job)
            if is_new:
                return remote_id
            job.check_is_free(remote_id)
            values = self.values(person, person.known_fields)
        yield PlannedCall("update", "PUT", f"contacts/{remote_id}", _body(values), is_repeatable=True)
        return remote_id

    def send(self, message: OutgoingMessage, job: Job) -> Plan:
        steps, target = job.steps, job.target
        if message.template is not None:
            return (yield from self._send_template(message, target))
        # A contact there has one number, and the message goes to that: who is not linked is looked for by the number
        # alone, since a contact with their e-mail may have another one; and a second number is a contact of its own.
        first = message.person.first(*_TYPES["phone_number"])
        is_their_number = first is not None and first.key == message.to.key
        contact = steps.get("contact") or (job.remote_id if is_their_number else "")
        if not contact:
            of_number = replace(message.person, addresses=(message.to,))
            contact, _new = yield from self._find_or_create(of_number, job)
        steps["contact"] = contact
        if "conversation" not in steps:
            listed = yield PlannedCall("conversations", "GET", f"contacts/{contact}/conversations")
            if running := _running(listed.value["payload"], inbox_id=target.settings.get("inbox_id", "")):
                steps["conversation"] = running
        if "conversation" not in steps:
            if "source" not in steps:
                body = {"inbox_id": _inbox(target)}
                # Twice makes a second session of the same contact, which does no harm.
                path = f"contacts/{contact}/contact_inboxes"
                session = yield PlannedCall("session", "POST", path, body, is_repeatable=True)
                steps["source"] = str(session.value["source_id"])
            body = {"source_id": steps["source"], "inbox_id": _inbox(target), "contact_id": _id(contact)}
            begun = yield PlannedCall("conversation", "POST", "conversations", body, is_repeatable=True)
            steps["conversation"] = str(begun.value["id"])
        sent = yield PlannedCall(
            "message", "POST", f"conversations/{steps['conversation']}/messages",
            {"content": message.text, "message_type": "outgoing"},
        )  # fmt: skip
        return str(sent.value["id"])

    def _send_template(self, message: OutgoingMessage, target: Target) -> Plan:
        """By Bevatel's developer API, which delivers templates; the account API only stores them (part B)."""
        template = dict(message.template or {})
        choice: dict[str, Any] = {"name": template["name"], "language": template["language"]}
        if template.get("parameters"):
            choice["parameters"] = {"body": list(template["parameters"])}
        body = {
            "inbox_id": _inbox(target),
            "contact": {"phone_number": message.to.key},
            "message": {"template": choice},
        }
        yield PlannedCall("template", "POST", "/developer/api/v1/messages", body)
        return ""  # it answers no id

    def _find_or_create(self, person: Person, job: Job) -> Generator[PlannedCall, Answer, tuple[str, bool]]:
        """The contact's id, and whether it is new."""
        if found := (yield from self._find(person)):
            return found, False
        values = self.values(person, ["name", *person.known_fields])
        body = {"inbox_id": _inbox(job.target), **_body(values)}
        is_once = not self.may_add_twice(person)
        created = yield PlannedCall(
            "create", "POST", "contacts", body, is_repeatable=is_once, bears=frozenset({422})
        )  # fmt: skip
        if created.status != 422:
            return _created_id(created), True
        # “Has already been taken”: somebody created them between the two calls.
        if found := (yield from self._find(person)):
            return found, False
        raise Undeliverable.because_of(created)

    def _find(self, person: Person) -> Plan:
        for member, types in _TYPES.items():
            address = person.first(*types)
            if address is None:
                continue
            found = yield PlannedCall("search", "GET", f"contacts/search?q={quote(address.key, safe='')}")
            same = [c for c in found.value["payload"] if str(c.get(member) or "").lower() == address.key.lower()]
            if same:
                return str(same[0]["id"])
        return ""

    def find_message(self, message: OutgoingMessage, job: Job, *, since: datetime) -> Plan | None:
        if message.template is not None:  # nobody says in which conversation it stands
            return None
        return self._find_message(message, job, since=int(since.timestamp()))

    def _find_message(self, message: OutgoingMessage, job: Job, *, since: int) -> Plan:
        """Page by page of 20, the newest first, back to what was there before `since`."""
        conversation = job.steps.get("conversation")
        if not conversation:
            return ""
        path, before = f"conversations/{conversation}/messages", None
        while True:
            listed = yield PlannedCall("check", "GET", path if before is None else f"{path}?before={before}")
            page = sorted(listed.value["payload"], key=lambda sent: int(sent["id"]))
            for sent in reversed(page):
                if sent["content"] == message.text and sent["message_type"] == 1 and sent["created_at"] >= since:
                    return str(sent["id"])
            if not page or page[0]["created_at"] < since or page[0]["id"] == before:
                return ""
            before = page[0]["id"]

    def listing(self, job: Job, *, after: str) -> Plan:
        """Pages count from 1, and are of 15; the first empty one is the last. Oldest first, so that no page moves."""
        page = int(after or 1)
        listed = yield PlannedCall("list", "GET", f"contacts?sort=created_at&page={page}")
        return str(page + 1) if listed.value["payload"] else ""

    def records(self, answer: Answer) -> Iterator[tuple[str, Answer]]:
        for contact in answer.value["payload"]:
            yield str(contact["id"]), Answer(answer.status, {"payload": contact})

    def read(self, job: Job) -> Plan:
        yield PlannedCall("read", "GET", f"contacts/{job.remote_id}")
        return job.remote_id

    def read_values(self, answer: Answer) -> dict[str, Any]:
        record = answer.value["payload"]
        custom = record.get("custom_attributes") or {}
        return {name: record.get(name) for name in ("name", *_TYPES)} | {
            f"custom_attributes.{key}": value for key, value in custom.items()
        }

    def in_our_fields(self, values: Mapping[str, Any], person: Person) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in values.items():
            if name == "name":
                found["name"] = value
            elif types := _TYPES.get(name):
                ours = person.first(*types)
                type = ours.type if ours else types[0]
                found[f"contact:{type}"] = [Address(type, value)] if value else []
            else:
                found[f"attribute:{name.partition('.')[2]}"] = value
        return found

    # ------------------------------------------------------------------ what it tells us by itself
    def is_signed(self, headers: Mapping[str, str], body: bytes, *, secret: str, at: datetime) -> bool:
        return incoming.is_signed(headers, body, secret=secret, at=at)

    def key_of_call(self, headers: Mapping[str, str], event: Mapping[str, Any]) -> str:
        return incoming.key_of(headers, event)

    def happening(self, event: Mapping[str, Any], settings: Mapping[str, Any]) -> Happening:
        return incoming.elsewhere(event, settings) or incoming.happening_of(event)

    def probe(self, job: Job) -> Plan:
        yield PlannedCall("test", "GET", "inboxes")
        return ""

    def advice(self, answer: Answer, carries: Sequence[str], job: Job) -> list[str]:
        """Whether the inbox of the connection is one of the account's."""
        inboxes = {str(inbox["id"]): inbox["name"] for inbox in answer.value["payload"]}
        if job.target.settings.get("inbox_id") in inboxes:
            return []
        known = ", ".join(f"{id} ({name})" for id, name in inboxes.items())
        return [_("There is no such inbox. The account has: %(known)s.") % {"known": known or "–"}]

    # ------------------------------------------------------------------ the wire
    def headers(self, target: Target) -> dict[str, str]:
        return {"api_access_token": target.credential, "api_account_id": target.settings.get("account_id", "")}

    def url(self, call: PlannedCall, target: Target) -> str:
        base = target.base_url.rstrip("/")
        if call.path.startswith("/"):
            return f"{base}{call.path}"
        return f"{base}/api/v1/accounts/{target.settings.get('account_id', '')}/{call.path}"

    def trouble(self, call: PlannedCall, done: Exchange) -> Trouble | None:
        if done.status == 422 and "Too many messages" in self.said(done):  # Chatwoot's guard of one conversation, C5
            return Temporary("http_422_too_many", _("Too many messages in this conversation within a minute."))
        return super().trouble(call, done)

    def is_gone(self, done: Exchange) -> bool:
        return done.status == 404 and done.method == "PUT"

    def said(self, done: Exchange) -> str:
        body = done.json()
        if not isinstance(body, dict):
            return done.body[:200] if done.status == 429 else ""  # rack-attack's plain text
        listed = [body.get("message"), body.get("error"), *(body.get("errors") or [])]
        return next((str(text) for text in listed if text), "")


def _body(values: Mapping[str, Any]) -> dict[str, Any]:
    body = {name: value for name, value in values.items() if "." not in name}
    # As published, these are texts. An empty identifier would be taken for that of everybody else who has none.
    body |= {name: "" for name in ("email", "phone_number") if name in body and body[name] is None}
    if custom := {name.partition(".")[2]: value for name, value in values.items() if "." in name}:
        body["custom_attributes"] = custom
    return body


def _running(conversations: Any, *, inbox_id: str) -> str:
    """The newest conversation on the inbox that is not resolved; "" when there is none."""
    ids = [c["id"] for c in conversations if c["status"] != "resolved" and str(c["inbox_id"]) == inbox_id]
    return str(max(ids)) if ids else ""


def _created_id(answer: Answer) -> str:
    """As Chatwoot's source answers, or else as its document says."""
    payload = answer.value["payload"]
    contact = payload.get("contact", payload)
    return str(contact["id"])


def _inbox(target: Target) -> int | str:
    return _id(target.settings.get("inbox_id", ""))


def _id(text: str) -> int | str:
    return int(text) if text.isdigit() else text
