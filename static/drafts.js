// What was sent from a person's page and never got to the server (signed out meanwhile, offline) can be put back.
// It stays in this tab only, from the sending until a page of people says what became of it, or until signing out.
"use strict";

const DRAFT = "person-draft";

function keepDraft(draft) {
  try {
    sessionStorage.setItem(DRAFT, JSON.stringify(draft));
  } catch {
    // No storage, or none left: as without JavaScript.
  }
}

function takeDraft() {
  try {
    const draft = JSON.parse(sessionStorage.getItem(DRAFT));
    sessionStorage.removeItem(DRAFT);
    return draft;
  } catch {
    return null;
  }
}

const textsOf = (form) => [...new FormData(form)].filter(([name]) => name !== "csrfmiddlewaretoken");

for (const form of document.querySelectorAll("[data-person-form], [data-person-conflict]")) {
  form.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    keepDraft({ user: form.dataset.user, path: new URL(form.action).pathname, texts: textsOf(form) });
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
  const draft = takeDraft();
  const offer = document.querySelector("[data-draft]");
  const form = document.querySelector("[data-person-form]");
  if (!draft || !offer || !form || draft.user !== form.dataset.user || draft.path !== location.pathname) return;
  const shown = new Map(textsOf(form));
  const isAsShown = ([name, text]) => /^seen-|^new-\d+-type$/.test(name) || (shown.get(name) ?? "") === text;
  if (draft.texts.every(isAsShown)) return;
  keepDraft(draft);
  offer.hidden = false;
  offer.querySelector("[data-draft-back]").addEventListener("click", () => sendBack(form, draft.texts));
  offer.querySelector("[data-draft-drop]").addEventListener("click", () => {
    takeDraft();
    offer.remove();
    document.querySelector("[name=name]").focus();
  });
  offer.querySelector("[data-draft-back]").focus();
}
offerDraft();
