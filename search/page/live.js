// The page while `greenfront watch` serves it: how the run stands, and what is new, without forgetting what was chosen.

const ASK_MS = {running: 2000, resting: 10000};
const AT_WORK_MS = 5000;  // so long after the last key or wheel nothing is redrawn under the reader's hands
let held = false, touched = -Infinity, asking = null;

const spotOf = element => (!element || element === document.body ? null : element.id ? `#${CSS.escape(element.id)}`
  : element.dataset.budget ? `[data-budget=${element.dataset.budget}]`
    : element.dataset.csv ? `[data-csv="${CSS.escape(element.dataset.csv)}"]` : null);

/** What a panel's redrawing would lose: what was typed, opened and scrolled. */
function keepOf(panel) {
  const opened = [...panel.querySelectorAll("details")].map(each => each.open);
  const scrolled = [...panel.querySelectorAll(".wide")].map(each => each.scrollLeft);
  const typed = panel.id === "panel-choose" ? [] : [...panel.querySelectorAll("input[id]")].map(each => [each.id, each.value]);
  return () => {
    for (const [id, value] of typed) if (byId(id)) byId(id).value = value;
    panel.querySelectorAll("details").forEach((each, place) => { if (opened[place]) each.open = true; });
    panel.querySelectorAll(".wide").forEach((each, place) => { each.scrollLeft = scrolled[place] ?? 0; });
  };
}

/** Whether the new page asks another question, or has other parts: then it is loaded as a whole. */
function isAnother(fresh, data) {
  const parts = page => [...page.querySelectorAll("[role=tab]")].map(tab => tab.id).join();
  const asked = found => JSON.stringify([found.metric, found.targets, found.axis, found.budgets, found.run]);
  return !view.candidates || !data.candidates || parts(fresh) !== parts(document) || asked(data) !== asked(view);
}

function takePage(fresh) {
  const data = JSON.parse(fresh.getElementById("view").textContent);
  if (isAnother(fresh, data)) {
    location.reload();
    return;
  }
  const spot = spotOf(document.activeElement), active = plot.active?.id;
  const panels = [...document.querySelectorAll("[role=tabpanel]")], shown = panels.find(panel => !panel.hidden);
  takeView(fresh);
  const [header, news] = [document, fresh].map(page => page.querySelector("header"));
  news.querySelector("#standing").replaceWith(byId("standing"));
  header.replaceChildren(...news.childNodes);
  for (const name of ["picked", "other"]) if (state[name] && !candidateNamed(state[name])) state[name] = null;
  plot.active = candidateNamed(active);
  const restore = keepOf(shown);
  for (const panel of panels.filter(panel => panel.id !== "panel-choose")) {
    panel.replaceChildren(...fresh.getElementById(panel.id).childNodes);
    delete panel.dataset.drawn;
  }
  everythingChanged();
  drawPanel(shown);
  restore();
  if (spot && spotOf(document.activeElement) !== spot) document.querySelector(spot)?.focus({preventScroll: true});
}

async function takeNew() {
  const answer = await fetch("/", {cache: "no-cache"});
  if (!answer.ok) throw new Error(await answer.text());
  const text = await answer.text();
  if (!held) takePage(new DOMParser().parseFromString(text, "text/html"));
}

/** Asks how the run stands, and for the page where it has changed; again after a while, and not while nobody looks. */
async function ask() {
  clearTimeout(asking);
  if (document.hidden) return;
  let wait = ASK_MS.resting;
  try {
    const answer = await fetch("/state", {cache: "no-store"});
    const told = await answer.json();
    if (told.running) wait = ASK_MS.running;
    byId("standing").textContent = told.standing;
    if (told.page !== view.page && !held && performance.now() - touched > AT_WORK_MS) await takeNew();
  } catch {
    byId("standing").textContent = "`greenfront watch` doesn't answer any more; the page stays as it is.";
  }
  asking = setTimeout(ask, wait);
}

addEventListener("pointerdown", () => { held = true; });
for (const kind of ["pointerup", "pointercancel", "blur"]) addEventListener(kind, () => { held = false; });
for (const kind of ["keydown", "input", "wheel"]) addEventListener(kind, () => { touched = performance.now(); });
document.addEventListener("visibilitychange", ask);
ask();
