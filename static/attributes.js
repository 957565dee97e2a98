// The key of a new attribute follows its label until somebody types a key; the server makes the same without this.
"use strict";

for (const key of document.querySelectorAll("[data-key-of]")) {
  const label = document.getElementById(key.dataset.keyOf);
  let isOurs = key.value === "";
  key.addEventListener("input", () => { isOurs = key.value === ""; });
  label?.addEventListener("input", () => {
    if (!isOurs) return;
    const plain = label.value.normalize("NFKD").replace(/[^\x00-\x7f]/g, "").toLowerCase();
    key.value = plain.replace(/[^a-z0-9]+/g, "_").replace(/^[0-9_]+/, "").slice(0, 50).replace(/_+$/, "");
  });
}
