// The parts of the page, one at a time; each is drawn when it is first looked at, and all of them for print.

function setUpTabs(draw) {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const panelOf = tab => byId(tab.getAttribute("aria-controls"));
  function prepare(tab) {
    const panel = panelOf(tab);
    if (!panel.dataset.drawn) draw(panel);
  }
  function show(tab) {
    for (const each of tabs) {
      const chosen = each === tab;
      each.setAttribute("aria-selected", String(chosen));
      each.tabIndex = chosen ? 0 : -1;
      panelOf(each).hidden = !chosen;
    }
    prepare(tab);
  }
  tabs.forEach((tab, place) => {
    tab.addEventListener("click", () => show(tab));
    tab.addEventListener("keydown", event => {
      const to = {ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: tabs.length - 1}[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const next = tabs[(to + tabs.length) % tabs.length];
      next.focus();
      show(next);
    });
  });
  addEventListener("beforeprint", () => tabs.forEach(tab => {
    panelOf(tab).hidden = false;  // first, so that its figures find their width
    prepare(tab);
  }));
  addEventListener("afterprint", () => show(tabs.find(tab => tab.getAttribute("aria-selected") === "true")));
  show(tabs[0]);
  return name => show(byId(`tab-${name}`));
}
