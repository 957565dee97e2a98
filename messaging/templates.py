"""Templates: finding one and filling its gaps."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from messaging.models import Template
from raven_admin.errors import RavenError

MAX_TEXT = 4096
MAX_LANGUAGES = 200
"""Of one template; WhatsApp knows fewer than a hundred."""
_GAP = re.compile(r"\{\{\s*(\d{1,2})\s*\}\}")


@dataclass(eq=False)
class TemplateNotFound(RavenError):
    """There is no template “{name}”{in_language} in this workspace."""

    code: ClassVar[str] = "template_not_found"
    name: str
    in_language: str


@dataclass(eq=False)
class TemplateAmbiguous(RavenError):
    """The template “{name}” exists in several languages: {languages}. Name one in `language`."""

    code: ClassVar[str] = "template_ambiguous"
    name: str
    languages: str


@dataclass(eq=False)
class TemplateParametersWrong(RavenError):
    """The template “{name}” takes {expected} parameters, not {given}."""

    code: ClassVar[str] = "template_parameters_wrong"
    name: str
    expected: int
    given: int

    def __str__(self) -> str:
        sentence = ngettext(
            "The template “{name}” takes {expected} parameter, not {given}.",
            "The template “{name}” takes {expected} parameters, not {given}.",
            self.expected,
        )
        return sentence.format(**self.fields())


@dataclass(eq=False)
class TemplateTextTooLong(RavenError):
    """With these parameters the message has {length} characters; a message has at most {maximum}."""

    code: ClassVar[str] = "template_text_too_long"
    length: int
    maximum: int


def count_gaps(body: str) -> int:
    """The highest number of a gap in `body`: how many parameters it takes."""
    return max((int(number) for number in _GAP.findall(body)), default=0)


def fill_template(*, workspace_id: int, name: str, language: str, parameters: Sequence[str]) -> str:
    """The text of the template with its gaps filled.

    `language` may be empty when there is only one. Raises the errors above.
    """
    return fill(find_template(workspace_id=workspace_id, name=name, language=language), parameters)


def find_template(*, workspace_id: int, name: str, language: str) -> Template:
    """The template of this name. Raises TemplateNotFound and TemplateAmbiguous.

    `en_US`, as WhatsApp writes it, is our `en-US`; but not `en`: on WhatsApp those are two templates, and nobody gets a
    text in another language than was asked for.
    """
    named = list(Template.objects.filter(workspace=workspace_id, name=name)[:MAX_LANGUAGES])
    exact = [template for template in named if template.language == language]
    found = exact or [template for template in named if not language or _is_same(template.language, language)]
    if not found:
        raise TemplateNotFound(name=name, in_language=_in_language(language, named))
    if len(found) > 1:
        raise TemplateAmbiguous(name=name, languages=_languages(found))
    return found[0]


def _is_same(language: str, other: str) -> bool:
    return language.replace("_", "-").casefold() == other.replace("_", "-").casefold()


def _in_language(language: str, named: Sequence[Template]) -> str:
    """What the refusal says of it, with the languages that would have been found."""
    if not language:
        return ""
    if not named:
        return _(" in the language %(language)s") % {"language": language}
    return _(" in the language %(language)s (there is one in %(languages)s)") % {
        "language": language,
        "languages": _languages(named),
    }


def _languages(templates: Sequence[Template]) -> str:
    return ", ".join(template.language for template in templates)


def fill(template: Template, parameters: Sequence[str]) -> str:
    """The template's text with its gaps filled. Raises TemplateParametersWrong and TemplateTextTooLong."""
    expected = count_gaps(template.body)
    if len(parameters) != expected:
        raise TemplateParametersWrong(name=template.name, expected=expected, given=len(parameters))
    text = _GAP.sub(lambda gap: parameters[int(gap[1]) - 1] if int(gap[1]) else gap[0], template.body)
    if len(text) > MAX_TEXT:
        raise TemplateTextTooLong(length=len(text), maximum=MAX_TEXT)
    return text
