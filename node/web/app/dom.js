// Building elements. Text goes in as text, never as markup, so no name on the ledger can become a script.

const SVG = "http://www.w3.org/2000/svg";

const fill = (made, properties, children) => {
  for (const [name, value] of Object.entries(properties || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name === "className" ? "class" : name, value === true ? "" : String(value));
  }
  made.append(...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false));
  return made;
};

/** An HTML element with attributes (`onclick` and the like are listeners) and children: text or elements. */
export const h = (name, properties, ...children) => fill(document.createElement(name), properties, children);

/** The same in SVG. */
export const s = (name, properties, ...children) => fill(document.createElementNS(SVG, name), properties, children);

const kept = (place) => new Map([...place.querySelectorAll("details[data-key]")].map((one) => [one.dataset.key, one.open]));

/** Replace what is in an element, and keep the keyboard where it was, and unfolded what somebody unfolded. */
export const show = (place, ...children) => {
  const active = document.activeElement;
  const key = active && place.contains(active) ? active.getAttribute("data-key") || active.id : null;
  const unfolded = kept(place);
  place.replaceChildren(...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false));
  for (const one of place.querySelectorAll("details[data-key]")) if (unfolded.has(one.dataset.key)) one.open = unfolded.get(one.dataset.key);
  if (key) {
    const again = place.querySelector(`[data-key="${CSS.escape(key)}"]`) || document.getElementById(key);
    if (again) again.focus({ preventScroll: true });
  }
};

/** What stands where something is asked for. */
export const loading = () => h("p", { className: "loading" }, "Loading …");

/** Named figures: [name, figure, unit or remark, kind]. A figure that is not known has no unit. */
export const cards = (entries) =>
  h("dl", { className: "cards" }, entries.filter(Boolean).map(([name, figure, small, kind]) =>
    h("div", {}, h("dt", {}, name), h("dd", { className: kind }, figure, small && figure !== "–" ? h("small", {}, " ", small) : null))));

/** Something to unfold; `make` is called once somebody does. It stays unfolded when the page is drawn again. */
export const fold = (key, text, make, open = false) => {
  const box = h("details", { "data-key": key }, h("summary", {}, text));
  const fill = () => { if (box.open && box.childElementCount === 1) box.append(...[make()].flat()); };
  box.addEventListener("toggle", fill);
  box.open = open;
  return box;
};

const heading = (one) => (one.unit ? `${one.name} (${one.unit})` : one.name);

// What a cell says to a spreadsheet: the exact figure where there is one, else its text, with plain digits.
const plain = (column, entry) => {
  if (column.raw) return column.raw(entry);
  const text = h("span", {}, column.cell(entry)).textContent;
  return column.n ? text.replaceAll("\u202f", "").replace("−", "-").replace("–", "") : text;
};

/** A table that scrolls on a narrow screen, and goes home as CSV. Columns: {name, unit?, n? (a number), cell: entry => content,
 * raw?: entry => exact figure}. `file` names the CSV; without one there is none. */
export const table = (caption, columns, entries, empty, file) => {
  if (!entries.length) return h("p", { className: "empty" }, empty || "Nothing here yet.");
  const head = columns.map((one) => h("th", { scope: "col", className: one.n ? "n" : null }, one.name, one.unit ? h("span", { className: "unit" }, ` ${one.unit}`) : null));
  const body = entries.map((entry) => h("tr", {}, columns.map((one) => h("td", { className: one.n ? "n" : one.long ? "long" : null }, one.cell(entry)))));
  return h("div", { className: "sheet" },
    h("div", { className: "scroll", tabindex: "0", role: "region", "aria-label": caption },
      h("table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, head)), h("tbody", {}, body))),
    file ? csvButton(file, columns.map(heading), () => entries.map((entry) => columns.map((one) => plain(one, entry)))) : null);
};

/** A button that saves the rows of a table as CSV. */
export const csvButton = (name, header, rows) =>
  h("button", { type: "button", className: "small", "data-key": `csv-${name}`, "aria-label": `Save ${name} as CSV`, onclick: () => save(`${name}.csv`, "text/csv", csv([header, ...rows()])) }, "CSV");

const csv = (rows) => rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
// A cell that a spreadsheet would take for a formula is quoted as text.
const cell = (value) => {
  const text = value === null || value === undefined ? "" : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) && !/^-?\d+(\.\d+)?$/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

/** Hand a file to the person. */
export const save = (name, type, text) => {
  const link = h("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
};
