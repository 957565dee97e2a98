"""Templates: finding one and filling its gaps."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from django.utils.translation import gettext as _

from messaging.models import Template
from raven_admin.errors import RavenError

MAX_TEXT = 4096
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
    """The template of this name. Raises TemplateNotFound and TemplateAmbiguous."""
    named = Template.objects.filter(workspace=workspace_id, name=name)
    found = list(named.filter(language=language) if language else named[:20])
    if not found:
        raise TemplateNotFound(
            name=name, in_language=_(" in the language %(language)s") % {"language": language} if language else ""
        )
    if len(found) > 1:
        raise TemplateAmbiguous(name=name, languages=", ".join(template.language for template in found))
    return found[0]


def fill(template: Template, parameters: Sequence[str]) -> str:
    """The template's text with its gaps filled. Raises TemplateParametersWrong and TemplateTextTooLong."""
    expected = count_gaps(template.body)
    if len(parameters) != expected:
        raise TemplateParametersWrong(name=template.name, expected=expected, given=len(parameters))
    text = _GAP.sub(lambda gap: parameters[int(gap[1]) - 1] if int(gap[1]) else gap[0], template.body)
    if len(text) > MAX_TEXT:
        raise TemplateTextTooLong(length=len(text), maximum=MAX_TEXT)
    return text
