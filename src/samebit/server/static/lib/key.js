// What the link holds behind its #, which no browser sends anywhere: the token that every question brings.
//
// It is kept for this page's origin alone, port and all. A cookie would go to every port of this machine.

const NAME = "samebit-token";
let here = "";  // where nothing can be kept it is this tab's, and stays in its address

function take() {
  const found = /^#token=([\w.-]+)$/.exec(window.location.hash);
  if (!found) return false;
  here = found[1];
  try {
    window.localStorage.setItem(NAME, here);
    window.history.replaceState(window.history.state, "", window.location.pathname + window.location.search);
  } catch {
    // Forbidden.
  }
  return true;
}

/** The newest: another tab may have opened the link of another start. */
function token() {
  try {
    return window.localStorage.getItem(NAME) ?? here;
  } catch {
    return here;
  }
}

/** The headers of a question. */
export const headers = (more = {}) => ({ Authorization: `Bearer ${token()}`, ...more });

/** What opens reading to elements of the page, which send no headers: it stands in their addresses. */
export const pass = () => token().split(".")[1] ?? "";

take();
window.addEventListener("hashchange", () => { if (take()) window.location.reload(); });
