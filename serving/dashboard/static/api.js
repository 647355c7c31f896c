// Talking to the server: JSON, event streams, and the API key, asked for once and kept for the tab.

import { h } from "./dom.js";

const STORED = "reason-api-key";
let asking = null;

function headers(body) {
  const key = sessionStorage.getItem(STORED);
  return {
    ...(key ? { Authorization: `Bearer ${key}` } : {}),
    ...(body === undefined ? {} : { "Content-Type": "application/json" }),
  };
}

/** Whoever meets a 401 waits for the one dialog that asks for the key. */
function askForKey() {
  asking ??= new Promise((resolve) => {
    const input = h("input", { type: "password", id: "api-key", autocomplete: "off", required: true });
    const dialog = h("dialog", { class: "dialog", "aria-labelledby": "key-title" },
      h("form", { method: "dialog" },
        h("h2", { id: "key-title" }, "API key"),
        h("p", { class: "muted" }, "This server wants a key. It is kept until this tab is closed."),
        h("label", { for: "api-key" }, "Key"), input,
        h("div", { class: "row end" }, h("button", { class: "primary" }, "Continue"))));
    dialog.addEventListener("close", () => {
      sessionStorage.setItem(STORED, input.value.trim());
      dialog.remove();
      asking = null;
      resolve();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}

async function send(path, { method = "GET", body, signal } = {}) {
  for (;;) {
    const sent = headers(body);
    const response = await fetch(`/api/runs${path}`, {
      method, signal, headers: sent, body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (response.status !== 401) return response;
    const stored = headers().Authorization;
    if (stored === sent.Authorization) await askForKey();
    signal?.throwIfAborted();
  }
}

/** What is wrong, in one line, whatever form the server gave it. */
async function reasonFor(response) {
  try {
    const { detail, error } = await response.json();
    if (typeof detail === "string") return detail;
    if (Array.isArray(detail)) return detail.map((one) => `${(one.loc ?? []).slice(1).join(".")}: ${one.msg}`).join("; ");
    if (error?.message) return error.message;
  } catch { /* no JSON: the status must do */ }
  return `the server answered ${response.status}`;
}

/** A JSON answer of the runs API; throws an Error with one line. */
export async function api(path, options) {
  const response = await send(path, options);
  if (!response.ok) throw new Error(await reasonFor(response));
  return response.json();
}

/** Server-sent events as `[name, data]`, until the stream or the signal ends. */
export async function* events(path, signal) {
  const response = await send(path, { signal });
  if (!response.ok) throw new Error(await reasonFor(response));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (text + value).split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const lines = part.split("\n");
      const field = (name) => lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2)).join("\n");
      if (field("data")) yield [field("event") || "message", JSON.parse(field("data"))];
    }
  }
}

/** A path of the API from its parts. */
export const at = (...parts) => `/${parts.map((part) => encodeURIComponent(part)).join("/")}`;

/** Rows fetched in aligned pages, of which the last few are kept; never more than a page a time. */
export class Pages {
  constructor(load, size, first = 1, keep = 24) {
    Object.assign(this, { load, size, first, keep, pages: new Map() });
  }

  /** The row of a step; undefined where there is none (yet). */
  async get(step) {
    const page = Math.floor((step - this.first) / this.size);
    return (await this.page(page))[(step - this.first) % this.size];
  }

  /** A whole page. One that is not full may still grow, and is not kept. */
  page(page) {
    const known = this.pages.get(page);
    if (known) {
      this.pages.delete(page);
      this.pages.set(page, known);
      return known;
    }
    const loading = this.load(this.first + page * this.size, this.size);
    this.pages.set(page, loading);
    if (this.pages.size > this.keep) this.pages.delete(this.pages.keys().next().value);
    const drop = () => { if (this.pages.get(page) === loading) this.pages.delete(page); };
    loading.then((rows) => { if (rows.length < this.size) drop(); }, drop);
    return loading;
  }

  clear() {
    this.pages.clear();
  }
}
