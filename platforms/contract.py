"""What every platform is to the rest of the server: what it takes, which calls it wants, and what its answers mean.

A plan is a generator of calls, so that a send in several steps reads like one: it yields a `PlannedCall` and gets the
`Answer`. The same plan runs over HTTP (`platforms.carrying`), and dry, as the preview that people see before saving.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

import msgspec
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from delivery.backoff import parse_retry_after
from delivery.carriers import Refused, Temporary, Unknown
from platforms.happenings import Happening, Nothing
from platforms.people import OutgoingMessage, Person
from platforms.tokens import OutgoingToken
from platforms.transport import Exchange, Failure, Request

Text = str | Promise
Trouble = Refused | Temporary | Unknown


@dataclass(frozen=True, slots=True)
class Target:
    """Where a connection leads and how it shows who we are."""

    base_url: str
    credential: str = field(repr=False, default="")
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.credential,) if self.credential else ()


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call of a plan, below the connection's base URL."""

    step: str
    """Names it among the plan's calls, and in the idempotency key."""
    method: str
    path: str
    body: Any = None
    is_repeatable: bool = False
    """Whether the platform, called twice, does no more than called once."""
    bears: frozenset[int] = frozenset()
    """Statuses that the plan itself deals with, beside success."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    value: Any
    """Of its JSON; in a preview, what stands for any value not known yet."""
    headers: Mapping[str, str] = field(default_factory=dict)
    said: str = ""
    """The platform's own words, when it is a refusal that the plan bears."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a plan knows of the connection and of what was done before."""

    target: Target
    remote_id: str = ""
    """Of the linked record; "" when there is none."""
    steps: MutableMapping[str, str] = field(default_factory=dict)
    """What finished steps gave, those of earlier attempts too; what a plan puts in is kept at once."""
    check_is_free: Callable[[str], None] = lambda _remote_id: None
    """Raises Undeliverable when the record is linked to somebody else here; ask before changing one that was found."""


Plan = Generator[PlannedCall, Answer, str]
"""Returns the remote id of what was delivered, or ""."""


class Undeliverable(Exception):
    """Raised by a plan: no further call would help. Becomes a refusal with this code and sentence."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason

    @classmethod
    def because_of(cls, answer: Answer) -> "Undeliverable":
        """What the status of a refusal that was borne means to everybody, in the platform's words where it has some."""
        return cls(f"http_{answer.status}", _reason(answer.status) + _quoted(answer.said))


@dataclass(frozen=True, slots=True)
class Setting:
    """What a platform needs to know of a connection beside address and credential."""

    key: str
    label: Text
    help: Text
    is_number: bool = False
    is_email: bool = False
    """An address of e-mail, with or without a name before it."""
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class Unreached:
    """A field that a platform can't take, and why."""

    field: str
    reason: str


class Platform:
    """One platform. What a subclass does not say, it can't do."""

    key: ClassVar[str]
    label: ClassVar[Text]
    summary: ClassVar[Text]
    """In the choice of platforms, one sentence."""
    has_address: ClassVar[bool] = True
    """Whether a connection names an address."""
    default_url: ClassVar[str] = ""
    url_help: ClassVar[Text] = ""
    credential_label: ClassVar[Text] = ""
    """"" when it takes none from a person."""
    credential_help: ClassVar[Text] = ""
    settings: ClassVar[tuple[Setting, ...]] = ()
    requests_per_minute: ClassVar[int | None] = None
    rate_help: ClassVar[Text] = ""
    """Where the default rate comes from."""
    carries: ClassVar[frozenset[str]] = frozenset()
    """Of `personas`, `messages`, `tokens`."""
    reaches: ClassVar[frozenset[str]] = frozenset()
    """The types of contact that its messages reach."""
    adds_people: ClassVar[bool] = True
    """False: only people linked to a record there are told about."""
    not_linked: ClassVar[Text] = ""
    """What is said of a person who is not linked, where `adds_people` is False."""
    deletes: ClassVar[bool] = False
    """Whether deleting a person here deletes them there."""
    limits: ClassVar[tuple[Text, ...]] = ()
    """What it can't take, said on the form before saving."""
    honours_idempotency_key: ClassVar[bool] = False
    has_many_contacts: ClassVar[bool] = False
    """Whether a record there has all contacts of a type; else it has the first."""
    takes_contacts_away: ClassVar[bool] = True
    lists_people: ClassVar[bool] = False
    """Whether the people there can be read page by page."""
    names_of_senders_alone: ClassVar[bool] = False
    """Whether it tells of whoever writes the name and no address, so that who is not linked can't be found here."""
    receives: ClassVar[tuple[str, ...]] = ()
    """The events of which it tells us by itself and something follows here."""
    receives_summary: ClassVar[Text] = ""
    """What these are, one sentence."""
    receives_help: ClassVar[Text] = ""
    """Where our address is entered there."""

    def first_settings(self) -> dict[str, str]:
        """What the form of a new connection has in it already."""
        return {}

    # ------------------------------------------------------------------ mapping, without any call
    def values(self, person: Person, fields: Sequence[str]) -> dict[str, Any]:
        """What these fields are there, by the names of that platform's members; none when it takes none of them."""
        return {}

    def cannot_reach(self, person: Person, fields: Sequence[str]) -> list[Unreached]:
        """Those of `fields` that it does not take, or not whole."""
        return []

    def may_add_twice(self, person: Person) -> bool:
        """Whether adding them once more makes a second record, because nothing of theirs is one person's only."""
        return False

    # ------------------------------------------------------------------ plans
    def push(self, values: Mapping[str, Any], person: Person, job: Job) -> Plan:
        """The person there has `values`; who is not known there (no `job.remote_id`) is found, or added whole."""
        raise Undeliverable("not_taken", _("This platform takes no people."))
        yield

    def delete(self, job: Job) -> Plan:
        raise Undeliverable("not_taken", _("This platform can't delete people."))
        yield

    def send(self, message: OutgoingMessage, job: Job) -> Plan:
        raise Undeliverable("not_taken", _("This platform takes no messages."))
        yield

    def configure(self, values: Mapping[str, Any], token: OutgoingToken, job: Job) -> Plan:
        """The token there has `values`; one that is not known there works there from now on."""
        raise Undeliverable("not_taken", _("This platform takes no tokens."))
        yield

    def revoke(self, public_id: str, job: Job) -> Plan:
        """The token works there no more."""
        raise Undeliverable("not_taken", _("This platform takes no tokens."))
        yield

    def read(self, job: Job) -> Plan:
        """The record is read back; what `read_values` makes of the answer can be compared."""
        raise Undeliverable("not_taken", _("This platform can't be read."))
        yield

    def read_values(self, answer: Answer) -> dict[str, Any]:
        """The members of a record that was read, as `values` names them."""
        return {}

    def listing(self, job: Job, *, after: str) -> Plan:
        """Reads the page after `after` ("": the first); returns what the next is after, "" when this was the last."""
        raise Undeliverable("not_taken", _("This platform has no list of people."))
        yield

    def records(self, answer: Answer) -> Iterator[tuple[str, Answer]]:
        """The records of a page: the id of each, and what reading it alone would have answered."""
        return iter(())

    def in_our_fields(self, values: Mapping[str, Any], person: Person) -> dict[str, Any]:
        """Those members by the fields that they are here, as `PersonaChange.field` names them.

        A contact's is a list of addresses, an attribute's what JSON has of it, all others are texts. The way back from
        `values`, so that a record and what it should be can be compared in our own words.
        """
        return {}

    def find_message(self, message: OutgoingMessage, job: Job, *, since: datetime) -> Plan | None:
        """Looks for a message whose sending broke off, and returns its id, "" when it is not there; None: it can't."""
        return None

    # ------------------------------------------------------------------ what it tells us by itself
    def is_signed(self, headers: Mapping[str, str], body: bytes, *, secret: str, at: datetime) -> bool:
        """Whether the call was signed with `secret`, lately."""
        return False

    def event_of(self, event: Mapping[str, Any]) -> Any:
        """What is told of, by the platform's name for it; a text, when the call is one of the platform's."""
        return event.get("event")

    def key_of_call(self, headers: Mapping[str, str], event: Mapping[str, Any]) -> str:
        """What is the same when the same is told again; "" when nothing says so."""
        return ""

    def happening(self, event: Mapping[str, Any], settings: Mapping[str, Any]) -> Happening:
        """What the event means; `settings` are the connection's. What it raises for nonsense, a plan raises too."""
        return Nothing(_("This platform tells nothing by itself."))

    def probe(self, job: Job) -> Plan:
        """A call that changes nothing and succeeds only with the right address, credential and settings."""
        raise NotImplementedError
        yield

    def advice(self, answer: Answer, carries: Sequence[str], job: Job) -> list[str]:
        """What is wrong although the probe succeeded, as sentences."""
        return []

    # ------------------------------------------------------------------ the wire
    def headers(self, target: Target) -> dict[str, str]:
        """Those that show who we are."""
        return {}

    def url(self, call: PlannedCall, target: Target) -> str:
        return f"{target.base_url.rstrip('/')}/{call.path}"

    def request(self, call: PlannedCall, target: Target, *, idempotency_key: str) -> Request:
        headers = {"Accept": "application/json", **self.headers(target)}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        if self.honours_idempotency_key and call.method != "GET":
            headers["Idempotency-Key"] = f"{idempotency_key}:{call.step}"
        body = None if call.body is None else msgspec.json.encode(call.body)
        return Request(call.method, self.url(call, target), headers, body, secrets=target.secrets)

    def trouble(self, call: PlannedCall, done: Exchange) -> Trouble | None:
        """What is wrong with an answer; None when nothing is. A platform's own file says it better than this."""
        if done.status is None or done.failure is not None:
            return unanswered(done, is_repeatable=self.is_repeatable(call))
        if 200 <= done.status < 300 or done.status in call.bears:
            return None
        return by_status(done, said=self.said(done))

    def is_repeatable(self, call: PlannedCall) -> bool:
        return call.is_repeatable or self.honours_idempotency_key or call.method == "GET"

    def is_gone(self, done: Exchange) -> bool:
        """Whether an answer says that the linked record does not exist any more."""
        return False

    def said(self, done: Exchange) -> str:
        """The platform's own words about a refusal, from its body."""
        return ""

    def expires_at(self, headers: Mapping[str, str]) -> str:
        """When the credential ends, as a header of an answer says it (ISO 8601); "" when none does."""
        return ""


def unanswered(done: Exchange, *, is_repeatable: bool) -> Trouble:
    """What it means that there is no answer to read."""
    if done.failure == Failure.ADDRESS:
        return Refused("address_refused", done.problem)
    if done.failure == Failure.NOT_SENT:
        return Temporary("not_sent", done.problem)
    if is_repeatable:
        return Temporary("no_answer", done.problem)
    return Unknown("no_answer", done.problem)


def by_status(done: Exchange, *, said: str, wait: timedelta | None = None) -> Refused | Temporary:
    """What an answer's status means to everybody: 408, 429 and 5xx pass, all other refusals stay.

    `wait` is how long to wait after 429 when the answer does not say.
    """
    status = done.status or 0
    words = _quoted(said)
    if status in {408, 425, 429} or status >= 500:
        reason = _("Too many calls.") if status == 429 else _("It has a problem of its own (%d).") % status
        asked = parse_retry_after(done.headers.get("retry-after"), now=timezone.now())
        return Temporary(f"http_{status}", reason + words, asked or (wait if status == 429 else None))
    return Refused(f"http_{status}", _reason(status) + words)


def _quoted(said: str) -> str:
    return " " + _("It says: “%(text)s”") % {"text": said[:300]} if said else ""


def _reason(status: int) -> str:
    if 300 <= status < 400:
        return _("It redirects to another address; put the final one into the connection.")
    reasons = {
        400: _("It did not accept what was sent."),
        401: _("It does not accept the credential."),
        402: _("Its plan does not allow this."),
        403: _("The credential may not do this."),
        404: _("It does not know this record or address."),
        405: _("It does not know this call."),
        409: _("It conflicts with something there."),
        410: _("The record is gone there."),
        413: _("It was too long."),
        422: _("It did not accept a value."),
    }
    return reasons.get(status, _("It refused (%d).") % status)
