"""The monitor, as the people of a workspace use it."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User, Workspace
from delivery import beats, books, figures
from delivery.console import listing
from delivery.interventions import carry_on
from delivery.models import Delivery, Destination, Intervention
from delivery.sender import Sender
from delivery.states import State
from messaging.models import Topic
from personas.models import AttributeDefinition, Persona
from tests.console.conftest import make_call, make_message, make_persona
from tests.delivery.conftest import Post
from tests.delivery.console.conftest import Put, signed_in
from tests.delivery.fake import Answer, Fake

pytestmark = pytest.mark.django_db
LIST = reverse("admin:delivery_delivery_changelist")


def page_of(delivery: Delivery, name: str = "change") -> str:
    return reverse(f"admin:delivery_delivery_{name}", args=[delivery.pk])


def many(action: str) -> str:
    return reverse("admin:delivery_delivery_many", args=[action])


def text_of(client: Client, url: str, query: dict[str, Any] | None = None) -> str:
    """What a person reads on the page."""
    answer = client.get(url, query)
    assert answer.status_code == 200
    main = answer.content.decode().partition("<main")[2].partition("</main>")[0]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


def about(delivery: Delivery, persona: Persona) -> Delivery:
    Delivery.objects.filter(pk=delivery.pk).update(persona_id=persona.pk)
    delivery.refresh_from_db()
    return delivery


def rows_on(client: Client, query: dict[str, Any] | None = None) -> list[int]:
    answer = client.get(LIST, query)
    assert answer.status_code == 200
    return [row.pk for row in answer.context["cl"].result_list]


@pytest.fixture
def viewer(viewer_user: User) -> Client:
    return signed_in(viewer_user)


@pytest.fixture
def support(support_user: User) -> Client:
    return signed_in(support_user)


# ---------------------------------------------------------------------------------------------------- the monitor
def test_headline_is_green_within_the_limit_and_red_over_it(
    viewer: Client, destination: Destination, change: Post, now: datetime, settings: Any
) -> None:
    settings.OUTBOX_AGE_LIMIT = timedelta(minutes=10)
    delivery = change(destination, at=now - timedelta(minutes=9), name="A")
    within = viewer.get(LIST)
    Delivery.objects.filter(pk=delivery.pk).update(since=now - timedelta(minutes=11))
    over = viewer.get(LIST)

    headlines = [answer.context["monitor"].headline for answer in (within, over)]
    assert [(h.level, h.figure, h.label) for h in headlines] == [
        ("good", "9 minutes", "Within the limit of 10 minutes"),
        ("bad", "11 minutes", "Over the limit of 10 minutes"),
    ]
    assert page_of(delivery) in over.content.decode()


@pytest.mark.parametrize("state", [State.REFUSED, State.UNKNOWN, State.SENDING])
def test_headline_is_red_for_whatever_has_not_arrived(
    viewer: Client, destination: Destination, change: Post, put: Put, now: datetime, state: State
) -> None:
    put(change(destination, at=now - timedelta(days=3), name="A"), state)

    assert viewer.get(LIST).context["monitor"].headline.level == "bad"


def test_headline_says_that_all_is_delivered(
    viewer: Client, destination: Destination, change: Post, put: Put, now: datetime
) -> None:
    for state in (State.DELIVERED, State.CANCELLED, State.SUPERSEDED):
        put(change(destination, at=now - timedelta(days=1), name="A"), state)

    assert "All delivered" in text_of(viewer, LIST)


def test_books_stand_on_the_page_and_balance(viewer: Client, destination: Destination, change: Post, put: Put) -> None:
    for number, state in enumerate(State):
        delivery = change(destination, f"persona:{number}", name="A")
        if state != State.WAITING:
            put(delivery, state)

    answer = viewer.get(LIST)

    (line,) = answer.context["monitor"].books
    assert line.figures.created == len(State)
    assert [count for _state, count in line.counts] == [1] * len(State)
    assert line.figures.balances
    assert "does not balance" not in answer.content.decode()
    books.enter({(destination.pk, "delivered"): 1})
    assert "does not balance" in viewer.get(LIST).content.decode()


def test_missing_worker_is_said_until_one_beats_and_again_when_it_is_gone(
    viewer: Client, destination: Destination, now: datetime
) -> None:
    missing = "No worker is running, so nothing is sent"
    assert missing in text_of(viewer, LIST)

    beats.beat("host:1", now=now - timedelta(seconds=5))
    assert missing not in text_of(viewer, LIST)

    beats.beat("host:1", now=now - timedelta(seconds=31))
    assert missing in text_of(viewer, LIST)


def test_empty_workspace_is_told_what_will_be_listed_here(viewer: Client) -> None:
    page = text_of(viewer, LIST)

    assert "Nothing has left yet" in page
    assert "No worker is running" not in page


# ------------------------------------------------------------------------------------------------------- the list
@pytest.fixture
def various(workspace: Workspace, destination: Destination, plain: Destination, change: Post, post: Post, put: Put,
            now: datetime) -> dict[str, Delivery]:  # fmt: skip
    rina = make_persona(workspace, "Rina Hartono", "+6281200000101")
    old = now - timedelta(hours=30)
    found = {
        "waiting": change(destination, name="Rina"),
        "refused": put(change(destination, at=old, name="A"), State.REFUSED, code="http_422", problem="No such value."),
        "unauthorised": put(change(plain, at=old, name="A"), State.REFUSED, code="http_401"),
        "message": put(post(plain), State.DELIVERED),
    }
    Delivery.objects.update(persona_id=rina.pk + 1000)
    found["waiting"] = about(found["waiting"], rina)
    return found


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["message", "unauthorised", "refused", "waiting"]),
        ({"state": "refused"}, ["unauthorised", "refused"]),
        ({"kind": "message.sent"}, ["message"]),
        ({"reason": "http_422"}, ["refused"]),
        ({"since": "24"}, ["message", "waiting"]),
        ({"state": "refused", "since": "24"}, []),
        ({"q": "rina"}, ["waiting"]),
        ({"q": "0812-0000-0101"}, ["waiting"]),
        ({"q": "nobody"}, []),
        ({"state": "nonsense"}, ["message", "unauthorised", "refused", "waiting"]),
    ],
)
def test_list_is_narrowed_by_each_filter_and_by_person(
    viewer: Client, various: dict[str, Delivery], query: dict[str, str], expected: list[str]
) -> None:
    assert rows_on(viewer, query) == [various[name].pk for name in expected]


def test_list_is_narrowed_by_connection_number_and_persona(
    viewer: Client, various: dict[str, Delivery], plain: Destination
) -> None:
    refused, waiting = various["refused"], various["waiting"]

    assert rows_on(viewer, {"connection": plain.pk}) == [various["message"].pk, various["unauthorised"].pk]
    assert rows_on(viewer, {"connection": plain.pk, "state": "refused"}) == [various["unauthorised"].pk]
    assert rows_on(viewer, {"q": f"#{refused.pk}"}) == [refused.pk]
    assert rows_on(viewer, {"q": f"person:{waiting.persona_id}"}) == [waiting.pk]


def test_what_no_index_answers_is_looked_for_among_the_newest_and_the_page_says_so(
    viewer: Client, various: dict[str, Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.console.NARROWED_TO", 2)
    note = "This looks at the newest 50,000"

    assert rows_on(viewer, {"kind": "persona.changed"}) == [various["unauthorised"].pk]
    assert rows_on(viewer, {"kind": "persona.changed", "q": "rina"}) == [various["waiting"].pk]
    assert rows_on(viewer, {"state": "refused", "reason": "http_422"}) == [various["refused"].pk]
    assert rows_on(viewer, {"state": "waiting"}) == [various["waiting"].pk]
    assert note in text_of(viewer, LIST, {"kind": "persona.changed"})
    assert note not in text_of(viewer, LIST, {"state": "waiting"})


def test_row_names_its_person_its_fields_and_why(viewer: Client, various: dict[str, Delivery]) -> None:
    page = text_of(viewer, LIST)

    assert f"Change of a person #{various['waiting'].pk} Rina Hartono · Name" in page
    assert "No such value." in page


def test_queries_of_the_monitor_do_not_grow(
    viewer: Client, workspace: Workspace, destination: Destination, change: Post, put: Put,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:  # fmt: skip
    def grow(first: int, last: int) -> None:
        for number in range(first, last):
            persona = make_persona(workspace, f"Person {number}", f"+62812{number:07d}")
            delivery = about(change(destination, f"persona:{number}", name="A"), persona)
            if number % 2:
                put(delivery, State.REFUSED, code=f"code_{number}", problem="No.")
            Destination.objects.create(workspace=workspace, name=f"More {number}", kind="keyed")

    grow(0, 2)
    with django_assert_max_num_queries(25) as few:
        viewer.get(LIST)
    grow(2, 22)
    with django_assert_max_num_queries(len(few)) as many_rows:
        viewer.get(LIST)

    counting = [q["sql"] for q in many_rows.captured_queries if "COUNT(" in q["sql"] and "LIMIT" not in q["sql"]]
    assert counting == []


@pytest.mark.parametrize(("language", "figure"), [("en", "1,234"), ("id", "1.234")])
def test_figures_of_the_books_have_the_form_of_the_language(
    viewer: Client, destination: Destination, language: str, figure: str
) -> None:
    books.enter({(destination.pk, state): 1234 for state in (books.CREATED, "refused")})
    viewer.cookies["language"] = language

    page = text_of(viewer, LIST)

    assert page.count(figure) == 3  # created, refused, and refused over all


def test_of_thousands_of_callbacks_the_monitor_lists_those_where_something_waits(
    viewer: Client, workspace: Workspace, destination: Destination, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "LISTED_AT_MOST", 1)
    monkeypatch.setattr(listing, "CHOICES_AT_MOST", 1)
    quiet, troubled, late = Destination.objects.bulk_create(
        Destination(workspace=workspace, name=f"A till: {event}", kind="keyed", carries_events=True)
        for event in ("New message", "Message reports", "Persona updated")
    )
    post(troubled, "a")
    post(troubled, "b")
    post(late, "a", at=timezone.now() - timedelta(hours=3))

    shown = viewer.get(LIST)
    narrowed = viewer.get(LIST, {"connection": troubled.pk})
    elsewhere = viewer.get(LIST, {"connection": quiet.pk})

    monitor = shown.context["monitor"]
    assert [line.destination for line in monitor.books] == [destination, late]
    assert (monitor.has_more, monitor.totals["waiting"]) == (True, 3)
    assert "Of many callbacks, those are listed" in shown.text
    assert narrowed.context["cl"].result_count == 2
    assert elsewhere.context["cl"].result_count == 0
    assert [choice["display"] for choice in shown.context["cl"].filter_specs[1].choices(shown.context["cl"])] == [
        "All", destination.name,
    ]  # fmt: skip


# --------------------------------------------------------------------------------------------------- one delivery
def test_page_shows_what_left_what_was_answered_and_no_credential(
    viewer: Client, sender: Sender, destination: Destination, fake: Fake, change: Post
) -> None:
    fake.answer = lambda _received: Answer(status=422, body=b'{"error": "no such city"}')
    delivery = change(destination, name="Rina", **{"attribute.city": None})

    sender.drain()

    page = text_of(viewer, page_of(delivery))
    for expected in ("It was refused", "It answered 422.", "no such city", "POST", "Rina", "City is cleared", "Ayu"):
        assert expected in page, expected
    assert "Authorization: •••" in page
    assert "hidden-credential" not in viewer.get(page_of(delivery)).content.decode()


def test_page_names_the_message_the_person_and_the_call_that_caused_it(
    viewer: Client, workspace: Workspace, support_user: User, plain: Destination, post: Post, token: Any
) -> None:
    rina = make_persona(workspace, "Rina Hartono", "+6281200000101")
    topic = Topic.objects.create(workspace=workspace, type="mass", name="News")
    message = make_message(topic, rina, support_user)
    recipient = message.recipients.get()
    call = make_call(workspace, token=token)
    delivery = post(plain, persona_id=rina.pk, recipient_id=recipient.pk)
    Delivery.objects.filter(pk=delivery.pk).update(request_id=call.request_id)

    page = viewer.get(page_of(delivery)).content.decode()

    assert message.text in page
    for name, pk in (
        ("messaging_message_change", message.pk),
        ("personas_persona_change", rina.pk),
        ("tokens_requestlogentry_change", call.request_id),
    ):
        assert reverse(f"admin:{name}", args=[pk]) in page, name


def test_page_shows_the_change_old_and_new(
    viewer: Client, workspace: Workspace, destination: Destination, change: Post
) -> None:
    rina = make_persona(workspace, "Rina Hartono", "+6281200000101")
    made = rina.changes.create(workspace=workspace, field="notes", old="Tea", new="Coffee", actor_label="Ayu")
    delivery = about(change(destination, notes="Coffee"), rina)
    Delivery.objects.filter(pk=delivery.pk).update(change_ids=[made.pk])

    assert "Notes Tea → became Coffee" in text_of(viewer, page_of(delivery))


def test_fields_are_called_as_the_workspace_calls_them_and_contacts_stand_in_lines(
    viewer: Client, workspace: Workspace, destination: Destination, change: Post
) -> None:
    AttributeDefinition.objects.create(workspace=workspace, key="city", label="Home town")
    contacts = [
        {"type": "whatsapp", "name": "Main", "key": "+62812"},
        {"type": "whatsapp", "name": "", "key": "+62813"},
    ]
    delivery = change(destination, **{"attribute.city": "Bogor", "contact.whatsapp": contacts})

    page = text_of(viewer, page_of(delivery))

    assert "Home town Bogor WhatsApp Main · +62812 +62813" in page


def test_superseded_one_leads_to_the_one_that_stands_for_it(
    viewer: Client, sender: Sender, destination: Destination, change: Post
) -> None:
    old, new = change(destination, name="A"), change(destination, name="B")
    sender.drain()
    gone, kept = (old, new) if Delivery.objects.get(pk=old.pk).state == State.SUPERSEDED else (new, old)

    assert "It need not go any more" in text_of(viewer, page_of(gone))
    assert page_of(kept) in viewer.get(page_of(gone)).content.decode()
    assert page_of(gone) in viewer.get(page_of(kept)).content.decode()


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        ({"is_on": False}, "The connection is switched off"),
        ({"resumes_at": True}, "failed again and again, or asked us to slow down"),
        ({}, "No worker is running"),
    ],
)
def test_waiting_one_says_why_it_waits(
    viewer: Client, destination: Destination, change: Post, now: datetime, cause: dict[str, Any], expected: str
) -> None:
    delivery = change(destination, name="A")
    if "resumes_at" in cause:
        cause = {"resumes_at": now + timedelta(minutes=3)}
    Destination.objects.filter(pk=destination.pk).update(**cause)

    assert expected in text_of(viewer, page_of(delivery))


def test_next_attempt_is_not_before_the_connection_goes_on(
    viewer: Client, destination: Destination, change: Post, now: datetime
) -> None:
    delivery = change(destination, name="A", at=now - timedelta(hours=1))
    Destination.objects.filter(pk=destination.pk).update(resumes_at=now + timedelta(minutes=3))

    page = viewer.get(page_of(delivery))

    (shown,) = re.findall(r"Next attempt</dt>\s*<dd><time[^>]* datetime=\"([^\"]+)", page.content.decode())
    assert datetime.fromisoformat(shown) == now + timedelta(minutes=3)


def test_status_changes_when_the_delivery_does(
    viewer: Client, sender: Sender, destination: Destination, change: Post
) -> None:
    delivery = change(destination, name="A")
    before = viewer.get(page_of(delivery, "status")).json()["state"]

    sender.drain()

    assert viewer.get(page_of(delivery, "status")).json()["state"] != before
    assert f'data-state="{before}"' not in viewer.get(page_of(delivery)).content.decode()


# -------------------------------------------------------------------------------------------------------- deeds
DEEDS = {
    "retry": (State.REFUSED, State.WAITING, "It is sent now."),
    "cancel": (State.WAITING, State.CANCELLED, "It was cancelled and will not be sent."),
    "confirm": (State.UNKNOWN, State.DELIVERED, "It counts as delivered."),
    "check": (State.UNKNOWN, State.DELIVERED, "It has arrived: the platform has it."),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_support_does_each_deed_and_reads_what_became_of_it(
    support: Client, destination: Destination, change: Post, put: Put, deed: str
) -> None:
    begins, ends, expected = DEEDS[deed]
    delivery = change(destination, check="arrived")
    if begins != State.WAITING:
        put(delivery, begins)

    answer = support.post(page_of(delivery, deed), follow=True)

    delivery.refresh_from_db()
    assert delivery.state == ends
    assert expected in answer.content.decode()
    assert Intervention.objects.get().actor_label == "Budi"


@pytest.mark.parametrize("deed", DEEDS)
def test_viewer_may_do_nothing_and_is_offered_nothing(
    viewer: Client, destination: Destination, change: Post, put: Put, deed: str
) -> None:
    delivery = change(destination, name="A")
    if DEEDS[deed][0] != State.WAITING:
        put(delivery, DEEDS[deed][0])

    assert viewer.post(page_of(delivery, deed)).status_code == 403
    assert page_of(delivery, deed) not in viewer.get(page_of(delivery)).content.decode()
    assert Intervention.objects.count() == 0


@pytest.mark.parametrize("deed", DEEDS)
def test_deed_takes_a_post_with_the_right_csrf_value(
    support_user: User, destination: Destination, change: Post, deed: str
) -> None:
    delivery = change(destination, name="A")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(support_user, backend="django.contrib.auth.backends.ModelBackend")

    assert strict.get(page_of(delivery, deed)).status_code == 405
    assert strict.post(page_of(delivery, deed)).status_code == 403


def test_deed_that_came_too_late_says_so(support: Client, destination: Destination, change: Post, put: Put) -> None:
    delivery = put(change(destination, name="A"), State.DELIVERED)

    answer = support.post(page_of(delivery, "cancel"), follow=True)

    assert "This delivery is delivered now" in answer.content.decode()


def test_unknown_one_that_cannot_be_checked_stays_and_says_what_to_do(
    support: Client, destination: Destination, change: Post, put: Put
) -> None:
    delivery = put(change(destination, name="A"), State.UNKNOWN)

    answer = support.post(page_of(delivery, "check"), follow=True)

    delivery.refresh_from_db()
    assert delivery.state == State.UNKNOWN
    assert "Look there, then mark it as delivered or send it again." in answer.content.decode()


def test_unknown_one_that_is_not_there_is_sent_again(
    support: Client, destination: Destination, change: Post, put: Put
) -> None:
    delivery = put(change(destination, check="missing"), State.UNKNOWN)

    answer = support.post(page_of(delivery, "check"), follow=True)

    delivery.refresh_from_db()
    assert delivery.state == State.WAITING
    assert "It has not arrived, so it is sent again." in answer.content.decode()


def test_waiting_one_is_sent_now_although_its_destination_is_left_alone(
    support: Client, sender: Sender, destination: Destination, fake: Fake, change: Post, now: datetime
) -> None:
    delivery = change(destination, name="A")
    Delivery.objects.filter(pk=delivery.pk).update(due_at=now + timedelta(minutes=4))
    Destination.objects.filter(pk=destination.pk).update(resumes_at=now + timedelta(minutes=4))
    sender.drain()
    assert fake.bodies() == []

    support.post(page_of(delivery, "retry"))
    sender.drain()

    assert [body["name"] for body in fake.bodies()] == ["A"]
    assert books.audit(destination.pk) == {}


# ---------------------------------------------------------------------------------------------------- many at once
def test_all_refused_by_one_reason_are_counted_then_retried_with_progress(
    support: Client, destination: Destination, change: Post, put: Put
) -> None:
    meant = [put(change(destination, f"p:{n}", name="A"), State.REFUSED, code="http_401") for n in range(3)]
    other = put(change(destination, "p:9", name="A"), State.REFUSED, code="http_422")
    chosen = {"connection": destination.pk, "code": "http_401"}

    preview = text_of(support, many("retry"), chosen)
    assert "3 deliveries to" in preview
    assert Delivery.objects.filter(state="waiting").count() == 0
    answer = support.post(many("retry"), chosen)
    begun = Intervention.objects.get()
    assert answer.url == reverse("admin:delivery_intervention_change", args=[begun.pk])  # type: ignore[attr-defined]
    assert "waits for a worker" in text_of(support, answer.url)  # type: ignore[attr-defined]
    carry_on.func(begun.pk)

    assert set(Delivery.objects.filter(state="waiting")) == set(meant)
    assert Delivery.objects.get(state="refused") == other
    status = support.get(reverse("admin:delivery_intervention_status", args=[begun.pk])).json()
    assert status == {"state": "done", "processed": 3, "total": 3, "text": "3 of 3 deliveries"}


@pytest.mark.parametrize(
    ("payload", "labels"),
    [
        ({"id": "msg_1", "at": "2026-11-21T09:30:00.000Z", "message": 42}, ["webhook-id", "Terjadi", "Pesan"]),
        ({"name": "Shop", "is_on": False, "requests_per_minute": 60}, ["Nama", "Diaktifkan", "Permintaan per menit"]),
    ],
)
def test_what_callbacks_and_tokens_carry_is_said_in_the_viewers_language(
    support: Client, destination: Destination, post: Post, payload: dict[str, Any], labels: list[str]
) -> None:
    delivery = post(destination, kind="event.message.received", payload=payload, persona_id=None)
    support.cookies["language"] = "id"

    shown = support.get(page_of(delivery)).context["carried"]

    assert sorted(entry.label for entry in shown) == sorted(labels)


def test_callbacks_to_choose_from_speak_the_viewers_language(support: Client, workspace: Workspace) -> None:
    callback = Destination.objects.create(
        workspace=workspace, name="Shop: New message", kind="callback:message.received", carries_events=True
    )
    support.cookies["language"] = "id"

    page = text_of(support, many("retry"), {"connection": callback.pk, "code": ""})

    assert page.count("Shop: Pesan baru") == 2
    assert "New message" not in page


def test_all_delivered_since_a_moment_are_sent_again_in_the_viewers_zone(
    support: Client, destination: Destination, change: Post, put: Put, now: datetime
) -> None:
    old, new = change(destination, "p:1", name="A"), change(destination, "p:2", name="B")
    put(old, State.DELIVERED, settled_at=now - timedelta(hours=3))
    put(new, State.DELIVERED, settled_at=now - timedelta(hours=1))
    chosen = {"connection": destination.pk, "since": "2026-11-21T14:30"}  # 07:30 in UTC; Jakarta is seven hours ahead

    assert "1 delivery to" in text_of(support, many("replay"), chosen)
    support.post(many("replay"), chosen)
    carry_on.func(Intervention.objects.get().pk)

    assert [d.payload for d in Delivery.objects.filter(state="waiting")] == [{"name": "B"}]


def test_more_than_may_be_sent_again_are_refused(
    support: Client, destination: Destination, change: Post, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("delivery.interventions.SENT_AGAIN_AT_MOST", 1)
    for number in range(2):
        put(change(destination, f"p:{number}", name="A"), State.DELIVERED)

    answer = support.post(many("replay"), {"connection": destination.pk, "since": "2020-01-01T00:00"})

    assert "More than 1 deliveries are meant. Choose a later moment." in answer.content.decode()
    assert Intervention.objects.count() == 0


def test_all_that_wait_are_cancelled_and_the_rest_can_be_stopped(
    support: Client, destination: Destination, change: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        change(destination, f"p:{number}", name="A")

    assert "3 deliveries to" in text_of(support, many("cancel"), {"connection": destination.pk})
    support.post(many("cancel"), {"connection": destination.pk})
    begun = Intervention.objects.get()
    support.post(reverse("admin:delivery_intervention_stop", args=[begun.pk]))
    carry_on.func(begun.pk)

    assert Delivery.objects.filter(state="waiting").count() == 3
    assert "Stopped" in text_of(support, reverse("admin:delivery_intervention_change", args=[begun.pk]))


def test_the_same_is_not_begun_twice(support: Client, destination: Destination, change: Post) -> None:
    change(destination, name="A")
    support.post(many("cancel"), {"connection": destination.pk})

    answer = support.post(many("cancel"), {"connection": destination.pk})

    assert "already" in answer.content.decode()
    assert Intervention.objects.count() == 1


def test_many_are_for_those_who_may_and_for_connections_of_the_workspace(
    viewer: Client, support: Client, other_workspace: Workspace, destination: Destination
) -> None:
    foreign = Destination.objects.create(workspace=other_workspace, name="Foreign", kind="keyed")

    for action in ("retry", "replay", "cancel"):
        assert viewer.get(many(action)).status_code == 403
        assert viewer.post(many(action), {"connection": destination.pk}).status_code == 403
        assert many(action) not in viewer.get(LIST).content.decode()
        answer = support.post(many(action), {"connection": foreign.pk, "since": "2020-01-01T00:00"})
        assert "Select a valid choice" in answer.content.decode()
    assert support.get(many("explode")).status_code == 404
    assert Intervention.objects.count() == 0


def test_what_people_did_is_listed(viewer: Client, support: Client, destination: Destination, change: Post) -> None:
    delivery = change(destination, name="A")
    support.post(page_of(delivery, "cancel"))

    page = text_of(viewer, reverse("admin:delivery_intervention_changelist"))

    assert f"Cancelled #{delivery.pk}" in page
    assert "Budi" in page
