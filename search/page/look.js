// One candidate from close by, or two side by side: costs, layers, and how each came to be.

function costTable(candidates) {
  const target = state.target, reference = view.original;
  const tilde = candidate => (isMeasured(candidate, target) ? "" : "~");
  const head = ["cost", "original", ...candidates.flatMap(c => [c.id, "against the original", "predicted (off by)"])];
  const ends = (candidate, cost) => (cost.name === "latency" ? intervalOf(candidate) : "");
  const scores = [
    [`${view.metric} on validation`, score(reference.validation), ...candidates.flatMap(c =>
      [score(c.validation), changeOf(c.validation, reference.validation), ""])],
    [`${view.metric} on test [95%]`, tested(reference), ...candidates.flatMap(c =>
      [tested(c), c.test === null ? "" : changeOf(c.test, reference.test), ""])],
  ];
  const costs = view.costs.map(cost => {
    const own = costOf(reference, target, cost);
    return [cost.estimated ? `${cost.title} (estimated)` : cost.title,
      tilde(reference) + withUnit(cost, own) + ends(reference, cost),
      ...candidates.flatMap(c => {
        const value = costOf(c, target, cost), predicted = c.predicted[target][cost.place];
        const off = isMeasured(c, target) && value ? ` (${signed(predicted / value - 1)})` : "";
        return [tilde(c) + withUnit(cost, value) + ends(c, cost), compared(cost, own, value),
          withUnit(cost, predicted) + off];
      })];
  });
  return {head, rows: [...scores, ...costs]};
}

const changeOf = (value, reference) => signed(natural(value) / natural(reference) - 1).replace("NaN%", "-");

/** How a candidate came to be: proposed, trained rung by rung, finished, measured, tested. */
function historyOf(candidate) {
  const rows = [], {trial, finished} = candidate, latency = view.costs[0];
  const scores = (validation, divergence) => [score(validation), divergence === null ? "-" : number(divergence)];
  const predicted = withUnit(latency, candidate.predicted[state.target][0]);
  rows.push([trial ? `proposed as trial ${trial.number}` : "proposed", "", "", `${candidate.origin}; predicted ${predicted}`]);
  for (const [steps, validation, divergence] of trial?.rungs ?? [])
    rows.push([`rung of ${steps} steps`, ...scores(validation, divergence), "went on"]);
  if (trial)
    rows.push([trial.steps === null ? "whole training" : `after ${trial.steps} steps`,
      ...scores(trial.validation, trial.divergence),
      candidate.untrained ? "kept as it was built: fine-tuning was not needed or made it no better"
        : `${number(trial.seconds)} s of training and scoring`]);
  if (finished)
    rows.push([`finished: ${finished.steps} further steps`, ...scores(finished.validation, finished.divergence),
      finished.shards > 1 ? `the average of ${finished.shards} shards` : "distilled for longer"]);
  if (isMeasured(candidate, state.target))
    rows.push(["measured", "", "", `${withUnit(latency, costOf(candidate, state.target, latency))}${intervalOf(candidate)} on ${state.target}`]);
  if (candidate.test !== null) rows.push(["scored on test", tested(candidate), "", "once, decides nothing"]);
  return [["when", view.metric, "divergence (nats)", "note"], ...rows];
}

function portrait(candidate) {
  const verdict = candidate.feasible ? "meets every budget of the run"
    : `misses ${candidate.missed.map(plain).join(", ")}`;
  const title = candidate === view.original ? "the unchanged model" : `${GROUPS[groupOf(candidate)]}; ${verdict}`;
  const [head, ...rows] = historyOf(candidate);
  const tied = candidate.tied.length ? ` Statistically tied with ${candidate.tied.join(", ")}.` : "";
  const parts = [html("h3", {}, candidate.id), html("p", {}, `${title}.${tied}`)];
  if (candidate !== view.original) {
    parts.push(candidate.verified ? commandLine(command("export", candidate.id, "--to", candidate.id), `for ${candidate.id}`)
      : html("p", {class: "soft"}, view.candidates.some(c => c.verified)
        ? "It was not among the finalists: its costs are predicted, its weights were not kept."
        : "Nothing is measured yet: its costs are predicted."));
    parts.push(html("h4", {}, "Layer by layer"), layersPicture(candidate),
      html("h4", {}, "How it came to be"), table(`How ${candidate.id} came to be`, head, rows),
      html("div", {class: "tools"},
        csvButton(`history-${candidate.id}`, `how ${candidate.id} came to be`, () => historyOf(candidate))));
  }
  return html("article", {}, parts);
}

function drawLook(named) {
  const first = candidateNamed(state.picked) ?? named, second = candidateNamed(state.other);
  const several = second && second !== first ? [first, second] : [first];
  const {head, rows} = costTable(several.filter(c => c !== view.original));
  const name = `costs-${several.map(c => c.id).join("-")}`, title = `Every cost of ${several.map(c => c.id).join(" and ")} on ${state.target}`;
  byId("looked").replaceChildren(
    html("h3", {}, title), table(title, head, rows),
    html("div", {class: "tools"}, csvButton(name, title, () => [head, ...rows]),
      html("span", {class: "soft"}, "~ predicted, not measured")),
    html("div", {class: several.length > 1 ? "two" : "one"}, several.map(portrait)));
  fillChoices(first, second);
}

/** The two choices of whom to look at: everyone who was verified, and whoever is looked at. */
function fillChoices(first, second) {
  const listed = sortedBy([view.original, ...view.candidates.filter(c => c.verified || c.fronts.length || c === first || c === second)],
    c => [c === view.original ? 0 : ["front", "leading"].includes(groupOf(c)) ? 1 : 2, costOf(c, state.target, costNamed(view.axis))]);
  const option = (chosen, value, text) => html("option", {value, selected: chosen}, text);
  const choices = found => listed.map(c =>
    option(c === found, c.id, c === view.original ? c.id : `${c.id} (${GROUPS[groupOf(c)]})`));
  byId("picked").replaceChildren(option(!state.picked, "", "the one named above"),
    ...choices(state.picked ? first : null));
  byId("other").replaceChildren(option(!second, "", "nobody"), ...choices(second));
}

/** Looks at a candidate, or with `beside` compares it with the one that is looked at. */
function pick(id, beside = false) {
  if (beside && id !== state.picked) state.other = id;
  else state.picked = id;
  lookChanged();
}
