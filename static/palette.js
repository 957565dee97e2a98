// The command palette: what the page Search shows, as one types. Ctrl+K, Cmd+K or / opens it.
"use strict";

{
  const palette = document.getElementById("palette");
  const opener = document.querySelector(".palette-open");
  const box = palette?.querySelector("[role=combobox]");
  const list = palette?.querySelector("[role=listbox]");
  const none = palette?.querySelector(".palette__none");
  const said = palette?.querySelector("[role=status]");
  const words = palette?.dataset;
  const WAIT_MS = 120;
  let asking = null;
  let waiting = 0;
  let shownFor = null; // The text that the list belongs to; null while it is being asked for.
  let opensFirst = false; // Enter was pressed before the answer came.

  // Only the public part of a pasted token may get into an address.
  const typed = () => withoutSecret(box.value).trim();
  const options = () => [...list.querySelectorAll("[role=option]")];
  const chosen = () => list.querySelector("[aria-selected=true]");

  function open() {
    if (palette.open) return;
    for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = false;
    box.value = "";
    palette.showModal();
    box.focus();
    ask();
  }

  async function ask() {
    clearTimeout(waiting);
    asking?.abort();
    asking = new AbortController();
    shownFor = null;
    const text = typed();
    try {
      const answer = await fetch(`${words.url}?q=${encodeURIComponent(text)}`, {
        signal: asking.signal, headers: { Accept: "application/json" },
      });
      if (answer.redirected || !answer.ok) throw new Error(String(answer.status));
      show(await answer.json(), text);
    } catch (error) {
      if (error.name === "AbortError") return;
      opensFirst = false;
      show({ groups: [], summary: words.unreachable }, text, words.unreachable);
    }
  }

  function show(found, text, problem = "") {
    shownFor = text;
    list.replaceChildren(...found.groups.map((group, number) => groupOf(group, number, text)));
    options().forEach((option, number) => { option.id = `palette-hit-${number}`; });
    const isEmpty = found.groups.length === 0;
    list.hidden = isEmpty;
    none.hidden = !isEmpty;
    none.textContent = problem || words.none;
    box.setAttribute("aria-expanded", String(!isEmpty));
    choose(options()[0]);
    said.textContent = isEmpty ? none.textContent : found.summary;
    if (opensFirst && chosen()) go(chosen(), false);
    opensFirst = false;
  }

  function groupOf(group, number, text) {
    const part = element("div", "palette__group", "");
    part.setAttribute("role", "group");
    const heading = element("div", "palette__heading", group.label);
    heading.id = `palette-group-${number}`;
    part.setAttribute("aria-labelledby", heading.id);
    const more = group.more ? [{ title: words.more, detail: "", url: `${group.more}?q=${encodeURIComponent(text)}`, icon: "list" }] : [];
    part.append(heading, ...[...group.hits, ...more].map(optionOf));
    return part;
  }

  function optionOf(hit) {
    const option = element("div", "palette__hit", "");
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", "false");
    option.dataset.url = hit.url;
    option.dataset.theme = hit.theme || "";
    option.dataset.times = hit.times || "";
    const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    icon.setAttribute("class", "icon");
    icon.setAttribute("aria-hidden", "true");
    use.setAttribute("href", `${words.icons}#${hit.icon}`);
    icon.append(use);
    option.append(icon, element("span", "palette__title truncate", hit.title), element("span", "palette__detail truncate", hit.detail));
    return option;
  }

  function element(name, style, text) {
    const made = document.createElement(name);
    made.className = style;
    made.textContent = text;
    return made;
  }

  function choose(option) {
    chosen()?.setAttribute("aria-selected", "false");
    if (!option) {
      box.removeAttribute("aria-activedescendant");
      return;
    }
    option.setAttribute("aria-selected", "true");
    box.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  function step(by) {
    const all = options();
    if (all.length) choose(all[(all.indexOf(chosen()) + by + all.length) % all.length]);
  }

  function go(option, inNewTab) {
    if (option.dataset.theme || option.dataset.times) {
      palette.close();
      if (option.dataset.theme) chooseTheme(option.dataset.theme);
      else chooseTimes(option.dataset.times);
      announcer().textContent = option.querySelector(".palette__title").textContent;
    } else if (inNewTab) {
      window.open(option.dataset.url, "_blank", "noopener");
    } else {
      palette.close();
      location.assign(option.dataset.url);
    }
  }

  function pressed(event) {
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 5, PageUp: -5 };
    if (event.isComposing) return;
    if (event.key in moves) {
      event.preventDefault();
      step(moves[event.key]);
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (shownFor !== typed()) {
        opensFirst = true;
        ask();
      } else if (chosen()) go(chosen(), event.ctrlKey || event.metaKey);
    }
  }

  function asksForPalette(event) {
    const typing = event.target instanceof Element && event.target.closest("input, textarea, select, [contenteditable]");
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    const ctrlK = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey;
    return (event.key === "/" && plain && !typing) || ctrlK;
  }

  if (palette && opener) {
    opener.addEventListener("click", open);
    if (/Mac|iPhone|iPad/.test(navigator.platform)) opener.querySelector("kbd").textContent = "⌘ K";
    document.addEventListener("keydown", (event) => {
      const isBehindAnother = document.querySelector("dialog:modal:not(#palette)");
      if (isBehindAnother || !asksForPalette(event)) return;
      event.preventDefault();
      if (palette.open && event.key !== "/") palette.close();
      else open();
    });
    box.addEventListener("keydown", pressed);
    box.addEventListener("input", () => {
      asking?.abort();
      shownFor = null;
      clearTimeout(waiting);
      waiting = setTimeout(ask, WAIT_MS);
    });
    list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) go(option, event.ctrlKey || event.metaKey);
    });
    list.addEventListener("mousedown", (event) => event.preventDefault()); // The focus stays where one types.
    palette.addEventListener("click", (event) => { if (event.target === palette) palette.close(); });
    palette.querySelector("[data-close]").addEventListener("click", () => palette.close());
    palette.addEventListener("close", () => {
      clearTimeout(waiting);
      asking?.abort();
    });
  }
}
