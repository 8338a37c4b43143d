// Sets the colour scheme before the first paint. A file of its own because the page's policy refuses inline scripts.
(() => {
  let stored = null;
  try {
    stored = localStorage.getItem("astraforge-color-scheme");
  } catch {
    // Storage can be refused; the system's preference is used then.
  }
  const dark =
    stored === "dark" || (stored !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
})();
