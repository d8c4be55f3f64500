// Grid: who feeds the site and who takes from it in an interval, its price and mode, drawn as a one-line diagram.

import { query } from "./api.js";
import { bars, steps } from "./chart.js";
import { cards, h, s, show, table } from "./dom.js";
import { clock, decimal, kwh, money, perKwh } from "./format.js";
import { note, remark } from "./notes.js";
import { Past } from "./past.js";
import { Picker } from "./picker.js";

const NAMED = 6;
const MODES = { grid: "connected to the public grid", island: "island", injection: "injection into the public grid" };

/** Flows of an interval in Wh, by what is connected to the bus: positive towards it. */
const flows = (data) => {
  const sources = [], takers = [], stores = [];
  for (const order of data.orders.filter((one) => one !== null)) {
    const stored = new Set(order.storages.map((one) => one.meter));
    for (const one of order.meters) if (!stored.has(one.meter)) sources.push({ name: one.meter, member: order.member, wh: one.energy_wh });
    for (const one of order.storages) stores.push({ name: one.meter, member: order.member, wh: one.discharge_wh - one.charge_wh });
    const charged = order.storages.reduce((sum, one) => sum + one.charge_wh, 0);
    if (order.served_wh - charged > 0) takers.push({ name: order.member, member: order.member, wh: charged - order.served_wh });
  }
  takers.sort((one, other) => one.wh - other.wh || (one.name < other.name ? -1 : 1));
  const rest = takers.slice(NAMED - 1);
  const named = rest.length > 1 ? [...takers.slice(0, NAMED - 1), { name: `${rest.length} other members`, member: null, wh: rest.reduce((sum, one) => sum + one.wh, 0) }] : takers;
  return { sources, stores, takers: named, tie: { name: "public grid", member: null, wh: data.import_wh - data.export_wh } };
};

const BOX = 132, STEP = 146, TALL = 46;

/** The one-line diagram: sources above the bus, everything else below it; the thicker a line, the more flows. */
const diagram = (data, found) => {
  const above = [...found.sources, found.tie], below = [...found.stores, ...found.takers];
  const wide = Math.max(above.length, below.length, 3) * STEP + 20, bus = 150;
  const most = Math.max(1, ...[...above, ...below].map((one) => Math.abs(one.wh)));
  const box = (one, at, up) => {
    const x = 10 + at * STEP, y = up ? 10 : bus + 84, middle = x + BOX / 2;
    const into = one.wh > 0, idle = one.wh === 0;
    const [from, to] = up ? [y + TALL, bus - 3] : [bus + 3, y];
    const tip = into === up ? to : from, back = (into === up ? -1 : 1) * 8;
    return s("g", {},
      s("line", { className: "flow", x1: middle, x2: middle, y1: from, y2: to, stroke: idle ? "var(--line)" : into ? "var(--s3)" : "var(--s1)", "stroke-width": idle ? 1 : 1.5 + (Math.abs(one.wh) / most) * 9, "stroke-dasharray": idle ? "4 4" : null }),
      idle ? null : s("path", { d: `M${middle - 7},${tip + back} L${middle},${tip} L${middle + 7},${tip + back} z`, fill: into ? "var(--s3)" : "var(--s1)" }),
      s("rect", { x, y, width: BOX, height: TALL, rx: 6, fill: "var(--panel)", stroke: "var(--line)" }),
      s("text", { x: middle, y: y + 18, "text-anchor": "middle" }, one.name.length > 18 ? `${one.name.slice(0, 17)}…` : one.name, s("title", {}, one.name)),
      s("text", { x: middle, y: y + 36, "text-anchor": "middle", "font-weight": 600 }, `${into ? "gives" : idle ? "" : "takes"} ${decimal(Math.abs(one.wh), 3, 1, 1)} kWh`));
  };
  const told = (list, verb) => list.filter((one) => one.wh).map((one) => `${one.name} ${verb} ${kwh(Math.abs(one.wh))} kWh`).join(", ");
  const label = `Flows of interval ${data.interval}: ${told([...above, ...below].filter((one) => one.wh > 0), "gives")}; ${told([...above, ...below].filter((one) => one.wh < 0), "takes")}.`;
  return h("div", { className: "scroll", tabindex: "0", role: "region", "aria-label": "One-line diagram" },
    s("svg", { className: "line", viewBox: `0 0 ${wide} 300`, role: "img", "aria-label": label, width: wide },
      s("line", { x1: 8, x2: wide - 8, y1: bus, y2: bus, stroke: "var(--text)", "stroke-width": 5 }),
      s("text", { x: wide - 8, y: bus - 10, "text-anchor": "end" }, data.grid ? "site bus" : "site bus, open to the public grid"),
      above.map((one, at) => box(one, at, true)), below.map((one, at) => box(one, at, false))));
};

const summary = (data) =>
  cards([
    ["Price", perKwh(data.price_nano_per_wh), "per kWh"],
    ["Needed", kwh(data.demand_wh), "kWh"],
    ["Supplied", kwh(data.supplied_wh), "kWh"],
    ["Import / export", `${kwh(data.import_wh)} / ${kwh(data.export_wh)}`, "kWh"],
    ["Not served", kwh(data.shed_wh), "kWh"],
    ["Mode", MODES[data.mode] || (data.grid ? MODES.grid : MODES.island), data.mode_reason],
    ["Status", data.status],
    ["Losses metered", data.losses_wh === null || data.status !== "settled" ? "–" : kwh(data.losses_wh), "kWh"],
  ]);

export const open = async (place, state, [wanted]) => {
  const pick = h("div", { className: "row" }), body = h("div", {}), past = h("div", {});
  show(place, pick, body, past);
  const behind = new Past((interval) => query(`interval/${interval}`), (one) => one.status === "settled");
  let drawn = null;

  const picker = new Picker(pick, wanted, "grid", async (interval) => {
    try {
      const data = await query(`dispatch/${interval}`);
      if (data && data.orders) {
        const found = flows(data);
        const every = [...found.sources, ...found.stores, found.tie, ...found.takers];
        show(body, summary(data), diagram(data, found),
          h("details", {}, h("summary", {}, "The same as a table"),
            table(`Flows of interval ${interval}`, [
              { name: "at", cell: (one) => one.name }, { name: "member", cell: (one) => one.member || "–" },
              { name: "towards the site", unit: "kWh", n: true, cell: (one) => kwh(one.wh) },
            ], every)));
      } else {
        const known = await query(`interval/${interval}`);
        show(body, known ? remark("", `This interval is ${known.status}: offers lock at ${clock(known.locks_ms)}, then it is ordered.`) : remark("", "Nobody has spoken about this interval."));
      }
      await history(interval);
    } catch (error) { show(body, note(error)); }
  });

  const history = async (last) => {
    if (drawn === last) return;
    drawn = last;
    const found = (await behind.until(last)).filter((one) => one.price_nano_per_wh !== undefined && one.price_nano_per_wh !== null);
    if (!found.length) { show(past); return; }
    const label = (one) => clock(one.start_ms).replace(" UTC", "");
    show(past,
      h("h2", {}, `The last ${found.length} intervals`),
      bars("supply", "Supply ordered", "kWh", ["sources and storage", "import", "not served"], found.map((one) => ({
        x: one.interval, label: label(one),
        values: { "sources and storage": one.supplied_wh / 1000, import: one.import_wh / 1000, "not served": one.shed_wh / 1000 } }))),
      steps("price", "Price", "per kWh", found.map((one) => ({ x: one.interval, label: label(one), value: one.price_nano_per_wh / 1e6 })), 4),
      table("Intervals", [
        { name: "interval", n: true, cell: (one) => h("a", { href: `#/dispatch/${one.interval}` }, one.interval) },
        { name: "begins", cell: (one) => clock(one.start_ms) },
        { name: "needed", unit: "kWh", n: true, cell: (one) => kwh(one.demand_wh) },
        { name: "price", unit: "per kWh", n: true, cell: (one) => perKwh(one.price_nano_per_wh) },
        { name: "losses", unit: "kWh", n: true, cell: (one) => (one.status === "settled" ? kwh(one.losses_wh) : "–") },
        { name: "residual", unit: "currency", n: true, cell: (one) => (one.status === "settled" ? money(one.residual_nano) : "–") },
        { name: "status", cell: (one) => one.status },
      ], [...found].reverse()));
  };

  await picker.move();
  return {
    changed: (what) => {
      if (what.has("interval") || what.has("line")) { drawn = picker.chosen === null ? null : drawn; return picker.move(); }
      return null;
    },
  };
};
