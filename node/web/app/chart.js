// Charts as SVG, by d3, with a title, units, the same figures as a table, and buttons to take them home.

import { csvButton, fold, h, s, save, table } from "./dom.js";

const WIDEST = 1208;
const NARROWEST = 300;
const BAND = 72;
const LEFT = 56, RIGHT = 24;
let library = null;

/** d3, loaded when the first chart is drawn. */
const d3 = () => {
  library ||= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = "/web/lib/d3.min.js";
    script.onload = () => done(window.d3);
    script.onerror = () => failed(new Error("The chart library did not load."));
    document.head.append(script);
  });
  return library;
};

/** Room for a chart: as wide as the page, so that letters keep their size on a phone. */
export const room = () => {
  const main = document.getElementById("main"), style = getComputedStyle(main);
  return Math.max(NARROWEST, Math.min(WIDEST, main.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)));
};

// What supplies energy has its own colour wherever it appears; members that are called otherwise have one of a row.
const KINDS = [
  [/not served|short/, "bad"], [/import|export|utility|public grid/, "import"], [/solar|pv|sun/, "solar"], [/wind/, "wind"], [/geo/, "geothermal"],
  [/diesel|genset|bio/, "biodiesel"], [/stor|batter/, "storage"], [/paid/, "s5"], [/received/, "s3"],
  [/campus|own supply/, "s1"],
];
const OTHERS = ["s5", "s4", "s8", "s3", "s6", "s1"];

/** The colour of a series: by what it is called, else by its place. */
export const colour = (name, index) => {
  const kind = KINDS.find(([pattern]) => pattern.test(name));
  return `var(--${kind ? kind[1] : OTHERS[index % OTHERS.length]})`;
};

const key = (name, index) =>
  h("span", { className: "key" }, s("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" }, s("rect", { width: 12, height: 12, rx: 2, fill: colour(name, index) })), name);

// Colours are variables of the page; a file that leaves it has to hold them itself.
const standalone = (svg, caption, keys) => {
  const copy = svg.cloneNode(true);
  const style = getComputedStyle(document.documentElement);
  const solid = (text) => text.replace(/var\((--[a-z0-9]+)\)/g, (_, name) => style.getPropertyValue(name).trim());
  const [, , wide, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const top = keys.length ? 46 : 26;
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("viewBox", `0 ${-top} ${wide} ${height + top}`);
  copy.append(s("text", { x: LEFT, y: -top + 18, "font-weight": "bold" }, caption));
  let at = LEFT;
  keys.forEach((name, index) => {
    copy.append(s("rect", { x: at, y: -20, width: 10, height: 10, fill: colour(name, index) }), s("text", { x: at + 14, y: -11 }, name));
    at += 30 + name.length * 7;
  });
  for (const one of [copy, ...copy.querySelectorAll("*")]) {
    for (const name of ["fill", "stroke"]) if (one.getAttribute(name)) one.setAttribute(name, solid(one.getAttribute(name)));
    if (one.tagName === "text") {
      one.setAttribute("fill", style.getPropertyValue("--text").trim());
      one.setAttribute("font-size", "12");
      one.setAttribute("font-family", "sans-serif");
    }
  }
  copy.prepend(s("rect", { y: -top, width: "100%", height: "100%", fill: style.getPropertyValue("--back").trim() }));
  return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(copy)}\n`;
};

/** Frame of a chart: caption, keys, buttons, table. `draw(d3, svg, wide)` fills the SVG; `rows` are what CSV and table hold. */
const figure = (name, caption, keys, height, header, rows, draw) => {
  const wide = room();
  const svg = s("svg", { className: "chart", viewBox: `0 0 ${wide} ${height}`, role: "img", "aria-label": `${caption}. The figures are in the table below.` });
  d3().then((lib) => draw(lib, svg, wide), (error) => svg.replaceWith(h("p", { className: "note bad" }, error.message)));
  return h("figure", {},
    h("figcaption", {}, h("strong", {}, caption), keys.map(key), h("span", { className: "tools" },
      h("button", { type: "button", className: "small", "data-key": `svg-${name}`, "aria-label": `Save ${name} as SVG`, onclick: () => save(`${name}.svg`, "image/svg+xml", standalone(svg, caption, keys)) }, "SVG"),
      csvButton(name, header, () => rows))),
    svg,
    fold(`figures-${name}`, "These figures as a table", () => table(caption, header.map((title, at) => ({ name: title, n: typeof rows[0]?.[at] === "number", cell: (row) => row[at] ?? "–" })), rows)));
};

const axes = (lib, svg, x, y, wide, height, bottom, xText, unit) => {
  const tickX = x.bandwidth ? x.domain().filter((_, at, all) => at % Math.ceil(all.length / (wide / 80)) === 0) : null;
  const axisX = lib.axisBottom(x).tickFormat(xText).tickSizeOuter(0);
  if (tickX) axisX.tickValues(tickX); else axisX.ticks(Math.max(3, Math.round(wide / 120)));
  const lines = lib.axisLeft(y).ticks(5).tickSizeInner(-(wide - LEFT - RIGHT)).tickSizeOuter(0).tickFormat((value) => value.toLocaleString("en-GB"));
  lib.select(svg).insert("g", ":first-child").attr("class", "axis lines").attr("transform", `translate(${LEFT},0)`).call(lines);
  lib.select(svg).append("g").attr("class", "axis").attr("transform", `translate(0,${height - bottom})`).call(axisX);
  svg.append(s("text", { x: 2, y: 11, className: "soft" }, unit));
};

// Few intervals have bars of a usual width, and not the whole page each.
const bands = (lib, entries, wide, padding) =>
  lib.scaleBand(entries.map((one) => one.x), [LEFT, Math.min(wide - RIGHT, LEFT + entries.length * BAND)]).padding(padding);

/** Stacked bars over intervals. entries: [{x, label, values: {name: number}, line?}]; names in order; a unit; `line` names a
 * mark across each bar. */
export const bars = (name, caption, unit, names, entries, line = "") => {
  const height = 240, bottom = 26, top = 22;
  const header = ["time", ...names.map((series) => `${series} ${unit}`), ...(line ? [`${line} ${unit}`] : [])];
  const rows = entries.map((one) => [one.label, ...names.map((series) => one.values[series] ?? 0), ...(line ? [one.line] : [])]);
  return figure(name, `${caption}, ${unit}`, names, height, header, rows, (lib, svg, wide) => {
    const x = bands(lib, entries, wide, 0.15);
    const most = Math.max(1e-9, ...entries.map((one) => Math.max(one.line ?? 0, names.reduce((sum, series) => sum + Math.max(0, one.values[series] ?? 0), 0))));
    const y = lib.scaleLinear([0, most], [height - bottom, top]).nice();
    for (const one of entries) {
      let from = 0;
      names.forEach((series, index) => {
        const value = Math.max(0, one.values[series] ?? 0);
        if (!value) return;
        svg.append(s("rect", { x: x(one.x), width: x.bandwidth(), y: y(from + value), height: y(from) - y(from + value), fill: colour(series, index) },
          s("title", {}, `${one.label}: ${series} ${value.toLocaleString("en-GB")} ${unit}`)));
        from += value;
      });
      if (line) {
        svg.append(s("line", { x1: x(one.x) - 2, x2: x(one.x) + x.bandwidth() + 2, y1: y(one.line), y2: y(one.line), stroke: "var(--text)", "stroke-width": 2.5 },
          s("title", {}, `${one.label}: ${line} ${one.line.toLocaleString("en-GB")} ${unit}`)));
      }
    }
    const labels = new Map(entries.map((one) => [one.x, one.label]));
    axes(lib, svg, x, y, wide, height, bottom, (value) => labels.get(value), line ? `${unit} · ▬ ${line}` : unit);
  });
};

/** Steps over intervals, one line a series. entries: [{x, label, values: {name: number or null}}]. */
export const steps = (name, caption, unit, names, entries, tone = null) => {
  const height = 190, bottom = 26, top = 22;
  const values = entries.flatMap((one) => names.map((series) => one.values[series])).filter((one) => one !== null && one !== undefined);
  const paint = (series, index) => tone ?? colour(series, index);
  const rows = entries.map((one) => [one.label, ...names.map((series) => one.values[series] ?? null)]);
  return figure(name, `${caption}, ${unit}`, names.length > 1 ? names : [], height, ["time", ...names.map((series) => `${series} ${unit}`)], rows, (lib, svg, wide) => {
    const x = bands(lib, entries, wide, 0);
    const y = lib.scaleLinear([Math.min(0, ...values), Math.max(1e-9, ...values)], [height - bottom, top]).nice();
    names.forEach((series, index) => {
      for (const one of entries) {
        const value = one.values[series];
        if (value === null || value === undefined) continue;
        if (names.length === 1) svg.append(s("rect", { x: x(one.x), width: x.bandwidth(), y: Math.min(y(value), y(0)), height: Math.abs(y(0) - y(value)), fill: paint(series, index), opacity: 0.16 }));
        svg.append(s("line", { x1: x(one.x), x2: x(one.x) + x.bandwidth(), y1: y(value), y2: y(value), stroke: paint(series, index), "stroke-width": 2.5 },
          s("title", {}, `${one.label}: ${names.length > 1 ? `${series} ` : ""}${value} ${unit}`)));
      }
    });
    const labels = new Map(entries.map((one) => [one.x, one.label]));
    axes(lib, svg, x, y, wide, height, bottom, (value) => labels.get(value), unit);
  });
};

/** The stack of an interval: blocks by price, and a dashed line at [what it is, kWh]. blocks: [{name, kwh, price, used}], in the unit of `price`. */
export const stack = (name, caption, unit, blocks, [mark, markKwh], price, names) => {
  const height = 300, bottom = 42, top = 40;
  const rows = blocks.map((one) => [one.name, one.kwh, one.price, one.used]);
  const header = ["supplier", "offered kWh", `price ${unit}`, "ordered kWh"];
  return figure(name, caption, names, height, header, rows, (lib, svg, wide) => {
    const total = Math.max(markKwh, blocks.reduce((sum, one) => sum + one.kwh, 0), 1e-9);
    const x = lib.scaleLinear([0, total], [LEFT, wide - RIGHT]);
    const prices = [0, price ?? 0, ...blocks.map((one) => one.price)];
    const y = lib.scaleLinear([Math.min(...prices), Math.max(...prices) * 1.08 || 1], [height - bottom, top]).nice();
    let from = 0;
    for (const one of blocks) {
      const at = { y: Math.min(y(one.price), y(0)), height: Math.max(1.5, Math.abs(y(0) - y(one.price))), fill: colour(one.name, names.indexOf(one.name)) };
      const told = () => s("title", {}, `${one.name}: ${one.kwh} kWh at ${one.price} ${unit}, ${one.used} kWh ordered`);
      const used = Math.min(one.used, one.kwh);
      if (used > 0) svg.append(s("rect", { x: x(from), width: Math.max(0.5, x(from + used) - x(from) - 1), ...at }, told()));
      if (used < one.kwh) svg.append(s("rect", { x: x(from + used), width: Math.max(0.5, x(from + one.kwh) - x(from + used) - 1), ...at, opacity: 0.3 }, told()));
      from += one.kwh;
    }
    axes(lib, svg, x, y, wide, height, bottom, (value) => value.toLocaleString("en-GB"), unit);
    const left = x(markKwh) > wide * 0.6;
    svg.append(s("line", { x1: x(markKwh), x2: x(markKwh), y1: top - 8, y2: height - bottom, stroke: "var(--text)", "stroke-width": 1.5, "stroke-dasharray": "5 3" }),
      s("text", { x: x(markKwh) + (left ? -5 : 5), y: top - 1, "text-anchor": left ? "end" : "start" }, `${mark} ${markKwh.toLocaleString("en-GB")} kWh`));
    if (price !== null) {
      svg.append(s("line", { x1: LEFT, x2: wide - RIGHT, y1: y(price), y2: y(price), stroke: "var(--bad)", "stroke-width": 1.5 }),
        s("text", { x: wide - RIGHT - 2, y: y(price) - 5, "text-anchor": "end", className: "halo" }, `price ${price} ${unit}`));
    }
    svg.append(s("text", { x: (LEFT + wide) / 2, y: height - 6, "text-anchor": "middle", className: "soft" }, "kWh, cheapest first; pale is not ordered"));
  });
};
