"""The catalogues of locale/ have every text of the screen, translated, and are compiled."""

import re
from collections import Counter

import pytest
from babel.messages.catalog import Message
from django.conf import settings

from scripts import messages

LANGUAGES = [code for code, _name in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
_PLACES = re.compile(r"%\(\w+\)[a-z]|%[sdg](?!\w)|\{[^{}]*\}|%%")

each_language = pytest.mark.parametrize("language", LANGUAGES)


def _forms(text: object) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)  # type: ignore[arg-type]


def _texts(language: str) -> list[Message]:
    return [message for message in messages.read(language) if message.id]


@each_language
def test_catalogue_has_every_text_of_the_sources(language: str) -> None:
    """`make messages` brings it up to date."""
    in_sources = {found.text for found in messages.texts()}

    assert {_forms(message.id)[0] for message in _texts(language)} == in_sources


@each_language
def test_every_text_is_translated_and_nobody_guessed(language: str) -> None:
    catalogue = messages.read(language)

    assert messages.untranslated(catalogue) == []
    assert [message.id for message in catalogue if message.id and message.fuzzy] == []


@each_language
def test_translations_have_the_places_of_their_texts(language: str) -> None:
    """One form of several may leave a number out, as “one row”; the form for all numbers may not."""
    wrong = [
        (message.id, form)
        for message in _texts(language)
        for form in _forms(message.string)
        if form and Counter(_PLACES.findall(form)) != Counter(_PLACES.findall(_forms(message.id)[-1]))
    ]

    assert wrong == []


@each_language
def test_compiled_catalogue_is_what_the_readable_one_compiles_to(language: str) -> None:
    path = messages.catalogue_path(language)

    assert path.with_suffix(".mo").read_bytes() == messages.as_mo(messages.read(language))


@each_language
def test_catalogue_is_written_the_same_way_twice(language: str) -> None:
    assert messages.as_po(messages.read(language)) == messages.catalogue_path(language).read_bytes()


def test_sentence_of_a_refusal_is_a_text() -> None:
    source = '''
class TooLate(RavenError):
    """It is {hours} hours
    too late."""

    code: ClassVar[str] = "too_late"

class Other:
    """No text."""
'''

    assert list(messages._of_python(source)) == [("It is {hours} hours\ntoo late.", "")]


def test_texts_of_a_template_are_found_in_all_spellings() -> None:
    source = """{% load i18n %}{% translate "Save" %}
{% blocktranslate count n=rows|length with name=who %}{{ name }}: one row{% plural %}{{ name }}: {{ n }} rows{% endblocktranslate %}
{% include "x.html" with label=_("Don't") %}"""  # noqa: E501

    assert list(messages._of_template(source)) == [
        ("Save", ""),
        ("%(name)s: one row", "%(name)s: %(n)s rows"),
        ("Don't", ""),
    ]
