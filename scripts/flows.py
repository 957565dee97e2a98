"""The three main jobs, by keyboard alone: a test walks them, and `make recording` films them."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

MOST_STEPS = 150
FOCUS = """() => {
  const at = document.activeElement;
  const text = at.getAttribute("aria-label") || (at.labels?.length ? at.labels[0].textContent : at.textContent);
  const box = at.getBoundingClientRect();
  const seen = (one) => {
    const style = getComputedStyle(one);
    return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
  };
  return {
    name: (text || "").replace(/\\s+/g, " ").trim(),
    isPage: at === document.body,
    isMarked: seen(at) || seen(at.parentElement || at),
    isInView: box.width > 2 && box.height > 2 && box.bottom > 0 && box.right > 0
      && box.top < innerHeight && box.left < innerWidth,
  };
}"""


class FocusLostError(AssertionError):
    """Nobody could say where the focus is, or there is no way to it by Tab."""


class Keyboard:
    """Somebody without a mouse, who insists on seeing where the focus is, wherever it goes."""

    def __init__(self, page: Page, *, watcher: Callable[[str], None] = lambda _what: None) -> None:
        self.page, self.watcher = page, watcher
        """The watcher is told what was pressed or seen, right after it."""
        self.page.set_default_timeout(20_000)

    def press(self, keys: str) -> None:
        self.page.keyboard.press(keys)
        self.watcher(keys)

    def follow(self, keys: str) -> None:
        """Presses what leads to another page, and is there."""
        with self.page.expect_navigation():
            self.page.keyboard.press(keys)
        self.watcher(keys)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)
        self.watcher(f"“{text}”")

    def tab_to(self, name: str) -> None:
        """The focus is on what is called so, or begins so; on the way it was never out of sight."""
        passed = []
        for step in range(1, MOST_STEPS + 1):
            self.page.keyboard.press("Tab")
            focus = self.page.evaluate(FOCUS)
            if focus["isPage"]:  # the browser's own controls come between the last and the first
                continue
            if not (focus["isMarked"] and focus["isInView"]):
                raise FocusLostError(f"the focus on {focus['name'] or 'something'!r} of {self.page.url} can't be seen")
            if focus["name"].startswith(name):
                self.watcher(f"Tab × {step}: {focus['name'][:60]}")
                return
            passed.append(focus["name"])
        raise FocusLostError(f"no way to {name!r} on {self.page.url}; there are {list(dict.fromkeys(passed))}")

    def open(self, name: str) -> None:
        """Goes to a link or button by Tab, and through it to another page."""
        self.tab_to(name)
        self.follow("Enter")

    def go(self, text: str, *, to: str) -> None:
        """By the palette: types `text`, and opens what is found first, which must be called `to`."""
        self.press("Control+k")
        expect(self.page.locator("#palette-text")).to_be_focused()
        self.type(text)
        expect(self.page.locator("#palette [aria-selected=true] .palette__title")).to_have_text(to)
        self.watcher(f"{to} is found")
        self.follow("Enter")


def issue_a_token_and_see_its_call(keys: Keyboard, *, call: Callable[[str], None]) -> None:
    """A token is issued and may read personas; what a program did with it (`call`, with the secret) is in the log."""
    keys.go("generate", to="Generate new token")
    keys.tab_to("Name")
    keys.type("Till in Bandung")
    keys.follow("Enter")
    keys.tab_to("Secret")
    secret = keys.page.input_value("#secret")
    keys.open("I already keep it")
    keys.open("Configure Till in Bandung")
    keys.open("Permissions")
    keys.tab_to("Read personas")
    keys.press("Space")
    keys.open("Send")
    expect(keys.page.locator("section:has(> #saved)")).to_contain_text("Read personas")
    keys.watcher("what changed")
    call(secret)
    keys.open("Log")
    expect(keys.page.locator("main tbody")).to_contain_text("/raven/xapi/v1/persona")
    keys.open("GET")
    expect(keys.page.locator("main")).to_contain_text("200")
    keys.watcher("the call, in the log")


def edit_a_person_and_see_it_arrive(keys: Keyboard, *, number: str, name: str, deliver: Callable[[], None]) -> None:
    """Who has `number` is found by it, called `name` from now on, and the change has arrived everywhere."""
    keys.press("Control+k")
    keys.type(number)
    expect(keys.page.locator("#palette [role=option]")).to_have_count(1)
    keys.follow("Enter")
    keys.tab_to("Name")
    keys.press("Control+a")
    keys.type(name)
    keys.follow("Control+Enter")
    expect(keys.page.locator("#saved")).to_contain_text("Saved")
    deliver()
    expect(keys.page.locator("#arrivals .pill--good").first).to_be_visible()
    expect(keys.page.locator("#arrivals .pill--info")).to_have_count(0)
    keys.watcher("it has arrived")


def filter_the_tokens_and_download_them(keys: Keyboard, *, into: Path) -> Path:
    """The Excel listing of the active tokens is a file in the folder `into`."""
    keys.go("tokens", to="Tokens")
    keys.tab_to("Status")
    keys.press("Enter")
    keys.open("Active")
    keys.tab_to("Download Excel")
    keys.press("Enter")
    keys.tab_to("As filtered")
    with keys.page.expect_download() as download:
        keys.page.keyboard.press("Enter")
    path = into / download.value.suggested_filename
    download.value.save_as(path)
    return path
