// What the token pages gain with JavaScript; all of them work without.
"use strict";

// ---------------------------------------------------------------- the secret, shown once
const secretPage = document.querySelector("[data-secret-page]");
if (secretPage) {
  let isKept = false;
  for (const keeper of document.querySelectorAll("[data-kept]")) keeper.addEventListener("click", () => { isKept = true; });
  addEventListener("beforeunload", (event) => { if (!isKept) event.preventDefault(); });
  // The browser may keep this page in memory and show it again; then there must be nothing left to see.
  addEventListener("pagehide", () => {
    for (const shown of document.querySelectorAll("[data-secret]")) {
      if ("value" in shown) { shown.value = ""; shown.defaultValue = ""; } else shown.textContent = "";
    }
  });
  addEventListener("pageshow", (event) => { if (event.persisted) location.replace(secretPage.dataset.secretPage); });
}
for (const field of document.querySelectorAll("[data-select]")) field.addEventListener("click", () => field.select());

// ---------------------------------------------------------------- unsaved changes
for (const form of document.querySelectorAll("form[data-unsaved]")) {
  const state = () => JSON.stringify([...new FormData(form)].filter(([name]) => name !== "csrfmiddlewaretoken"));
  const before = form.hasAttribute("data-changed") ? "" : state();
  let isSending = false;
  form.addEventListener("submit", () => { isSending = true; });
  for (const discard of form.querySelectorAll("[data-discard]")) discard.addEventListener("click", () => { isSending = true; });
  addEventListener("beforeunload", (event) => { if (!isSending && state() !== before) event.preventDefault(); });
}

// ---------------------------------------------------------------- Ctrl + Enter saves, wherever one is on the page
const configured = document.querySelector("form[data-save-keys]");
if (configured) {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
    const inOther = event.target.closest("form, dialog");
    if (inOther && inOther !== configured) return;
    event.preventDefault();
    configured.requestSubmit(configured.querySelector(".form-actions .btn--primary"));
  });
}

// ---------------------------------------------------------------- moments: the UTC value of what is typed
function utcOf(text, zone) {
  const asIfUtc = Date.parse(`${text}Z`);
  if (Number.isNaN(asIfUtc)) return null;
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric",
    hour: "numeric", minute: "numeric", second: "numeric",
  });
  const offsetAt = (moment) => {
    const shown = Object.fromEntries(parts.formatToParts(new Date(moment)).map((part) => [part.type, Number(part.value)]));
    return Date.UTC(shown.year, shown.month - 1, shown.day, shown.hour, shown.minute, shown.second) - moment;
  };
  const guess = asIfUtc - offsetAt(asIfUtc);
  return new Date(asIfUtc - offsetAt(guess));
}

for (const output of document.querySelectorAll("[data-utc-of]")) {
  const input = document.getElementById(output.dataset.utcOf);
  const show = () => {
    const moment = input.value ? utcOf(input.value, output.dataset.zone) : null;
    output.textContent = moment ? `${moment.toISOString().slice(0, 19).replace("T", " ")} UTC` : output.dataset.empty;
  };
  input.addEventListener("input", show);
  show();
}

// ---------------------------------------------------------------- permissions: many switches at once
function choose(boxes, isChosen) {
  const spoken = document.querySelector("[data-choice-spoken]");
  for (const box of boxes) box.checked = isChosen(box);
  const count = document.querySelectorAll("input[name=abilities]:checked").length;
  if (!spoken) return;
  spoken.textContent = count === 1 ? spoken.dataset.choiceOne : spoken.dataset.choiceSpoken.replace("%", String(count));
}

for (const button of document.querySelectorAll("[data-choose]")) {
  const keys = button.dataset.choose.split(" ");
  button.addEventListener("click", () => {
    choose(document.querySelectorAll("input[name=abilities]"), (box) => keys.includes(box.value));
  });
}
for (const button of document.querySelectorAll("[data-choose-group]")) {
  const boxes = button.closest("[data-group]").querySelectorAll("input[name=abilities]");
  button.addEventListener("click", () => choose(boxes, () => true));
}

// ---------------------------------------------------------------- a conflict: take over what was typed
for (const button of document.querySelectorAll("[data-put]")) {
  const control = document.getElementById(button.dataset.into);
  if (!control) continue;
  button.hidden = false;
  button.addEventListener("click", () => {
    if (control.type === "checkbox") control.checked = button.dataset.put === "on";
    else control.value = button.dataset.put;
    control.dispatchEvent(new Event("input", { bubbles: true }));
    control.focus();
  });
}

// ---------------------------------------------------------------- lists
// The menu of a row lies above the table, which scrolls sideways and would cut it off.
for (const menu of document.querySelectorAll(".table-wrap .menu")) {
  menu.addEventListener("toggle", () => {
    const items = menu.querySelector(":scope > :not(summary)");
    if (!menu.open) return;
    menu.dataset.placed = "";
    const button = menu.querySelector("summary").getBoundingClientRect();
    const isLow = button.bottom + items.offsetHeight + 8 > innerHeight;
    items.style.left = `${Math.max(8, button.right - items.offsetWidth)}px`;
    items.style.top = `${isLow ? button.top - items.offsetHeight - 4 : button.bottom + 4}px`;
  });
  addEventListener("scroll", () => { menu.open = false; }, { passive: true, capture: true });
}

// ---------------------------------------------------------------- the control that an address names takes the focus
const named = document.getElementById(location.hash.slice(1));
if (named?.matches("input, select, textarea")) {
  named.focus({ preventScroll: true });
  // After the browser's own jump, which would leave it half under the bar at the top.
  addEventListener("load", () => requestAnimationFrame(() => named.scrollIntoView({ block: "center" })));
}
