"""Templates: their gaps, and the text that comes of filling them."""

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Workspace
from messaging.models import Template
from messaging.templates import (
    TemplateAmbiguous,
    TemplateNotFound,
    TemplateParametersWrong,
    TemplateTextTooLong,
    count_gaps,
    fill_template,
)


@pytest.mark.parametrize(
    ("body", "gaps"),
    [
        ("", 0),
        ("Hello", 0),
        ("Hello {{1}}", 1),
        ("{{ 2 }} and {{1}}", 2),
        ("{{3}} alone", 3),
        ("{{1}}{{1}}", 1),
        ("{{0}} is none", 0),
        ("{{99}}", 99),
        ("{{100}} is text", 0),
        ("{1} {{x}} {{1", 0),
    ],
)
def test_a_text_takes_as_many_parameters_as_its_highest_gap(body: str, gaps: int) -> None:
    assert count_gaps(body) == gaps


@given(st.text())
def test_any_text_has_a_count(body: str) -> None:
    assert 0 <= count_gaps(body) <= 99


def _fill(workspace: Workspace, body: str, *parameters: str, language: str = "", name: str = "t") -> str:
    Template.objects.create(workspace=workspace, name="t", body=body)
    return fill_template(workspace_id=workspace.pk, name=name, language=language, parameters=parameters)


@pytest.mark.parametrize(
    ("body", "parameters", "text"),
    [
        ("Hello {{1}}!", ["Peter"], "Hello Peter!"),
        ("{{2}}, {{ 1 }}, {{2}}", ["a", "b"], "b, a, b"),
        ("{{2}}", ["not used", "b"], "b"),
        ("{{1}} {{2}}", ["{{2}}", "\\1 \\g<1>"], "{{2}} \\1 \\g<1>"),
        ("{{0}} {{1}}", [""], "{{0}} "),
        ("{{1}}" * 4, ["x" * 1024], "x" * 4096),
    ],
)
def test_gaps_are_filled_as_they_are_and_once(
    workspace: Workspace, body: str, parameters: list[str], text: str
) -> None:
    assert _fill(workspace, body, *parameters) == text


@pytest.mark.parametrize("parameters", [[], ["a", "b"]])
def test_too_few_and_too_many_parameters_are_refused(workspace: Workspace, parameters: list[str]) -> None:
    with pytest.raises(TemplateParametersWrong) as refused:
        _fill(workspace, "{{1}}", *parameters)

    assert (refused.value.expected, refused.value.given) == (1, len(parameters))


@pytest.mark.parametrize(
    ("language", "expected", "sentence"),
    [
        ("en", 0, "The template “hi” takes 0 parameters, not 3."),
        ("en", 1, "The template “hi” takes 1 parameter, not 3."),
        ("en", 2, "The template “hi” takes 2 parameters, not 3."),
        ("id", 1, "Templat “hi” menerima 1 parameter, bukan 3."),
        ("id", 2, "Templat “hi” menerima 2 parameter, bukan 3."),
    ],
)
def test_refusal_of_parameters_counts_as_the_language_does(language: str, expected: int, sentence: str) -> None:
    with translation.override(language):
        assert str(TemplateParametersWrong(name="hi", expected=expected, given=3)) == sentence


def test_a_text_that_gets_too_long_is_refused(workspace: Workspace) -> None:
    with pytest.raises(TemplateTextTooLong) as refused:
        _fill(workspace, "{{1}}!", "x" * 4096)

    assert (refused.value.length, refused.value.maximum) == (4097, 4096)


def test_only_a_template_of_the_workspace_and_the_language_is_found(
    workspace: Workspace, other_workspace: Workspace
) -> None:
    Template.objects.create(workspace=other_workspace, name="theirs", body="Secret")

    for name, language, sentence in [
        ("theirs", "", "There is no template “theirs” in this workspace."),
        ("t", "fr", "There is no template “t” in the language fr (there is one in en) in this workspace."),
    ]:
        Template.objects.filter(workspace=workspace).delete()
        with pytest.raises(TemplateNotFound) as refused:
            _fill(workspace, "Hi", name=name, language=language)
        assert str(refused.value) == sentence


def test_of_two_languages_one_is_named(workspace: Workspace) -> None:
    Template.objects.create(workspace=workspace, name="t", language="id", body="Halo")

    with pytest.raises(TemplateAmbiguous) as refused:
        _fill(workspace, "Hello")

    assert refused.value.languages == "en, id"
    assert fill_template(workspace_id=workspace.pk, name="t", language="id", parameters=[]) == "Halo"


@pytest.mark.parametrize(("asked", "found"), [("en-US", "en-US"), ("en_US", "en-US"), ("en_us", "en-US"), ("id", "id")])
def test_a_language_is_the_same_with_either_stroke(workspace: Workspace, asked: str, found: str) -> None:
    for language in ("en-US", "id"):
        Template.objects.create(workspace=workspace, name="t", language=language, body=language)

    assert fill_template(workspace_id=workspace.pk, name="t", language=asked, parameters=[]) == found


def test_another_language_is_not_sent_but_named(workspace: Workspace) -> None:
    Template.objects.create(workspace=workspace, name="t", language="en", body="Hello")

    with pytest.raises(TemplateNotFound) as refused:
        fill_template(workspace_id=workspace.pk, name="t", language="en_US", parameters=[])

    assert (
        str(refused.value) == "There is no template “t” in the language en_US (there is one in en) in this workspace."
    )
