// Axes: where a value stands, which ticks there are, and how both are drawn.

const MARGIN = {left: 62, right: 16, top: 14, bottom: 46};

/** A place in pixels for every value between `low` and `high`, and back. */
function scaleOf(low, high, from, to, logarithmic = false) {
  const [a, b] = logarithmic ? [Math.log(low), Math.log(high)] : [low, high];
  return {
    low, high, logarithmic,
    at: value => from + (to - from) * ((logarithmic ? Math.log(value) : value) - a) / (b - a),
    back: pixel => {
      const value = a + (b - a) * (pixel - from) / (to - from);
      return logarithmic ? Math.exp(value) : value;
    },
    holds: value => value >= Math.min(low, high) && value <= Math.max(low, high),
  };
}

/** Round values: 1, 2 and 5 times powers of ten; on a logarithmic axis that spans much, powers alone. */
function ticksOf(scale, most = 7) {
  const [low, high] = [Math.min(scale.low, scale.high), Math.max(scale.low, scale.high)], found = [];
  if (scale.logarithmic) {
    const [first, last] = [low, high].map(Math.log10), wide = last - first > 2.5;
    const step = Math.ceil((last - first) / most);
    for (let power = Math.floor(first); power <= last; power += wide ? step : 1)
      for (const times of wide ? [1] : [1, 2, 5]) found.push(times * 10 ** power);
    return found.filter(value => scale.holds(value));
  }
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find(times => times * power >= rough) ?? 10);
  for (let place = Math.ceil(low / step - 1e-9); place * step <= high * (1 + 1e-9); place++)
    found.push(Number((place * step).toPrecision(12)));
  return found;
}

const short = value => (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e7)
  ? value.toExponential(0) : String(Number(value.toPrecision(4))));

/** Ticks as [value, words]: on a linear axis all with as many digits. */
function wordedTicks(scale, most) {
  const ticks = ticksOf(scale, most), texts = ticks.map(short);
  if (scale.logarithmic || texts.some(text => text.includes("e"))) return ticks.map((value, i) => [value, texts[i]]);
  const digits = Math.max(0, ...texts.map(text => (text.split(".")[1] ?? "").length));
  return ticks.map(value => [value, value.toFixed(digits)]);
}

const ticksAcross = size => Math.max(3, Math.floor(size.width / 90));

/** Grid, ticks ([value, words], round ones where none are given) and titles. */
function axesOf(x, y, size, titles, {xTicks, yTicks} = {}) {
  const bottom = size.height - MARGIN.bottom, right = size.width - MARGIN.right;
  const ofX = xTicks ?? wordedTicks(x, ticksAcross(size)), ofY = yTicks ?? wordedTicks(y, 6);
  return svg("g", {class: "axes", "aria-hidden": "true"},
    ofX.map(([value, text]) => [
      svg("line", {x1: x.at(value), x2: x.at(value), y1: MARGIN.top, y2: bottom}),
      svg("text", {x: x.at(value), y: bottom + 18, "text-anchor": "middle"}, text),
    ]).flat(),
    ofY.map(([value, text]) => [
      svg("line", {x1: MARGIN.left, x2: right, y1: y.at(value), y2: y.at(value)}),
      svg("text", {x: MARGIN.left - 8, y: y.at(value) + 4, "text-anchor": "end"}, text),
    ]).flat(),
    svg("text", {class: "title", x: (MARGIN.left + right) / 2, y: size.height - 6, "text-anchor": "middle"}, titles.x),
    svg("text", {
      class: "title", "text-anchor": "middle", transform: `translate(14 ${(MARGIN.top + bottom) / 2}) rotate(-90)`,
    }, titles.y));
}

/** The outline of a marker around the origin. */
function outline(symbol, size) {
  const s = size;
  switch (symbol) {
    case "square": return `M${-s},${-s}H${s}V${s}H${-s}Z`;
    case "diamond": return `M0,${-1.3 * s}L${1.3 * s},0L0,${1.3 * s}L${-1.3 * s},0Z`;
    case "triangle": return `M0,${-1.2 * s}L${1.1 * s},${s}L${-1.1 * s},${s}Z`;
    case "cross": return `M${-s},${-s}L${s},${s}M${-s},${s}L${s},${-s}`;
    case "star": {
      const ends = [...Array(10).keys()].map(i => [i % 2 ? 0.75 * s : 1.8 * s, Math.PI * (i / 5 - 0.5)]);
      return `M${ends.map(([r, a]) => `${(r * Math.cos(a)).toFixed(2)},${(r * Math.sin(a)).toFixed(2)}`).join("L")}Z`;
    }
    default: return `M${-s},0A${s},${s} 0 1 0 ${s},0A${s},${s} 0 1 0 ${-s},0Z`;
  }
}

/** Of points [x, y, what], what lies nearest to a place within `reach` pixels; null where nothing does. */
function nearest(points, x, y, reach) {
  let found = null, least = reach;
  for (const [px, py, what] of points) {
    const far = Math.hypot(px - x, py - y);
    if (far < least) [found, least] = [what, far];
  }
  return found;
}

/** A note that stands beside the pointer while `find(x, y)` has lines for its place. */
function tooltip(frame, drawing, find) {
  const note = html("div", {class: "note", hidden: true, "aria-hidden": "true"});
  frame.append(note);
  drawing.addEventListener("pointermove", event => {
    const box = frame.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const lines = event.pointerType === "touch" ? null : find(x, y);
    note.hidden = !lines;
    if (!lines) return;
    note.replaceChildren(...lines.map(line => html("div", {}, line)));
    note.style.left = `${Math.max(0, Math.min(x + 14, box.width - note.offsetWidth - 4))}px`;
    note.style.top = `${y + 14}px`;
  });
  drawing.addEventListener("pointerleave", () => { note.hidden = true; });
}
