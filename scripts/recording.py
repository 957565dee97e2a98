"""`make recording`: the three main jobs by keyboard alone, picture by picture, in var/recording."""

import html
import os
import shutil
import urllib.request
from functools import partial

from playwright.sync_api import Page, ViewportSize, sync_playwright

from scripts.flows import (
    Keyboard,
    edit_a_person_and_see_it_arrive,
    filter_the_tokens_and_download_them,
    issue_a_token_and_see_its_call,
)
from scripts.run_tests import chromium
from scripts.screenshots import PASSWORD, ROOT, running, wait_until_delivered

FILM = ROOT / "var" / "recording"
SIZE: ViewportSize = {"width": 1280, "height": 800}


def main() -> None:
    shutil.rmtree(FILM, ignore_errors=True)
    FILM.mkdir(parents=True)
    # Playwright's event loop runs in this thread; Django would refuse the database there.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with running() as (console, _shown), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport=SIZE)
        page.goto(console)
        captions: list[str] = []
        keys = Keyboard(page, watcher=partial(film, page, captions))
        # The field of the user name has the focus when the page opens.
        keys.type("admin")
        keys.press("Tab")
        page.keyboard.type(PASSWORD)
        keys.follow("Enter")
        issue_a_token_and_see_its_call(keys, call=partial(call, console.removesuffix("/console/")))
        edit_a_person_and_see_it_arrive(keys, number="0812 0000 0101", name="Rina Wijaya", deliver=wait_until_delivered)
        filter_the_tokens_and_download_them(keys, into=FILM)
        browser.close()
    pictures = "\n".join(
        f'<figure><figcaption>{number}. {html.escape(caption)}</figcaption><img src="{number:03d}.png" alt=""></figure>'
        for number, caption in enumerate(captions, start=1)
    )
    (FILM / "index.html").write_text(
        f"<!doctype html><meta charset=utf-8><title>By keyboard alone</title>\n{pictures}\n"
    )
    print(f"{len(captions)} pictures: {FILM.relative_to(ROOT)}/index.html")


def film(page: Page, captions: list[str], what: str) -> None:
    """One more picture, and what was pressed to get there."""
    page.wait_for_load_state()
    captions.append(what)
    page.screenshot(path=FILM / f"{len(captions):03d}.png")


def call(server: str, secret: str) -> None:
    """What a program does with the token."""
    headers = {"Authorization": f"Bearer {secret}"}
    request = urllib.request.Request(f"{server}/raven/xapi/v1/persona", headers=headers)  # noqa: S310 - our own server
    urllib.request.urlopen(request, timeout=20).close()  # noqa: S310


if __name__ == "__main__":
    main()
