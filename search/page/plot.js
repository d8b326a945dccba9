// The front: score against one cost. Points can be pointed at, clicked, and walked through with the arrow keys.

const SPREAD = 6;  // an axis on which what is shown differs by more than this factor is logarithmic
const plot = {};

function costScale(cost, from, to) {
  const everyone = [view.original, ...view.candidates, ...view.others];
  const values = everyone.map(each => costOf(each, state.target, cost));
  const bound = boundsInForce()[cost.name];
  if (bound && !state.asked[cost.name]) values.push(limitOn(state.target, cost, bound));
  const [least, most] = values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  if (least > 0 && most > SPREAD * least) return scaleOf(least / 1.3, 1.3 * most, from, to, true);
  return scaleOf(0, most > 0 ? 1.12 * most : 1, from, to);
}

/** Scores worth looking at: original, front and budgets, and as much again below; with `state.low` all of them. */
function scoreScale(from, to) {
  const groups = ["front", "leading", "dominated", "infeasible"];
  const found = groups.map(group => view.candidates.filter(c => groupOf(c) === group));
  const shown = found.find(members => members.length) ?? [];
  const known = [view.original, ...(state.low ? [...view.candidates, ...view.others] : shown)].map(scoreOf)
    .concat(state.y === "test" ? [] : Object.values(floorsOf(view.budgets)))
    .filter(value => value !== null && !Number.isNaN(value));
  const high = Math.max(...known), low = Math.min(...known), span = Math.max(high - low, 0.01);
  return scaleOf(low - (state.low ? 0.05 * span : span), high + 0.25 * span, from, to);
}

const labelOf = (candidate, cost) => {
  const value = withUnit(cost, costOf(candidate, state.target, cost)), tilde = isMeasured(candidate, state.target);
  const said = `${view.metric} ${score(scoreOf(candidate))}, ${tilde ? "" : "about "}${value}, ` +
    `${groupOf(candidate) === "front" ? "on the front" : GROUPS[groupOf(candidate)]}`;
  return `${candidate.id}: ${said}`;
};

function noteLines(each, cost) {
  const at = `${withUnit(cost, costOf(each, state.target, cost))}, ` +
    compared(cost, costOf(view.original, state.target, cost), costOf(each, state.target, cost));
  if (each.state) return [`trial ${each.number}, ${each.id}: ${each.state}`, `${each.origin}; predicted ${at}`,
    ...(each.reason ? [each.reason] : [])];
  const latency = `latency ${withUnit(view.costs[0], costsOn(each, state.target)[0])}${intervalOf(each)}`;
  return [`${each.id}: ${GROUPS[groupOf(each)]}`,
    `${view.metric} ${score(each.validation)} on validation, ${tested(each)} on test`,
    `${isMeasured(each, state.target) ? "" : "predicted "}${at}`,
    ...(cost.name !== "latency" || intervalOf(each) ? [latency] : []),
    ...(each.missed.length ? [`misses ${each.missed.map(plain).join(", ")}`] : []),
    ...(each.tied.length ? [`statistically tied with ${each.tied.join(", ")}`] : [])];
}

function drawPlot() {
  const frame = byId("plot"), width = Math.max(frame.clientWidth, 280);
  const size = {width, height: Math.round(Math.min(540, Math.max(340, 0.62 * width)))};
  const cost = costNamed(state.x), [left, right] = [MARGIN.left, size.width - MARGIN.right];
  const x = costScale(cost, left, right), y = scoreScale(size.height - MARGIN.bottom, MARGIN.top);
  const seen = [...view.candidates.filter(c => c.verified === false), ...view.candidates.filter(c => c.verified),
    view.original].filter(c => scoreOf(c) !== null && y.holds(scoreOf(c)) && x.holds(costOf(c, state.target, cost)));
  const order = Object.keys(GROUPS);
  const shown = seen.sort((a, b) => order.indexOf(groupOf(a)) - order.indexOf(groupOf(b)));
  const place = each => [x.at(costOf(each, state.target, cost)), y.at(scoreOf(each))];
  Object.assign(plot, {size, cost, x, y, place, spots: shown.map(c => [...place(c), c])});

  const stopped = state.y === "test" ? [] : view.others
    .filter(each => each.validation !== null && y.holds(each.validation)).map(each => {
      const [px, py] = place(each);
      plot.spots.push([px, py, each]);
      return svg("path", {class: "point stopped", d: outline("triangle", 3), transform: `translate(${px} ${py})`});
    });
  const foot = size.height - MARGIN.bottom;
  const rug = view.others.filter(each => each.validation === null).map(each => {
    const px = x.at(costOf(each, state.target, cost));
    plot.spots.push([px, foot - 5, each]);
    return svg("line", {class: "rejected", x1: px, x2: px, y1: foot - 9, y2: foot});
  });
  const points = shown.map(c => svg("path", {
    class: `point ${groupOf(c)}`, role: "option", id: `point-${c.id}`, "data-id": c.id, "aria-label": labelOf(c, cost),
    "aria-selected": "false", d: outline(SYMBOLS[groupOf(c)], SIZES[groupOf(c)]),
    transform: `translate(${place(c).join(" ")})`,
  }));
  plot.list = svg("g", {
    role: "listbox", tabindex: "0", "aria-label": "Candidates: arrow keys walk, Enter looks closer", id: "points",
    onkeydown: walkPoints, onfocus: () => activate(plot.active ?? shown.at(-1)),
    onblur: () => plot.focus.replaceChildren(),
  }, points);
  plot.focus = svg("g", {class: "focus", "aria-hidden": "true"});
  plot.rings = svg("g", {class: "rings", "aria-hidden": "true"});
  plot.shades = svg("g", {class: "shades", "aria-hidden": "true"});
  plot.handles = svg("g", {class: "handles"});
  const clip = svg("clipPath", {id: "plot-clip"}, svg("rect", {
    x: left, y: 0, width: right - left, height: foot,
  }));
  const scaled = {...x, low: x.low / cost.scale, high: x.high / cost.scale, holds: v => x.holds(v * cost.scale)};
  const xTicks = wordedTicks(scaled, ticksAcross(size)).map(([value, text]) => [value * cost.scale, text]);
  const yTicks = view.inverted ? ticksOf(y, 6).map(value => [value, value > 0 ? score(value) : ""]) : undefined;
  plot.picture = svg("svg", {
    viewBox: `0 0 ${size.width} ${size.height}`, width: size.width, height: size.height, role: "group",
    "aria-label": `${view.metric} against ${cost.title} on ${state.target}`,
  }, clip,
  axesOf(x, y, size, {x: `${cost.title} (${cost.axisUnit}) on ${state.target}`, y: `${view.metric} on ${state.y}`},
    {xTicks, yTicks}),
  plot.shades,
  svg("g", {"clip-path": "url(#plot-clip)", "aria-hidden": "true"}, rug, stopped, staircase(), intervals(shown)),
  plot.rings, plot.list, plot.focus, svg("g", {"aria-hidden": "true"}, labels(shown)), plot.handles);
  plot.picture.addEventListener("click", event => {
    const box = frame.getBoundingClientRect();
    const found = nearest(plot.spots, event.clientX - box.left, event.clientY - box.top, 24);
    if (found && !found.state && !event.target.closest("[role=slider]")) pick(found.id, event.shiftKey);
  });
  frame.replaceChildren(plot.picture);
  tooltip(frame, plot.picture, (px, py) => {
    const found = nearest(plot.spots, px, py, 16);
    return found && noteLines(found, cost);
  });
  drawHandles();
  drawLegend(shown, stopped.length, rug.length);
}

/** The front as a staircase: what is reached at a cost holds for every greater one. */
function staircase() {
  if (state.x !== view.axis || state.y !== "validation") return null;
  const corners = membersOn(state.target).map(plot.place);
  if (corners.length < 2) return null;
  const steps = corners.map(([px, py], i) => (i ? `H${px}V${py}` : `M${px},${py}`)).join("");
  return svg("path", {class: "staircase", d: steps});
}

function intervals(shown) {
  return shown.filter(c => ["front", "original", "dominated"].includes(groupOf(c))).map(c => {
    const [px, py] = plot.place(c), own = costsOn(c, state.target), faint = groupOf(c) === "dominated" ? " faint" : "";
    const lines = [];
    if (state.x === "latency" && isMeasured(c, state.target))
      lines.push({x1: plot.x.at(own[LOW]), x2: plot.x.at(own[HIGH]), y1: py, y2: py});
    if (state.y === "test") {
      const [low, high] = c.testInterval;
      lines.push({x1: px, x2: px, y1: plot.y.at(low), y2: plot.y.at(high)});
    }
    return lines.map(line => svg("line", {class: `interval${faint}`, ...line}));
  }).flat();
}

/** How many times better than the original, where there is room. */
function labels(shown) {
  const written = [];
  return shown.filter(c => ["front", "leading"].includes(groupOf(c))).map(c => {
    const [px, py] = plot.place(c);
    if (written.some(([ox, oy]) => Math.abs(ox - px) < 46 && Math.abs(oy - py) < 18)) return null;
    written.push([px, py]);
    const text = ratio(plot.cost, costOf(view.original, state.target, plot.cost), costOf(c, state.target, plot.cost));
    return svg("text", {class: "label", x: px - 10, y: py - 13, "text-anchor": "end"}, text);
  });
}

function activate(candidate) {
  plot.active = candidate;
  plot.list.setAttribute("aria-activedescendant", `point-${candidate.id}`);
  const [px, py] = plot.place(candidate);
  plot.focus.replaceChildren(svg("circle", {cx: px, cy: py, r: 13}));
}

function walkPoints(event) {
  const across = [...plot.spots].filter(([, , c]) => !c.state).sort((a, b) => a[0] - b[0]).map(([, , c]) => c);
  const here = across.indexOf(plot.active);
  const to = {ArrowRight: here + 1, ArrowUp: here + 1, ArrowLeft: here - 1, ArrowDown: here - 1, Home: 0,
    End: across.length - 1}[event.key];
  if (event.key === "Enter" || event.key === " ") pick(plot.active.id, event.shiftKey);
  else if (to === undefined) return;
  else activate(across[Math.min(Math.max(to, 0), across.length - 1)]);
  event.preventDefault();
}

/** Rings around who is named, who is tied with that one, and who is looked at. */
function markPoints(named) {
  const ring = (candidate, style, r) => {
    const [px, py] = plot.place(candidate);
    return svg("circle", {class: style, cx: px, cy: py, r});
  };
  const shown = new Set(plot.spots.map(([, , each]) => each)), rings = [];
  if (named && shown.has(named)) rings.push(ring(named, "named", 12));
  for (const candidate of shown)
    if (named && !candidate.state && candidate !== named && areTied(named, candidate))
      rings.push(ring(candidate, "tied", 10));
  for (const id of [state.picked, state.other])
    if (id && shown.has(candidateNamed(id))) rings.push(ring(candidateNamed(id), "picked", 15));
  plot.rings.replaceChildren(...rings);
  for (const option of plot.list.children)
    option.setAttribute("aria-selected", String(option.dataset.id === (state.picked ?? named?.id)));
}

function drawLegend(shown, stopped, rejected) {
  const groups = new Set(shown.map(groupOf));
  if (stopped) groups.add("stopped");
  const key = (style, ...marks) => svg("svg", {
    width: 26, height: 18, viewBox: "-13 -9 26 18", "aria-hidden": "true", class: style,
  }, marks);
  const near = !view.candidates.some(c => c.fronts.includes(state.target) && c.feasible);
  const items = Object.keys(GROUPS).filter(group => groups.has(group)).reverse().map(group =>
    html("li", {}, key("", svg("path", {class: `point ${group}`, d: outline(SYMBOLS[group], SIZES[group])})),
      group === "front" && near ? "Pareto front, misses a budget" : GROUPS[group]));
  if (rejected)
    items.push(html("li", {}, key("", svg("line", {class: "rejected", x1: 0, x2: 0, y1: -5, y2: 5})),
      `${rejected} at the foot: ${GROUPS.rejected}, or failed`));
  items.push(html("li", {}, key("rings", svg("circle", {class: "named", r: 7})), "named"),
    html("li", {}, key("rings", svg("circle", {class: "tied", r: 7})), "statistically tied with it"));
  const hidden = view.candidates.filter(c => scoreOf(c) !== null && !plot.y.holds(scoreOf(c))).length;
  if (hidden) items.push(html("li", {}, `${counted(hidden, "candidate")} with lower scores not shown`));
  byId("legend").replaceChildren(...items);
}

/** Everything about everyone, as a table of numbers. */
function plotRows() {
  const units = view.costs.map(cost => `${cost.title} (${cost.axisUnit})`);
  const head = ["id", "group", "target", `${view.metric}, validation`, `${view.metric}, test`, "measured", ...units,
    "latency low (ms)", "latency high (ms)", "feasible", "missed", "tied with", "origin"];
  const kept = value => (value === null || Number.isNaN(value) ? null : natural(value));
  const rows = [view.original, ...view.candidates].flatMap(c => view.targets.map(target => {
    const own = costsOn(c, target);
    return [c.id, groupOf(c), target, kept(c.validation), kept(c.test), isMeasured(c, target) ? "yes" : "predicted",
      ...view.costs.map(cost => own[cost.place] / cost.scale), own[LOW], own[HIGH], c.feasible ? "yes" : "no",
      c.missed.join(" "), c.tied.join(" "), c.origin];
  }));
  return [head, ...rows];
}
