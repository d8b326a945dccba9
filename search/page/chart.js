// The figures of the further parts: points and lines as search/chart.py describes them, with a legend and a table.

const CHART_HEIGHT = 340;

function bounds(chart, key) {
  const axis = chart[key];
  const known = chart.series.flatMap(series => [...series[key], ...(key === "x" ? [...series.low, ...series.high] : [])])
    .filter(value => value !== null && (!axis.logarithmic || value > 0));
  let [low, high] = known.length ? known.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity])
    : [0, 1];
  if (low === high) [low, high] = axis.logarithmic ? [low / 2, high * 2] : [low - 0.5, high + 0.5];
  const gap = axis.logarithmic ? 1.25 : 0.05 * (high - low);
  const around = axis.logarithmic ? [low / gap, high * gap] : [low - gap, high + gap];
  return [axis.low ?? around[0], axis.high ?? around[1]];
}

/** The line through a series' points, broken where one is missing. */
function lineThrough(series, x, y) {
  let path = "", pen = false, before = 0;
  series.x.forEach((value, place) => {
    if (value === null || series.y[place] === null) { pen = false; return; }
    const [px, py] = [x.at(value).toFixed(1), y.at(series.y[place]).toFixed(1)];
    path += !pen ? `M${px},${py}` : series.line === "step" ? `L${px},${before}L${px},${py}` : `L${px},${py}`;
    [pen, before] = [true, py];
  });
  return path;
}

function chartRows(chart) {
  const wide = chart.series.some(series => series.low.length);
  const head = ["series", chart.x.title, ...(wide ? [`${chart.x.title}, low`, `${chart.x.title}, high`] : []),
    chart.y.title, "note"];
  const rows = chart.series.flatMap(series => series.x.map((value, place) => value === null ? null : [
    series.name, value, ...(wide ? [series.low[place] ?? null, series.high[place] ?? null] : []),
    series.y[place], (series.words[place] ?? "").replaceAll("\n", "; ")]));
  return [head, ...rows.filter(row => row !== null)];
}

/** Draws a chart into its frame, at the width that it has. */
function drawChart(frame, chart, name) {
  const size = {width: Math.max(frame.clientWidth, 280), height: CHART_HEIGHT};
  const [left, right] = bounds(chart, "x"), [low, high] = bounds(chart, "y");
  const x = scaleOf(left, right, MARGIN.left, size.width - MARGIN.right, chart.x.logarithmic);
  const y = scaleOf(low, high, size.height - MARGIN.bottom, MARGIN.top, chart.y.logarithmic);
  const spots = [];
  const drawn = chart.series.map(series => {
    const marks = series.x.map((value, place) => {
      const [px, py] = [x.at(value), y.at(series.y[place])];
      if (value === null || series.y[place] === null || !x.holds(value) || !y.holds(series.y[place])) return null;
      if (series.words[place]) spots.push([px, py, series.words[place].split("\n")]);
      const interval = series.low.length
        ? svg("line", {class: "interval", x1: x.at(series.low[place]), x2: x.at(series.high[place]), y1: py, y2: py})
        : null;
      const mark = series.symbol
        ? svg("path", {class: series.symbol, d: outline(series.symbol, 4), transform: `translate(${px} ${py})`}) : null;
      return [interval, mark];
    }).flat();
    const line = series.line
      ? svg("path", {class: series.dashed ? "line dashed" : "line", d: lineThrough(series, x, y)}) : null;
    return svg("g", {class: `series ${series.color}`}, line, marks);
  });
  const clip = `clip-${name}`;
  const picture = svg("svg", {
    viewBox: `0 0 ${size.width} ${size.height}`, width: size.width, height: size.height, role: "img",
    "aria-label": `${chart.title}. ${chart.y.title} against ${chart.x.title}. The values stand in the table below.`,
  },
  svg("clipPath", {id: clip}, svg("rect", {
    x: MARGIN.left, y: MARGIN.top - 6, width: size.width - MARGIN.left - MARGIN.right,
    height: size.height - MARGIN.top - MARGIN.bottom + 12,
  })),
  axesOf(x, y, size, {x: chart.x.title, y: chart.y.title}, {xTicks: chart.x.ticks, yTicks: chart.y.ticks}),
  svg("g", {"clip-path": `url(#${clip})`}, drawn));
  frame.replaceChildren(picture);
  tooltip(frame, picture, (px, py) => nearest(spots, px, py, 18));
}

function legendOf(chart) {
  return html("ul", {class: "legend"}, chart.series.filter(series => series.name).map(series => {
    const key = svg("svg", {width: 26, height: 14, viewBox: "-13 -7 26 14", "aria-hidden": "true"},
      svg("g", {class: `series ${series.color}`},
        series.line ? svg("path", {class: series.dashed ? "line dashed" : "line", d: "M-12,0H12"}) : null,
        series.symbol ? svg("path", {class: series.symbol, d: outline(series.symbol, 4)}) : null));
    return html("li", {}, key, series.name);
  }));
}

/** Fills a placeholder with its chart, once it can be seen; it is drawn again where its width changes. */
function mountChart(place) {
  const name = place.dataset.chart, chart = view.charts[name], frame = html("div", {class: "frame"});
  const rows = () => chartRows(chart);
  const values = html("details", {}, html("summary", {}, "The values"));
  values.addEventListener("toggle", () => {
    if (!values.open || values.children.length > 1) return;
    const [head, ...body] = rows();
    const cells = row => row.map(value => (typeof value === "number" ? short(value) : value ?? ""));
    values.append(table(chart.title, head, body.map(cells)));
  });
  place.replaceChildren(legendOf(chart), frame,
    html("div", {class: "tools"}, csvButton(name, chart.title, rows), values));
  let width = 0;
  const draw = () => {
    if (!frame.clientWidth || frame.clientWidth === width) return;
    width = frame.clientWidth;
    drawChart(frame, chart, name);
  };
  draw();
  new ResizeObserver(draw).observe(frame);
}
