"""The page of a person: reading it, editing it, and what a save says."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User, Workspace
from messaging.models import Message, Recipient, Topic
from personas.history import Cause
from personas.matching import ContactDraft
from personas.models import AttributeDefinition, Contact, Origin, Persona, PersonaChange
from personas.services import PersonaDraft, add_persona, update_persona

pytestmark = pytest.mark.django_db

CAUSE = Cause(origin=Origin.TOKEN, actor_label="token Shop", at=datetime(2026, 11, 21, 9, 30, tzinfo=UTC))
Form = dict[str, str]
Save = Callable[..., Any]


@pytest.fixture
def rina(workspace: Workspace) -> Persona:
    for position, (key, label, kind) in enumerate(
        [
            ("vip", "VIP", "boolean"),
            ("points", "Points", "number"),
            ("since", "Since", "date"),
            ("city", "City", "text"),
        ]
    ):
        AttributeDefinition.objects.create(
            workspace=workspace, key=key, label=label, type=kind, hint=f"Hint of {label}", position=position
        )
    return add_persona(
        workspace=workspace,
        draft=PersonaDraft("Rina", "female", date(1990, 5, 1), "One\r\ntwo", {"city": "Jakarta", "vip": True}),
        contacts=[ContactDraft("whatsapp", "0812 3456 789", "Home"), ContactDraft("email", "Rina@Example.org")],
        cause=CAUSE,
    )


@pytest.fixture
def support(support_user: User) -> Client:
    client = Client()
    client.force_login(support_user)
    return client


def address(persona: Persona) -> str:
    return reverse("admin:personas_persona_change", args=[persona.pk])


def form_on(page: Any) -> Form:
    """What a browser would send of the page's form as it is."""
    form: Form = {}
    for tag in re.findall(r"<(?:input|select|textarea)\b[^>]*>(?:[^<]*</textarea>)?", page.text.split('id="main"')[1]):
        name = re.search(r' name="([^"]+)"', tag)
        if not name or name[1] == "csrfmiddlewaretoken":
            continue
        if 'type="radio"' in tag and " checked" not in tag:
            continue
        if 'type="checkbox"' in tag:
            continue
        if tag.startswith("<textarea"):
            form[name[1]] = re.sub(
                r"\r?\n", "\r\n", tag.split(">", 1)[1].removesuffix("</textarea>").removeprefix("\n")
            )
        elif tag.startswith("<select"):
            chosen = re.search(re.escape(tag) + r'(?:(?!</select>).)*?<option value="(\w+)" selected', page.text, re.S)
            form[name[1]] = chosen[1] if chosen else "whatsapp"
        else:
            value = re.search(r' value="([^"]*)"', tag)
            form[name[1]] = value[1] if value else ""
    return form


@pytest.fixture
def save(support: Client, rina: Persona) -> Save:
    """Sends the form of the page with these changes; as a browser does, from a page opened before if it is given."""

    def saving(changes: Form | None = None, *, form: Form | None = None) -> HttpResponse:
        form = form_on(support.get(address(rina))) if form is None else form
        return support.post(address(rina), form | (changes or {}), follow=True)  # type: ignore[return-value]

    return saving


def contact_of(persona: Persona, type: str) -> str:
    return f"contact-{persona.contacts.get(type=type).pk}"


def changes() -> list[tuple[str, str, str]]:
    return list(PersonaChange.objects.filter(origin=Origin.PERSON).order_by("id").values_list("field", "old", "new"))


def test_page_shows_each_value_in_the_control_of_its_type(support: Client, rina: Persona) -> None:
    page = support.get(address(rina)).text

    assert re.search(r'<input type="text" name="name" value="Rina"', page)
    assert re.search(r'<input type="text" name="attribute-points" [^>]*inputmode="decimal"', page)
    assert re.search(r'<input type="date" name="attribute-since"', page)
    assert re.search(r'<input type="radio" name="attribute-vip" value="true"[^>]* checked', page)
    assert re.search(r'<input type="date" name="birthday" value="1990-05-01"', page)
    assert [label for label in ("Hint of VIP", "Hint of Points", "Hint of Since", "Hint of City") if label in page] == [
        "Hint of VIP", "Hint of Points", "Hint of Since", "Hint of City",
    ]  # fmt: skip
    assert page.index("VIP") < page.index("Points") < page.index("Since") < page.index("City")
    assert 'value="0812 3456 789"' in page
    assert 'href="tel:+628123456789">+628123456789<' in page
    assert 'href="mailto:rina@example.org"' in page


def test_form_sent_as_it_is_changes_nothing_and_says_so(save: Save, rina: Persona) -> None:
    page = save()

    rina.refresh_from_db()
    assert "Nothing was changed, so nothing was saved." in page.text
    assert (changes(), rina.version, rina.notes) == ([], 1, "One\r\ntwo")


def test_save_says_what_changed_field_by_field_once(save: Save, support: Client, rina: Persona) -> None:
    told = save(
        {"name": "Rina Hartono", "attribute-points": "12.50", "attribute-vip": "false", "attribute-city": "",
         "birthday": "1990-05-02", "notes": "One\r\ntwo\r\nthree"}
    )  # fmt: skip

    assert changes() == [
        ("name", "Rina", "Rina Hartono"),
        ("birthday", "1990-05-01", "1990-05-02"),
        ("notes", "One\r\ntwo", "One\ntwo\nthree"),
        ("attribute:vip", "true", "false"),
        ("attribute:points", "", "12.5"),
        ("attribute:city", "Jakarta", ""),
    ]
    assert set(PersonaChange.objects.filter(origin=Origin.PERSON).values_list("actor_label", "request_id")) == {
        ("Budi", "")
    }
    shown = re.sub(r"<[^>]+>|\s+", " ", told.text.split('id="saved"')[1].split("</section>")[0])
    for words in ("Saved: 6 changes", "1 May 1990", "2 May 1990", "City was cleared", "Rina Hartono"):
        assert words in shown
    assert 'id="saved"' not in support.get(address(rina)).text


@pytest.mark.parametrize(
    ("control", "text", "problem"),
    [
        ("name", " ", "A persona needs a name."),
        ("name", "x" * 256, "at most 255 characters"),
        ("birthday", "yesterday", "Write the birthday as 2002-08-31."),
        ("gender", "x" * 31, "at most 30 characters"),
        ("notes", "x" * 10_001, "at most 10000 characters"),
        ("attribute-points", "many", "Points takes a number, as 12.5."),
        ("attribute-since", "soon", "Since takes a date, as 2026-11-21."),
        ("attribute-city", "x" * 1001, "City takes at most 1000 characters."),
    ],
)
def test_value_that_may_not_be_is_explained_where_it_was_typed(
    save: Save, rina: Persona, control: str, text: str, problem: str
) -> None:
    page = save({control: text, "attribute-city": "Bandung"} | {control: text})

    assert problem in page.text.split(f'id="id_{control}_error"')[1].split("</div>")[0]
    assert "Nothing was saved." in page.text
    assert changes() == []


def test_what_was_typed_beside_an_error_is_still_there_and_saved_with_the_next_try(save: Save, rina: Persona) -> None:
    refused = save({"attribute-points": "many", "attribute-city": "Bandung", "new-0-type": "email", "new-0-key": "x"})
    assert changes() == []

    save({"attribute-points": "7", "new-0-key": "x@example.org"}, form=form_on(refused))

    assert changes() == [
        ("attribute:points", "", "7"),
        ("attribute:city", "Jakarta", "Bandung"),
        ("contact:email", "", "x@example.org"),
    ]


def test_value_that_is_there_already_is_not_asked_again_whether_it_may_be(save: Save, rina: Persona) -> None:
    AttributeDefinition.objects.filter(key="city").update(type="number")
    contact = contact_of(rina, "whatsapp")
    Contact.objects.filter(persona=rina, type="whatsapp").update(key="12")

    save({"name": "Rina H.", f"{contact}-label": "Work"})

    assert changes() == [("name", "Rina", "Rina H."), ("contact_label:whatsapp:+628123456789", "Home", "Work")]


def test_contacts_are_changed_added_and_removed(save: Save, rina: Persona) -> None:
    phone, email = contact_of(rina, "whatsapp"), contact_of(rina, "email")

    save(
        {f"{phone}-key": "0812 3456 780", f"{email}-remove": "on", "new-0-type": "other", "new-0-key": "Locker 3",
         "new-0-label": "Pigeon hole", "new-3-type": "telegram", "new-3-key": "@Rina", "new-4-type": "line"}
    )  # fmt: skip

    assert changes() == [
        ("contact:email", "rina@example.org", ""),
        ("contact:whatsapp", "+628123456789", "+628123456780"),
        ("contact:other", "", "Locker 3"),
        ("contact:telegram", "", "rina"),
    ]


def test_contact_whose_address_is_emptied_is_removed(save: Save, rina: Persona) -> None:
    page = save({f"{contact_of(rina, 'email')}-key": " "})

    assert "E-mail was cleared" in re.sub(r"<[^>]+>", "", page.text)
    assert list(rina.contacts.values_list("type", flat=True)) == ["whatsapp"]


@pytest.mark.parametrize(
    ("type", "key", "problem"),
    [
        ("phone", "12", "the number is too short for its country."),
        ("email", "rina", "write an e-mail address as name@example.org."),
        ("pigeon", "3", "Select a valid choice."),
    ],
)
def test_invalid_contact_is_explained_at_its_control(
    save: Save, rina: Persona, type: str, key: str, problem: str
) -> None:
    page = save({"new-0-type": type, "new-0-key": key, "name": "Rina H."})

    assert problem in page.text
    assert "Nothing was saved." in page.text
    assert changes() == []


def test_label_without_an_address_is_explained(save: Save) -> None:
    assert "it is empty." in save({"new-0-type": "phone", "new-0-label": "Office"}).text


def test_number_that_no_operator_uses_is_kept_with_a_gentle_warning(save: Save, rina: Persona) -> None:
    page = save({"new-0-type": "phone", "new-0-key": "+62 1 2345678"})

    assert changes() == [("contact:phone", "", "+6212345678")]
    assert page.text.count("This number has the right length") == 1


@pytest.mark.parametrize("is_new", [True, False])
def test_address_of_somebody_else_names_them_with_what_can_be_done(
    save: Save, workspace: Workspace, rina: Persona, is_new: bool
) -> None:
    joko = add_persona(
        workspace=workspace, draft=PersonaDraft("Joko <b>"), contacts=[ContactDraft("whatsapp", "08139999999")],
        cause=CAUSE,
    )  # fmt: skip
    prefix = "new-0" if is_new else contact_of(rina, "whatsapp")

    page = save({f"{prefix}-type": "whatsapp", f"{prefix}-key": "+62 813-9999-999", "name": "Rina H."})

    problem = page.text.split(f'id="id_{prefix}-key_error"')[1]
    assert "WhatsApp +62 813-9999-999 already belongs to Joko &lt;b&gt;." in problem
    assert f'href="{address(joko)}">Open Joko &lt;b&gt;</a>' in problem
    merge = reverse("admin:personas_persona_merge", args=[rina.pk, joko.pk])
    assert f'href="{merge}">Merge with Joko &lt;b&gt;</a>' in problem
    assert changes() == []


@pytest.mark.parametrize("name", ["Rina H.", ""])
def test_all_that_is_wrong_is_told_at_once(save: Save, workspace: Workspace, rina: Persona, name: str) -> None:
    add_persona(
        workspace=workspace, draft=PersonaDraft("Joko"),
        contacts=[ContactDraft("whatsapp", "08139999999"), ContactDraft("email", "joko@example.org")], cause=CAUSE,
    )  # fmt: skip
    had = contact_of(rina, "whatsapp")

    page = save(
        {
            "name": name, f"{had}-key": "0813 9999 999",
            "new-0-type": "email", "new-0-key": "Joko@Example.org", "new-1-type": "phone", "new-1-key": "12",
        }
    ).text  # fmt: skip

    assert "WhatsApp 0813 9999 999 already belongs to Joko." in page
    assert "E-mail Joko@Example.org already belongs to Joko." in page
    assert "number is too short" in page
    assert ("A persona needs a name." in page) == (not name)
    assert changes() == []


def test_too_many_contacts_are_refused_and_what_was_typed_stays(save: Save, rina: Persona) -> None:
    added = {f"new-{number}-type": "other" for number in range(49)}
    added |= {f"new-{number}-key": f"Locker {number}" for number in range(49)}

    page = save(added)

    assert "A persona has at most 50 contacts." in page.text
    assert rina.contacts.count() == 2
    assert 'value="Locker 48"' in page.text


def test_person_merged_from_many_is_saved_with_all_their_contacts(save: Save, rina: Persona) -> None:
    keys = [f"+62814000{number:05d}" for number in range(300)]
    Contact.objects.bulk_create(
        Contact(workspace=rina.workspace, persona=rina, type="phone", key=key, normalized=key) for key in keys
    )
    last = Contact.objects.get(normalized=keys[-1])

    save({f"contact-{last.pk}-label": "Last", "gender": "other"})

    assert changes() == [("gender", "female", "other"), (f"contact_label:phone:{keys[-1]}", "", "Last")]
    assert rina.contacts.count() == 302


def test_viewer_reads_the_page_and_finds_no_control_on_it(viewer_user: User, rina: Persona) -> None:
    client = Client()
    client.force_login(viewer_user)

    page = client.get(address(rina))
    main = page.text.split('id="main"')[1].split("</main>")[0]

    for text in ("Rina", "Jakarta", "Yes", "1 May 1990", "+628123456789", "written as 0812 3456 789", "female"):
        assert text in main
    assert not re.findall(r"<(?:input|select|textarea|form)\b", main)
    assert client.post(address(rina), {"name": "x"}).status_code == 403


def test_recent_messages_are_those_of_their_topics_and_those_sent_to_them(
    support: Client, rina: Persona, workspace: Workspace
) -> None:
    own = Topic.objects.create(workspace=workspace, type="persona", name="Order 17", persona=rina)
    news = Topic.objects.create(workspace=workspace, type="mass", name="News")
    _message(news, rina, "To Rina")
    _message(news, None, "To others")
    _message(own, None, "From Rina")

    page = support.get(address(rina))

    assert [message.text for message in page.context["recent"]] == ["From Rina", "To Rina"]
    assert f'href="{reverse("admin:messaging_topic_change", args=[news.pk])}"' in page.text


def test_history_shows_the_latest_twenty_with_who_and_the_call(support: Client, rina: Persona) -> None:
    for number in range(25):
        cause = Cause(Origin.TOKEN, "token Shop", CAUSE.at, request_id="req_" + "a" * 26)
        update_persona(
            workspace=rina.workspace, persona_id=rina.pk, draft=PersonaDraft(notes=f"Note {number}"), cause=cause
        )

    page = support.get(address(rina))

    shown = [(entry.old, entry.new) for entry in page.context["changes"]]
    assert shown == [(f"Note {number - 1}", f"Note {number}") for number in range(24, 4, -1)]
    assert f"{reverse('admin:search')}?q=req_{'a' * 26}" in page.text
    assert reverse("admin:personas_persona_history", args=[rina.pk]) in page.text


def test_history_offers_to_put_back_what_was_and_is_not(save: Save, support: Client, rina: Persona) -> None:
    save({"attribute-city": "Bandung", "gender": ""})
    save({"gender": "female"})
    city, cleared, set_again = PersonaChange.objects.filter(origin=Origin.PERSON).order_by("field", "id")

    page = support.get(address(rina))
    restore = reverse("admin:personas_persona_restore", args=[rina.pk, city.pk])
    restored = support.post(restore, {"back": "person"}, follow=True)

    assert restored.redirect_chain == [(address(rina), 302)]
    assert "City was put back." in restored.text
    assert f'action="{restore}"' in page.text
    assert {city.pk, set_again.pk} <= page.context["offered"]
    assert cleared.pk not in page.context["offered"]
    assert rina.attributes.get(definition__key="city").value == "Jakarta"


def test_page_costs_the_same_with_one_or_a_hundred_of_everything(
    support: Client, rina: Persona, workspace: Workspace
) -> None:
    topics = [Topic(workspace=workspace, type="persona", name=f"Order {n}", persona=rina) for n in range(30)]
    _message(Topic.objects.create(workspace=workspace, type="persona", name="First", persona=rina), rina)
    support.get(address(rina))
    with CaptureQueriesContext(
        connection,
    ) as few:
        support.get(address(rina))

    for topic in Topic.objects.bulk_create(topics):
        for _number in range(4):
            _message(topic, rina)
    drafts = [ContactDraft("other", f"Locker {number}") for number in range(40)]
    update_persona(workspace=workspace, persona_id=rina.pk, contacts=drafts, cause=CAUSE)
    for number in range(30):
        AttributeDefinition.objects.create(workspace=workspace, key=f"a{number}", label=f"A{number}")
    with CaptureQueriesContext(connection) as many:
        support.get(address(rina))

    assert len(many) == len(few) <= 25, "\n".join(query["sql"] for query in many)


def test_persona_is_added_with_everything_and_its_page_comes_next(support: Client, rina: Persona) -> None:
    added = support.post(
        reverse("admin:personas_persona_add"),
        {"name": " Joko ", "gender": "male", "birthday": "1980-01-02", "notes": "New", "attribute-city": "Bandung",
         "attribute-vip": "", "new-0-type": "phone", "new-0-key": "0812 3456 789", "new-0-label": "Home"},
        follow=True,
    )  # fmt: skip

    joko = Persona.objects.get(name="Joko")
    assert added.redirect_chain == [(address(joko), 302)]
    assert "Joko was added." in added.text
    assert changes() == [
        ("created", "", "Joko"), ("gender", "", "male"), ("birthday", "", "1980-01-02"), ("notes", "", "New"),
        ("attribute:city", "", "Bandung"), ("contact:phone", "", "+628123456789"),
    ]  # fmt: skip


def test_persona_that_may_not_be_added_so_is_explained_and_nothing_is_lost(support: Client, rina: Persona) -> None:
    page = support.post(
        reverse("admin:personas_persona_add"),
        {"name": "Joko", "new-0-type": "whatsapp", "new-0-key": "08123456789", "new-1-type": "email",
         "new-1-key": "j@example.org"},
    )  # fmt: skip

    assert "WhatsApp 08123456789 already belongs to Rina." in page.text
    assert f'href="{address(rina)}">Open Rina</a>' in page.text
    assert "Merge with" not in page.text
    assert form_on(page)["new-1-key"] == "j@example.org"
    assert Persona.objects.count() == 1


def test_list_offers_to_add_a_persona_to_those_who_may(support: Client, viewer_user: User, rina: Persona) -> None:
    viewer = Client()
    viewer.force_login(viewer_user)
    listing, add = reverse("admin:personas_persona_changelist"), reverse("admin:personas_persona_add")

    assert f'href="{add}"' in support.get(listing).text
    assert f'href="{add}"' not in viewer.get(listing).text


def _message(topic: Topic, persona: Persona | None, text: str = "Hello") -> None:
    message = Message.objects.create(
        workspace=topic.workspace, topic=topic, direction="outgoing", sender_name="maya", text=text, created_at=CAUSE.at
    )
    if persona is not None:
        contact = persona.contacts.get(type="whatsapp")
        Recipient.objects.create(message=message, persona=persona, contact=contact)
