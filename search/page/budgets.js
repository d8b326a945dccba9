// How far a candidate is from its budgets, in shares of each limit: the rules of search/slack.py.

const TOLERANCE = 1e-9;

const costNamed = name => view.costs.find(cost => cost.name === name);
const costsOn = (candidate, target) => candidate.cost?.[target] ?? candidate.predicted[target];
const costOf = (candidate, target, cost) => costsOn(candidate, target)[cost.place];
const isMeasured = (candidate, target) => candidate.cost?.[target] !== undefined;

/** The measured latency's interval in brackets, nothing where it is a prediction. */
function intervalOf(candidate) {
  if (!isMeasured(candidate, state.target)) return "";
  const own = costsOn(candidate, state.target);
  return ` [${number(own[LOW])}, ${number(own[HIGH])}]`;
}

/** The bound in its cost's unit; a relative one refers to the original on that target. */
const limitOn = (target, cost, bound) =>
  bound.relative ? bound.value * costOf(view.original, target, cost) : bound.value;

/** The least score each budget on quality allows. */
function floorsOf(bounds) {
  const floors = {}, original = view.original.validation;
  if (bounds.accuracy_drop) floors.accuracy_drop = original - bounds.accuracy_drop.value * Math.abs(original);
  if (bounds.accuracy) floors.accuracy = bounds.accuracy.value;
  return floors;
}

/** The slack per bound, negative when missed; costs have to hold on every one of `targets`. */
function slackOf(candidate, bounds, targets) {
  const slack = {};
  for (const cost of view.costs) {
    const bound = bounds[cost.name];
    if (!bound) continue;
    slack[cost.name] = Math.min(...targets.map(target => {
      const limit = limitOn(target, cost, bound), value = costOf(candidate, target, cost);
      return (cost.higher ? value - limit : limit - value) / (Math.abs(limit) || 1);
    }));
  }
  for (const [name, floor] of Object.entries(floorsOf(bounds)))
    slack[name] = (candidate.validation - floor) / (Math.abs(floor) || 1);
  return slack;
}

const sortable = value => (Number.isNaN(value) ? -Infinity : value);
const missedIn = slack => Object.keys(slack).filter(name => !(slack[name] >= -TOLERANCE));
const leastOf = slack => Math.min(Infinity, ...Object.values(slack).map(sortable));

/** The name with the least slack, null without budgets. */
function bindingIn(slack) {
  let found = null;
  for (const name of Object.keys(slack))
    if (found === null || sortable(slack[name]) < sortable(slack[found])) found = name;
  return found;
}

/** A bound in words: `latency at most 3.86 ms on laptop (45% of the original)`. */
function limitWords(name, bounds, targets) {
  const bound = bounds[name], floors = floorsOf(bounds);
  if (name in floors) {
    const word = view.inverted ? "at most" : "at least";
    return `${plain(name)} ${bound.text}: ${word} ${score(floors[name])} on validation`;
  }
  const cost = costNamed(name), most = `${plain(name)} ${cost.higher ? "at least" : "at most"}`;
  if (!bound.relative) return `${most} ${withUnit(cost, bound.value)}`;
  const limits = targets.map(target => `${withUnit(cost, limitOn(target, cost, bound))} on ${target}`);
  return `${most} ${limits.join(", ")} (${bound.text} of the original)`;
}
