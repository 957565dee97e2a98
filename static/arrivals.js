// Where something arrived keeps itself up to date until all of it has; without JavaScript a link does.
"use strict";

const GIVE_UP_AFTER_MS = 10 * 60 * 1000;

for (const card of document.querySelectorAll("[data-arrivals]")) follow(card);

function follow(card) {
  const begun = Date.now();
  const spoken = card.querySelector("[data-arrivals-spoken]");
  const now = () => card.querySelector("[data-arrivals-now]");

  async function look() {
    if (document.hidden) {
      document.addEventListener("visibilitychange", look, { once: true });
      return;
    }
    try {
      const answer = await fetch(card.dataset.arrivals, { redirect: "error" });
      if (answer.status >= 400 && answer.status < 500) return;  // it is no longer for this person to see
      if (answer.ok) show(await answer.text());
    } catch {
      // The server is away for a moment, or the session ended: the next look says.
    }
    plan();
  }

  function show(html) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const fresh = page.querySelector("[data-arrivals-now]");
    if (!fresh) return;
    if (fresh.dataset.fingerprint === now().dataset.fingerprint || now().contains(document.activeElement)) {
      now().dataset.poll = fresh.dataset.poll;  // nobody loses the focus or an open fold for nothing
      return;
    }
    now().replaceWith(document.importNode(fresh, true));
    if (spoken.textContent !== fresh.dataset.spoken) spoken.textContent = fresh.dataset.spoken;
  }

  function plan() {
    const wait = Number(now().dataset.poll);
    if (wait && Date.now() - begun < GIVE_UP_AFTER_MS) setTimeout(look, wait);
  }

  plan();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-edit]");
  const control = link && document.getElementById(link.hash.slice(1));
  if (!control) return;
  event.preventDefault();
  control.scrollIntoView({ block: "center" });
  control.focus();
});
