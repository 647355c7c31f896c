// Plots over a whole run: lines, bands and bars over steps, with a cursor and a click that seeks.

import { h, svg } from "./dom.js";
import { brief, count } from "./format.js";

const HEIGHT = 150;
const LEFT = 40;
const RIGHT = 8;
const TOP = 8;
const FOOT = 20;

function niceTop(value) {
  if (!(value > 0)) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return unit * [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((factor) => factor * unit >= value * 1.02);
}

/**
 * A plot. `shapes` are `{kind: "line"|"band"|"bars", tone, name, points: [[first, last, value]]}`;
 * `onseek(step)` is called on a click. Returns `{element, draw(shapes, end), mark(step)}`.
 */
export function plot({ label, unit = (n) => String(+n.toFixed(2)), onseek }) {
  const readout = h("span", { class: "readout", "aria-hidden": "true" });
  const picture = svg("svg", { class: "plot", role: "img", height: HEIGHT, "aria-label": label });
  const element = h("div", { class: "plot-box" }, readout, picture);
  let state = { shapes: [], end: 1 };
  let marked = null;
  let width = 600;
  const x = (step) => LEFT + ((step - 1) / Math.max(1, state.end)) * (width - LEFT - RIGHT);
  const stepAt = (px) => Math.round(1 + ((px - LEFT) / (width - LEFT - RIGHT)) * state.end - 0.5);

  function paint() {
    picture.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const base = HEIGHT - FOOT;
    const top = niceTop(Math.max(0, ...state.shapes.flatMap((shape) => shape.points.map((point) => point[2]))));
    const y = (value) => base - (value / top) * (base - TOP);
    const grid = [0, 0.5, 1].map((part) => [
      svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(top * part), y2: y(top * part) }),
      svg("text", { class: "tick", x: LEFT - 6, y: y(top * part) + 4, "text-anchor": "end" }, unit(top * part)),
    ]);
    const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => svg("text", {
      class: "tick", x: LEFT + part * (width - LEFT - RIGHT), y: HEIGHT - 5,
      "text-anchor": part === 0 ? "start" : part === 1 ? "end" : "middle",
    }, brief(Math.round(part * state.end))));
    const marks = state.shapes.map((shape) => drawShape(shape, x, y, base));
    const cursor = svg("line", { class: "cursor", y1: TOP, y2: base });
    picture.replaceChildren(...grid.flat(), ...ticks, ...marks, cursor);
    place(cursor);
  }

  function place(cursor = picture.querySelector(".cursor")) {
    if (!cursor) return;
    cursor.setAttribute("visibility", marked ? "visible" : "hidden");
    const at = x((marked ?? 1) + 0.5).toFixed(1);
    cursor.setAttribute("x1", at);
    cursor.setAttribute("x2", at);
  }

  function read(event) {
    const step = stepAt(event.clientX - picture.getBoundingClientRect().left);
    const found = state.shapes.map((shape) => [shape, shape.points.find(([first, last]) => step >= first && step <= last)]);
    const [, point] = found.find(([, hit]) => hit) ?? [];
    readout.replaceChildren(...(point ? [
      h("span", {}, point[0] === point[1] ? `step ${count(point[0])}` : `steps ${count(point[0])}–${count(point[1])}`),
      ...found.filter(([, hit]) => hit).map(([shape, hit]) => h("span", { class: `key ${shape.tone}` }, `${shape.name} ${unit(hit[2])}`)),
    ] : []));
  }

  picture.addEventListener("pointermove", read);
  picture.addEventListener("pointerleave", () => readout.replaceChildren(...legend()));
  if (onseek) {
    picture.classList.add("seeks");
    picture.addEventListener("click", (event) => {
      const step = stepAt(event.clientX - picture.getBoundingClientRect().left);
      onseek(Math.min(state.end, Math.max(1, step)));
    });
  }
  const legend = () => state.shapes.map((shape) => h("span", { class: `key ${shape.tone}` }, shape.name));
  new ResizeObserver(() => {
    const wide = Math.round(picture.getBoundingClientRect().width);
    if (wide && wide !== width) { width = wide; paint(); }
  }).observe(element);
  return {
    element,
    draw(shapes, end) { state = { shapes, end: Math.max(1, end) }; readout.replaceChildren(...legend()); paint(); },
    mark(step) { marked = step; place(); },
  };
}

function drawShape(shape, x, y, base) {
  const edges = shape.points.map(([first, last, value]) => [x(first), x(last + 1), y(value)]);
  if (shape.kind === "bars") {
    const bars = edges.filter(([, , top]) => top < base - 0.01).map(([from, to, top]) =>
      `M${from.toFixed(1)} ${base}V${top.toFixed(1)}H${Math.max(to - (to - from > 3 ? 1 : 0), from + 0.8).toFixed(1)}V${base}Z`);
    return svg("path", { class: `bars ${shape.tone}`, d: bars.join("") });
  }
  const line = edges.map(([from, to, top], at) => `${at ? "L" : "M"}${from.toFixed(1)} ${top.toFixed(1)}H${to.toFixed(1)}`).join("");
  if (shape.kind === "line" || !edges.length) return svg("path", { class: `line ${shape.tone}`, d: line });
  const back = `L${edges.at(-1)[1].toFixed(1)} ${base}H${edges[0][0].toFixed(1)}Z`;
  return svg("path", { class: `band ${shape.tone}`, d: line + back });
}
