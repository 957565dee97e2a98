// “See what will be sent” shows it without leaving the form; without JavaScript it is a page of its own.
"use strict";

const previewButton = document.querySelector("[data-preview]");
const previewPlace = document.querySelector("[data-preview-place]");

// Tells the page what the place shows now, so that it can say it beside its fields too.
function showPreview(parts) {
  previewPlace.replaceChildren(...parts);
  previewPlace.dispatchEvent(new Event("previewed", { bubbles: true }));
}

previewButton?.addEventListener("click", async (event) => {
  event.preventDefault();
  if (previewButton.getAttribute("aria-disabled") === "true") return;
  previewButton.setAttribute("aria-disabled", "true");
  try {
    const body = new FormData(previewButton.form);
    const answer = await fetch(`${previewButton.formAction}?part=1`, { method: "POST", body, redirect: "error" });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    showPreview(page.body.children);
    previewPlace.scrollIntoView({ block: "nearest" });
    previewPlace.querySelector("[id=preview-title]").focus({ preventScroll: true });
  } catch {
    previewButton.form.requestSubmit(previewButton);  // the page of its own says what is wrong
  } finally {
    previewButton.removeAttribute("aria-disabled");
  }
});
document.addEventListener("input", () => {
  if (previewPlace?.hasChildNodes()) showPreview([]);  // it would say what is not so any more
});
