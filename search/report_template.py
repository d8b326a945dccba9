"""The page around the report's data: markup, style and the few lines of script; `report.py` fills it in."""

from string import Template

STYLE = """
:root { --paper: #ffffff; --ink: #1c1e21; --soft: #5b616a; --line: #d9dce1; --panel: #f4f6f8; --accent:
#0072b2; } @media (prefers-color-scheme: dark) {
  :root { --paper: #16181c; --ink: #e8eaed; --soft: #a4abb5; --line: #3a3f47; --panel: #202329; --accent:
  #56b4e9; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 1500px; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.35rem; margin: .2rem 0 .4rem; overflow-wrap: anywhere; } h2 { font-size: 1.05rem; margin:
1.6rem 0 .4rem; } p { margin: .3rem 0; } .controls { display: flex; flex-wrap: wrap; gap: .4rem 1rem; margin:
.8rem 0 .2rem; } select { font: inherit; color: inherit; background: var(--panel); border: 1px solid
var(--line); border-radius: 6px;
  padding: .25rem .4rem; max-width: 100%; }
#plot { width: 100%; height: 520px; }
.figure { width: 100%; height: 440px; }
.panels { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(30rem, 100%), 1fr)); }
.panels > div { min-width: 0; }
h3 { font-size: .95rem; margin: 1.2rem 0 .3rem; } h4 { font-size: .9rem; margin: .4rem 0 0; font-weight: 500; }
ul { margin: .3rem 0; padding-left: 1.2rem; }
pre, code { font: 12px/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { margin: .3rem 0; padding: .6rem; background: var(--panel); border-radius: 6px; overflow-x: auto; }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { padding: .35rem .6rem; text-align: left; vertical-align: top; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
tr:last-child > td { border-bottom: 0; }
thead th { background: var(--panel); color: var(--soft); font-weight: 600; }
tbody td:first-child { position: sticky; left: 0; background: var(--paper); }
td.number, th.number { text-align: right; }
tr.front td:first-child { border-left: 4px solid var(--accent); font-weight: 600; }
tr.predicted td { color: var(--soft); }
td.wrap { white-space: normal; min-width: 9rem; }
td code { user-select: all; }
summary { cursor: pointer; }
.shades { display: inline-block; width: 8rem; height: .7rem; border-radius: 3px; }
.info th { width: 12rem; color: var(--soft); font-weight: 400; }
.info td { white-space: normal; overflow-wrap: anywhere; }
@media (max-width: 600px) { body { padding: .6rem; } #plot, .figure { height: 400px; } .info th { width: 7rem; } }
"""

# The figure's colours are read from the page's style, so that both follow the reader's light or dark mode.
SCRIPT = """
const view = JSON.parse(document.getElementById("view").textContent);
const plot = document.getElementById("plot"), details = document.getElementById("details");
const cost = document.getElementById("cost"), target = document.getElementById("target");
const dark = matchMedia("(prefers-color-scheme: dark)"), narrow = matchMedia("(max-width: 600px)");
const color = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
function draw() {
  const axis = view.axes[target.value][cost.value], layout = structuredClone(view.figure.layout);
  const data = structuredClone(view.figure.data);
  data.forEach((trace, i) => {
    trace.x = axis.x[i];
    if (axis.error[i]) trace.error_x = {...trace.error_x, ...axis.error[i]};
    if (trace.meta === "front") {
      trace.mode = axis.line ? "lines+markers+text" : "markers+text";
      trace.marker.color = trace.line.color = trace.error_x.color = color("--accent");
    }
    if (trace.text) trace.text = axis.labels[i];
    if (narrow.matches && trace.hoverinfo === "text") trace.hoverinfo = "none";
  });
  Object.assign(layout, {shapes: axis.shapes, annotations: axis.annotations});
  layout.xaxis.title = {text: axis.title};
  layout.xaxis.type = axis.ticks ? "log" : "linear";
  layout.xaxis.range = axis.ticks ? axis.range.map(Math.log10) : axis.range;
  if (axis.ticks) Object.assign(layout.xaxis, {tickvals: axis.ticks, ticktext: axis.ticks.map(String)});
  if (narrow.matches) {  // the axis is named by the choice above the plot; its title would lie on the legend
    layout.xaxis.title = {text: ""};
    layout.margin = {l: 52, r: 12, t: 12, b: 48};
  }
  show(plot, data, layout);
  for (const [id, figure] of Object.entries(view.figures)) {
    const copy = structuredClone(figure);
    if (narrow.matches) copy.layout.margin.l = 48;
    show(document.getElementById(id), copy.data, copy.layout);
  }
}
function show(element, data, layout) {
  Object.assign(layout, {paper_bgcolor: color("--paper"), plot_bgcolor: color("--paper"),
    font: {...layout.font, color: color("--ink")}});
  for (const name of ["xaxis", "yaxis"]) {
    layout[name].gridcolor = layout[name].linecolor = color("--line");
    layout[name].zeroline = false;
  }
  Object.assign(layout.hoverlabel, {bgcolor: color("--panel"), bordercolor: color("--line")});
  layout.hoverlabel.font.color = color("--ink");
  Plotly.react(element, data, layout, {responsive: true, displaylogo: false,
    displayModeBar: narrow.matches ? false : undefined});
}
function tell(event) { details.textContent = view.details[event.points[0].customdata]; }
draw();
plot.on("plotly_click", tell);
plot.on("plotly_hover", tell);
for (const source of [cost, target, dark, narrow]) source.addEventListener("change", draw);
"""

# Nothing may be fetched: the policy keeps the page honest about working offline, and names from loading code.
PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">
<title>$title</title>
<style>$style</style>
</head>
<body>
<h1>$title</h1>
$summary
<div class="controls">
<label>x axis <select id="cost">$cost_options</select></label>
<label>on <select id="target">$target_options</select></label>
</div>
<div id="plot"></div>
<pre id="details">Choose a candidate to see it here.</pre>
<h2>Candidates</h2>
$table
$sections
<h2>Run</h2>
<details><summary>Machine, versions, seed, data, configuration</summary>
$info
</details>
<script type="application/json" id="view">$view</script>
<script>$plotly</script>
<script>$script</script>
</body>
</html>
""")
