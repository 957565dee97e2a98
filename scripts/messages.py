"""`make messages`: every text of the screen is in the catalogues of locale/, and those are compiled.

    python -m scripts.messages            # write the .po and .mo anew
    python -m scripts.messages --missing  # and list what nobody has translated yet

It reads what GNU gettext would read, and one thing more: the sentence that a `RavenError` has for its docstring.
Python alone is enough, because the compiled catalogues are committed and a test makes them again.
"""

import ast
import inspect
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

PROJECT = Path(__file__).resolve().parent.parent
ROOMS = ("accounts", "tokens", "personas", "messaging", "delivery", "platforms", "raven_admin")
_MARKS = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
_MARKED = re.compile(r"\b(?:n?gettext|_)\((?=u?['\"])")
_TEXT = re.compile(r"\s*(u?(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"))\s*,?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Found:
    """One text of the screen; `plural` is empty for what has none."""

    text: str
    plural: str
    path: str


def texts() -> list[Found]:
    """Every text that the sources mark for translation, in the order of files."""
    found: list[Found] = []
    for room in ROOMS:
        for path in sorted((PROJECT / room).rglob("*.py")):
            if "migrations" not in path.parts:
                found += [Found(*text, str(path.relative_to(PROJECT))) for text in _of_python(path.read_text())]
    for path in sorted((PROJECT / "templates").rglob("*.html")):
        found += [Found(*text, str(path.relative_to(PROJECT))) for text in _of_template(path.read_text())]
    return found


def catalogue_path(language: str) -> Path:
    return PROJECT / "locale" / language / "LC_MESSAGES" / "django.po"


def read(language: str) -> Catalog:
    with catalogue_path(language).open("rb") as file:
        return read_po(file, locale=language)


def renewed(old: Catalog) -> Catalog:
    """A catalogue of the sources' texts of now, with what `old` has of translations; nothing is guessed."""
    new = Catalog(locale=old.locale, header_comment=old.header_comment, fuzzy=False)
    new.mime_headers = old.mime_headers
    for found in texts():
        key = (found.text, found.plural) if found.plural else found.text
        known = old.get(found.text)
        translated: Any = known.string if known is not None and not known.fuzzy else ""
        if found.plural and not isinstance(translated, tuple):
            translated = (translated,) * new.num_plurals
        if not found.plural and isinstance(translated, tuple):
            translated = translated[0]
        new.add(key, translated, locations=[(found.path, 0)])
    return new


def as_po(catalogue: Catalog) -> bytes:
    """Without the moment it was made, so that the same texts are the same file."""
    file = io.BytesIO()
    write_po(file, catalogue, width=0, include_lineno=False, ignore_obsolete=True)
    return re.sub(rb'"(?:POT-Creation|PO-Revision)-Date: .*"\n', b"", file.getvalue())


def as_mo(catalogue: Catalog) -> bytes:
    plain = read_po(io.BytesIO(as_po(catalogue)), locale=catalogue.locale)
    plain.creation_date = plain.revision_date = datetime.fromtimestamp(0, UTC)
    file = io.BytesIO()
    write_mo(file, plain)
    return file.getvalue()


def untranslated(catalogue: Catalog) -> list[str]:
    return [
        str(message.id if isinstance(message.id, str) else message.id[0])
        for message in catalogue
        if message.id and not all(message.string if isinstance(message.string, tuple) else [message.string])
    ]


def _of_python(source: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and node.args and _name(node.func) in _MARKS:
            words = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            if words:
                yield words[0], words[1] if _name(node.func).startswith("n") else ""
        elif isinstance(node, ast.ClassDef) and _is_refusal(node) and (sentence := ast.get_docstring(node)):
            yield inspect.cleandoc(sentence), ""


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _is_refusal(node: ast.ClassDef) -> bool:
    """The family of errors and no other class gives itself a code; its root says nothing to anybody."""
    return node.name != "RavenError" and any(
        isinstance(line, ast.AnnAssign)
        and isinstance(line.target, ast.Name)
        and line.target.id == "code"
        and ast.unparse(line.annotation) == "ClassVar[str]"
        for line in node.body
    )


def _of_template(source: str) -> Iterator[tuple[str, str]]:
    code = templatize(source)
    for mark in _MARKED.finditer(code):
        words, at = [], mark.end()
        while word := _TEXT.match(code, at):
            words.append(ast.literal_eval(word[1]))
            at = word.end()
        yield words[0], words[1] if mark[0].startswith("n") and len(words) > 1 else ""


def main() -> None:
    for folder in sorted((PROJECT / "locale").iterdir()):
        catalogue = renewed(read(folder.name))
        path = catalogue_path(folder.name)
        path.write_bytes(as_po(catalogue))
        path.with_suffix(".mo").write_bytes(as_mo(catalogue))
        missing = untranslated(catalogue)
        print(f"{folder.name}: {len(catalogue)} texts, {len(missing)} of them not translated yet")
        if "--missing" in sys.argv:
            print(*missing, sep="\n")


if __name__ == "__main__":
    main()
