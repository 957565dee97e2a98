import io
from typing import Any

import pytest
from django.http import StreamingHttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import translation
from openpyxl import load_workbook

from accounts.language import reader_language, retold
from accounts.models import User
from personas.contacts import ContactKeyInvalid
from personas.importing.reading import FileUnreadable
from platforms.docs.openapi import document_of
from tests.conftest import PASSWORD
from tokens.models import Token

pytestmark = pytest.mark.django_db
LOGIN, PROFILE, SWITCH = reverse("admin:login"), reverse("admin:profile"), reverse("admin:switch_language")
SELF = "/raven/xapi/v1/token:self"


def signed_in(user: User, **headers: str) -> Client:
    client = Client(headers=headers)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def speaking(user: User, language: str) -> User:
    user.language = language
    user.save()
    return user


# ------------------------------------------------------------------------------------------------ who reads what
def test_page_speaks_the_language_that_the_browser_asks_for() -> None:
    answer = Client(headers={"accept-language": "id-ID,id;q=0.9,en;q=0.5"}).get(LOGIN)

    assert '<html lang="id"' in answer.content.decode()
    assert "<h1>Masuk</h1>" in answer.content.decode()
    assert answer["Content-Language"] == "id"
    assert "Accept-Language" in answer["Vary"]


def test_page_is_english_for_a_browser_that_asks_for_a_language_we_do_not_speak() -> None:
    answer = Client(headers={"accept-language": "de"}).get(LOGIN)

    assert '<html lang="en"' in answer.content.decode()


def test_persons_own_language_is_stronger_than_the_browsers(admin_user: User) -> None:
    speaking(admin_user, "id")

    answer = signed_in(admin_user, **{"accept-language": "en"}).get(PROFILE)

    assert "Profil Anda" in answer.content.decode()


def test_language_chosen_before_signing_in_is_the_persons_own_afterwards(admin_user: User) -> None:
    client = Client()

    client.post(SWITCH, {"language": "id", "next": LOGIN})
    assert "<h1>Masuk</h1>" in client.get(LOGIN).content.decode()
    client.post(LOGIN, {"username": admin_user.username, "password": PASSWORD})

    admin_user.refresh_from_db()
    assert admin_user.language == "id"


def test_signing_in_without_choosing_leaves_the_persons_language_alone(admin_user: User) -> None:
    speaking(admin_user, "id")

    Client().post(LOGIN, {"username": admin_user.username, "password": PASSWORD})

    admin_user.refresh_from_db()
    assert admin_user.language == "id"


def test_sign_in_page_remembers_the_language_of_who_was_there_last(admin_user: User) -> None:
    client = signed_in(admin_user)
    client.post(SWITCH, {"language": "id"})

    client.post(reverse("admin:logout"))

    assert "<h1>Masuk</h1>" in client.get(LOGIN).content.decode()


def test_switch_leads_back_to_the_page_it_was_on_and_nowhere_else(admin_user: User) -> None:
    client = signed_in(admin_user)

    back = client.post(SWITCH, {"language": "id", "next": PROFILE})
    assert back["Location"] == PROFILE
    for elsewhere in ("https://example.org/", "//example.org/", "/\\example.org/", "nonsense", "²", ""):
        away = client.post(SWITCH, {"language": "id", "next": elsewhere})
        assert away["Location"] == reverse("admin:index"), elsewhere


def test_switch_takes_no_language_we_do_not_speak_and_no_link(admin_user: User) -> None:
    client = signed_in(admin_user)

    assert client.post(SWITCH, {"language": "xx"}).status_code == 404
    assert client.get(SWITCH, {"language": "id"}).status_code == 405
    assert Client(enforce_csrf_checks=True).post(SWITCH, {"language": "id"}).status_code == 403


def test_profile_changes_the_language_and_says_so_in_it(admin_user: User) -> None:
    client = signed_in(admin_user)

    answer = client.post(PROFILE, {"first_name": "Ayu", "language": "id"}, follow=True)

    assert "Profil Anda tersimpan." in answer.content.decode()
    admin_user.refresh_from_db()
    assert admin_user.language == "id"


def test_profile_gives_the_choice_back_to_the_browser(admin_user: User) -> None:
    client = signed_in(speaking(admin_user, "id"), **{"accept-language": "en"})

    answer = client.post(PROFILE, {"first_name": "Ayu", "language": ""}, follow=True)

    assert '<html lang="en"' in answer.content.decode()


def test_mail_is_written_in_its_readers_language(admin_user: User, support_user: User) -> None:
    speaking(admin_user, "id")

    assert [reader_language(someone) for someone in (admin_user, support_user, None)] == ["id", "en", "en"]


# ------------------------------------------------------------------------------------------------ programs
def test_programs_read_the_same_bytes_whatever_was_shown_in_the_thread_before(
    admin_user: User, token: Token, secret: str
) -> None:
    headers = {"authorization": f"Bearer {secret}", "idempotency-key": ""}
    console = signed_in(speaking(admin_user, "id"))

    def answers(language: str) -> list[tuple[int, Any]]:
        client = Client(headers={"accept-language": language})
        client.cookies["language"] = language
        return [
            (answer.status_code, answer.content.replace(answer["X-Request-Id"].encode(), b""))
            for answer in (
                client.post(SELF.replace("token:self", "message:send"), "{}", "application/json", headers=headers),
                client.get(SELF),
                client.get("/raven/xapi/v1/nowhere"),
                client.get("/docs/openapi/raven.json"),
            )
        ]

    english = answers("en")
    assert "Profil Anda" in console.get(PROFILE).content.decode()

    assert answers("id") == english
    assert translation.get_language() == "en"


def test_api_document_is_english_even_when_an_indonesian_reader_is_its_first(admin_user: User) -> None:
    document_of.cache_clear()

    answer = signed_in(speaking(admin_user, "id")).get("/docs/openapi/raven.json")

    assert "This token lacks the ability" in answer.content.decode()


def test_answers_of_the_gateway_gain_no_header_and_no_cookie(secret: str) -> None:
    answer = Client(headers={"accept-language": "id", "authorization": f"Bearer {secret}"}).get(SELF)

    assert answer.status_code == 200
    assert not {"Vary", "Content-Language", "Set-Cookie"} & set(answer.headers)
    assert not answer.cookies


def test_platform_that_calls_in_reads_english() -> None:
    answer = Client(headers={"accept-language": "id"}).post("/in/nothing/", "{}", content_type="application/json")

    assert answer.json()["error"] == "There is no such address."


# ------------------------------------------------------------------------------------------------ what is said
def test_refusal_is_said_in_the_language_of_its_viewer() -> None:
    refusal = ContactKeyInvalid(key="12", reason="…")

    with translation.override("id"):
        assert str(refusal) == "“12” tidak bisa dihubungi: …"
    assert str(refusal) == "“12” can't be reached: …"


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        (str(FileUnreadable("it is empty.")), "Berkas ini tidak bisa dibaca: kosong."),
        ("Takes a number, as 12.5.", "Harus berupa angka, seperti 12.5."),
        (
            "It refused (418). It says: “short and stout”",
            "Ditolak (418). Katanya: “short and stout”",
        ),
        (
            "Given up after 5 attempts. The last one: No connection within 5 seconds.",
            "Dihentikan setelah 5 percobaan. Yang terakhir: Tidak ada koneksi dalam 5 detik.",
        ),
        ("Rina Hartono", "Rina Hartono"),
        ("", ""),
    ],
)
def test_what_was_stored_in_english_is_said_again_in_the_viewers_language(stored: str, shown: str) -> None:
    with translation.override("id"):
        assert retold(stored) == shown
    assert retold(stored) == stored


def test_numbers_and_months_have_the_form_of_the_language(admin_user: User, token: Token) -> None:
    speaking(admin_user, "id")
    Token.objects.filter(pk=token.pk).update(created_at="2026-05-04T01:02:03Z")

    page = signed_in(admin_user).get(reverse("admin:tokens_token_change", args=[token.pk])).content.decode()

    assert "4 Mei 2026, 08:02" in page


def test_download_has_its_viewers_words_to_its_last_row(admin_user: User, token: Token) -> None:
    answer = signed_in(speaking(admin_user, "id")).get(reverse("admin:tokens_token_download_all"))

    assert isinstance(answer, StreamingHttpResponse)
    book = load_workbook(io.BytesIO(answer.getvalue()))
    assert book.sheetnames == ["Tentang", "Token"]
    assert [cell.value for cell in next(book["Token"].iter_rows())][:3] == ["Nama", "Status", "Token"]
    assert "Token dalam berkas ini" in [row[0].value for row in book["Tentang"].iter_rows()]
