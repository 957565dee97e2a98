// What the pages of personas gain with JavaScript; all of them work without.
"use strict";

const person = document.querySelector("[data-person-form]");
if (person) editInPlace(person);

function editInPlace(form) {
  const bar = document.querySelector("[data-save-bar]");
  const count = document.querySelector("[data-change-count]");
  let isLeaving = false;

  // ---------------------------------------------------------------- what is changed
  // A control is compared with the value that the page was made with, which stands in a hidden control beside it.
  const oldOf = (control) => {
    const seen = form.elements[`seen-${control.name}`];
    if (seen) return seen.value;
    return control instanceof HTMLSelectElement ? control.value : "";
  };
  const isChanged = (control) => {
    if (control.type === "checkbox") return control.checked;
    if (control.type === "radio") return control.checked && control.value !== oldOf(control);
    if (control.validity.badInput) return true; // half a date
    return control.value !== oldOf(control);
  };
  const controlsOf = (field) => [...field.querySelectorAll("input:not([type=hidden]), select, textarea")];
  const fields = () => [...document.querySelectorAll("[data-field]")];

  function show() {
    let changed = 0;
    for (const field of fields()) {
      const is = controlsOf(field).some(isChanged);
      field.toggleAttribute("data-changed", is);
      changed += is ? 1 : 0;
    }
    for (const button of document.querySelectorAll("[data-clear]")) {
      button.hidden = document.getElementById(button.dataset.clear).value === "";
    }
    if (bar) bar.hidden = changed === 0;
    if (count) {
      const text = changed === 1 ? count.dataset.one : count.dataset.many.replace("%", String(changed));
      if (count.textContent !== text) count.textContent = changed ? text : "";
    }
    return changed;
  }

  document.addEventListener("input", show);
  document.addEventListener("change", show);
  addEventListener("pageshow", show);
  show();

  // ---------------------------------------------------------------- clearing a value, putting the old one back
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-clear]");
    if (!button) return;
    const control = document.getElementById(button.dataset.clear);
    control.value = "";
    control.focus();
    show();
  });

  function putBack(control) {
    if (control.type === "checkbox") control.checked = false;
    else if (control.type === "radio") {
      for (const one of form.elements[control.name]) one.checked = one.value === oldOf(one);
    } else {
      if (control.validity.badInput) control.value = ""; // the same value alone would leave the half date there
      control.value = oldOf(control);
    }
    show();
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
      return;
    }
    const control = event.target;
    if (event.key !== "Escape" || !control.closest("[data-field]") || control.form !== form || !control.name) return;
    const group = control.type === "radio" ? [...form.elements[control.name]] : [control];
    if (group.some(isChanged)) {
      event.preventDefault();
      putBack(control.type === "radio" ? group.find((one) => one.value === oldOf(one)) || control : control);
    }
  });

  // ---------------------------------------------------------------- what will be sent (preview.js shows it)
  document.addEventListener("previewed", (event) => {
    for (const note of document.querySelectorAll("[data-unreached-note]")) note.remove();
    for (const part of event.target.querySelectorAll("[data-unreached]")) noteBeside(part.dataset.unreached, part.dataset.note);
  });

  // What a platform can't take is said beside its field as well; of contacts, beside those of the type.
  function noteBeside(name, text) {
    const [kind, detail] = name.split(/:(.*)/);
    for (const field of fields()) {
      const [control] = controlsOf(field);
      const type = field.querySelector("select[name$=-type]");
      if (kind === "contact" ? type?.value !== detail : control?.name !== name.replace(":", "-")) continue;
      const note = document.createElement("p");
      note.className = "field__help unreached";
      note.dataset.unreachedNote = "";
      note.textContent = text;
      field.append(note);
    }
  }

  // ---------------------------------------------------------------- leaving
  form.addEventListener("submit", (event) => {
    // A browser sends half a date as none, which would clear the old one.
    const half = [...form.elements].find((control) => control.validity?.badInput);
    if (half) {
      event.preventDefault();
      half.reportValidity();
    } else isLeaving = true;
  });
  for (const link of document.querySelectorAll("[data-discard]")) link.addEventListener("click", () => { isLeaving = true; });
  addEventListener("beforeunload", (event) => { if (!isLeaving && show() > 0) event.preventDefault(); });
  addEventListener("pageshow", () => { isLeaving = false; });

  // ---------------------------------------------------------------- one more contact
  // The empty row at the end waits behind the button, unless it would be the only one.
  const list = form.querySelector("[data-contacts]");
  const blank = list.lastElementChild;
  let number = Number(/^new-(\d+)-/.exec(blank.querySelector("select").name)[1]);
  const pattern = blank.cloneNode(true);
  if (list.children.length > 1) blank.remove();
  else number += 1;
  form.querySelector("[data-add-contact]").addEventListener("click", () => {
    const added = pattern.cloneNode(true);
    for (const part of added.querySelectorAll("[name], [for], [id]")) {
      for (const attribute of ["name", "for", "id"]) {
        const text = part.getAttribute(attribute);
        if (text) part.setAttribute(attribute, text.replace(/new-\d+-/, `new-${number}-`));
      }
    }
    number += 1;
    list.append(added);
    added.querySelector("select").focus();
    show();
  });

  const wrong = document.querySelector("[data-field] [aria-invalid=true]");
  if (wrong) wrong.focus();
}
