// Two runs side by side: their figures, their votes over the run, and where their journals part.

import { api, at } from "./api.js";
import { h, panel, pill } from "./dom.js";
import { brief, count, duration, fixed, money, percent, rate } from "./format.js";
import { runLink, runNames } from "./list.js";
import { Pegs } from "./pegs.js";
import { plot } from "./plot.js";
import { stepCard } from "./explorer.js";

const SIDES = ["left", "right"];

export async function showCompare(view, { query, signal }) {
  const names = await runNames(signal);
  const chosen = Object.fromEntries(SIDES.map((side) => [side, query.get(side) ?? ""]));
  const pickers = SIDES.map((side) => picker(side, names, chosen));
  view.append(h("div", { class: "title row" }, h("h1", {}, "Compare")), h("div", { class: "pickers" }, pickers));
  if (!chosen.left || !chosen.right) {
    view.append(h("p", { class: "muted" }, "Choose two runs."));
    return;
  }
  const [left, right, parting, ...series] = await Promise.all([
    api(at(chosen.left), { signal }), api(at(chosen.right), { signal }),
    api(at(chosen.left, "parting", chosen.right), { signal }),
    ...SIDES.map((side) => api(`${at(chosen[side], "series")}?buckets=200`, { signal })),
  ]);
  const items = [left.item, right.item];
  const votes = plot({ label: "Mean votes per step of both runs" });
  const flags = plot({ label: "Share of answers red-flagged of both runs", unit: (n) => percent(n, n < 0.1 ? 1 : 0) });
  view.append(
    h("div", { class: "panel flush" }, h("div", { class: "scroll" }, figures(items))),
    h("div", { class: "columns even" },
      panel("Votes per step", {}, null, votes.element), panel("Red flags", {}, null, flags.element)),
    panel("Journals", {}, null, await journals(parting, items, signal)));
  overlay(votes, series, (part, steps) => part.votes / steps);
  overlay(flags, series, (part) => part.flagged / Math.max(1, part.votes + part.flagged));
}

function picker(side, names, chosen) {
  const known = chosen[side] && !names.includes(chosen[side]) ? [chosen[side], ...names] : names;
  const select = h("select", { id: `pick-${side}`, onchange: () => {
    location.hash = `#/compare?${new URLSearchParams({ ...chosen, [side]: select.value })}`;
  } }, h("option", { value: "" }, "…"), known.map((name) => h("option", { value: name }, name)));
  select.value = chosen[side];
  return h("div", { class: "field" }, h("label", { for: select.id }, h("span", { class: `key ${side}` }, side === "left" ? "First run" : "Second run")), select);
}

function overlay(chart, series, value) {
  const end = Math.max(...series.map((parts) => parts.at(-1)?.last ?? 1));
  chart.draw(series.map((parts, side) => ({
    kind: "line", tone: SIDES[side], name: side ? "second" : "first",
    points: parts.map((part) => [part.first, part.last, value(part, part.last - part.first + 1)]),
  })), end);
}

const ROWS = [
  ["Steps", (run) => run.steps, count],
  ["Steps a second", (run) => run.rate, rate],
  ["Working time", (run) => run.seconds, duration],
  ["Votes per step", (run) => run.votes / Math.max(1, run.steps), (n) => fixed(n, 3)],
  ["Red-flagged", (run) => run.flagged / Math.max(1, run.votes + run.flagged), percent],
  ["Surplus votes", (run) => run.surplus, count],
  ["Tokens in", (run) => run.prompt_tokens, brief],
  ["Tokens out", (run) => run.completion_tokens, brief],
  ["Tokens per step", (run) => (run.prompt_tokens + run.completion_tokens) / Math.max(1, run.steps), (n) => fixed(n, 1)],
  ["Cost", (run) => run.cost_usd, money],
  ["Margin k", (run) => run.k, (n) => String(n ?? "–")],
];

function ratio([a, b]) {
  if (!(a > 0) || !(b > 0)) return "";
  const times = b / a;
  return times === 1 ? "equal" : `× ${times >= 100 ? count(times) : fixed(times, times < 0.1 ? 3 : 2)}`;
}

function figures(items) {
  return h("table", { class: "figures" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, h("span", { class: "hidden" }, "Figure")),
      items.map((item, side) => h("th", { scope: "col", class: "num" }, h("span", { class: `key ${SIDES[side]}` }, runLink(item.id)))),
      h("th", { scope: "col", class: "num" }, "Second / first"))),
    h("tbody", {},
      h("tr", {}, h("th", { scope: "row" }, "Status"), items.map((item) => h("td", { class: "num" }, pill(item.status))), h("td")),
      h("tr", {}, h("th", { scope: "row" }, "Task"), items.map((item) => h("td", { class: "num" }, item.task)), h("td")),
      h("tr", {}, h("th", { scope: "row" }, "Model"), items.map((item) => h("td", { class: "num mono" }, item.model)), h("td")),
      ROWS.map(([name, value, write]) => h("tr", {}, h("th", { scope: "row" }, name),
        items.map((item) => h("td", { class: "num" }, write(value(item)))), h("td", { class: "num muted" }, ratio(items.map(value)))))));
}

async function journals(parting, items, signal) {
  const told = h("p", { class: "verdict" });
  if (!parting.same_problem) told.textContent = "The two runs solve different problems, so their journals have nothing in common.";
  else if (parting.parts_at === null) told.textContent = `The journals are equal for all ${count(parting.common)} steps that both have.`;
  else told.textContent = `The journals part at step ${count(parting.parts_at)}; the ${count(parting.common)} steps before it are equal.`;
  if (!parting.left || !parting.same_problem) return told;
  const cards = await Promise.all(["left", "right"].map(async (side, index) => {
    const pegs = items[index].task_name === "hanoi" ? new Pegs() : null;
    if (pegs) pegs.show((await api(`${at(items[index].id, "pegs")}?first=${parting.parts_at}&count=1`, { signal }))[0]);
    return h("div", {}, h("h3", {}, h("span", { class: `key ${side}` },
      h("a", { href: `#${at("runs", items[index].id)}?step=${parting.parts_at}` }, items[index].id))), pegs?.element, h("div", { class: "step-detail" }, stepCard(parting[side])));
  }));
  return [told, h("div", { class: "columns even" }, cards)];
}
