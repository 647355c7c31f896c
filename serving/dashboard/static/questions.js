// A set of answered questions: strategies and scores, the questions, and each one's transcript.

import { api, at } from "./api.js";
import { h, panel, pill } from "./dom.js";
import { brief, count, duration, money, moment, percent } from "./format.js";

const PAGE = 50;

export async function showQuestions(view, { parts, query, signal }) {
  const [id = "", wanted] = parts;
  const { item } = await api(at(id), { signal });
  const about = [item.data && `questions from ${item.data}`, ...new Set(Object.values(item.models ?? {})), moment(item.created)];
  view.append(h("header", {}, h("div", { class: "title row" }, h("h1", {}, id), pill(item.status)),
    h("p", { class: "sub" }, about.filter(Boolean).join(" · ")),
    item.message && h("p", { class: "note", role: "alert" }, item.message)));
  if (item.status === "broken" || !item.strategies.length) return;
  const strategy = item.strategies.find((one) => one.name === wanted)?.name ?? item.strategies[0].name;
  const list = h("div", { class: "scroll" });
  const transcript = h("div", { class: "transcript" }, h("p", { class: "muted" }, "Choose a question."));
  const tools = h("span", { class: "row" },
    h("button", { type: "button", onclick: () => unfold(transcript, true) }, "Open all"),
    h("button", { type: "button", onclick: () => unfold(transcript, false) }, "Close all"));
  view.append(strategies(item, strategy),
    h("div", { class: "columns questions" },
      panel(`Questions by ${strategy}`, { class: "list" }, null, list),
      panel("Transcript", {}, tools, transcript)));

  let chosen = 0;
  async function open(number) {
    chosen = number;
    for (const row of list.querySelectorAll("tr[data-number]")) row.classList.toggle("here", Number(row.dataset.number) === number);
    const found = await api(at(id, "questions", strategy, number), { signal });
    if (number !== chosen) return;
    transcript.replaceChildren(...heading(found), h("ul", { class: "tree" }, h("li", {}, node(found.trace, 0))));
    history.replaceState(null, "", `#${at("questions", id, strategy)}?number=${number}`);
  }

  async function page(first) {
    const { rows, total } = await api(`${at(id, "questions", strategy)}?first=${first}&count=${PAGE}`, { signal });
    const go = (to, text) => h("button", { type: "button", onclick: () => page(to) }, text);
    list.replaceChildren(questionTable(rows, open), h("div", { class: "row end pager" },
      first > 1 && go(Math.max(1, first - PAGE), "Back"),
      total > PAGE && h("span", { class: "muted" }, `${count(first)}–${count(first + rows.length - 1)} of ${count(total)}`),
      first + PAGE <= total && go(first + PAGE, "On")));
    return rows;
  }

  const number = Math.max(1, Number(query.get("number")) || 1);
  const rows = await page(number - ((number - 1) % PAGE));
  if (rows.length) await open(number);
}

function strategies(item, current) {
  return h("div", { class: "panel flush" }, h("table", { class: "strategies" },
    h("thead", {}, h("tr", {}, ["Strategy", "Answered", "Accuracy", "95% interval"].map((head, index) => h("th", { scope: "col", class: index === 1 ? "num" : "" }, head)))),
    h("tbody", {}, item.strategies.map((one) => h("tr", { class: one.name === current ? "here" : "" },
      h("th", { scope: "row" }, h("a", { href: `#${at("questions", item.id, one.name)}`, "aria-current": one.name === current ? "true" : null }, one.name)),
      h("td", { class: "num" }, count(one.answered)),
      h("td", { class: "wide" }, one.accuracy === null ? "not scored" : accuracy(one)),
      h("td", {}, one.interval ? `${percent(one.interval[0], 1)} to ${percent(one.interval[1], 1)}` : ""))))));
}

function accuracy({ accuracy: share, interval }) {
  const bar = h("span", { class: "interval" }, h("span", { class: "range" }), h("span", { class: "point" }));
  if (interval) {
    bar.firstChild.style.left = `${100 * interval[0]}%`;
    bar.firstChild.style.width = `${100 * (interval[1] - interval[0])}%`;
  }
  bar.lastChild.style.left = `${100 * share}%`;
  return h("span", { class: "with-meter" }, bar, percent(share, 1));
}

function questionTable(rows, open) {
  if (!rows.length) return h("p", { class: "empty" }, "No answers yet.");
  return h("table", { class: "answers-table" },
    h("thead", {}, h("tr", {}, ["Question", "Answer", "Calls"].map((head, index) => h("th", { scope: "col", class: index === 2 ? "num" : "" }, head)))),
    h("tbody", {}, rows.map((row) => h("tr", { "data-number": row.number },
      h("td", {}, h("button", { type: "button", class: "link left", onclick: () => open(row.number) }, shorten(row.question || row.id, 90))),
      h("td", {}, row.answer ?? h("span", { class: "chip warn" }, "none"), row.answer !== null && !row.decided ? h("span", { class: "chip warn" }, "undecided") : null),
      h("td", { class: "num" }, count(row.calls))))));
}

const shorten = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function heading(found) {
  return [
    h("p", { class: "question" }, found.question),
    h("p", { class: "sub" }, `${found.id} · answer ${found.answer ?? "none"}${found.decided ? "" : ", undecided"} · ${count(found.calls)} calls, ${count(found.flagged)} flagged · ${brief(found.prompt_tokens + found.completion_tokens)} tokens, ${money(found.cost_usd)} · ${duration(found.seconds)}`),
  ];
}

/** One node of the trace and all below it. */
function node(trace, depth) {
  const children = Array.isArray(trace.children) ? trace.children : [];
  const tally = Array.isArray(trace.tally) ? trace.tally : [];
  const texts = Array.isArray(trace.texts) ? trace.texts : [];
  const question = String(trace.question ?? "");
  return h("details", { class: "node", open: depth < 2 },
    h("summary", {}, h("span", { class: `kind ${kindTone(trace.kind)}` }, String(trace.kind ?? "node")),
      h("span", { class: "asked" }, shorten(question.replace(/\s+/g, " "), 110)),
      h("span", { class: "got" }, trace.answer === null || trace.answer === undefined ? "no answer" : shorten(String(trace.answer).replace(/\s+/g, " "), 60))),
    h("div", { class: "inside" },
      question.length > 110 || question.includes("\n") ? h("p", { class: "question" }, question) : null,
      trace.note ? h("p", { class: "note" }, String(trace.note)) : null,
      tally.length ? tallyBars(tally, trace.flagged ?? 0) : null,
      texts.length ? h("details", { class: "answers" }, h("summary", {}, `${texts.length} raw ${texts.length === 1 ? "answer" : "answers"}`),
        h("ol", {}, texts.map((text) => h("li", {}, h("pre", {}, String(text)))))) : null,
      children.length ? h("ul", { class: "tree" }, children.map((child) => h("li", {}, node(child, depth + 1)))) : null));
}

const kindTone = (kind) => ({ vote: "blue", answer: "blue", decomposition: "violet", choice: "violet", composition: "green" })[kind] ?? "";

function tallyBars(tally, flagged) {
  const most = Math.max(1, flagged, ...tally.map(([, votes]) => Number(votes) || 0));
  const line = (name, votes, tone) => {
    const bar = h("span", { class: `tally-bar ${tone}` }, h("span"));
    bar.firstChild.style.width = `${Math.max(1, (100 * votes) / most)}%`;
    return [h("span", { class: "name clip" }, shorten(String(name).replace(/\s+/g, " "), 60)), bar, h("span", { class: "num" }, votes)];
  };
  return h("div", { class: "tally", role: "group", "aria-label": "Votes" },
    tally.map(([name, votes], index) => line(name, Number(votes) || 0, index ? "other" : "won")),
    flagged ? line("flagged", flagged, "flag") : null);
}

function unfold(root, open) {
  for (const details of root.querySelectorAll("details.node")) details.open = open;
}
