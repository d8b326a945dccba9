// Which candidate to take under which budgets: the rule of search/select.py and preference.py, without a preference.

/** Sorts by several keys, each the less the better. */
function sortedBy(items, keys) {
  const compare = (a, b) => {
    const one = keys(a), other = keys(b);
    for (let place = 0; place < one.length; place++) {
      if (one[place] < other[place]) return -1;
      if (one[place] > other[place]) return 1;
    }
    return 0;
  };
  return [...items].sort(compare);
}

const minimisedOn = (candidate, target, cost) => (cost.higher ? -1 : 1) * costOf(candidate, target, cost);
const areTied = (one, other) => one.tied.includes(other.id) || other.tied.includes(one.id);

/** The front of a target, cheapest first; before anything is measured, the one that there is by prediction. */
function membersOn(target) {
  const axis = costNamed(view.axis);
  const members = view.candidates.filter(c => c.fronts.includes(target));
  return sortedBy(members, c => [minimisedOn(c, target, axis), c.id]);
}

/** The most accurate on validation, of those that are statistically tied with it the cheapest; why, in words. */
function ranked(pool, target) {
  const axis = costNamed(view.axis);
  if (pool.length === 1) return {order: pool, reason: "the only one that meets the bounds"};
  const accurate = sortedBy(pool, c => [-c.validation, minimisedOn(c, target, axis), c.id]), best = accurate[0];
  const group = sortedBy([best, ...accurate.slice(1).filter(c => areTied(best, c))],
    c => [minimisedOn(c, target, axis), -c.validation, c.id]);
  const chosen = group[0], order = [chosen, ...accurate.filter(c => c !== chosen)];
  const whole = `${pool.length} that meet the bounds`;
  if (chosen === best) {
    const tied = `, and the ${axis.best} of the ${group.length} that are statistically tied with it`;
    return {order, reason: `the most accurate on validation of ${whole}${group.length > 1 ? tied : ""}`};
  }
  const reason = `the ${axis.best} of the ${group.length} that are statistically tied with ${best.id}, ` +
    `the most accurate on validation of ${whole}`;
  return {order, reason};
}

/** Why the runner-up isn't the first. */
function lostBy(winner, other, target) {
  const axis = costNamed(view.axis), difference = natural(other.validation) - natural(winner.validation);
  const against = compared(axis, costOf(winner, target, axis), costOf(other, target, axis));
  const words = [
    difference ? `${Math.abs(difference).toFixed(3)} ${difference > 0 ? "more" : "less"} ${view.metric} on validation`
      : `equal ${view.metric} on validation`,
    against === "equal" ? `equal ${plain(view.axis)}` : against,
  ];
  if (areTied(winner, other)) words.push("statistically tied with the winner");
  if (view.axis === "latency") {
    const [a, b] = [winner, other].map(c => costsOn(c, target));
    if (a[LOW] <= b[HIGH] && b[LOW] <= a[HIGH]) words.push("the latency intervals of the two overlap");
  }
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/**
 * What `greenfront select` answers under `bounds` on `targets`, of which the first decides.
 *
 * `chosen` is null where nothing meets them; then `closest` is who comes nearest, and `binding` what it misses.
 */
function selection(bounds, targets) {
  const slack = candidate => slackOf(candidate, bounds, targets);
  const meeting = candidates => candidates.filter(c => missedIn(slack(c)).length === 0);
  const members = membersOn(targets[0]).filter(c => c.feasible);
  const others = view.candidates.filter(c => c.verified && c.feasible && !members.includes(c));
  let pool = meeting(members), offFront = false;
  if (!pool.length) {
    pool = meeting(others);
    offFront = pool.length > 0;
  }
  if (pool.length) {
    const {order, reason} = ranked(pool, targets[0]);
    const lost = order.length > 1 ? lostBy(order[0], order[1], targets[0]) : null;
    return {chosen: order[0], reason, runnerUp: order[1] ?? null, lost, offFront, slack: slack(order[0])};
  }
  if (!missedIn(slack(view.original)).length) {
    const reason = "no compressed candidate meets the bounds, only the unchanged model does";
    return {chosen: view.original, reason, runnerUp: null, lost: null, offFront, slack: slack(view.original)};
  }
  const verified = view.candidates.filter(c => c.verified);
  const field = verified.length ? verified : view.candidates.length ? view.candidates : [view.original];
  const closest = sortedBy(field, c => [-leastOf(slack(c)), -sortable(c.validation)])[0];
  const promising = view.candidates.filter(c => !c.verified && !missedIn(slack(c)).length);
  const missed = slack(closest);
  return {chosen: null, closest, slack: missed, binding: bindingIn(missed), promising};
}
