// The list of personas: each condition offers what its attribute can be asked; all of it works without.
"use strict";

const INPUT_OF_TYPE = { date: "date", number: "text", text: "text", boolean: "text" };

function fit(row) {
  const [attribute, operator, value] = ["a", "op", "v"].map((name) => row.querySelector(`[name=${name}]`));
  const type = attribute.selectedOptions[0].dataset.type;
  for (const option of operator.options) {
    const isOffered = !type || option.dataset.types.split(" ").includes(type);
    option.hidden = option.disabled = !isOffered;
  }
  if (operator.selectedOptions[0]?.disabled) operator.value = [...operator.options].find((option) => !option.disabled).value;
  value.type = INPUT_OF_TYPE[type] || "text";
  value.inputMode = type === "number" ? "decimal" : "";
  value.hidden = ["has", "lacks"].includes(operator.value);
}

function watch(row) {
  fit(row);
  row.addEventListener("change", () => fit(row));
}

for (const row of document.querySelectorAll("[data-condition]")) watch(row);

document.querySelector("[data-add-condition]")?.addEventListener("click", (event) => {
  const rows = [...document.querySelectorAll("[data-condition]")];
  const row = rows.at(-1).cloneNode(true);
  const number = String(rows.length + 1);
  for (const control of row.querySelectorAll("select, input")) {
    control.setAttribute("aria-label", control.getAttribute("aria-label").replace(/\d+/, number));
    if (control.tagName === "SELECT") control.selectedIndex = 0;
    else control.value = "";
  }
  event.target.closest("button").before(row);
  watch(row);
  row.querySelector("select").focus();
});
