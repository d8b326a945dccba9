// The card that names a candidate: which one, why, how much every budget leaves, and the line that exports it.

/** Gains and loss against the original, in big letters. */
function headline(candidate, target) {
  const named = [...new Set([view.axis, state.x, "latency", "size"])].slice(0, 3).map(costNamed);
  const gains = named.map(cost => html("li", {}, html("b", {},
    compared(cost, costOf(view.original, target, cost), costOf(candidate, target, cost))),
  ` ${withUnit(cost, costOf(candidate, target, cost))}`));
  const loss = natural(candidate.validation) / natural(view.original.validation) - 1;
  return html("ul", {class: "headline"}, gains, html("li", {},
    html("b", {}, `${view.metric} ${score(candidate.validation)}`),
    ` ${Number.isFinite(loss) ? signed(loss) : "-"} against ${score(view.original.validation)}`));
}

function slackTable(candidate, slack, bounds, targets) {
  const binds = bindingIn(slack), rows = Object.entries(slack).map(([name, spare]) => {
    const cost = costNamed(name);
    const own = cost ? targets.map(target => withUnit(cost, costOf(candidate, target, cost))).join(", ")
      : score(candidate.validation);
    const over = !(spare >= -TOLERANCE), wide = Math.min(Math.abs(Number.isNaN(spare) ? 1 : spare), 1);
    const bar = html("span", {class: over ? "bar over" : "bar", style: `width:${(100 * wide).toFixed(1)}%`});
    return [`${limitWords(name, bounds, targets)}`, own,
      html("span", {class: "bars"}, bar, html("span", {}, over ? `missed by ${share(-spare)}` : `${share(spare)} to spare`)),
      name === binds ? "binds first" : ""];
  });
  return table("Slack per budget", ["budget", "it has", "slack, of the limit", "note"], rows, "slack");
}

function whatIsNamed(chosen, asked) {
  const under = asked ? "Under these budgets" : "Under the run's budgets";
  if (!view.candidates.length) return "No trial has been scored yet. The original is";
  return chosen.verified || chosen === view.original ? `${under}, take`
    : `Nothing is measured yet. ${under}, by predicted costs, this one leads:`;
}

function answerCard() {
  const found = answer(), bounds = boundsInForce(), targets = targetsInForce(), parts = [];
  const {chosen} = found, asked = Object.keys(state.asked).length > 0;
  if (chosen) {
    parts.push(html("p", {class: "kicker"}, whatIsNamed(chosen, asked)),
      html("h2", {id: "named"}, chosen.id), headline(chosen, targets[0]),
      html("p", {id: "why"}, view.candidates.length ? `Why: ${found.reason}.` : "",
        found.offFront ? ` No member of the front meets the bounds; this one does (dominated in ${view.objectives.join(" and ")} only).` : "",
        found.lost ? ` The runner-up, ${found.runnerUp.id}, lost: ${found.lost}.` : ""));
  } else {
    const {closest, binding} = found;
    parts.push(html("p", {class: "kicker"}, view.candidates.length ? "No candidate meets every budget. The closest is"
      : "No trial has been scored yet. The original is"),
      html("h2", {id: "named", "data-closest": closest.id}, closest.id), headline(closest, targets[0]),
      html("p", {id: "why"}, binding !== null && missedIn(found.slack).length
        ? `What binds: ${limitWords(binding, bounds, targets)}; it misses that by ${share(-found.slack[binding])} of the limit.`
        : `It misses ${closest.missed.map(plain).join(", ")}: a budget of the run on another target.`,
      found.promising.length ? ` Predicted to meet all, but never measured: ` +
        `${found.promising.slice(0, 3).map(c => c.id).join(", ")} (search again with more search.finalists).` : ""));
  }
  const shown = chosen ?? found.closest;
  if (Object.keys(found.slack).length) parts.push(slackTable(shown, found.slack, bounds, targets));
  const looser = Object.entries(state.asked).filter(([name, bound]) => view.budgets[name] && isLooser(name, bound));
  if (looser.length)
    parts.push(html("p", {class: "soft"}, `Looser than the run's own ${looser.map(([name]) => plain(name)).join(" and ")}: ` +
      "whoever missed that one stays out. Change it in the YAML and run the search again; what is stored is judged anew."));
  if (shown.test !== null)
    parts.push(html("p", {class: "soft"}, `${view.metric} on test ${tested(shown)}: shown, not used to choose.`));
  if (shown !== view.original && shown.verified)
    parts.push(html("h3", {}, "Export it"), commandLine(command("export", shown.id, "--to", shown.id), "the export line"));
  if ((state.every || view.targets.length === 1) && view.candidates.some(c => c.verified))
    parts.push(html("h3", {}, "Ask the same in a terminal"), commandLine(questionLine(), "the question"));
  byId("answer").replaceChildren(...parts);
  byId("said").textContent = `${chosen ? "Named" : "Nobody; closest"}: ${shown.id}, ${view.metric} ${score(shown.validation)}`;
  return shown;
}

function isLooser(name, bound) {
  if (name === "accuracy_drop") return bound.value > view.budgets[name].value;
  const cost = costNamed(name), [own, run] = [bound, view.budgets[name]].map(b => limitOn(state.target, cost, b));
  return cost.higher ? own < run : own > run;
}
