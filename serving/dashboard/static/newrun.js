// The dialog that makes a run: the usual settings as fields, everything else as JSON.

import { api, at } from "./api.js";
import { h } from "./dom.js";

function field(name, label, props = {}, hint = "") {
  const id = `new-${name}`;
  const control = props.options
    ? h("select", { id, name }, props.options.map((option) => h("option", {}, option)))
    : h(props.rows ? "textarea" : "input", { id, name, spellcheck: "false", autocomplete: "off", ...props });
  return h("div", { class: "field" }, h("label", { for: id }, label), control, hint && h("span", { class: "hint" }, hint));
}

function readJson(text, what) {
  if (!text.trim()) return {};
  try {
    const value = JSON.parse(text);
    if (value && typeof value === "object" && !Array.isArray(value)) return value;
  } catch { /* told below */ }
  throw new Error(`${what} must be a JSON object`);
}

/** What the form asks for, in the API's terms. */
function description(form) {
  const given = Object.fromEntries(new FormData(form));
  const options = {};
  if (given.model.trim()) options.model = given.model.trim().split(/\s+/);
  if (given.k.trim()) options.k = given.k.trim();
  if (given.speculate !== "none") options.speculate = given.speculate;
  for (const name of ["budget_tokens", "budget_usd", "budget_seconds"]) if (given[name]) options[name] = Number(given[name]);
  Object.assign(options, readJson(given.options, "Options"));
  const task = given.task.trim() ? readJson(given.task, "The task") : { name: "hanoi", disks: Number(given.disks) };
  return { task, options, ...(given.name.trim() ? { name: given.name.trim() } : {}) };
}

export function newRunDialog() {
  const told = h("p", { class: "complaint", role: "alert", hidden: true });
  const start = h("button", { class: "primary" }, "Start");
  const form = h("form", {},
    h("h2", { id: "new-title" }, "New run"),
    h("div", { class: "fields" },
      field("disks", "Disks of Hanoi", { type: "number", min: 1, max: 64, value: "8", required: true }, "2ⁿ − 1 steps"),
      field("model", "Model", { placeholder: "embedded" }, "a spec; several share the votes"),
      field("k", "Margin k", { placeholder: "3", pattern: "[0-9]+|auto" }, "a number, or auto"),
      field("speculate", "Speculation", { options: ["none", "self", "draft"] }),
      field("budget_tokens", "Token budget", { type: "number", min: 1 }),
      field("budget_usd", "Dollar budget", { type: "number", min: 0, step: "any" }),
      field("budget_seconds", "Seconds budget", { type: "number", min: 0, step: "any" }),
      field("name", "Name", { pattern: "[A-Za-z0-9][A-Za-z0-9_\\-]*", placeholder: "made up for you" })),
    h("details", {}, h("summary", {}, "More"),
      field("task", "Another task (JSON)", { rows: 2, placeholder: '{"name": "hanoi", "disks": 8, "goal": 1}' }),
      field("options", "More options (JSON)", { rows: 2, placeholder: '{"variants": 6, "max_votes": 200}' })),
    told,
    h("div", { class: "row end" }, h("button", { type: "button", onclick: () => dialog.close() }, "Close"), start));
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "new-title" }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    start.disabled = true;
    told.hidden = true;
    try {
      const made = await api("", { method: "POST", body: description(form) });
      dialog.close();
      location.hash = `#${at("runs", made.id)}`;
    } catch (error) {
      told.textContent = error.message;
      told.hidden = false;
    }
    start.disabled = false;
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
