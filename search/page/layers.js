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
  const {rows, columns, rest, trimmed} = view.layers, cells = layerCells(candidate);
  const words = [
    "A plain number is a rank, k a projection length, h heads, w neurons, b bits; ✕ is skipped.",
    rest > 0 ? `No plan changes the rest (norms, positions, head): ${rest.toLocaleString("en")} parameters.` : "",
    trimmed > 0 ? `Beforehand ${trimmed.toLocaleString("en")} parameters went, with tokens that the task doesn't use.` : "",
  ];
  const shades = `background:linear-gradient(to right,${CIVIDIS.map(color => `rgb(${color.join(" ")})`).join(",")})`;
  return html("div", {}, html("p", {class: "soft"}, "Parameters that are kept: none ",
    html("span", {class: "scale", style: shades}), ` all. ${words.filter(Boolean).join(" ")}`), gridTable(`${candidate.id}, layer by layer`, rows, columns, cells),
    html("div", {class: "tools"},
      csvButton(`layers-${candidate.id}`, `the layers of ${candidate.id}`, () => gridRows(rows, columns, cells))));
}
