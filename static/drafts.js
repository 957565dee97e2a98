// What was typed on a person's page and never saved (left, signed out meanwhile, offline) can be put back.
// It stays in this tab only: until it is saved or forgotten, another takes its place, or somebody signs out.
"use strict";

const DRAFT = "person-draft";

function keepDraft(draft) {
  try {
    sessionStorage.setItem(DRAFT, JSON.stringify(draft));
  } catch {
    // No storage, or none left: as without JavaScript.
  }
}

function readDraft() {
  try {
    return JSON.parse(sessionStorage.getItem(DRAFT));
  } catch {
    return null;
  }
}

const forgetDraft = () => {
  try {
    sessionStorage.removeItem(DRAFT);
  } catch {
    // There was none.
  }
};

const oneNotation = (text) => text.replace(/\r\n?/g, "\n");
const textsOf = (form) =>
  [...new FormData(form)].filter(([name]) => name !== "csrfmiddlewaretoken").map(([name, text]) => [name, oneNotation(text)]);
const draftOf = (form) => ({ of: form.dataset.draftOf, path: new URL(form.action).pathname, texts: textsOf(form) });

function isTyped(texts) {
  const all = new Map(texts);
  return texts.some(([name, text]) => !/^seen-|^new-\d+-type$/.test(name) && text !== (all.get(`seen-${name}`) ?? ""));
}

for (const form of document.querySelectorAll("[data-person-form], [data-person-conflict]")) {
  let isDecided = false;
  form.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    isDecided = true;
    keepDraft(draftOf(form));
  });
  for (const link of document.querySelectorAll("[data-discard]")) {
    link.addEventListener("click", () => {
      isDecided = true;
      forgetDraft();
    });
  }
  addEventListener("pageshow", () => { isDecided = false; });
  addEventListener("pagehide", () => {
    if (!isDecided && form.matches("[data-person-form]") && isTyped(textsOf(form))) keepDraft(draftOf(form));
  });
}

// The server shows it as what was typed and not saved yet, beside what others changed meanwhile.
function sendBack(form, texts) {
  const carrier = document.createElement("form");
  carrier.method = "post";
  carrier.action = form.action;
  const token = form.elements.csrfmiddlewaretoken.value;
  for (const [name, text] of [...texts, ["edit", "1"], ["csrfmiddlewaretoken", token]]) {
    const part = document.createElement("textarea"); // keeps line breaks
    part.name = name;
    part.value = text;
    carrier.append(part);
  }
  carrier.hidden = true;
  document.body.append(carrier);
  HTMLFormElement.prototype.submit.call(carrier);
}

function offerDraft() {
  const draft = readDraft();
  if (!draft) return;
  if (draft.path !== location.pathname) {
    if (draft.path.endsWith("/add/")) forgetDraft(); // whoever was to be added has a page now
    return;
  }
  const offer = document.querySelector("[data-draft]");
  const form = document.querySelector("[data-person-form]");
  if (document.querySelector("[data-person-read]")) return; // one's role was changed, and may be given back
  const shown = form && new Map(textsOf(form));
  const isAsShown = ([name, text]) => /^seen-|^new-\d+-type$/.test(name) || (shown.get(name) ?? "") === text;
  // Without an offer the server knows what became of it: it was saved, or is shown.
  if (!offer || !form || draft.of !== form.dataset.draftOf || draft.texts.every(isAsShown)) {
    forgetDraft();
    return;
  }
  history.scrollRestoration = "manual"; // a page loaded anew would be shown where it was, below the offer
  offer.hidden = false;
  offer.querySelector("[data-draft-back]").addEventListener("click", () => sendBack(form, draft.texts));
  offer.querySelector("[data-draft-drop]").addEventListener("click", () => {
    forgetDraft();
    offer.remove();
    document.querySelector("[name=name]").focus();
  });
  offer.querySelector("[data-draft-back]").focus();
}
offerDraft();
