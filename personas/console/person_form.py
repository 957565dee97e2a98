"""The form of a person: each control beside the value that it showed, so that a save knows what was changed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Workspace
from personas.attributes import MAX_LENGTH, parse_value
from personas.contacts import MAX_KEY_LENGTH, ContactKeyInvalid, calling_code, normalise
from personas.editing import Sheet, Value, one_line_break, persona_draft
from personas.matching import ContactDraft
from personas.models import AttributeDefinition, AttributeType, Contact, ContactType
from personas.services import (
    MAX_CONTACTS,
    AttributeUnknown,
    AttributeValueInvalid,
    ContactRefused,
    ContactTaken,
    NameMissing,
    PersonaDraft,
    taken_contacts,
)
from raven_admin.errors import RavenError

_LONG_TEXT = 80
_CONTACT_KEY = re.compile(r"(?:seen-)?contact-([1-9][0-9]{0,17})-key")
_NEW_KEY = re.compile(r"new-([0-9]{1,3})-key")
_GENDERS = ("female", "male", "other")
_OFF = {"autocomplete": "off", "form": "person"}
"""Of every control: the name stands in the page's head, outside of the form."""
_WORDS = {**_OFF, "dir": "auto"}
_TYPES_WITHOUT_TYPING = (AttributeType.DATE, AttributeType.BOOLEAN)
"""Their controls can't show a text that is no value of theirs."""


@dataclass(frozen=True, slots=True)
class Control:
    """A control, and the text that it showed."""

    field: forms.BoundField
    seen: str


class AttributeField(forms.Field):
    """An attribute, with the control of its type; its value is the text that is stored."""

    def __init__(self, definition: AttributeDefinition, *, seen: str) -> None:
        self.definition, self.seen = definition, seen
        super().__init__(label=definition.label, help_text=definition.hint, required=False, widget=self._control())

    def _control(self) -> forms.Widget:
        if self.definition.type == AttributeType.BOOLEAN:
            return forms.RadioSelect(
                {"form": "person"}, choices=[("true", _("Yes")), ("false", _("No")), ("", _("Not set"))]
            )
        if self.definition.type == AttributeType.NUMBER:
            return forms.TextInput({**_OFF, "inputmode": "decimal"})
        if self.definition.type == AttributeType.DATE:
            return forms.DateInput({**_OFF, "type": "date"})
        if "\n" in self.seen or len(self.seen) > _LONG_TEXT:
            return forms.Textarea({**_WORDS, "rows": 3, "maxlength": MAX_LENGTH})
        return forms.TextInput({**_WORDS, "maxlength": MAX_LENGTH})

    def clean(self, value: Any) -> str:
        text = _text(value)
        if text == self.seen:
            return text  # what is there already is not asked again whether it may be
        try:
            return parse_value(self.definition.type, text)
        except ValueError as error:
            problem = f"{self.definition.label} {error}"
            if self.definition.type in _TYPES_WITHOUT_TYPING:  # its type was another when it was typed
                problem += " " + gettext("You wrote “%(text)s”.") % {"text": text}
            raise ValidationError(problem) from None


class FactsForm(forms.Form):
    """What is known of a person beside their contacts."""

    name = forms.CharField(
        label=_("Name"), max_length=255, widget=forms.TextInput(_WORDS),
        error_messages={"required": _("A persona needs a name.")},
    )  # fmt: skip
    gender = forms.CharField(
        label=_("Gender"), max_length=30, required=False, widget=forms.TextInput({**_OFF, "list": "genders"})
    )
    birthday = forms.DateField(
        label=_("Birthday"), required=False, input_formats=["%Y-%m-%d"],
        widget=forms.DateInput({**_OFF, "type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": _("Write the birthday as 2002-08-31.")},
    )  # fmt: skip
    notes = forms.CharField(
        label=_("Notes"), max_length=10_000, required=False, strip=False, widget=forms.Textarea({**_WORDS, "rows": 4})
    )
    genders = _GENDERS

    def __init__(self, data: Any, *, seen: Sheet, definitions: Sequence[AttributeDefinition]) -> None:
        super().__init__(data, initial={_control_name(field): value for field, value in seen.items()})
        for definition in definitions:
            text = _text(seen.get(f"attribute:{definition.key}"))
            self.fields[f"attribute-{definition.key}"] = AttributeField(definition, seen=text)

    def wanted(self) -> dict[str, Value]:
        return {_field_name(name): _stored(value) for name, value in self.cleaned_data.items()}


class ContactForm(forms.Form):
    """One contact: of those there are, with the choice to remove it; a new one is left out while it is empty."""

    type = forms.ChoiceField(label=_("Type"), choices=ContactType.choices, widget=forms.Select({"autocomplete": "off"}))
    key = forms.CharField(label=_("Address"), max_length=MAX_KEY_LENGTH, required=False, widget=forms.TextInput(_OFF))
    label = forms.CharField(label=_("Label"), max_length=255, required=False, widget=forms.TextInput(_WORDS))
    remove = forms.BooleanField(label=_("Remove"), required=False, widget=forms.CheckboxInput({"autocomplete": "off"}))

    taken: ContactTaken | None = None
    """Whose the address is, when that is why it is refused."""
    merge_url: str = ""

    def __init__(
        self, data: Any, *, prefix: str, seen: ContactDraft | None, contact: Contact | None, country: str
    ) -> None:
        initial = {"type": seen.type, "key": seen.key, "label": seen.label} if seen else {}
        super().__init__(data, prefix=prefix, initial=initial)
        self.seen, self.contact, self.country = seen, contact, country

    def clean(self) -> dict[str, Any]:
        draft = self.draft()
        if draft is None:
            self.errors.clear()  # what goes may be as it likes
        elif "type" in self.cleaned_data and not self._is_address_as_seen(draft):
            try:
                normalise(draft.type, draft.key, country=self.country)
            except ContactKeyInvalid as error:
                self.add_error("key", str(error))
        return self.cleaned_data

    def _is_address_as_seen(self, draft: ContactDraft) -> bool:
        return self.seen is not None and (draft.type, draft.key) == (self.seen.type, self.seen.key)

    @property
    def typed(self) -> ContactDraft | None:
        """The contact as it was written, valid or not; None where nothing was."""
        texts = [_text(self.data.get(f"{self.prefix}-{part}")).strip() for part in ("type", "key", "label")]
        draft = ContactDraft(*texts)
        is_there = draft.type in ContactType.values and draft.key and f"{self.prefix}-remove" not in self.data
        return draft if is_there and draft != self.seen else None

    @property
    def new_address(self) -> ContactDraft | None:
        """The contact, if its address was typed and is valid."""
        draft = None if self.errors else self.draft()
        return None if draft is None or self._is_address_as_seen(draft) else draft

    def draft(self) -> ContactDraft | None:
        """None where there is to be no contact."""
        given = self.cleaned_data
        if given.get("remove") or ("key" in given and not given["key"] and (self.seen or not given.get("label"))):
            return None
        return ContactDraft(given.get("type", ""), given.get("key", ""), given.get("label", ""))


class PersonForm:
    """All that the page of a person lets one change; what another person changes meanwhile is found by `seen`."""

    def __init__(
        self,
        data: Any = None,
        *,
        current: Sheet,
        definitions: Sequence[AttributeDefinition],
        contacts: Sequence[Contact] = (),
        country: str,
    ) -> None:
        data = _as_chosen(data) if data is not None else None
        self.definitions, self.calling_code = definitions, calling_code(country)
        self.seen: dict[str, Value] = dict(current) if data is None else _seen_in(data, definitions)
        known = {contact.pk: contact for contact in contacts}
        self.facts = FactsForm(data, seen=self.seen, definitions=definitions)
        self.contacts = [
            ContactForm(data, prefix=f"contact-{pk}", seen=seen, contact=known.get(pk), country=country)
            for pk, seen in _contacts_in(self.seen, data).items()
        ]
        numbers = _numbers(data, _NEW_KEY) if data is not None else []
        self.new = [
            ContactForm(data, prefix=f"new-{number}", seen=None, contact=None, country=country)
            for number in numbers[:MAX_CONTACTS]
        ]
        blank = max([*numbers, -1]) + 1
        self.blank = ContactForm(None, prefix=f"new-{blank}", seen=None, contact=None, country=country)
        self.refusals: list[str] = []
        self._homeless = _homeless_in(data, definitions) if data is not None else {}

    @property
    def controls(self) -> dict[str, Control]:
        """By the names of the controls."""
        return {field.name: Control(field, _text(self.seen.get(_field_name(field.name)))) for field in self.facts}

    @property
    def attributes(self) -> list[Control]:
        """In the workspace's order."""
        return [control for name, control in self.controls.items() if name.startswith("attribute-")]

    def is_valid(self) -> bool:
        answers = [form.is_valid() for form in self.forms]  # each says what is wrong
        for key, text in self._homeless.items():
            refusal = gettext(
                "The attribute “%(key)s” was removed from this workspace meanwhile. You wrote “%(text)s”."
            )
            self.refusals.append(refusal % {"key": key, "text": text})
        return all(answers) and not self._homeless

    def wanted(self) -> dict[str, Value]:
        wanted = self.facts.wanted()
        for form in self.contacts:
            wanted[f"contact:{form.prefix.removeprefix('contact-')}"] = form.draft()  # type: ignore[union-attr]
        return wanted

    def changes(self) -> dict[str, Value]:
        """Of `wanted` what differs from what was seen."""
        wanted = self.wanted()
        return {field: wanted[field] for field in wanted if (wanted[field] or None) != (self.seen.get(field) or None)}

    def typed(self) -> list[tuple[str, str | ContactDraft]]:
        """Fields and what was written there, valid or not, where it is not what the control showed."""
        written = {_field_name(name): _text(self.facts.data.get(name)) for name in self.facts.fields}
        texts = [(field, text) for field, text in written.items() if text.strip() and text != self.seen.get(field)]
        return [*texts, *(("contact:", draft) for form in [*self.contacts, *self.new] if (draft := form.typed))]

    def carried_anew(self) -> list[tuple[str, str]]:
        """Names and values with which the page that adds a person shows what was typed."""
        typed = self.typed()
        carried = _controls({field: value for field, value in typed if isinstance(value, str)})
        for number, draft in enumerate(value for _field, value in typed if isinstance(value, ContactDraft)):
            carried += _controls_of_contact(f"new-{number}", draft)
        return carried

    def draft(self) -> PersonaDraft:
        return persona_draft(self.wanted())

    def carried(self, current: Sheet) -> list[tuple[str, str]]:
        """Names and values with which this form is sent again, as if it had been filled in where `current` was seen."""
        wanted = {**current, **self.changes()}
        carried = [*_controls(wanted), *((f"seen-{name}", text) for name, text in _controls(current))]
        for number, draft in enumerate(self.added()):
            carried += _controls_of_contact(f"new-{number}", draft)
        return carried

    def added(self) -> list[ContactDraft]:
        return [draft for form in self.new if (draft := form.draft()) is not None]

    @property
    def filled(self) -> list[ContactForm]:
        """The new contacts that were filled in."""
        return [form for form in self.new if form.errors or form.draft() is not None]

    @property
    def forms(self) -> list[forms.Form]:
        return [self.facts, *self.contacts, *self.new]

    @property
    def error_count(self) -> int:
        return sum(len(form.errors) for form in self.forms) + len(self.refusals)

    def add_refusal(self, error: RavenError) -> None:
        """`error` stands at the control that it is about, or above the form when there is none."""
        if isinstance(error, (ContactRefused, ContactTaken)) and (form := self._contact_of(error)) is not None:
            form.add_error("key", _sentence(error))
            form.taken = error if isinstance(error, ContactTaken) else None
        elif isinstance(error, AttributeValueInvalid) and f"attribute-{error.key}" in self.facts.fields:
            self.facts.add_error(f"attribute-{error.key}", str(error))
        elif isinstance(error, NameMissing):
            self.facts.add_error("name", str(error))
        elif isinstance(error, AttributeUnknown):
            text = gettext("The attribute “%(key)s” was removed from this workspace meanwhile.")
            self.refusals.append(text % {"key": error.key})
        else:
            self.refusals.append(_sentence(error))

    def name_owners(self, workspace: Workspace, *, persona_id: int | None = None) -> None:
        """Every address that is somebody else's says whose, not only the one that saving stumbled over."""
        typed = [(form, draft) for form in [*self.contacts, *self.new] if (draft := form.new_address) is not None]
        drafts = [draft for _form, draft in typed]
        for taken in taken_contacts(workspace=workspace, drafts=drafts, persona_id=persona_id):
            form = typed[taken.contact_index][0]
            form.add_error("key", _sentence(taken))
            form.taken = taken

    def _contact_of(self, error: ContactRefused | ContactTaken) -> ContactForm | None:
        if error.contact_id is not None:
            return next((form for form in self.contacts if form.prefix == f"contact-{error.contact_id}"), None)
        new = [form for form in self.new if form.draft() is not None]
        return new[error.contact_index] if error.contact_index < len(new) else None


def _sentence(error: RavenError) -> str:
    if isinstance(error, ContactTaken):
        named = {"type": ContactType(error.type).label, "key": error.key, "name": error.persona_name}
        return gettext("%(type)s %(key)s already belongs to %(name)s.") % named
    text = error.problem if isinstance(error, ContactRefused) else str(error)
    return text[:1].upper() + text[1:]


def _as_chosen(data: Any) -> Any:
    """The data without the values that were given up for somebody else's on the page of a conflict."""
    chosen = data.copy()
    for control in (name.removeprefix("keep-") for name in data if name.startswith("keep-")):
        if data[f"keep-{control}"] != "theirs":
            continue
        parts = ("type", "key", "label", "remove") if control.startswith("contact-") else ()
        for name in [f"{control}-{part}" for part in parts] or [control]:
            chosen.pop(name, None)
            if f"seen-{name}" in data:
                chosen[name] = data[f"seen-{name}"]
    return chosen


def _seen_in(data: Any, definitions: Sequence[AttributeDefinition]) -> dict[str, Value]:
    """The values that the form showed, as it carries them."""
    fields = ["name", "gender", "birthday", "notes", *(f"attribute:{definition.key}" for definition in definitions)]
    seen: dict[str, Value] = {field: _text(data.get(f"seen-{_control_name(field)}")) for field in fields}
    for pk in _numbers(data, _CONTACT_KEY):
        if f"seen-contact-{pk}-key" in data:
            parts = (_text(data.get(f"seen-contact-{pk}-{part}")) for part in ("type", "key", "label"))
            seen[f"contact:{pk}"] = ContactDraft(*parts)
    return seen


def _homeless_in(data: Any, definitions: Sequence[AttributeDefinition]) -> dict[str, str]:
    """By key, what was written for attributes that are there no more; what was only shown is given up with them."""
    defined = {f"attribute-{definition.key}" for definition in definitions}
    names = [name for name in data if name.startswith("attribute-") and name not in defined]
    written = {name: _text(data[name]) for name in names}
    return {
        name.removeprefix("attribute-"): text
        for name, text in written.items()
        if text.strip() and text != _text(data.get(f"seen-{name}"))
    }


def _contacts_in(seen: Mapping[str, Value], data: Any) -> dict[int, ContactDraft | None]:
    """By id, what each contact of the form was; None of one that somebody else had taken away."""
    found: dict[int, ContactDraft | None] = dict.fromkeys(_numbers(data, _CONTACT_KEY) if data is not None else [])
    for field, value in seen.items():
        if isinstance(value, ContactDraft):
            found[int(field.removeprefix("contact:"))] = value
    return found


def _numbers(data: Any, name: re.Pattern[str]) -> list[int]:
    """Of a form's data, the numbers in the names that are like `name`."""
    found = {int(match.group(1)) for control in data if (match := name.fullmatch(control))}
    return sorted(found)


def _controls(sheet: Sheet) -> list[tuple[str, str]]:
    found = []
    for field, value in sheet.items():
        name = _control_name(field)
        if isinstance(value, ContactDraft):
            found += _controls_of_contact(name, value)
        elif field.startswith("contact:"):
            found.append((f"{name}-key", ""))
        else:
            found.append((name, value or ""))
    return found


def _controls_of_contact(prefix: str, contact: ContactDraft) -> list[tuple[str, str]]:
    return [(f"{prefix}-type", contact.type), (f"{prefix}-key", contact.key), (f"{prefix}-label", contact.label)]


def _control_name(field: str) -> str:
    return field.replace(":", "-", 1)


def _field_name(control: str) -> str:
    return control.replace("-", ":", 1)


def _text(value: Any) -> str:
    return one_line_break(value).replace("\0", "") if isinstance(value, str) else ""


def _stored(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else _text(value)
