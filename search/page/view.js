// The data that the page is about: one block of JSON, made by search/report_view.py.

const view = {};

/** Takes the data of a page, in place of what was there. */
function takeView(page) {
  for (const name of Object.keys(view)) delete view[name];
  Object.assign(view, JSON.parse(page.getElementById("view").textContent));
  if (!view.candidates) return;
  for (const each of [view.original, ...view.candidates])
    if (each.validation === null) each.validation = NaN;  // it diverged: JSON has no NaN
  view.byId = new Map([view.original, ...view.candidates].map(each => [each.id, each]));
}

takeView(document);
