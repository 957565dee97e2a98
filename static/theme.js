// Runs before the page is painted, so that neither a chosen theme nor what scripts replace flashes.
document.documentElement.dataset.script = "";
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // No storage (a private window): the system's theme it is.
}
