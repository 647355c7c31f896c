// The page of one run: figures, live while it is under way, plots, hardest steps, and the explorer.

import { api, at, events } from "./api.js";
import { h, meter, panel, pill } from "./dom.js";
import { explorer } from "./explorer.js";
import { brief, count, duration, fixed, moment, money, percent, rate } from "./format.js";
import { plot } from "./plot.js";

const REDRAW_MS = 5000;
const RETRY_MS = 3000;
const BUCKETS = 240;

export async function showRun(view, { parts, query, signal }) {
  const id = parts[0] ?? "";
  const shown = await api(at(id), { signal });
  const { item } = shown;
  if (item.kind !== "run") {
    location.replace(`#${at("questions", id)}`);
    return;
  }
  document.title = `${id} · reason`;
  signal.addEventListener("abort", () => { document.title = "reason"; });
  const head = header(item, watch);
  view.append(head.element);
  if (item.status === "broken") return;

  const figures = tiles();
  const steps = explorer(item, { signal, start: Number(query.get("step") ?? item.steps), onstep });
  const votes = plot({ label: "Votes per step over the run", onseek: steps.seek });
  const flags = plot({ label: "Share of answers red-flagged over the run", unit: (n) => percent(n, n < 0.1 ? 1 : 0), onseek: steps.seek });
  const hardest = h("div", { class: "scroll" });
  view.append(figures.element,
    h("div", { class: "columns" },
      h("div", { class: "stack" }, steps.main, steps.table),
      h("div", { class: "stack" },
        panel("Votes per step", {}, null, votes.element),
        panel("Red flags", {}, null, flags.element),
        panel("Hardest steps", { class: "list" }, null, hardest))),
    about(shown));

  function onstep(step) {
    votes.mark(step);
    flags.mark(step);
    history.replaceState(null, "", `#${at("runs", id)}?step=${step}`);
  }

  let drawn = -1;
  async function redraw(now) {
    if (now.steps === drawn) return;
    drawn = now.steps;
    const [series, hard] = await Promise.all([
      api(`${at(id, "series")}?buckets=${BUCKETS}`, { signal }),
      api(`${at(id, "hardest")}?count=12`, { signal }),
    ]);
    drawSeries(votes, flags, series);
    hardest.replaceChildren(hardestTable(hard, steps.seek));
  }

  function update(now) {
    head.update(now);
    figures.update(now);
    steps.update(now);
  }

  async function follow() {
    let last = 0;
    for await (const [name, now] of events(at(id, "events"), signal)) {
      update(now);
      if (name === "summary" || Date.now() - last > REDRAW_MS) {
        last = Date.now();
        redraw(now).catch(() => {});
      }
      if (name === "summary") return;
    }
    throw new Error("The connection was lost; trying again.");
  }

  async function watch() {
    while (!signal.aborted) {
      try {
        return await follow();
      } catch (error) {
        if (!signal.aborted) head.tell(error);
        await new Promise((done) => { setTimeout(done, RETRY_MS); });
      }
    }
    return undefined;
  }

  update(item);
  watch();
}

export function drawSeries(votes, flags, series) {
  const end = series.at(-1)?.last ?? 1;
  const over = (value) => series.map((part) => [part.first, part.last, value(part, part.last - part.first + 1)]);
  votes.draw([
    { kind: "band", tone: "soft", name: "most answers of a step", points: over((part) => part.most) },
    { kind: "line", tone: "main", name: "mean votes", points: over((part, steps) => part.votes / steps) },
  ], end);
  flags.draw([
    { kind: "bars", tone: "flag", name: "red-flagged", points: over((part) => part.flagged / Math.max(1, part.votes + part.flagged)) },
  ], end);
}

function header(item, watch) {
  const state = h("span", { "aria-live": "polite" });
  const told = h("p", { class: "note", role: "status", hidden: true });
  const buttons = h("span", { class: "row" });
  const ask = (action, body) => async () => {
    for (const button of buttons.querySelectorAll("button")) button.disabled = true;
    try {
      update(await api(at(item.id, action), { method: "POST", body }));
      if (action === "resume") watch();
    } catch (error) {
      tell(error);
      for (const button of buttons.querySelectorAll("button")) button.disabled = false;
    }
  };
  const tell = (error) => {
    told.textContent = error.message;
    told.hidden = false;
  };
  let status = "";
  function update(now) {
    told.hidden = !now.message;
    told.textContent = now.message;
    if (now.status + now.actions === status) return;
    status = now.status + now.actions;
    state.replaceChildren(pill(now.status));
    buttons.replaceChildren(
      ...(now.actions.includes("cancel") ? [h("button", { type: "button", onclick: ask("cancel") }, "Cancel")] : []),
      ...(now.actions.includes("resume") ? [h("button", { type: "button", class: "primary",
        onclick: now.status === "budget" ? () => resumeDialog(ask) : ask("resume") }, "Resume")] : []));
  }
  const element = h("header", {},
    h("div", { class: "title row" }, h("h1", {}, item.id), state, h("span", { class: "grow" }), buttons,
      item.status !== "broken" && h("a", { class: "button", href: `#/compare?${new URLSearchParams({ left: item.id })}` }, "Compare")),
    h("p", { class: "sub" }, [item.task, item.model, moment(item.created)].filter(Boolean).join(" · ")), told);
  update(item);
  return { element, update, tell };
}

/** A run that met its budget needs a larger one to go on. */
function resumeDialog(ask) {
  const limits = { budget_tokens: "Tokens", budget_usd: "Dollars", budget_seconds: "Seconds" };
  const fields = Object.entries(limits).map(([name, label]) => h("div", { class: "field" },
    h("label", { for: name }, label), h("input", { id: name, name, type: "number", min: 0, step: "any" })));
  const form = h("form", { method: "dialog" }, h("h2", { id: "resume-title" }, "Resume with a larger budget"),
    h("div", { class: "fields" }, fields),
    h("div", { class: "row end" }, h("button", { type: "button", onclick: () => dialog.close() }, "Close"),
      h("button", { class: "primary" }, "Resume")));
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "resume-title" }, form);
  form.addEventListener("submit", () => {
    const given = [...new FormData(form)].filter(([, value]) => value).map(([name, value]) => [name, Number(value)]);
    ask("resume", Object.fromEntries(given))();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function tiles() {
  const names = ["Steps", "Rate", "Time", "Votes per step", "Red flags", "Tokens", "Cost", "Margin k"];
  const parts = Object.fromEntries(names.map((name) => [name, { value: h("dd"), sub: h("dd", { class: "sub" }) }]));
  const element = h("dl", { class: "tiles" }, names.map((name) => h("div", { class: "tile" }, h("dt", {}, name), parts[name].value, parts[name].sub)));
  const put = (name, value, sub = "") => {
    parts[name].value.textContent = value;
    parts[name].sub.replaceChildren(sub);
  };
  return {
    element,
    update(now) {
      const live = now.status === "running" || now.status === "stopping";
      const answers = now.votes + now.flagged;
      put("Steps", count(now.steps), now.steps_total ? h("span", { class: "with-meter" },
        meter(now.steps, now.steps_total, "Steps done"), `of ${count(now.steps_total)}`) : "");
      put("Rate", now.rate ? `${rate(now.rate)} /s` : "–", live ? "lately" : "over all sessions");
      put("Time", duration(now.seconds), live ? `${duration(now.eta)} left` : "working time");
      put("Votes per step", now.steps ? fixed(now.votes / now.steps, 3) : "–", `${brief(now.votes)} votes, ${brief(now.surplus)} surplus`);
      put("Red flags", answers ? percent(now.flagged / answers) : "–", `${brief(now.flagged)} of ${brief(answers)} answers`);
      put("Tokens", brief(now.prompt_tokens + now.completion_tokens), `${brief(now.prompt_tokens)} in, ${brief(now.completion_tokens)} out`);
      put("Cost", money(now.cost_usd), now.steps && now.cost_usd ? `${money((1000 * now.cost_usd) / now.steps)} per 1,000 steps` : "");
      put("Margin k", now.k === null ? "–" : String(now.k), "votes ahead");
    },
  };
}

function hardestTable(rows, seek) {
  if (!rows.length) return h("p", { class: "empty" }, "No steps yet.");
  return h("table", {},
    h("thead", {}, h("tr", {}, ["Step", "Tally", "Flagged", "Rounds", "Move"].map((head, at) => h("th", { scope: "col", class: at % 4 ? "num" : "" }, head)))),
    h("tbody", {}, rows.map((row) => h("tr", {},
      h("td", {}, h("button", { type: "button", class: "link", onclick: () => seek(row.step) }, count(row.step))),
      h("td", { class: "num mono" }, row.tally), h("td", { class: "num" }, row.flagged),
      h("td", { class: "num" }, row.rounds), h("td", { class: "mono" }, row.action)))));
}

function about({ config, usage, item }) {
  const pairs = (object) => h("dl", { class: "pairs" }, Object.entries(object).map(([name, value]) => [
    h("dt", {}, name), h("dd", {}, typeof value === "string" ? value : JSON.stringify(value))]));
  return h("details", { class: "panel fold" }, h("summary", {}, "Configuration and models"),
    h("div", { class: "columns even" },
      h("div", {}, h("h3", {}, "Task"), pairs(config.task), h("h3", {}, "Journal"), pairs({ hash: item.hash })),
      h("div", {}, h("h3", {}, "Options"), pairs(config.options))),
    usage.length ? h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, ["Model", "Answers", "Tokens in", "Tokens out", "Cost"].map((head, at) => h("th", { scope: "col", class: at ? "num" : "" }, head)))),
      h("tbody", {}, usage.map((one) => h("tr", {}, h("td", { class: "mono" }, one.model),
        [count(one.samples), count(one.prompt_tokens), count(one.completion_tokens), money(one.cost_usd)].map((value) => h("td", { class: "num" }, value))))))) : "");
}
