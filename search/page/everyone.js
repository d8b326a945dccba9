// All candidates as a table, verified ones first.

const STATUS = {original: "original", front: "on the front", dominated: "dominated", leading: "on the front so far", infeasible: "not feasible",
  unverified: "not a finalist"};

function drawEveryone() {
  const target = state.target, costs = ["latency", "size", "memory"].map(costNamed);
  if (!costs.some(cost => cost.name === view.axis)) costs.unshift(costNamed(view.axis));
  const listed = sortedBy(view.candidates, c => [c.verified ? 0 : 1, costOf(c, target, costNamed(view.axis)), c.id]);
  const head = ["id", `${view.metric}, validation`, `${view.metric}, test [95%]`,
    ...costs.flatMap(cost => [cost.title, "against the original"]), "what it is", "tied with", "origin"];
  const rows = [view.original, ...listed].map(c => {
    const tilde = isMeasured(c, target) ? "" : "~";
    const look = html("button", {type: "button", class: "link", onclick: () => { pick(c.id); openTab("choose"); byId("look").scrollIntoView(); }}, c.id);
    const row = [look, score(c.validation), tested(c), ...costs.flatMap(cost => [
      tilde + withUnit(cost, costOf(c, target, cost)),
      compared(cost, costOf(view.original, target, cost), costOf(c, target, cost)),
    ]), STATUS[groupOf(c)] + (c.missed.length ? `, misses ${c.missed.map(plain).join(", ")}` : ""), c.tied.join(", "),
    c.origin + (c.finished ? ", finished" : "") + (c.untrained ? ", untrained" : "")];
    row.style = groupOf(c);
    return row;
  });
  byId("everyone").replaceChildren(
    html("p", {class: "soft"}, `On ${target}. ~ marks what is predicted, not measured. An id opens the candidate.`),
    table("All candidates", head, rows, "lines"),
    html("div", {class: "tools"}, csvButton("candidates", "all candidates", plotRows)));
}
