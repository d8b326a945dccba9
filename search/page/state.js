// What is asked of the page at the moment, and what follows from it.

const LOW = view.costs.length, HIGH = LOW + 1;  // places of the latency interval behind the costs

const state = {
  target: view.targets[0],
  every: view.targets.length > 1,  // as on the command line: bounds hold on every target, the first one decides
  x: view.axis,
  y: "validation",
  low: false,
  asked: {},       // bounds that were moved, by name, in place of the run's
  picked: null,    // who is looked at; null: whoever is named
  other: null,     // whom that one is compared with
};

const targetsInForce = () => (state.every ? view.targets : [state.target]);
const boundsInForce = () => ({...view.budgets, ...state.asked});
const answer = () => selection(boundsInForce(), targetsInForce());
const candidateNamed = id => view.byId.get(id);
const scoreOf = candidate => (state.y === "test" ? candidate.test : candidate.validation);

/** The bound on a cost at a value, as it would be typed: what the text says is what holds. */
function boundAt(cost, value) {
  const text = number(value / cost.scale);
  return {value: Number(text) * cost.scale, relative: false, text: text + cost.unit};
}

/** The loss of accuracy that a floor allows, in hundredths of a per cent; none is less than the least of them. */
function dropAt(floor) {
  const original = view.original.validation;
  const percent = Math.min(Math.max((100 * (original - floor)) / Math.abs(original), 0.01), 99.99).toFixed(2);
  return {value: Number(percent) / 100, relative: true, text: `${Number(percent)}%`};
}

/** A command about the run, where it lies now. */
const command = (verb, ...words) => ["greenfront", verb, quoted(byId("folder").value), ...words].join(" ");

/** The folder as the run was started with, or where the page lies now when that is elsewhere. */
function runFolder() {
  if (location.protocol !== "file:") return view.run;
  const here = decodeURIComponent(location.pathname).replace(/^\/([A-Za-z]:)/, "$1").replace(/\/[^/]*$/, "");
  return here === view.folder ? view.run : here;
}

const questionLine = () => command("select", ...Object.entries(state.asked).map(([name, bound]) =>
  `--${name.replaceAll("_", "-")} ${quoted(bound.text.replaceAll(" ", ""))}`));

const groupOf = candidate => {
  if (candidate === view.original) return "original";
  if (!candidate.verified) return candidate.fronts.includes(state.target) ? "leading" : "unverified";
  if (candidate.fronts.includes(state.target)) return "front";
  return candidate.feasible ? "dominated" : "infeasible";
};

const GROUPS = {
  rejected: "rejected: over a budget by prediction, never trained", stopped: "stopped on a rung",
  get unverified() {
    return `trained${view.candidates.some(c => c.verified) ? ", not among the finalists" : ""} (costs predicted)`;
  },
  infeasible: "misses a budget of the run",
  dominated: "dominated", leading: "on the front so far (costs predicted)", front: "Pareto front", original: "original",
};
const SYMBOLS = {stopped: "triangle", unverified: "circle", infeasible: "cross", dominated: "circle", leading: "circle",
  front: "circle",
  original: "star"};
const SIZES = {stopped: 3, unverified: 3.5, infeasible: 4, dominated: 4.5, leading: 5.5, front: 6, original: 6};
