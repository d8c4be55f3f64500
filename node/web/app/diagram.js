// The one-line diagram of an interval: sources and the public grid on one side of the site's bus, storages and those who take
// energy on the other. On a phone the bus stands upright. Draws what it is given; knows nothing of the ledger.

import { colour, room } from "./chart.js";
import { h, s } from "./dom.js";

const BOX = { wide: 168, tall: 64 };
const NARROW = 640;
const THICKEST = 9;

const short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

const tone = (one, into) => (into || one.store ? colour(one.name, 0) : "var(--s1)");

/** One line of the diagram: a box {name, wh, figure, note, store}, and the flow between it and the bus. The flow runs along
 * `axis` ("y": up or down, "x": sideways) from the box's edge to the bus. */
const branch = (one, most, box, edge, bus, axis) => {
  const into = one.wh > 0, idle = one.wh === 0;
  const across = axis === "y" ? box.x + box.wide / 2 : box.y + box.tall / 2;
  const [from, to] = into ? [edge, bus] : [bus, edge];
  const back = Math.sign(to - from) * 9;
  const at = (along, beside = 0) => (axis === "y" ? `${across + beside},${along}` : `${along},${across + beside}`);
  const thick = idle ? 1.5 : 2 + (Math.abs(one.wh) / most) * THICKEST;
  const wing = 5 + thick / 2;
  const middle = box.x + box.wide / 2;
  return s("g", {},
    s("path", { d: `M${at(from)} L${at(idle ? to : to - back)}`, fill: "none", stroke: idle ? "var(--line)" : tone(one, into), "stroke-width": thick, "stroke-dasharray": idle ? "4 4" : null }),
    idle ? null : s("path", { d: `M${at(to - back, -wing)} L${at(to)} L${at(to - back, wing)} z`, fill: tone(one, into) }),
    s("rect", { x: box.x, y: box.y, width: box.wide, height: box.tall, rx: 8, fill: "var(--panel)", stroke: "var(--line)" }),
    s("rect", { x: box.x, y: box.y + 8, width: 4, height: box.tall - 16, fill: idle ? "var(--line)" : tone(one, into) }),
    s("text", { x: middle, y: box.y + 18, "text-anchor": "middle" }, short(one.name, 19), s("title", {}, one.name)),
    s("text", { x: middle, y: box.y + 37, "text-anchor": "middle", className: "figure" }, one.figure),
    s("text", { x: middle, y: box.y + 54, "text-anchor": "middle", className: "small soft" }, one.note ?? ""));
};

const flat = (above, below, told, least) => {
  const line = 132, low = 196, most = largest([...above, ...below]);
  const wide = Math.max(least, Math.max(above.length, below.length) * (BOX.wide + 10));
  const spread = (list, y, edge) => {
    const step = wide / list.length;
    return list.map((one, at) => branch(one, most, { x: at * step + (step - BOX.wide) / 2, y, ...BOX }, edge, line, "y"));
  };
  return s("svg", { className: "line", viewBox: `0 0 ${wide} 262`, role: "img", "aria-label": told, width: wide },
    s("line", { x1: 4, x2: wide - 4, y1: line, y2: line, stroke: "var(--text)", "stroke-width": 5 }),
    spread(above, 2, 2 + BOX.tall), spread(below, low, low));
};

const upright = (above, below, told, wide) => {
  const gap = 30, tall = BOX.tall, step = tall + 12, most = largest([...above, ...below]);
  const box = Math.floor((wide - gap * 2 - 5) / 2), line = box + gap + 2.5;
  const high = Math.max(above.length, below.length) * step;
  const column = (list, x, edge) => list.map((one, at) => branch(one, most, { x, y: 4 + at * step, wide: box, tall }, edge, line, "x"));
  return s("svg", { className: "line", viewBox: `0 0 ${wide} ${high + 4}`, role: "img", "aria-label": told, width: wide },
    s("line", { x1: line, x2: line, y1: 2, y2: high, stroke: "var(--text)", "stroke-width": 5 }),
    column(above, 0, box), column(below, line + gap + 2.5, line + gap + 2.5));
};

const largest = (all) => Math.max(1, ...all.map((one) => Math.abs(one.wh)));

/** The diagram: `above` gives to the site, `below` mostly takes; `told` is all of it in words. */
export const diagram = (above, below, told) => {
  const wide = room();
  return h("div", { className: "scroll", tabindex: "0", role: "region", "aria-label": "One-line diagram" },
    wide < NARROW ? upright(above, below, told, wide) : flat(above, below, told, wide));
};
