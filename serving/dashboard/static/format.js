// Numbers as people read them.

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

export const count = (n) => whole.format(n);
export const brief = (n) => (Math.abs(n) < 10000 ? whole.format(n) : short.format(n));
export const fixed = (n, digits = 2) => n.toFixed(digits);
export const percent = (n, digits = 2) => `${(100 * n).toFixed(digits)}%`;

export function money(usd) {
  if (usd === null || usd === undefined) return "unknown";
  return `$${usd.toFixed(usd && usd < 0.01 ? 5 : 2)}`;
}

export function rate(n) {
  return n >= 100 ? whole.format(n) : n.toFixed(n >= 10 ? 1 : 2);
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function moment(iso) {
  const date = new Date(iso);
  if (!iso || Number.isNaN(date.getTime())) return "";
  const pad = (n) => String(n).padStart(2, "0");
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${pad(date.getHours())}:${pad(date.getMinutes())}`;
}

const HOW = { p: "by plurality", e: "escalated", v: "asked in other ways" };

/** `p4:1` as votes by candidate and how the step was decided, if not by votes alone. */
export function readTally(tally) {
  const how = HOW[tally[0]] ?? "";
  const votes = (how ? tally.slice(1) : tally).split(":").map(Number).filter(Number.isFinite);
  return { how, votes };
}

/** `1 A C` as words. */
export function readMove(action) {
  const [disk, from, to, more] = action.split(" ");
  return to && !more ? `disk ${disk} from ${from} to ${to}` : action;
}
