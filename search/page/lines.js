// Budgets as lines that can be dragged, or moved with the arrow keys, and as fields that can be typed into.

/** The two lines of the plot: on the cost that stands at its foot, and on the score. */
function handles() {
  const {cost, x, y, size} = plot, bounds = boundsInForce();
  const across = {
    name: cost.name, title: `Budget on ${cost.title}`, axis: x, vertical: true,
    value: bounds[cost.name] ? limitOn(state.target, cost, bounds[cost.name]) : cost.higher ? x.low : x.high,
    words: bounds[cost.name] ? limitWords(cost.name, bounds, [state.target]) : `no budget on ${plain(cost.name)}`,
    label: bounds[cost.name]
      ? `${cost.higher ? "at least" : "at most"} ${withUnit(cost, limitOn(state.target, cost, bounds[cost.name]))}` : "",
    ask: value => boundAt(cost, value),
  };
  if (state.y === "test") return [across];
  const floor = floorsOf(bounds).accuracy_drop;
  const up = {
    name: "accuracy_drop", title: `Budget on the loss of ${view.metric}`, axis: y, vertical: false,
    value: floor ?? y.low, words: floor === undefined ? `no budget on ${view.metric}`
      : limitWords("accuracy_drop", bounds, [state.target]),
    label: floor === undefined ? "" : `${view.inverted ? "at most" : "at least"} ${score(floor)}`,
    ask: dropAt,
  };
  return [across, up].map(each => ({...each, size}));
}

function drawHandles() {
  const made = handles();
  plot.handles.replaceChildren(...made.map(each => {
    const {vertical} = each;
    const group = svg("g", {
      class: `handle ${vertical ? "vertical" : "level"}`, role: "slider", tabindex: "0", "data-budget": each.name,
      "aria-label": each.title, "aria-orientation": vertical ? "horizontal" : "vertical",
    }, svg("line", {class: "grip"}), svg("line", {class: "edge"}), svg("circle", {r: 8}), svg("text"));
    group.addEventListener("pointerdown", event => dragLine(event, group, each.name));
    group.addEventListener("keydown", event => stepLine(event, each.name));
    return group;
  }));
  placeHandles();
}

/** Puts lines, their words and the shades beyond them where the bounds are. */
function placeHandles() {
  const {size, shades} = plot, foot = size.height - MARGIN.bottom, right = size.width - MARGIN.right;
  shades.replaceChildren();
  for (const each of handles()) {
    const group = plot.handles.querySelector(`[data-budget=${each.name}]`), {axis, vertical, value} = each;
    const inside = Math.min(Math.max(value, axis.low), axis.high), at = axis.at(inside);
    const ends = vertical ? {x1: at, x2: at, y1: MARGIN.top, y2: foot} : {x1: MARGIN.left, x2: right, y1: at, y2: at};
    for (const line of group.querySelectorAll("line")) fill(line, ends, []);
    fill(group.querySelector("circle"), vertical ? {cx: at, cy: foot} : {cx: MARGIN.left, cy: at}, []);
    const text = group.querySelector("text");
    const near = at > MARGIN.left + 0.6 * (right - MARGIN.left);
    if (vertical) fill(text, {x: at + (near ? -7 : 7), y: MARGIN.top + 12, "text-anchor": near ? "end" : "start"}, []);
    else fill(text, {x: right - 4, y: Math.min(at + 15, foot - 6), "text-anchor": "end"}, []);
    text.textContent = each.label || each.words;
    for (const [name, shown] of [["min", axis.low], ["max", axis.high], ["now", inside]])
      group.setAttribute(`aria-value${name}`, String(shown));
    group.setAttribute("aria-valuetext", each.words);
    if (!boundsInForce()[each.name]) continue;
    const higher = vertical && plot.cost.higher;
    const [from, to] = higher ? [MARGIN.left, at] : [at, right];
    shades.append(svg("rect", vertical
      ? {x: from, y: MARGIN.top, width: Math.max(to - from, 0), height: foot - MARGIN.top}
      : {x: MARGIN.left, y: at, width: right - MARGIN.left, height: Math.max(foot - at, 0)}));
  }
}

function askFor(name, bound) {
  if (bound === null) delete state.asked[name];
  else state.asked[name] = bound;
  budgetsChanged();
}

function dragLine(event, group, name) {
  event.preventDefault();
  group.focus();
  group.setPointerCapture(event.pointerId);
  const frame = byId("plot");
  const move = moved => {
    const each = handles().find(handle => handle.name === name), box = frame.getBoundingClientRect();
    const pixel = each.vertical ? moved.clientX - box.left : moved.clientY - box.top;
    const value = Math.min(Math.max(each.axis.back(pixel), each.axis.low), each.axis.high);
    if (value > 0 || name === "accuracy_drop") askFor(name, each.ask(value));
  };
  const done = () => {
    group.removeEventListener("pointermove", move);
    group.removeEventListener("pointerup", done);
    group.removeEventListener("pointercancel", done);
  };
  for (const [kind, listener] of [["pointermove", move], ["pointerup", done], ["pointercancel", done]])
    group.addEventListener(kind, listener);
}

function stepLine(event, name) {
  const each = handles().find(handle => handle.name === name), {axis} = each;
  const steps = {ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10}[event.key];
  if (event.key === "Delete" || event.key === "Backspace") askFor(name, null);
  else if (event.key === "Home" || event.key === "End")
    askFor(name, each.ask(event.key === "End" ? axis.high : axis.back(axis.at(axis.low) * 0.99 + axis.at(axis.high) / 100)));
  else if (steps) {
    const from = axis.at(axis.low), whole = axis.at(axis.high) - from;
    const now = axis.at(Math.min(Math.max(each.value, axis.low), axis.high));
    const share = Math.min(Math.max((now - from) / whole + steps / 100, 0.005), 1);
    askFor(name, each.ask(axis.back(from + share * whole)));
  } else return;
  event.preventDefault();
}

/** A field per budget: those of the run, those that were moved, and that of the cost at the plot's foot. */
function drawBudgetFields() {
  const bounds = boundsInForce();
  const names = [...view.costs.map(cost => cost.name), "accuracy_drop"]
    .filter(name => bounds[name] || name === state.x || name === "accuracy_drop");
  const kept = document.activeElement?.dataset?.bound;
  const rows = names.map(name => {
    const cost = costNamed(name), bound = bounds[name], moved = name in state.asked;
    const value = !bound ? "" : cost ? number(limitOn(state.target, cost, bound) / cost.scale)
      : String(Number((100 * bound.value).toFixed(4)));
    const unit = cost ? cost.unit.trim() : `% of the original's`;
    const input = html("input", {
      type: "number", min: "0", step: "any", value, placeholder: "none", "data-bound": name, id: `bound-${name}`,
      onchange: event => {
        const typed = Number(event.target.value);
        const found = cost ? {value: typed * cost.scale, relative: false, text: event.target.value + cost.unit}
          : {value: typed / 100, relative: true, text: `${event.target.value}%`};
        askFor(name, typed > 0 && (cost || typed < 100) ? found : null);
      },
    });
    const run = view.budgets[name] ? `the run's: ${view.budgets[name].text}` : "not a budget of the run";
    const label = cost ? `${cost.title}, ${cost.higher ? "at least" : "at most"}` : `loss of ${view.metric}, at most`;
    return html("li", {}, html("label", {for: `bound-${name}`}, label), html("span", {}, input, ` ${unit}`),
      html("span", {class: "soft"}, run),
      moved ? html("button", {type: "button", class: "small", onclick: () => askFor(name, null)},
        view.budgets[name] ? "Back to the run's" : "Remove", html("span", {class: "unseen"}, ` ${label}`)) : null);
  });
  const fixed = view.budgets.accuracy
    ? [html("li", {}, html("span", {class: "soft"}, limitWords("accuracy", bounds, [state.target])))] : [];
  byId("budgets").replaceChildren(...rows, ...fixed);
  if (kept) byId(`bound-${kept}`)?.focus();
}
