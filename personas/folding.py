"""Text as it is searched: without accents, in lower case. Pure computation.

Both databases fold alike, SQLite by a table of `folded_letters`, PostgreSQL by `normalize()`: personas/search_index.py.
"""

import unicodedata
from functools import cache

_ACCENTS = (0x0300, 0x036F)
OWN_LETTERS = {"ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ı": "i", "ß": "ss", "æ": "ae", "œ": "oe", "þ": "th"}
"""Letters that Unicode doesn't take apart, and that people type without their stroke."""


def fold(text: str) -> str:
    """`text` without accents, in lower case, compatibility forms (full width, ligatures) as their plain ones."""
    return text.lower() if text.isascii() else "".join(map(_folded_letter, text))


@cache
def folded_letters() -> dict[str, str]:
    """What becomes another letter, or several, or none, of those that are not ASCII."""
    letters = (chr(code) for code in range(0x80, 0x10000) if not 0xD800 <= code <= 0xDFFF)
    return {letter: folded for letter in letters if (folded := _folded_letter(letter)) != letter}


def _folded_letter(letter: str) -> str:
    apart = unicodedata.normalize("NFKD", letter)
    plain = "".join(part for part in apart if not _ACCENTS[0] <= ord(part) <= _ACCENTS[1])
    lower = unicodedata.normalize("NFKC", plain).lower()
    return OWN_LETTERS.get(lower, lower)
