// Elements from text. Nothing here, or anywhere on the page, makes markup out of a string: the page's policy forbids it.

const byId = (id) => document.getElementById(id);

/** An element with properties and children; strings become text. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

const UNKNOWN = "n/a";

const show = {
  latency_ms: (ms) =>
    ms == null ? UNKNOWN : Math.round(ms) >= 1000 ? `${(ms / 1000).toPrecision(3)} s` : `${ms < 10 ? ms.toFixed(2) : ms.toPrecision(3)} ms`,
  cost_usd: (usd) => (usd == null ? UNKNOWN : usd === 0 ? "$0" : `$${Number(usd.toPrecision(2))}`),
  score: (score) => (score == null ? UNKNOWN : String(Math.round(score * 1000) / 1000)),
  count: (n) => n.toLocaleString("en"),
};

/** How many of a thing, with its noun. */
const counted = (n, one) => `${show.count(n)} ${n === 1 ? one : `${one}s`}`;

/** A kept text: its beginning, and how long it really is where it was cut. */
const textOf = (kept) => (kept == null ? "" : typeof kept === "string" ? kept : kept.text);
const cutAt = (kept) => (kept !== null && typeof kept === "object" ? kept.chars : 0);

function remembered(key, value) {
  try {
    if (value === undefined) return localStorage.getItem(`evalkit.${key}`);
    localStorage.setItem(`evalkit.${key}`, value);
  } catch {
    // A page opened from a disk may have no storage: the choice then lasts as long as the page.
  }
  return null;
}
