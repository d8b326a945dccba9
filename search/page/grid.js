// Tables whose cells are coloured. Cividis (Nunez et al. 2018) reads alike with any colour vision.

const CIVIDIS = ["00224e", "123570", "3b496c", "575d6d", "707173", "8a8678", "a59c74", "c3b369", "e1cc55", "fee838"]
  .map(code => [0, 2, 4].map(place => parseInt(code.slice(place, place + 2), 16)));

/** The colour of a share between 0 and 1, and black or white, whichever is read better on it (WCAG's luminance). */
function shade(value) {
  const place = Math.min(Math.max(value, 0), 1) * (CIVIDIS.length - 1), below = Math.floor(place);
  const above = CIVIDIS[Math.min(below + 1, CIVIDIS.length - 1)];
  const color = CIVIDIS[below].map((part, i) => Math.round(part + (place - below) * (above[i] - part)));
  const [r, g, b] = color.map(part => part / 255).map(c => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return `background:rgb(${color.join(" ")});color:${luminance > 0.179 ? "#000" : "#fff"}`;
}

/**
 * A table of `rows` x `columns`; a cell is {share, text, words} or null: `text` stands in it, `words` (lines) are its
 * whole story, for a pointer and for a screen reader.
 */
function gridTable(caption, rows, columns, cells) {
  const cell = found => found === null ? html("td", {class: "none"})
    : html("td", {style: shade(found.share), title: found.words.join("\n")},
      found.text.split("\n").map((line, place) => (place ? [html("br"), line] : [line])).flat(),
      html("span", {class: "unseen"}, ` ${found.words.slice(1).join("; ")}`));
  return html("div", {class: "wide", role: "region", tabindex: "0", "aria-label": caption},
    html("table", {class: "grid"}, html("caption", {class: "unseen"}, caption),
      html("thead", {}, html("tr", {}, html("th", {scope: "col"}, html("span", {class: "unseen"}, "part")),
        columns.map(name => html("th", {scope: "col"}, html("span", {}, name))))),
      html("tbody", {}, rows.map((name, row) =>
        html("tr", {}, html("th", {scope: "row"}, name), cells[row].map(cell))))));
}

const gridRows = (rows, columns, cells) => [["row", "column", "share", "text", "words"], ...rows.flatMap((row, i) =>
  columns.map((column, j) => [row, column, cells[i][j]]).filter(([, , found]) => found !== null)
    .map(([name, column, found]) =>
      [name, column, found.share, found.text.replaceAll("\n", " "), found.words.join("; ")]))];

/** Fills a placeholder with a grid of `view.grids`. */
function mountGrid(place) {
  const name = place.dataset.grid, {title, rows, columns, cells} = view.grids[name];
  place.replaceChildren(gridTable(title, rows, columns, cells),
    html("div", {class: "tools"}, csvButton(name, title, () => gridRows(rows, columns, cells))));
}
