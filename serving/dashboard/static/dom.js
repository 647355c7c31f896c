// Elements from code. Text is always set as text: no string ever becomes markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "open") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

/** An HTML element with attributes, `onevent` listeners and children. */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function svg(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/** A titled panel; `extra` stands at the right of its title. */
export function panel(title, props, extra, ...children) {
  const head = h("div", { class: "panel-head" }, h("h2", {}, title), extra);
  return h("section", { ...props, class: `panel ${props?.class ?? ""}`, "aria-label": title }, head, children);
}

const MOODS = {
  running: "live", stopping: "live", solved: "good", scored: "good", answered: "good",
  wrong: "bad", broken: "bad", engine_error: "bad", no_convergence: "warn", budget: "warn",
};

/** A status as a coloured word. */
export function pill(status) {
  return h("span", { class: `pill ${MOODS[status] ?? "calm"}` }, status.replaceAll("_", " "));
}

/** A progress bar that says its numbers to a screen reader. */
export function meter(value, total, label) {
  const bar = h("span", { class: "meter", role: "progressbar", "aria-label": label,
    "aria-valuemin": 0, "aria-valuemax": total || 1, "aria-valuenow": Math.min(value, total || value) }, h("span"));
  bar.firstChild.style.width = `${total ? Math.min(100, (100 * value) / total) : 0}%`;
  return bar;
}

const ICONS = {
  play: "M4 2l9 6-9 6z", pause: "M3 2h4v12H3zM9 2h4v12H9z", back: "M10.5 2.5L5 8l5.5 5.5 1.4-1.4L7.8 8l4.1-4.1z", on: "M5.5 2.5L11 8l-5.5 5.5-1.4-1.4L8.2 8 4.1 3.9z",
  first: "M2 2h2v12H2zM14 2L5 8l9 6z", last: "M12 2h2v12h-2zM2 2l9 6-9 6z",
};

/** A small drawn sign for a button that has a label. */
export function icon(name) {
  return svg("svg", { viewBox: "0 0 16 16", width: 12, height: 12, "aria-hidden": "true" }, svg("path", { d: ICONS[name], fill: "currentColor" }));
}

/** Runs `work` at most once in `ms`, with the latest arguments. */
export function debounce(work, ms) {
  let timer;
  const later = (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...args), ms);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}

/** Shows a failure in place of what could not be loaded. */
export function complaint(error) {
  return h("p", { class: "complaint", role: "alert" }, String(error.message ?? error));
}
