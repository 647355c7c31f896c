// Any step of a run: the pegs, a scrubber over all steps, a step's tally and raw answers, its page.
//
// Steps and pegs come in small pages, when they are looked at. While the scrubber moves only its
// label follows; what it points at is fetched once it rests for a moment.

import { Pages, api, at } from "./api.js";
import { complaint, debounce, h, icon, panel } from "./dom.js";
import { count, readMove, readTally } from "./format.js";
import { Pegs } from "./pegs.js";

const FRAMES = 128;
const ROWS = 25;
const REST_MS = 90;
const SPEEDS = { "1 step/s": 1, "4 steps/s": 4, "15 steps/s": 15, "60 steps/s": 60, "whole run in a minute": 0 };

export function explorer(item, { signal, start, onstep }) {
  const { id } = item;
  const hanoi = item.task_name === "hanoi";
  const frames = new Pages((first, size) => api(`${at(id, "pegs")}?first=${first}&count=${size}`, { signal }), FRAMES, 0);
  const rows = new Pages((first, size) => api(`${at(id, "steps")}?first=${first}&count=${size}`, { signal }), ROWS, 1);
  const pegs = new Pegs();
  const detail = h("div", { class: "step-detail", "aria-live": "polite" });
  const table = h("div", { class: "scroll" });
  let end = item.steps;
  let step = Math.min(end, Math.max(0, Number.isFinite(start) ? Math.trunc(start) : end));
  let following = step >= end;
  let playing = false;

  const scrub = h("input", { type: "range", class: "scrub", min: 0, max: end, step: 1, value: step, "aria-label": "Step" });
  const exact = h("input", { type: "number", class: "exact", min: 0, max: end, value: step, "aria-label": "Go to step" });
  const total = h("span", { class: "muted" });
  const play = h("button", { type: "button", class: "icon", "aria-label": "Play", onclick: () => (playing ? pause() : run()) }, icon("play"));
  const speed = h("select", { "aria-label": "Speed" }, Object.keys(SPEEDS).map((name) => h("option", {}, name)));
  speed.value = "4 steps/s";
  const go = (label, shape, to) => h("button", { type: "button", class: "icon", "aria-label": label, title: label,
    onclick: () => { pause(); seek(to()); } }, icon(shape));

  /** Point at a step; show it once nothing newer is asked for. */
  function seek(to) {
    step = Math.min(end, Math.max(0, Math.trunc(to)));
    following = step >= end;
    label();
    settle(step);
  }
  const settle = debounce((to) => show(to, 260), REST_MS);

  function label() {
    scrub.max = exact.max = end;
    scrub.value = step;
    if (document.activeElement !== exact) exact.value = step;
    scrub.setAttribute("aria-valuetext", `step ${step} of ${end}`);
    total.textContent = `of ${count(end)}`;
  }

  async function show(to, ms) {
    try {
      if (hanoi) {
        const frame = await frames.get(to);
        if (to !== step || signal.aborted) return;
        if (frame) pegs.show(frame, ms);
      }
      onstep(to);
      await Promise.all([describe(to), list(to)]);
    } catch (error) {
      if (!signal.aborted) detail.replaceChildren(complaint(error));
    }
  }

  async function describe(to) {
    const row = to ? await rows.get(to) : null;
    if (to !== step) return;
    detail.replaceChildren(...(row ? stepCard(row) : [h("p", { class: "muted" }, to ? "Not committed yet." : "The start, before the first step.")]));
    if (!row || !(row.flagged || row.tally.includes(":") || readTally(row.tally).how)) return;
    const samples = await api(at(id, "steps", to, "samples"), { signal });
    if (to === step) detail.append(answers(samples));
  }

  let listed = -1;
  async function list(to) {
    const page = Math.floor((Math.max(1, to) - 1) / ROWS);
    const found = await rows.page(page);
    if (to !== step) return;
    if (listed !== page || found.length < ROWS || !table.firstChild) table.replaceChildren(stepTable(found, seek));
    listed = page;
    for (const line of table.querySelectorAll("tr[data-step]")) line.classList.toggle("here", Number(line.dataset.step) === to);
  }

  async function run() {
    if (step >= end) seek(0);
    playing = true;
    play.replaceChildren(icon("pause"));
    play.setAttribute("aria-label", "Pause");
    while (playing && !signal.aborted && step < end) {
      const perSecond = SPEEDS[speed.value];
      const pause_ms = perSecond ? 1000 / perSecond : 250;
      const next = Math.min(end, step + (perSecond ? 1 : Math.max(1, Math.round(end / 240))));
      try {
        const frame = hanoi ? await frames.get(next) : null;
        if (!playing || signal.aborted) break;
        step = next;
        label();
        if (frame) pegs.show(frame, Math.min(420, pause_ms * 0.8));
        if (hanoi && perSecond && next % FRAMES === FRAMES / 2) frames.get(next + FRAMES).catch(() => {});
        if (perSecond <= 4) show(next, 0); else onstep(next);
      } catch (error) {
        if (!signal.aborted) detail.replaceChildren(complaint(error));
        break;
      }
      await new Promise((done) => { setTimeout(done, pause_ms); });
    }
    pause();
  }

  function pause() {
    if (!playing) return;
    playing = false;
    play.replaceChildren(icon("play"));
    play.setAttribute("aria-label", "Play");
    following = step >= end;
    settle(step);
  }

  scrub.addEventListener("input", () => { pause(); seek(Number(scrub.value)); });
  exact.addEventListener("change", () => { pause(); seek(Number(exact.value)); });
  scrub.addEventListener("keydown", (event) => {
    const far = { PageUp: 1, PageDown: -1 }[event.key];
    const near = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (event.key === " ") { event.preventDefault(); play.click(); return; }
    if (!far && !(near && event.shiftKey)) return;
    event.preventDefault();
    pause();
    seek(step + (far ? far * Math.max(1, Math.round(end / 100)) : near * 100));
  });
  signal.addEventListener("abort", () => { playing = false; settle.cancel(); });

  const controls = h("div", { class: "controls" },
    go("First step", "first", () => 0), go("One step back", "back", () => step - 1), play, go("One step on", "on", () => step + 1), go("Last step", "last", () => end),
    speed, h("span", { class: "grow" }), h("span", { class: "row" }, h("span", { class: "muted" }, "step"), exact, total));
  const main = panel(hanoi ? "Pegs" : "Step", { class: "explorer" }, null,
    hanoi ? pegs.element : null, scrub, controls, detail);
  label();
  show(step, 0);
  return {
    main,
    table: panel("Steps", { class: "list" }, null, table),
    seek: (to) => { pause(); seek(to); },
    /** The run has gone on, or back. */
    update(now) {
      if (now.steps === end) return;
      if (now.steps < end) { frames.clear(); rows.clear(); }
      end = now.steps;
      if (following && !playing) seek(end); else { step = Math.min(step, end); label(); }
    },
  };
}

/** A step's vote in words and bars. */
export function stepCard(row) {
  const { how, votes } = readTally(row.tally);
  const most = Math.max(1, ...votes, row.flagged);
  const bar = (name, value, tone) => [h("span", { class: "name" }, name),
    h("span", { class: `tally-bar ${tone}` }, sized(h("span"), value / most)), h("span", { class: "num" }, value)];
  return [
    h("p", { class: "step-line" }, h("strong", {}, `Step ${count(row.step)}`), readMove(row.action), how && h("span", { class: "chip warn" }, how)),
    h("div", { class: "tally", role: "group", "aria-label": "Votes" },
      votes.map((value, index) => bar(index ? `other ${index}` : "chosen", value, index ? "other" : "won")),
      row.flagged ? bar("flagged", row.flagged, "flag") : null),
    h("p", { class: "sub" }, `${row.rounds} ${row.rounds === 1 ? "round" : "rounds"} · ${count(row.prompt_tokens)} tokens in, ${count(row.completion_tokens)} out${row.surplus ? ` · ${row.surplus} surplus` : ""}`),
    h("p", { class: "mono state" }, row.state),
  ];
}

function sized(element, part) {
  element.style.width = `${Math.max(1, 100 * part)}%`;
  return element;
}

function answers(samples) {
  if (!samples.length) return h("p", { class: "muted" }, "Its raw answers were not kept, or have been pruned.");
  return h("details", { class: "answers", open: true }, h("summary", {}, `${samples.length} raw answers`),
    h("ol", {}, samples.map((one) => h("li", {},
      h("div", { class: "row" }, h("span", { class: "sub" }, `#${one.draw} ${one.model}`), h("span", { class: "grow" }),
        one.flag ? h("span", { class: "chip bad" }, one.flag) : h("span", { class: "chip" }, "valid"), h("span", { class: "chip" }, one.finish)),
      h("pre", {}, one.text)))));
}

function stepTable(rows, seek) {
  const heads = ["Step", "Move", "Tally", "Votes", "Flagged", "Rounds", "Tokens", "State after it"];
  if (!rows.length) return h("p", { class: "empty" }, "No steps yet.");
  return h("table", { class: "steps" },
    h("thead", {}, h("tr", {}, heads.map((head, index) => h("th", { scope: "col", class: index > 1 && index < 7 ? "num" : "" }, head)))),
    h("tbody", {}, rows.map((row) => h("tr", { "data-step": row.step, class: row.tally.includes(":") || row.flagged ? "dissent" : "" },
      h("td", {}, h("button", { type: "button", class: "link", onclick: () => seek(row.step) }, count(row.step))),
      h("td", { class: "mono" }, row.action), h("td", { class: "num mono" }, row.tally),
      [row.votes, row.flagged || "", row.rounds, row.prompt_tokens + row.completion_tokens].map((value) => h("td", { class: "num" }, value)),
      h("td", { class: "mono clip" }, row.state)))));
}
