// What every page of the console gains with JavaScript; all of them work without.
"use strict";

// ---------------------------------------------------------------- light, dark, or as the system
function showTheme() {
  const chosen = document.documentElement.dataset.theme || "system";
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === chosen));
  }
}

function chooseTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem("theme");
    else localStorage.setItem("theme", theme);
  } catch {
    // It holds for this page only.
  }
  showTheme();
}

for (const part of document.querySelectorAll("[data-needs-script]")) part.hidden = false;
showTheme();

// ---------------------------------------------------------------- times in the viewer's zone, or in UTC
// The other one of the two is each time's title.
function showTimes(inUtc) {
  for (const time of document.querySelectorAll("time[title]")) {
    const isUtc = time.textContent.endsWith("UTC");
    if (isUtc !== inUtc) [time.textContent, time.title] = [time.title, time.textContent];
  }
}

function chooseTimes(times) {
  try {
    if (times === "utc") localStorage.setItem("times", "utc");
    else localStorage.removeItem("times");
  } catch {
    // It holds for this page only.
  }
  showTimes(times === "utc");
}

try {
  if (localStorage.getItem("times") === "utc") showTimes(true);
} catch {
  // No storage: the viewer's zone it is.
}

// ---------------------------------------------------------------- copying
async function copy(button) {
  const source = document.querySelector(button.dataset.copy);
  if (!source) return;
  const text = "value" in source && source.value !== undefined ? source.value : source.textContent;
  const status = announcer();
  try {
    await navigator.clipboard.writeText(text.trim());
    status.textContent = button.dataset.copied || status.dataset.copied;
    const label = button.querySelector("[data-copy-label]");
    if (label) {
      const before = label.textContent;
      label.textContent = button.dataset.copied || status.dataset.copied;
      setTimeout(() => { label.textContent = before; }, 2000);
    }
  } catch {
    // No clipboard (plain http on another host): select the text, so that Ctrl+C does it.
    if (typeof source.select === "function") source.select();
    else getSelection().selectAllChildren(source);
    status.textContent = status.dataset.copyFailed;
  }
}

function announcer() {
  return document.getElementById("announcer") || document.createElement("p");
}

// ---------------------------------------------------------------- clicks
document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  if (!target) return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(target)) menu.open = false;
  }
  const theme = target.closest("[data-theme-choice]");
  if (theme) chooseTheme(theme.dataset.themeChoice);
  const times = target.closest("[data-times-choice]");
  if (times) chooseTimes(times.dataset.timesChoice);
  const copier = target.closest("[data-copy]");
  if (copier) copy(copier);
  const dismiss = target.closest("[data-dismiss]");
  if (dismiss) dismiss.closest("li, .callout").remove();
});

// ---------------------------------------------------------------- keys
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      const hadFocus = menu.contains(document.activeElement);
      menu.open = false;
      if (hadFocus) menu.querySelector("summary").focus();
    }
  }
});

// ---------------------------------------------------------------- searching
// A whole token pasted into a search box must not get into an address: only its public part is sent.
function withoutSecret(text) {
  return text.replace(/(rv[nt]_[0-9A-Za-z]{12})_[0-9A-Za-z_]+/gi, "$1");
}

document.addEventListener("submit", (event) => {
  const box = event.target.querySelector('input[name="q"]');
  if (box) box.value = withoutSecret(box.value);
}, true);

// ---------------------------------------------------------------- choosing rows of a list
for (const all of document.querySelectorAll("[data-select-all]")) {
  const boxes = () => [...all.closest("form, table").querySelectorAll("input.action-select")];
  const show = () => {
    const chosen = boxes().filter((box) => box.checked).length;
    all.checked = chosen > 0 && chosen === boxes().length;
    all.indeterminate = chosen > 0 && !all.checked;
    for (const counter of document.querySelectorAll("[data-selected-count]")) counter.textContent = String(chosen);
  };
  all.addEventListener("change", () => {
    for (const box of boxes()) box.checked = all.checked;
    show();
  });
  document.addEventListener("change", (event) => { if (event.target.matches("input.action-select")) show(); });
  show();
}

// ---------------------------------------------------------------- back to a list as it was left
// A breadcrumb leads to the list as this tab saw it last: narrowed, in its order, on its page. The navigation to all of it.
function listsSeen() {
  try {
    return JSON.parse(sessionStorage.getItem("lists-seen")) || {};
  } catch {
    return {};
  }
}

const queryOf = listsSeen();
for (const link of document.querySelectorAll(".crumbs a")) {
  if (!link.search && queryOf[link.pathname]) link.search = queryOf[link.pathname];
}
if (document.querySelector(`#sidebar a[aria-current][href="${location.pathname}"]`)) {
  try {
    sessionStorage.setItem("lists-seen", JSON.stringify({ ...queryOf, [location.pathname]: location.search }));
  } catch {
    // A breadcrumb leads to all of the list then.
  }
}

// What is kept in this tab (also by drafts.js) is nobody's after signing out; another workspace has other lists.
document.addEventListener("submit", (event) => {
  try {
    if (event.target.matches("form[action$='/logout/']")) sessionStorage.clear();
    else if (event.target.matches("form[action$='/workspace/']")) sessionStorage.removeItem("lists-seen");
  } catch {
    // There was none.
  }
});

// A form that was sent is not sent twice by a double click.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || form.dataset.repeatable !== undefined) return;
  if (form.dataset.sent !== undefined) event.preventDefault();
  else if (!event.defaultPrevented) {
    form.dataset.sent = "";
    setTimeout(() => { delete form.dataset.sent; }, 4000);
  }
});
