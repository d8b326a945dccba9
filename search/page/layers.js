// What a candidate is, layer by layer: its cells are numbers into `view.layers.cells`, kept once for all candidates.

/** The candidate's cells as `gridTable` takes them. */
function layerCells(candidate) {
  const {columns, paths, held, cells} = view.layers;
  return paths.map((row, i) => row.map((path, j) => {
    const place = i * columns.length + j;
    if (path === null) return null;
    const [text, state, parameters, bytes] = cells[candidate.layers[place]], [before, size] = held[place];
    const kept = before ? parameters / before : 1;
    return {share: kept, text, words: [
      path, ...(state ? [state] : []),
      `${parameters.toLocaleString("en")} of ${before.toLocaleString("en")} parameters (${share(kept)})`,
      `${number(bytes / 1e6)} MB of ${number(size / 1e6)} MB`,
    ]};
  }));
}

function layersPicture(candidate) {
  if (!view.layers || !candidate.layers)
    return html("p", {}, "There is no hardware profile of this target, so no picture of the layers; " +
      "front.json has the plan.");
  const {rows, columns} = view.layers, cells = layerCells(candidate);
  return html("div", {}, gridTable(`${candidate.id}, layer by layer`, rows, columns, cells),
    html("div", {class: "tools"},
      csvButton(`layers-${candidate.id}`, `the layers of ${candidate.id}`, () => gridRows(rows, columns, cells))));
}
