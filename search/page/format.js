"use strict";
// How numbers are written: the words of search/wording.py, so that page, terminal and plot agree.

/** Three significant digits, never in scientific notation. */
function number(value) {
  const rounded = Number(value.toPrecision(3));
  if (!Number.isFinite(rounded)) return "-";
  if (rounded === 0) return "0";
  return value.toFixed(Math.max(2 - Math.floor(Math.log10(Math.abs(rounded))), 0));
}

/** A cost with its unit; `cost` is an entry of `view.costs`. */
const withUnit = (cost, value) => number(value / cost.scale) + cost.unit;

/** What the metric itself is: a perplexity is kept as its inverse, so that more is better. */
const natural = value => (view.inverted ? 1 / value : value);

function score(value) {
  if (value === null || Number.isNaN(value)) return "-";
  const shown = natural(value);
  if (!view.inverted) return shown.toFixed(3);
  return shown < 1000 ? shown.toFixed(2) : number(shown);
}

function tested(candidate) {
  if (candidate.test === null) return "-";
  const ends = candidate.testInterval.map(score);
  return `${score(candidate.test)} [${(view.inverted ? ends.reverse() : ends).join(", ")}]`;
}

/** How many times better than the original; below one when worse. */
function ratio(cost, reference, value) {
  if (!(value > 0) || !(reference > 0)) return "-";
  const times = cost.higher ? value / reference : reference / value;
  return `${times < 9.995 ? times.toFixed(2) : times.toFixed(1)}x`;
}

function compared(cost, reference, value) {
  if (value === reference) return "equal";
  if (value < reference !== cost.higher) return `${ratio(cost, reference, value)} ${cost.better}`;
  return `${ratio(cost, value, reference)} ${cost.worse}`;
}

const share = value => `${(100 * value).toFixed(1)}%`;
const signed = value => `${value > 0 ? "+" : ""}${share(value)}`;
const plain = name => name.replaceAll("_", " ");
const counted = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

/** A word of a shell's command line. */
const quoted = text => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`);
