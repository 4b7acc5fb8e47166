// What a browser keeps for its user: theme, widths and order of columns. Nothing that a link needs.

const NAME = "samebit";

function read() {
  try {
    const found = JSON.parse(window.localStorage.getItem(NAME) ?? "{}");
    return typeof found === "object" && found !== null ? found : {};
  } catch {
    return {};  // forbidden, or another program's
  }
}

/** One setting, or what is given for it. */
export function setting(key, otherwise) {
  return read()[key] ?? otherwise;
}

export function keep(key, value) {
  try {
    window.localStorage.setItem(NAME, JSON.stringify({ ...read(), [key]: value }));
  } catch {
    // Forbidden or full: it holds until the page is left.
  }
}

export const THEMES = ["auto", "light", "dark"];

/** Show the theme that was chosen. */
export function applyTheme(theme = setting("theme", "auto")) {
  const root = document.documentElement;
  if (theme === "auto" || !THEMES.includes(theme)) delete root.dataset.theme;
  else root.dataset.theme = theme;
  window.dispatchEvent(new Event("themechange"));  // canvases have to be drawn anew
}
