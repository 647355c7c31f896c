// The pegs as a picture. A single move is animated along its arc; anything further is just shown.

import { svg } from "./dom.js";

const WIDTH = 720;
const HEIGHT = 250;
const BASE = 226;
const NAMES = ["A", "B", "C"];
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Pegs {
  constructor() {
    this.element = svg("svg", { class: "pegs", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
    this.disks = new Map();
    this.places = new Map();
    this.step = null;
  }

  centre(peg) {
    return (WIDTH / 6) * (2 * peg + 1);
  }

  build(total) {
    const tall = Math.min(20, 190 / total);
    this.tall = tall;
    const poles = NAMES.map((name, peg) => [
      svg("rect", { class: "pole", x: this.centre(peg) - 2, y: 18, width: 4, height: BASE - 18, rx: 2 }),
      svg("rect", { class: "ground", x: this.centre(peg) - 112, y: BASE, width: 224, height: 4, rx: 2 }),
      svg("text", { class: "peg-name", x: this.centre(peg), y: HEIGHT - 4, "text-anchor": "middle" }, name),
    ]);
    this.disks = new Map();
    for (let disk = 1; disk <= total; disk += 1) {
      const wide = 26 + (184 * disk) / total;
      const body = svg("rect", { class: disk % 2 ? "disk odd" : "disk even", x: -wide / 2, y: 0, width: wide,
        height: Math.max(1.5, tall - Math.min(2, tall / 5)), rx: Math.min(4, tall / 3) });
      const label = tall >= 13 ? svg("text", { class: "disk-name", y: tall / 2 + 3, "text-anchor": "middle" }, String(disk)) : null;
      this.disks.set(disk, svg("g", {}, body, label));
    }
    this.element.replaceChildren(...poles.flat(), ...this.disks.values());
    this.places = new Map();
  }

  /** Show a frame of the API; `ms` is how long a single move may take. */
  show(frame, ms = 0) {
    const total = frame.pegs.reduce((sum, peg) => sum + peg.length, 0);
    if (total !== this.disks.size) this.build(total);
    const near = this.step !== null && Math.abs(frame.step - this.step) === 1;
    const moved = [];
    frame.pegs.forEach((peg, at) => peg.forEach((disk, level) => {
      const place = [this.centre(at), BASE - this.tall * (level + 1)];
      const before = this.places.get(disk);
      if (before && (before[0] !== place[0] || before[1] !== place[1])) moved.push([disk, before, place]);
      this.places.set(disk, place);
      this.disks.get(disk).style.transform = `translate(${place[0]}px, ${place[1]}px)`;
    }));
    for (const group of this.disks.values()) group.classList.remove("moved");
    const last = Number(frame.action.split(" ")[0]);
    this.disks.get(last)?.classList.add("moved");
    if (near && moved.length === 1 && ms >= 60 && !calm.matches) this.fly(...moved[0], ms);
    this.step = frame.step;
    this.element.setAttribute("data-step", frame.step);
    this.element.setAttribute("data-pegs", frame.pegs.map((peg) => peg.join(" ")).join("|"));
    this.element.setAttribute("aria-label", `Pegs after step ${frame.step}. ${frame.pegs.map((peg, at) =>
      `${NAMES[at]}: ${peg.length ? peg.join(", ") : "empty"}`).join(". ")}.`);
  }

  fly(disk, from, to, ms) {
    const spot = ([x, y]) => ({ transform: `translate(${x}px, ${y}px)` });
    this.disks.get(disk).animate([spot(from), spot([from[0], 2]), spot([to[0], 2]), spot(to)],
      { duration: ms, easing: "ease-in-out" });
  }
}
