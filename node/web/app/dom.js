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

/** Replace what is in an element, and keep the keyboard where it was. */
export const show = (place, ...children) => {
  const active = document.activeElement;
  const key = active && place.contains(active) ? active.getAttribute("data-key") || active.id : null;
  place.replaceChildren(...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false));
  if (key) {
    const again = place.querySelector(`[data-key="${CSS.escape(key)}"]`) || document.getElementById(key);
    if (again) again.focus({ preventScroll: true });
  }
};

/** Named figures: [name, figure, unit or remark]. */
export const cards = (entries) =>
  h("dl", { className: "cards" }, entries.map(([name, figure, small]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, figure, small ? h("small", {}, " ", small) : null))));

/** A table that scrolls on a narrow screen. Columns: {name, unit?, n? (a number), cell: entry => content}. */
export const table = (caption, columns, entries, empty) => {
  if (!entries.length) return h("p", { className: "empty" }, empty || "Nothing here yet.");
  const head = columns.map((one) => h("th", { scope: "col", className: one.n ? "n" : null }, one.name, one.unit ? ` (${one.unit})` : ""));
  const body = entries.map((entry) => h("tr", {}, columns.map((one) => h("td", { className: one.n ? "n" : one.long ? "long" : null }, one.cell(entry)))));
  return h("div", { className: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)));
};

/** A button that saves the rows of a table as CSV. */
export const csvButton = (name, header, rows) =>
  h("button", { type: "button", "data-key": `csv-${name}`, onclick: () => save(`${name}.csv`, "text/csv", csv([header, ...rows()])) }, "CSV");

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
