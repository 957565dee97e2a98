// The try-it-out page: sends what the form says with the pasted token, and shows what came back.
"use strict";

const main = document.getElementById("main");
const tokenField = document.getElementById("token");
const { base, authHeader, authPrefix, tokenWord } = main.dataset;

// ---------------------------------------------------------------- what the form says
function callOf(form) {
  let path = form.dataset.path.slice(1);
  const query = new URLSearchParams();
  const headers = {};
  for (const field of form.querySelectorAll("[data-in]")) {
    const { name, in: place } = field.dataset;
    if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(field.value.trim()));
    else if (field.value === "") continue;
    else if (place === "query") query.append(name, field.value);
    else headers[name] = field.value;
  }
  const body = form.querySelector("[data-body]");
  if (body) headers["Content-Type"] = "application/json";
  const search = query.toString();
  return { method: form.dataset.method, url: base + path + (search ? `?${search}` : ""), headers, body: body && body.value };
}

function curlOf(call) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const lines = [`curl ${call.method === "GET" ? "" : `-X ${call.method} `}${quoted(call.url)}`];
  // The variable, not the token: this text is made to be copied into other places.
  lines.push(`-H "${authHeader}: ${authPrefix}$${tokenWord}"`);
  for (const [name, value] of Object.entries(call.headers)) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (call.body !== null) lines.push(`-d ${quoted(call.body)}`);
  return lines.join(" \\\n  ");
}

// ---------------------------------------------------------------- what came back
function pretty(text, contentType) {
  if (!contentType.includes("json") || contentType.includes("ndjson")) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function show(form, response, milliseconds) {
  const part = (name) => form.querySelector(`[data-${name}]`);
  const contentType = response.headers.get("Content-Type") || "";
  const isText = /json|text/.test(contentType);
  const content = await (isText ? response.text() : response.blob());
  const pill = part("status");
  pill.textContent = `${response.status} ${response.statusText}`.trim();
  pill.className = `pill ${response.ok ? "pill--good" : "pill--bad"}`;
  part("time").textContent = `${milliseconds} ms`;
  part("request-id").textContent = response.headers.get("X-Request-Id") || "";
  part("headers").textContent = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  part("answer").textContent = isText ? pretty(content, contentType) : `${contentType}, ${content.size} bytes`;
  part("result").hidden = false;
}

function showFailure(form, text) {
  const pill = form.querySelector("[data-status]");
  pill.textContent = text;
  pill.className = "pill pill--bad";
  for (const name of ["time", "request-id", "headers", "answer"]) form.querySelector(`[data-${name}]`).textContent = "";
  form.querySelector("[data-result]").hidden = false;
}

// Some servers drop headers with an underscore; a hyphen means the same to ours.
const sent = (headers) => Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.replaceAll("_", "-"), value]));

async function send(form) {
  const call = callOf(form);
  const token = tokenField.value.trim();
  const headers = sent(token ? { ...call.headers, [authHeader]: authPrefix + token } : call.headers);
  const busy = form.querySelector("[data-busy]");
  if (!busy.hidden) return;
  try {
    new Headers(headers);
  } catch {
    showFailure(form, main.dataset.unsendable);
    return;
  }
  busy.hidden = false;
  const started = performance.now();
  try {
    // No cookie goes with it: an operation knows its caller by the token alone.
    const response = await fetch(call.url, { method: call.method, headers, body: call.body ?? undefined, credentials: "omit" });
    await show(form, response, Math.round(performance.now() - started));
  } catch (error) {
    showFailure(form, error instanceof TypeError ? main.dataset.unreachable : String(error));
  } finally {
    busy.hidden = true;
  }
}

// ---------------------------------------------------------------- events
const showCurl = (form) => { form.querySelector("[data-curl]").textContent = curlOf(callOf(form)); };
for (const form of document.querySelectorAll("form.try")) {
  showCurl(form);
  form.addEventListener("input", () => showCurl(form));
  // The second click of a double click would be a second message.
  form.querySelector("button.btn--primary").addEventListener("click", (event) => { if (event.detail > 1) event.preventDefault(); });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const missing = [...form.querySelectorAll("[required]")].find((field) => !field.value.trim());
    if (missing) missing.focus();
    else send(form);
  });
}

// An address with the name of an operation opens it.
function openNamed() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!(named instanceof HTMLDetailsElement)) return;
  named.open = true;
  named.scrollIntoView();
}
addEventListener("hashchange", openNamed);
openNamed();

// On a phone the list of operations begins folded.
const folded = document.querySelector("[data-folds]");
if (folded && matchMedia("(max-width: 60rem)").matches) {
  folded.open = false;
  folded.addEventListener("click", (event) => { if (event.target.closest("a")) folded.open = false; });
}

document.querySelector("[data-token-form]").addEventListener("submit", (event) => event.preventDefault());
// The browser may keep the page in memory when it is left; the token goes.
addEventListener("pagehide", () => { tokenField.value = ""; });
