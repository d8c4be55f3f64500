// Charts as SVG, by d3, with a title, units, a table of the same figures for screen readers, and buttons to take them home.

import { csvButton, h, s, save } from "./dom.js";

const WIDEST = 760;
const NARROWEST = 320;
const SERIES = 8;
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

// As wide as the page, so that letters keep their size on a phone.
const width = () => Math.max(NARROWEST, Math.min(WIDEST, document.getElementById("main").clientWidth - 24));

const colour = (index) => `var(--s${(index % SERIES) + 1})`;

const key = (name, index) =>
  h("span", { className: "key" }, s("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" }, s("rect", { width: 12, height: 12, rx: 2, fill: colour(index) })), name);

// Colours are variables of the page; a file that leaves it has to hold them itself.
const standalone = (svg) => {
  const copy = svg.cloneNode(true);
  const style = getComputedStyle(document.documentElement);
  const solid = (text) => text.replace(/var\((--[a-z0-9]+)\)/g, (_, name) => style.getPropertyValue(name).trim());
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  for (const one of [copy, ...copy.querySelectorAll("*")]) {
    for (const name of ["fill", "stroke"]) if (one.getAttribute(name)) one.setAttribute(name, solid(one.getAttribute(name)));
    if (one.tagName === "text") {
      one.setAttribute("fill", style.getPropertyValue("--text").trim());
      one.setAttribute("font-size", "12");
      one.setAttribute("font-family", "sans-serif");
    }
  }
  copy.prepend(s("rect", { width: "100%", height: "100%", fill: style.getPropertyValue("--back").trim() }));
  return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(copy)}\n`;
};

/** Frame of a chart: caption, keys, buttons. `draw(d3, svg)` fills the SVG; `rows` are what CSV holds, header first. */
const figure = (name, caption, keys, height, header, rows, draw) => {
  const wide = width();
  const svg = s("svg", { className: "chart", viewBox: `0 0 ${wide} ${height}`, role: "img", "aria-label": caption });
  const place = h("figure", {},
    h("figcaption", {}, caption, keys,
      h("button", { type: "button", "data-key": `svg-${name}`, onclick: () => save(`${name}.svg`, "image/svg+xml", standalone(svg)) }, "SVG"),
      csvButton(name, header, () => rows)),
    svg);
  d3().then((library) => draw(library, svg, wide), (error) => svg.replaceWith(h("p", { className: "note bad" }, error.message)));
  return place;
};

const axes = (lib, svg, x, y, height, left, bottom, xText, yText) => {
  const tickX = x.bandwidth ? x.domain().filter((_, at, all) => at % Math.ceil(all.length / (width() / 90)) === 0) : null;
  const axisX = lib.axisBottom(x).tickFormat(xText).tickSizeOuter(0);
  if (tickX) axisX.tickValues(tickX); else axisX.ticks(7);
  lib.select(svg).append("g").attr("class", "axis").attr("transform", `translate(0,${height - bottom})`).call(axisX);
  lib.select(svg).append("g").attr("class", "axis").attr("transform", `translate(${left},0)`).call(lib.axisLeft(y).ticks(5).tickFormat(yText));
};

/** Stacked bars over intervals. entries: [{x, label, values: {name: number}}]; names in order; a unit. */
export const bars = (name, caption, unit, names, entries) => {
  const height = 250, left = 64, bottom = 28, top = 10;
  const rows = entries.map((one) => [one.label, ...names.map((series) => one.values[series] ?? 0)]);
  return figure(name, `${caption} (${unit})`, names.map(key), height, ["time", ...names.map((series) => `${series} ${unit}`)], rows, (lib, svg, wide) => {
    const x = lib.scaleBand(entries.map((one) => one.x), [left, wide - 8]).padding(0.15);
    const most = Math.max(1e-9, ...entries.map((one) => names.reduce((sum, series) => sum + Math.max(0, one.values[series] ?? 0), 0)));
    const y = lib.scaleLinear([0, most], [height - bottom, top]).nice();
    for (const one of entries) {
      let from = 0;
      names.forEach((series, index) => {
        const value = Math.max(0, one.values[series] ?? 0);
        if (!value) return;
        svg.append(s("rect", { x: x(one.x), width: x.bandwidth(), y: y(from + value), height: y(from) - y(from + value), fill: colour(index) },
          s("title", {}, `${one.label}: ${series} ${value.toLocaleString("en-GB")} ${unit}`)));
        from += value;
      });
    }
    const labels = new Map(entries.map((one) => [one.x, one.label]));
    axes(lib, svg, x, y, height, left, bottom, (value) => labels.get(value), (value) => value.toLocaleString("en-GB"));
  });
};

/** Steps over intervals. entries: [{x, label, value or null}]. */
export const steps = (name, caption, unit, entries, index = 0) => {
  const height = 190, left = 64, bottom = 28, top = 10;
  const known = entries.filter((one) => one.value !== null);
  return figure(name, `${caption} (${unit})`, [], height, ["time", unit], entries.map((one) => [one.label, one.value]), (lib, svg, wide) => {
    const x = lib.scaleBand(entries.map((one) => one.x), [left, wide - 8]);
    const least = Math.min(0, ...known.map((one) => one.value)), most = Math.max(1e-9, ...known.map((one) => one.value));
    const y = lib.scaleLinear([least, most], [height - bottom, top]).nice();
    for (const one of known) {
      svg.append(s("rect", { x: x(one.x), width: x.bandwidth(), y: Math.min(y(one.value), y(0)), height: Math.abs(y(0) - y(one.value)), fill: colour(index), opacity: 0.25 }),
        s("line", { x1: x(one.x), x2: x(one.x) + x.bandwidth(), y1: y(one.value), y2: y(one.value), stroke: colour(index), "stroke-width": 2.5 },
          s("title", {}, `${one.label}: ${one.value} ${unit}`)));
    }
    const labels = new Map(entries.map((one) => [one.x, one.label]));
    axes(lib, svg, x, y, height, left, bottom, (value) => labels.get(value), (value) => value.toLocaleString("en-GB"));
  });
};

/** The stack of an interval: blocks by price against demand. blocks: [{name, wh, price, used}], price per kWh. */
export const stack = (name, caption, blocks, demandKwh, price, names) => {
  const height = 270, left = 64, bottom = 40, top = 22;
  const rows = blocks.map((one) => [one.name, one.kwh, one.price, one.used]);
  const header = ["supplier", "offered kWh", "price per kWh", "ordered kWh"];
  return figure(name, caption, names.map(key), height, header, rows, (lib, svg, wide) => {
    const total = Math.max(demandKwh, blocks.reduce((sum, one) => sum + one.kwh, 0), 1e-9);
    const x = lib.scaleLinear([0, total], [left, wide - 12]);
    const prices = [0, price ?? 0, ...blocks.map((one) => one.price)];
    const y = lib.scaleLinear([Math.min(...prices), Math.max(...prices) * 1.08 || 1], [height - bottom, top]).nice();
    let from = 0;
    for (const one of blocks) {
      svg.append(s("rect", { x: x(from), width: Math.max(0.5, x(from + one.kwh) - x(from)), y: Math.min(y(one.price), y(0)), height: Math.max(1.5, Math.abs(y(0) - y(one.price))),
        fill: colour(names.indexOf(one.name)), opacity: one.used ? 0.9 : 0.35 },
        s("title", {}, `${one.name}: ${one.kwh} kWh at ${one.price} per kWh, ${one.used} kWh ordered`)));
      from += one.kwh;
    }
    svg.append(s("line", { x1: x(demandKwh), x2: x(demandKwh), y1: top, y2: height - bottom, stroke: "var(--text)", "stroke-width": 1.5, "stroke-dasharray": "5 3" }),
      s("text", { x: Math.min(x(demandKwh) + 5, wide - 130), y: top - 8 }, `needed ${demandKwh.toLocaleString("en-GB")} kWh`));
    if (price !== null) {
      svg.append(s("line", { x1: left, x2: wide - 12, y1: y(price), y2: y(price), stroke: "var(--bad)", "stroke-width": 1.5 }),
        s("text", { x: wide - 14, y: y(price) - 5, "text-anchor": "end" }, `price ${price} per kWh`));
    }
    axes(lib, svg, x, y, height, left, bottom, (value) => value.toLocaleString("en-GB"), (value) => String(value));
    svg.append(s("text", { x: (left + wide) / 2, y: height - 6, "text-anchor": "middle", className: "soft" }, "kWh offered, cheapest first; height is the price per kWh"));
  });
};
