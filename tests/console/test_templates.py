"""What the content policy and the icon sprite ask of every template."""

import re
from pathlib import Path

import pytest
from django.conf import settings

TEMPLATES = sorted(Path(settings.BASE_DIR, "templates").rglob("*.html"))
ICONS = set(re.findall(r'<symbol id="([^"]+)"', Path(settings.BASE_DIR, "static/icons.svg").read_text()))
CODE = [
    path
    for room in ("accounts", "tokens", "personas", "messaging", "platforms", "delivery", "raven_admin")
    for path in Path(settings.BASE_DIR, room).rglob("*.py")
]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(settings.BASE_DIR / "templates")))
def test_template_has_nothing_that_the_content_policy_blocks(path: Path) -> None:
    text = path.read_text()

    assert not re.findall(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=\"|javascript:", text)
    assert not re.findall(r'(?:src|href|action)="(?:https?:)?//', text)


def test_every_icon_that_a_template_names_is_in_the_sprite() -> None:
    named = {name for path in TEMPLATES for name in re.findall(r'{% icon "([^"]+)"', path.read_text())}

    assert named - ICONS == set()


def test_every_icon_of_the_sprite_is_used() -> None:
    text = "".join(path.read_text() for path in [*TEMPLATES, *CODE])

    assert {name for name in ICONS if f'"{name}"' not in text} == set()
