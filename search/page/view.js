// The data that the page is about: one block of JSON, made by search/report_view.py.

const view = JSON.parse(document.getElementById("view").textContent);

if (view.candidates) {
  for (const each of [view.original, ...view.candidates])
    if (each.validation === null) each.validation = NaN;  // it diverged: JSON has no NaN
  view.byId = new Map([view.original, ...view.candidates].map(each => [each.id, each]));
}
