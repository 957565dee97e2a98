"""The configuration in tabs: what Send saves, what it says, what it refuses."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from accounts.models import Membership, User, Workspace
from accounts.roles import Role
from messaging.models import Topic, TopicType
from tokens.abilities import ABILITY_KEYS
from tokens.configuration import Configuration
from tokens.models import Token, TokenEvent
from tokens.services import COMMAND_LINE, configure_token, revoke_token, rotate_token, switch_token

Url = Callable[..., str]
Details = Callable[..., dict[str, Any]]


def test_details_are_saved_and_the_other_tab_stays(
    admin_client: Client, url: Url, token: Token, details: Details, anchor: Topic, support_user: User
) -> None:
    data = details(
        name="Shop front",
        activates_at="2026-12-01T08:00:00",
        expires_at="2027-01-31T23:59:59",
        topic_anchor="Announcements",
        user_alias="budi",
        source_networks="203.0.113.9/24\n\n2001:db8::1",
        requests_per_minute="60",
        caretaker="ayu",
    )

    response = admin_client.post(url("change", token), data)

    assert response["Location"] == url("change", token)
    token = Token.objects.get(pk=token.pk)
    assert Configuration.of(token) == Configuration(
        name="Shop front",
        activates_at=datetime(2026, 12, 1, 1, 0, 0, tzinfo=UTC),
        expires_at=datetime(2027, 1, 31, 16, 59, 59, tzinfo=UTC),
        topic_anchor=anchor,
        user_alias=support_user,
        source_networks=("203.0.113.0/24", "2001:db8::1/128"),
        requests_per_minute=60,
        caretaker=User.objects.get(username="ayu"),
        abilities=ABILITY_KEYS,
    )


def test_send_tells_what_changed_in_words_once(admin_client: Client, url: Url, token: Token, details: Details) -> None:
    data = details(name="Shop front", is_on=None, expires_at="2027-01-31T23:59:59")

    page = admin_client.post(url("change", token), data, follow=True).text
    later = admin_client.get(url("change", token)).text

    panel = page[page.index("What changed") : page.index("data-unsaved")]
    assert "Shop backend" in panel
    assert "Shop front" in panel
    assert "Expiration" in panel
    assert "never" in panel
    assert "31 Jan 2027, 23:59:59" in panel
    assert "Switched on" in panel
    assert "What changed" not in later


def test_unchanged_form_saves_nothing_and_says_so(
    admin_client: Client, url: Url, token: Token, details: Details
) -> None:
    page = admin_client.post(url("change", token), details(), follow=True).text

    token.refresh_from_db()
    assert "Nothing was changed" in page
    assert token.version == 1
    assert not token.events.filter(kind=TokenEvent.Kind.CONFIGURED).exists()


def test_permissions_are_saved_and_the_details_stay(admin_client: Client, url: Url, token: Token) -> None:
    data = {"version": token.version, "abilities": ["message_send"]}

    page = admin_client.post(url("permissions", token), data, follow=True)

    assert page.redirect_chain == [(url("permissions", token), 302)]
    assert "Create topic" in page.text
    assert Token.objects.get(pk=token.pk).ability_keys == ["message_send"]
    assert Token.objects.get(pk=token.pk).name == "Shop backend"


def test_permissions_just_sent_are_undone_by_the_button_beside_what_changed(
    admin_client: Client, url: Url, token: Token
) -> None:
    before = token.ability_keys
    sent = admin_client.post(url("permissions", token), {"version": 1, "abilities": ["stats_read"]}, follow=True)
    after = Token.objects.get(pk=token.pk).ability_keys
    form = {"event": sent.context["saved"].event_id, "back": "permissions"}

    undone = admin_client.post(url("undo", token), form, follow=True)

    assert f'action="{url("undo", token)}"' in sent.text
    assert after == ["stats_read"]
    assert undone.redirect_chain == [(url("permissions", token), 302)]
    assert "Undone" in undone.text
    assert Token.objects.get(pk=token.pk).ability_keys == before != after


def test_permissions_show_each_ability_with_its_sentence_and_templates(
    admin_client: Client, url: Url, token: Token
) -> None:
    page = admin_client.get(url("permissions", token)).text

    assert page.count('role="switch"') == page.count('name="abilities"') >= 2
    assert "Send messages to people as a user of the workspace." in page
    assert "Send only" in page


def test_unknown_ability_is_refused(admin_client: Client, url: Url, token: Token) -> None:
    data = {"version": token.version, "abilities": ["fly"]}

    page = admin_client.post(url("permissions", token), data)

    assert "fly is not one of the available choices" in page.text


def test_change_by_somebody_else_meanwhile_wins_and_what_was_typed_stays_visible(
    admin_client: Client, url: Url, token: Token, details: Details
) -> None:
    data = details(name="My name", requests_per_minute="60")
    theirs = Configuration(name="Their name", abilities=frozenset(token.ability_keys))
    configure_token(token=token, configuration=theirs, version=1, by=COMMAND_LINE)

    response = admin_client.post(url("change", token), data)

    assert response.status_code == 409
    assert "Somebody else changed this token while you had it open." in response.text
    assert 'value="Their name"' in response.text
    assert "My name" in response.text
    assert 'name="version" value="2"' in response.text
    assert 'data-put="60" data-into="id_requests_per_minute"' in response.text
    assert Token.objects.get(pk=token.pk).name == "Their name"


def test_permissions_changed_by_somebody_else_show_what_was_chosen(
    admin_client: Client, url: Url, token: Token
) -> None:
    theirs = Configuration(name="Their name", abilities=frozenset({"topic_add"}))
    configure_token(token=token, configuration=theirs, version=1, by=COMMAND_LINE)

    page = admin_client.post(url("permissions", token), {"version": 1, "abilities": ["message_send"]}).text

    assert 'data-put="on" data-into="id_ability_message_send"' in page
    assert 'data-put="off" data-into="id_ability_topic_add"' in page


@pytest.mark.parametrize(
    ("field", "typed", "error"),
    [
        ("name", "", "Give the token a name"),
        ("name", "x" * 10_000, "at most 100 characters"),
        ("name", "a\x00b", "Null characters are not allowed."),
        ("activates_at", "soon", "Write the moment as 2027-01-31T09:30:00."),
        ("activates_at", "2026-02-30T10:00", "Write the moment as 2027-01-31T09:30:00."),
        ("expires_at", "0001-01-01T00:00", "Choose a year from 2000 to 9998"),
        ("expires_at", "9999-12-31T23:59:59", "Choose a year from 2000 to 9998"),
        ("expires_at", "12345-01-01T00:00", "Write the moment as"),
        ("topic_anchor", "No such topic", "There is no mass topic “No such topic” here."),
        ("topic_anchor", "y" * 10_000, "at most 255 characters"),
        ("user_alias", "nobody", "“nobody” is not a member of this workspace."),
        ("caretaker", "nobody", "“nobody” is not a member of this workspace."),
        ("source_networks", "203.0.113.0/99", "“203.0.113.0/99” is not a network."),
        ("source_networks", "\n".join(f"10.0.{n}.0/24" for n in range(201)), "Write at most 200 networks."),
        ("requests_per_minute", "0", "greater than or equal to 1"),
        ("requests_per_minute", "1000001", "less than or equal to 1000000"),
        ("requests_per_minute", "many", "Enter a whole number."),
        ("version", "", "This page is out of date."),
        ("version", "99999999999999999999", "This page is out of date."),
    ],
)
def test_value_that_cannot_be_is_refused_at_its_field(
    admin_client: Client, url: Url, token: Token, details: Details, field: str, typed: str, error: str
) -> None:
    response = admin_client.post(url("change", token), details(**{field: typed}))

    assert response.status_code == 200
    assert escape(error) in response.text
    assert Token.objects.get(pk=token.pk).version == 1


def test_expiration_before_activation_is_refused_at_the_expiration(
    admin_client: Client, url: Url, token: Token, details: Details
) -> None:
    data = details(activates_at="2027-01-02T00:00:00", expires_at="2027-01-01T00:00:00")

    page = admin_client.post(url("change", token), data).text

    assert 'id="id_expires_at_error"' in page
    assert "The expiration must be later than the activation." in page


def test_topic_of_one_person_or_of_another_workspace_is_no_anchor(
    admin_client: Client, url: Url, token: Token, details: Details, workspace: Workspace, other_workspace: Workspace
) -> None:
    Topic.objects.create(workspace=other_workspace, type=TopicType.MASS, name="Theirs")

    page = admin_client.post(url("change", token), details(topic_anchor="Theirs"))

    assert "There is no mass topic “Theirs” here." in page.text
    assert '<option value="Theirs">' not in page.text


def test_at_most_200_topics_are_offered_and_others_can_still_be_typed(
    admin_client: Client, url: Url, token: Token, details: Details, workspace: Workspace
) -> None:
    Topic.objects.bulk_create(
        Topic(workspace=workspace, type=TopicType.MASS, name=f"Topic {number}") for number in range(250)
    )

    page = admin_client.get(url("change", token)).text
    admin_client.post(url("change", token), details(topic_anchor="Topic 0"))

    offered = page[page.index('<datalist id="topics">') : page.index('<datalist id="members">')]
    assert offered.count("<option") == 200
    assert "“Topic 0”" not in offered
    assert Token.objects.get(pk=token.pk, topic_anchor__name="Topic 0")


def test_only_members_of_the_workspace_are_offered(
    admin_client: Client, url: Url, token: Token, viewer_user: User, other_workspace: Workspace
) -> None:
    stranger = User.objects.create_user("stranger")
    Membership.objects.create(workspace=other_workspace, user=stranger, role=Role.ADMIN)

    page = admin_client.get(url("change", token)).text

    assert '<option value="citra">' in page
    assert "stranger" not in page


def test_moments_are_shown_in_the_viewers_zone_with_utc_beside(
    admin_client: Client, url: Url, token: Token, admin_user: User
) -> None:
    Token.objects.filter(pk=token.pk).update(expires_at=datetime(2027, 1, 31, 16, 59, 59, tzinfo=UTC))
    User.objects.filter(pk=admin_user.pk).update(time_zone="America/New_York")

    page = admin_client.get(url("change", token)).text

    assert "(America/New_York)" in page
    assert 'value="2027-01-31T11:59:59"' in page
    assert "2027-01-31 16:59:59 UTC" in page


def test_moment_is_read_in_the_zone_it_was_typed_in(
    admin_client: Client, url: Url, token: Token, details: Details
) -> None:
    admin_client.post(url("change", token), details(zone="Europe/Berlin", expires_at="2027-07-01T12:00:00"))

    assert Token.objects.get(pk=token.pk).expires_at == datetime(2027, 7, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "error"),
    [("2027-03-28T02:30:00", "does not exist"), ("2027-10-31T02:30:00", "happens twice")],
)
def test_moment_in_an_hour_the_clocks_skip_or_repeat_is_refused(
    admin_client: Client, url: Url, token: Token, details: Details, typed: str, error: str
) -> None:
    page = admin_client.post(url("change", token), details(zone="Europe/Berlin", expires_at=typed))

    assert error in page.text


def test_moment_left_alone_keeps_its_microseconds_even_in_an_hour_that_happens_twice(
    admin_client: Client, url: Url, token: Token, details: Details
) -> None:
    moment = datetime(2027, 10, 31, 0, 30, 0, 123456, tzinfo=UTC)
    Token.objects.filter(pk=token.pk).update(expires_at=moment)
    data = details(zone="Europe/Berlin", name="Shop front", expires_at="2027-10-31T02:30:00")

    admin_client.post(url("change", token), data)

    saved = Token.objects.get(pk=token.pk)
    assert (saved.name, saved.expires_at) == ("Shop front", moment)


def test_revoked_token_is_shown_read_only_with_the_reason(
    admin_client: Client, url: Url, token: Token, details: Details
) -> None:
    revoke_token(token=token, by=COMMAND_LINE)

    page = admin_client.get(url("change", token)).text
    refused = admin_client.post(url("change", token), details(version=2, name="Other")).text

    assert "This token was revoked" in page
    assert ">Send</button>" not in page
    assert "disabled" in page
    assert escape("This token was revoked, which can't be undone.") in refused
    assert Token.objects.get(pk=token.pk).name == "Shop backend"


def test_history_tells_who_did_what_when_newest_first(
    admin_client: Client, url: Url, token: Token, details: Details
) -> None:
    switch_token(token=token, on=False, by=COMMAND_LINE)
    admin_client.post(url("change", token), details(version=2, is_on=None, name="Shop front"))

    page = admin_client.get(url("history", token)).text

    assert re.findall(r'id="event-\d+">(\w+)<', page) == ["Configured", "Disabled", "Issued"]
    assert "Ayu" in page
    assert "command line" in page
    assert "Shop backend" in page


def test_old_and_new_token_name_each_other_and_tell_who_still_uses_the_old_secret(
    admin_client: Client, url: Url, token: Token, call: Callable[..., Any]
) -> None:
    new = rotate_token(token=token, overlap=timedelta(days=1), by=COMMAND_LINE).token
    rotated_at = token.events.get(kind=TokenEvent.Kind.ROTATED).happened_at
    call(address="198.51.100.1", received_at=rotated_at - timedelta(seconds=1))
    call(address="198.51.100.2", received_at=rotated_at + timedelta(seconds=1))

    pages = [admin_client.get(url("change", shown)).text for shown in (token, new)]

    for page, other in zip(pages, (new, token), strict=True):
        assert reverse("admin:tokens_token_change", args=[other.pk]) in page
        assert "Who still uses the old secret" in page
        assert "198.51.100.2" in page
        assert "198.51.100.1" not in page
