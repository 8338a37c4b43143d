// What cannot wait for the app: the colour scheme, which must stand before the first paint, and the data that the page
// at this address will ask for first. A file of its own because the page's policy refuses inline scripts.
(() => {
  let stored = null;
  try {
    stored = localStorage.getItem("astraforge-color-scheme");
  } catch {
    // Storage can be refused; the system's preference is used then.
  }
  const dark =
    stored === "dark" || (stored !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  const page = document.documentElement;
  page.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");

  const { pathname } = location;
  if (pathname === "/sign-in") {
    page.setAttribute("data-card", "");
    ask("/api/auth/settings/");
  } else {
    ask("/api/auth/me/");
    if (/^\/(incidents|runs|merge-requests)\/[\w-]+$/.test(pathname)) ask(`/api${pathname}/`);
  }

  /** The answer waits in the browser until the app fetches the same address. */
  function ask(href) {
    const link = document.createElement("link");
    Object.assign(link, { rel: "preload", as: "fetch", crossOrigin: "anonymous", href });
    document.head.append(link);
  }
})();
