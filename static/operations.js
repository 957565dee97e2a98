// A page that shows how far something in the background is keeps itself up to date.
"use strict";

const card = document.querySelector("[data-status-url]");

async function look() {
  try {
    const response = await fetch(card.dataset.statusUrl, { headers: { Accept: "application/json" } });
    if (response.ok) {
      const status = await response.json();
      if (status.state !== card.dataset.state) {
        location.reload();
        return;
      }
      const bar = card.querySelector("progress");
      if (status.total) {
        bar.max = status.total;
        bar.value = status.processed;
      }
      card.querySelector("[data-progress-text]").textContent = status.text;
    }
  } catch {
    // The server is away for a moment: the next look may find it.
  }
  setTimeout(look, 1500);
}

if (card) setTimeout(look, 700);
