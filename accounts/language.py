"""Which language somebody reads, and what was said in English earlier, said again in theirs."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import translation
from django.utils.formats import number_format

from accounts.models import User

T = TypeVar("T")
_COOKIE_AGE_S = 365 * 24 * 60 * 60
_SESSION_KEY = "language"


def languages() -> list[tuple[str, str]]:
    """Code and own name of every language that the console speaks."""
    return [(code, translation.get_language_info(code)["name_local"]) for code, _name in settings.LANGUAGES]


def is_spoken(code: str) -> bool:
    return code in dict(settings.LANGUAGES)


def viewer_language(request: HttpRequest) -> str:
    """The language of pages: the viewer's own, or else the one last chosen in this browser, or that it asks for."""
    own = request.user.language if request.user.is_authenticated else ""
    return own if is_spoken(own) else translation.get_language_from_request(request)


def reader_language(user: Any) -> str:
    """The language of what is written to `user`, or to nobody we know, while they aren't looking, as mail is."""
    own = getattr(user, "language", "")
    return own if is_spoken(own) else settings.LANGUAGE_CODE


def as_stored() -> translation.override:
    """What is said inside is English: it is kept, and `retold` to whoever reads it."""
    return translation.override(settings.LANGUAGE_CODE)


def in_every_language(say: Callable[[], T]) -> list[T]:
    """What `say` says in each language: for what people may write in any of them."""
    said = []
    for code, _name in settings.LANGUAGES:
        with translation.override(code):
            said.append(say())
    return said


def grouped(number: int) -> str:
    """The number as its reader writes it: 1,000,000 or 1.000.000."""
    return number_format(number, use_l10n=True, force_grouping=True)


def choose_language(request: HttpRequest, response: HttpResponseBase, code: str) -> None:
    """Pages speak `code` from now on, in this browser and for this person; empty: what the browser asks for.

    Somebody who has not signed in yet is given it when they do.
    """
    if request.user.is_authenticated:
        User.objects.filter(pk=request.user.pk).update(language=code)
    else:
        request.session[_SESSION_KEY] = code
    if not code:
        response.delete_cookie(settings.LANGUAGE_COOKIE_NAME)
        return
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME, code, max_age=_COOKIE_AGE_S, httponly=True,
        secure=settings.LANGUAGE_COOKIE_SECURE, samesite="Lax",
    )  # fmt: skip


def keep_language(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    """What was chosen on the sign-in page is the person's own now that we know who they are."""
    chosen = request.session.pop(_SESSION_KEY, "")
    if is_spoken(chosen):
        user.language = chosen
        user.save(update_fields=["language"])


# ------------------------------------------------------------------------------------------------ said again
class _Sentence(NamedTuple):
    pattern: re.Pattern[str]
    msgid: str


def retold(text: str) -> str:
    """`text`, which a service or a worker said in English earlier, in the language of whoever reads it now.

    What is stored is English, because whoever stores it does not know who will read. The catalogue knows what it was
    made from: “The file can’t be read: {reason}” is found again by its words, and its reason is retold as well. A text
    that is nobody's sentence stays as it is.
    """
    language = translation.get_language() or settings.LANGUAGE_CODE
    if not text or language == settings.LANGUAGE_CODE:
        return text
    return _retold(text, language)


@lru_cache(maxsize=1000)
def _retold(text: str, language: str) -> str:
    known = _known(text, language)
    if known is None and text[:1].isupper():  # the rest of a sentence, made a sentence of its own
        known = _known(text[:1].lower() + text[1:], language)
        known = known and known[:1].upper() + known[1:]
    if known is None:
        for end in reversed([found.end() for found in _SENTENCE_END.finditer(text)]):
            if (first := _known(text[:end].rstrip(), language)) is not None:
                return f"{first} {_retold(text[end:], language)}"
    return text if known is None else known


def _known(text: str, language: str) -> str | None:
    """What the catalogue has for `text`; None for nothing."""
    if (same := translation.gettext(text)) != text:
        return same
    for sentence in _sentences(language):
        if found := sentence.pattern.fullmatch(text):
            return _filled(translation.gettext(sentence.msgid), found.groupdict(), language)
    return None


def _filled(sentence: str, values: dict[str, str], language: str) -> str:
    return _NAME.sub(lambda found: _retold(values[_name(found)], language), sentence).replace("%%", "%")


_SENTENCE_END = re.compile(r"[.:] ")
_NAME = re.compile(r"\{([a-z]\w*)(?::[^}]*)?\}|%\((\w+)\)[a-z]|%[sd]\b")
_WORDS_AT_LEAST = 5
"""Letters that a sentence has besides its names; with fewer, it would be found in anything."""


@lru_cache(maxsize=8)
def _sentences(language: str) -> list[_Sentence]:
    """The catalogue's sentences with names in them, those with most letters of their own first."""
    catalogue = translation.trans_real.translation(language)._catalog  # type: ignore[attr-defined]
    weights = {
        text: sum(map(str.isalpha, _NAME.sub("", text))) for text in list(catalogue.keys()) if isinstance(text, str)
    }
    found = [text for text, weight in weights.items() if weight >= _WORDS_AT_LEAST and _NAME.search(text)]
    return [_Sentence(_pattern(text), text) for text in sorted(found, key=lambda text: (-weights[text], text))]


def _pattern(msgid: str) -> re.Pattern[str]:
    pattern, end, seen = "", 0, set[str]()
    for found in _NAME.finditer(msgid):
        name = _name(found)
        pattern += re.escape(msgid[end : found.start()].replace("%%", "%"))
        pattern += f"(?P={name})" if name in seen else f"(?P<{name}>.+?)"
        end = found.end()
        seen.add(name)
    return re.compile(pattern + re.escape(msgid[end:].replace("%%", "%")), re.DOTALL)


def _name(found: re.Match[str]) -> str:
    """A text has at most one place without a name."""
    return found[1] or found[2] or "it"
