// The list of runs and question sets, kept up to date while any of them is under way.

import { api, at } from "./api.js";
import { complaint, h, meter, pill } from "./dom.js";
import { brief, count, duration, fixed, moment, money, percent, rate } from "./format.js";
import { newRunDialog } from "./newrun.js";

const PAGE = 50;
const LIVE_MS = 2000;
const IDLE_MS = 10000;

const HEADS = ["", "Run", "Status", "Progress", "Rate", "Votes / step", "Flagged", "Tokens", "Cost", "Created"];

export async function showList(view, { query, signal }) {
  const first = Math.max(0, Number(query.get("first")) || 0);
  const chosen = new Set();
  const compare = h("button", { type: "button", disabled: true, onclick: () => {
    const [left, right] = chosen;
    location.hash = `#/compare?${new URLSearchParams({ left, right })}`;
  } }, "Compare");
  const total = h("span", { class: "muted" });
  const body = h("tbody");
  const pager = h("div", { class: "row end pager" });
  const told = h("div", { role: "status" });
  view.append(
    h("div", { class: "title row" }, h("h1", {}, "Runs"), total, h("span", { class: "grow" }),
      compare, h("button", { type: "button", class: "primary", onclick: newRunDialog }, "New run")),
    told,
    h("div", { class: "panel flush" }, h("table", { class: "runs" },
      h("thead", {}, h("tr", {}, HEADS.map((head) => h("th", { scope: "col" }, head || h("span", { class: "hidden" }, "Compare"))))),
      body)),
    pager);

  const rows = new Map();
  const choose = (id, on) => {
    if (on) chosen.add(id); else chosen.delete(id);
    compare.disabled = chosen.size !== 2;
    compare.textContent = chosen.size ? `Compare ${chosen.size} of 2` : "Compare";
  };

  async function refresh() {
    const page = await api(`?first=${first}&count=${PAGE}`, { signal });
    total.textContent = `${count(page.total)} in this directory`;
    const known = page.runs.map((item) => item.id);
    const same = known.length === rows.size && known.every((id, index) => [...rows.keys()][index] === id);
    if (!same) {
      rows.clear();
      body.replaceChildren(...page.runs.map((item) => {
        const row = makeRow(item, choose, chosen);
        rows.set(item.id, row);
        return row.element;
      }));
      if (!page.runs.length) body.append(h("tr", {}, h("td", { colspan: HEADS.length, class: "empty" },
        "No runs yet. Start one here, or with `reason solve hanoi --disks 10`.")));
    }
    page.runs.forEach((item) => rows.get(item.id).update(item));
    pager.replaceChildren(...pages(first, page.total));
    return page.runs.some((item) => item.status === "running" || item.status === "stopping");
  }

  let live = await refresh();
  const loop = async () => {
    while (!signal.aborted) {
      await new Promise((done) => { setTimeout(done, live ? LIVE_MS : IDLE_MS); });
      if (signal.aborted) return;
      if (document.hidden) continue;
      try {
        live = await refresh();
        told.replaceChildren();
      } catch (error) {
        if (!signal.aborted) told.replaceChildren(complaint(error));
      }
    }
  };
  loop();
}

function pages(first, total) {
  if (total <= PAGE) return [];
  const link = (to, text) => h("a", { class: "button", href: `#/?first=${to}` }, text);
  return [
    first > 0 && link(Math.max(0, first - PAGE), "Newer"),
    h("span", { class: "muted" }, `${count(first + 1)}–${count(Math.min(total, first + PAGE))} of ${count(total)}`),
    first + PAGE < total && link(first + PAGE, "Older"),
  ].filter(Boolean);
}

function makeRow(item, choose, chosen) {
  const isRun = item.kind === "run";
  const box = isRun && item.status !== "broken" && h("input", { type: "checkbox", "aria-label": `Compare ${item.id}`, checked: chosen.has(item.id),
    onchange: (event) => choose(item.id, event.target.checked) });
  const where = isRun ? `#/runs/${encodeURIComponent(item.id)}` : `#/questions/${encodeURIComponent(item.id)}`;
  const detail = h("span", { class: "sub" });
  const cells = HEADS.slice(2).map((head) => h("td", { "data-label": head, class: "num" }));
  cells[0].className = "";
  cells[1].className = "wide";
  const element = h("tr", {}, h("td", { class: "pick" }, box),
    h("th", { scope: "row" }, h("a", { href: where }, item.id), detail), cells);
  const put = (index, ...children) => cells[index].replaceChildren(...children);
  return {
    element,
    update(now) {
      const what = isRun ? [now.task, now.model] : [`questions from ${now.data || "?"}`, Object.values(now.models)[0] ?? ""];
      detail.textContent = now.message || what.filter(Boolean).join(" · ");
      put(0, pill(now.status));
      put(7, moment(now.created));
      if (now.kind === "questions") return putQuestions(put, now);
      if (now.status === "broken") return undefined;
      const live = now.status === "running";
      put(1, meter(now.steps, now.steps_total, `Progress of ${now.id}`), h("span", { class: "sub" },
        `${count(now.steps)}${now.steps_total ? ` / ${count(now.steps_total)}` : ""}${live && now.eta !== null ? ` · ${duration(now.eta)} left` : ""}`));
      put(2, now.rate ? `${rate(now.rate)} /s` : "–");
      put(3, now.steps ? fixed(now.votes / now.steps) : "–");
      put(4, now.votes + now.flagged ? percent(now.flagged / (now.votes + now.flagged)) : "–");
      put(5, brief(now.prompt_tokens + now.completion_tokens));
      put(6, money(now.cost_usd));
      return undefined;
    },
  };
}

function putQuestions(put, now) {
  const best = now.strategies.filter((one) => one.accuracy !== null)
    .map((one) => `${one.name} ${percent(one.accuracy, 1)}`).join(", ");
  const answered = now.strategies.reduce((sum, one) => sum + one.answered, 0);
  put(1, h("span", { class: "sub" }, `${count(answered)} answers${best ? ` · ${best}` : ""}`));
}

/** Used by other views that let a person choose a run. */
export async function runNames(signal) {
  const page = await api("?count=200", { signal });
  return page.runs.filter((item) => item.kind === "run" && item.status !== "broken").map((item) => item.id);
}

export const runLink = (id, text = id) => h("a", { href: `#${at("runs", id)}` }, text);
