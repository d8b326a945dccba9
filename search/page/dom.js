// Making elements, giving files, copying text.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined && child !== ""));
  return element;
}

/** An element of HTML; attributes that begin with `on` are listeners, text is never markup. */
const html = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
const byId = id => document.getElementById(id);

const isNumber = content => typeof content === "string" && /^[~+-]?[\d.,]+( ?[^\s\d]{1,3})?( ?[[(].*)?$/.test(content);

/** A table; `head` and `rows` hold text or elements. The first cell of a row is its header. */
function table(caption, head, rows, kind = "") {
  const style = head.map((_, place) => {
    const filled = rows.map(row => row[place]).filter(content => content !== "");
    return place && filled.filter(isNumber).length * 2 > filled.length ? "number" : null;
  });
  const cell = (content, place) => (place ? html("td", {class: style[place]}, content)
    : html("th", {scope: "row"}, content));
  return html("div", {class: "wide", role: "region", tabindex: "0", "aria-label": caption},
    html("table", {class: kind},
      html("caption", {class: "unseen"}, caption),
      html("thead", {}, html("tr", {}, head.map((title, place) => html("th", {scope: "col", class: style[place]}, title)))),
      html("tbody", {}, rows.map(row => html("tr", {class: row.style ?? null}, row.map(cell))))));
}

/** Text as a field of CSV; what a spreadsheet would take for a formula is marked as text. */
function field(value) {
  const text = value === null || value === undefined ? "" : String(value);
  const safe = typeof value !== "number" && /^[=+@\t\r-]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const csv = rows => rows.map(row => row.map(field).join(",")).join("\r\n") + "\r\n";

/** A button that saves `rows()` as a CSV file. */
function csvButton(name, what, rows) {
  const save = () => {
    const link = html("a", {download: `${name}.csv`});
    link.href = URL.createObjectURL(new Blob([csv(rows())], {type: "text/csv"}));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  return html("button", {type: "button", class: "small", "data-csv": name, onclick: save},
    "CSV", html("span", {class: "unseen"}, ` of ${what}`));
}

/** A command line with a button that copies it. */
function commandLine(command, what) {
  const said = html("span", {role: "status", class: "said"});
  const code = html("code", {}, command);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(command);
      said.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);  // no clipboard: it is marked, to be copied by hand
      said.textContent = "Marked: copy it with your keyboard";
    }
  };
  return html("div", {class: "command"}, code,
    html("button", {type: "button", onclick: copy}, "Copy", html("span", {class: "unseen"}, ` ${what}`)), said);
}

/** A CSV button for a table that came with the page. */
function mountTable(place) {
  const rows = () => [...place.querySelectorAll("tr")].map(row => [...row.children].map(cell => cell.textContent.trim()));
  const name = place.dataset.table, what = place.getAttribute("aria-label");
  place.after(html("div", {class: "tools"}, csvButton(name, what, rows)));
}
