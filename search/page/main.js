// Puts the page together, and redraws what a change touches.

const REDRAWN = {everyone: [drawEveryone], cost: [drawPayback]};
let openTab = () => {};

function options(select, words, chosen) {
  select.replaceChildren(...words.map(([value, text]) => html("option", {value, selected: value === chosen}, text)));
}

function lookChanged() {
  const named = answer();
  markPoints(named.chosen ?? named.closest);
  drawLook(named.chosen ?? named.closest);
}

function budgetsChanged() {
  const named = answerCard();
  placeHandles();
  drawBudgetFields();
  markPoints(named);
  if (!state.picked) drawLook(named);
}

/** After an axis or a target was chosen. */
function everythingChanged() {
  drawPlot();
  budgetsChanged();
  drawLook(candidateNamed(state.picked) ?? answer().chosen ?? answer().closest);
  for (const panel of document.querySelectorAll("[data-drawn]")) drawPanel(panel);
}

function drawPanel(panel) {
  for (const draw of REDRAWN[panel.id.replace("panel-", "")] ?? []) draw();
  if (panel.dataset.drawn) return;
  panel.dataset.drawn = "yes";
  panel.querySelectorAll("[data-chart]").forEach(mountChart);
  panel.querySelectorAll("[data-grid]").forEach(mountGrid);
  panel.querySelectorAll("[data-table]").forEach(mountTable);
}

function start() {
  byId("folder").value = runFolder();
  byId("moved").hidden = byId("folder").value === view.run;
  options(byId("x"), view.costs.map(cost => [cost.name, `${cost.title} (${cost.axisUnit})`]), state.x);
  options(byId("target"), view.targets.map(name => [name, name]), state.target);
  for (const id of ["x", "y", "target"])
    byId(id).addEventListener("change", event => { state[id] = event.target.value; everythingChanged(); });
  byId("every").checked = state.every;
  byId("every").closest("label").hidden = view.targets.length < 2;
  for (const id of ["every", "low"])
    byId(id).addEventListener("change", event => { state[id] = event.target.checked; everythingChanged(); });
  for (const id of ["picked", "other"])
    byId(id).addEventListener("change", event => { state[id] = event.target.value || null; lookChanged(); });
  byId("folder").addEventListener("input", () => { answerCard(); drawLook(answer().chosen ?? answer().closest); });
  addEventListener("input", event => { if (event.target.id === "queries") drawPayback(); });  // it may be drawn anew
  byId("plot-tools").append(csvButton("front", "the plot", plotRows));
  openTab = setUpTabs(drawPanel);
  everythingChanged();
  let width = byId("plot").clientWidth;
  new ResizeObserver(() => {
    if (byId("plot").clientWidth && byId("plot").clientWidth !== width) {
      width = byId("plot").clientWidth;
      drawPlot();
      budgetsChanged();
    }
  }).observe(byId("plot"));
}

start();
