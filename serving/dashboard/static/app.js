// The shell: which view an address means, and the end of the one before it.

import { complaint } from "./dom.js";
import { showCompare } from "./compare.js";
import { showList } from "./list.js";
import { showQuestions } from "./questions.js";
import { showRun } from "./run.js";

const view = document.getElementById("view");
let current = new AbortController();

const VIEWS = { "": showList, runs: showRun, questions: showQuestions, compare: showCompare };

/** `#/runs/ID?step=5` as its parts and its query. */
function address() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").map((part) => { try { return decodeURIComponent(part); } catch { return part; } });
  return { parts, query: new URLSearchParams(query ?? "") };
}

async function route() {
  if (location.hash === "#view") return view.focus();
  current.abort();
  current = new AbortController();
  const { signal } = current;
  const { parts, query } = address();
  view.replaceChildren();
  view.setAttribute("aria-busy", "true");
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.hash.replace(/^#\/?/, "") === (parts[0] === "compare" ? "compare" : "");
    if (here) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  try {
    await (VIEWS[parts[0]] ?? showList)(view, { parts: parts.slice(1), query, signal });
  } catch (error) {
    if (!signal.aborted) view.append(complaint(error));
  }
  if (!signal.aborted) view.removeAttribute("aria-busy");
}

window.addEventListener("hashchange", route);
route();
