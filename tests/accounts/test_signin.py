import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from axes.models import AccessAttempt
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.conftest import PASSWORD
from tokens.secrets import new_secret

pytestmark = pytest.mark.django_db
LOGIN = reverse("admin:login")
INDEX = reverse("admin:index")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def sign_in(client: Client, username: str, password: str, *, address: str = "203.0.113.7", next: str = "") -> int:
    given = {"username": username, "password": password, "next": next}
    return client.post(LOGIN, given, REMOTE_ADDR=address).status_code


def is_signed_in(client: Client) -> bool:
    return client.get(INDEX).status_code == 200


def test_right_password_opens_the_overview(client: Client, viewer_user: User) -> None:
    answer = client.post(LOGIN, {"username": "citra", "password": PASSWORD})

    assert (answer.status_code, answer["Location"]) == (302, INDEX)
    assert is_signed_in(client)


def test_wrong_password_says_so_and_does_not_tell_whether_the_name_exists(client: Client, viewer_user: User) -> None:
    pages = [
        client.post(LOGIN, {"username": name, "password": "wrong"}).content.decode() for name in ("citra", "nobody")
    ]

    assert "Please enter a correct username and password" in pages[0]
    assert _without_names(pages[0]) == _without_names(pages[1])


def test_right_password_is_refused_after_five_wrong_ones(client: Client, viewer_user: User) -> None:
    with time_machine.travel(NOON, tick=False):
        answers = [sign_in(client, "citra", "wrong") for _ in range(5)]

        refused = sign_in(client, "citra", PASSWORD)

    assert answers == [200, 200, 200, 200, 429]
    assert refused == 429
    assert not is_signed_in(client)


def test_locked_account_is_refused_from_another_address_and_in_other_letters_too(
    client: Client, viewer_user: User
) -> None:
    with time_machine.travel(NOON, tick=False):
        for number in range(5):
            sign_in(client, "citra", "wrong", address=f"203.0.113.{number}")

        assert sign_in(client, "citra", PASSWORD, address="198.51.100.1") == 429


def test_lock_ends_after_the_cool_off(client: Client, viewer_user: User) -> None:
    with time_machine.travel(NOON, tick=False):
        for _ in range(5):
            sign_in(client, "citra", "wrong")
        assert sign_in(client, "citra", PASSWORD) == 429

    with time_machine.travel(NOON + timedelta(minutes=15, seconds=1), tick=False):
        assert sign_in(client, "citra", PASSWORD) == 302


def test_lock_of_one_account_leaves_others_alone(client: Client, viewer_user: User, support_user: User) -> None:
    for _ in range(5):
        sign_in(client, "citra", "wrong")

    assert sign_in(client, "budi", PASSWORD) == 302


def test_locked_out_page_says_how_long_to_wait(client: Client, viewer_user: User) -> None:
    for _ in range(4):
        sign_in(client, "citra", "wrong")

    answer = client.post(LOGIN, {"username": "citra", "password": "wrong"})

    assert "Wait 15 minutes" in answer.content.decode()
    assert answer["Retry-After"] == "900"


@pytest.mark.parametrize("where", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_next_never_leads_to_another_site(client: Client, viewer_user: User, where: str) -> None:
    answer = client.post(LOGIN, {"username": "citra", "password": PASSWORD, "next": where})

    assert answer["Location"] == INDEX


def test_signing_in_returns_to_the_page_that_was_asked_for(client: Client, viewer_user: User) -> None:
    profile = reverse("admin:profile")
    asked = client.get(profile)

    assert asked["Location"] == f"{LOGIN}?next={profile}"
    assert client.post(asked["Location"], {"username": "citra", "password": PASSWORD, "next": profile})[
        "Location"
    ] == profile  # fmt: skip


def test_what_was_sent_after_the_session_ended_leads_back_to_the_page_it_was_sent_from(
    client: Client, viewer_user: User
) -> None:
    switch, profile = reverse("admin:switch_workspace"), reverse("admin:profile")

    asked = client.post(switch, headers={"Referer": f"http://testserver{profile}?x=1"})
    elsewhere = client.post(switch, headers={"Referer": "https://evil.example/"})
    given = {"username": "citra", "password": PASSWORD, "next": f"{profile}?x=1"}
    page = client.post(asked["Location"], given, follow=True)

    assert asked["Location"] == f"{LOGIN}?next={profile}%3Fx%3D1"
    assert elsewhere["Location"] == f"{LOGIN}?next={switch}"
    assert "You were signed out meanwhile, so nothing was done." in page.text


def test_signing_out_takes_a_post(client: Client, viewer_user: User) -> None:
    client.force_login(viewer_user, backend="django.contrib.auth.backends.ModelBackend")

    assert client.get(reverse("admin:logout")).status_code == 405
    assert is_signed_in(client)
    assert client.post(reverse("admin:logout")).status_code == 200
    assert not is_signed_in(client)


def test_signing_out_by_a_forged_form_is_refused(viewer_user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(viewer_user, backend="django.contrib.auth.backends.ModelBackend")

    assert client.post(reverse("admin:logout")).status_code == 403
    assert is_signed_in(client)


def test_person_without_a_workspace_reads_why_and_can_sign_out(client: Client, db: None) -> None:
    User.objects.create_user("stranger", password=PASSWORD)

    answer = client.post(LOGIN, {"username": "stranger", "password": PASSWORD}, follow=True)

    assert answer.status_code == 403
    assert "work in any workspace" in answer.content.decode()
    assert len(answer.redirect_chain) == 2
    assert "signed out" in client.post(reverse("admin:logout")).content.decode()
    assert client.get(LOGIN).status_code == 200


def test_inactive_account_is_not_let_in(client: Client, viewer_user: User) -> None:
    User.objects.filter(pk=viewer_user.pk).update(is_active=False)

    assert sign_in(client, "citra", PASSWORD) == 200
    assert not is_signed_in(client)


def test_new_password_must_be_good_and_ends_other_sessions(client: Client, viewer_user: User) -> None:
    change = reverse("admin:password_change")
    elsewhere = Client()
    for browser in (client, elsewhere):
        browser.force_login(viewer_user, backend="django.contrib.auth.backends.ModelBackend")

    weak = client.post(
        change, {"old_password": PASSWORD, "new_password1": "password123", "new_password2": "password123"}
    )
    good = client.post(
        change, {"old_password": PASSWORD, "new_password1": "a long new phrase", "new_password2": "a long new phrase"}
    )

    assert "too common" in weak.content.decode()
    assert good.status_code == 302
    assert is_signed_in(client)
    assert not is_signed_in(elsewhere)


def _without_names(page: str) -> str:
    page = re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"', "", page)
    return page.replace("citra", "NAME").replace("nobody", "NAME")


def test_a_token_typed_into_the_sign_in_form_is_kept_nowhere(client: Client) -> None:
    secret = new_secret().value

    for _attempt in range(2):
        client.post(
            f"{reverse('admin:login')}?next={secret}",
            {"username": secret, "password": secret, "x": secret},
            headers={"User-Agent": f"curl {secret}"},
        )

    attempts = repr(list(AccessAttempt.objects.values()))
    assert "curl rvn_" in attempts
    assert secret[17:] not in attempts


def test_a_token_in_the_agent_is_no_way_round_the_lock(client: Client, viewer_user: User) -> None:
    agent = {"User-Agent": new_secret().value}

    for _attempt in range(5):
        client.post(LOGIN, {"username": "citra", "password": "wrong"}, headers=agent)
    answer = client.post(LOGIN, {"username": "citra", "password": PASSWORD}, headers=agent)

    assert answer.status_code == 429
