// Grid: who feeds the site and who takes from it in an interval, its price and mode, drawn as a one-line diagram.

import { query } from "./api.js";
import { bars, steps } from "./chart.js";
import { diagram } from "./diagram.js";
import { cards, fold, h, loading, show, table } from "./dom.js";
import { clock, decimal, exact, kwh, money, perKwh, PRICE } from "./format.js";
import { note, remark } from "./notes.js";
import { Past } from "./past.js";
import { Picker } from "./picker.js";
import { words } from "./words.js";

const NAMED = 4;
const ALIKE = 3;
const MODES = { grid: "connected", island: "island", injection: "injection" };
const MODE_SAYS = { grid: "to the public grid", island: "without the public grid", injection: "sells to the public grid" };
const GRID = "public grid";

const told = (wh) => `${decimal(wh < 0 ? -wh : wh, 3, 1, 1)} kWh`;

const line = (name, member, wh, more = {}) => {
  const [gives, takes] = more.verbs ?? ["gives", "takes"];
  return { name, member, wh, figure: wh > 0 ? `${gives} ${told(wh)}` : wh < 0 ? `${takes} ${told(wh)}` : "idle", ...more };
};

// Takers of one kind (tenant-01, tenant-02, ...) are one box; of the others so many are named as fit.
const gathered = (takers) => {
  const kinds = new Map();
  for (const one of takers) {
    const kind = one.member.replace(/-\d+$/, "");
    kinds.set(kind, [...(kinds.get(kind) ?? []), one]);
  }
  const sum = (some) => some.reduce((all, one) => all + one.wh, 0);
  const boxes = [...kinds].flatMap(([kind, some]) => (some.length >= ALIKE ? [line(`${some.length} × ${kind}`, null, sum(some))] : some));
  boxes.sort((one, other) => one.wh - other.wh || (one.name < other.name ? -1 : 1));
  const rest = boxes.slice(NAMED - 1);
  return rest.length > 1 ? [...boxes.slice(0, NAMED - 1), line(`${rest.length} others`, null, sum(rest))] : boxes;
};

/** Flows of an interval in Wh, by what is connected to the bus: positive towards it. */
const flows = (data, held) => {
  const sources = [], takers = [], stores = [];
  for (const order of data.orders.filter((one) => one !== null)) {
    const stored = new Set(order.storages.map((one) => one.meter));
    const note = order.supplied_wh && order.offer_nano_per_wh !== null ? `taken up to ${perKwh(order.offer_nano_per_wh)}` : "";
    for (const one of order.meters) if (!stored.has(one.meter)) sources.push(line(one.meter, order.member, one.energy_wh, { note }));
    for (const one of order.storages) {
      stores.push(line(one.meter, order.member, one.discharge_wh - one.charge_wh, { store: true, verbs: ["discharges", "charges"], note: held.has(one.meter) ? `holds ${told(held.get(one.meter))}` : "" }));
    }
    const charged = order.storages.reduce((sum, one) => sum + one.charge_wh, 0);
    if (order.served_wh - charged > 0) takers.push(line(order.member, order.member, charged - order.served_wh));
  }
  takers.sort((one, other) => one.wh - other.wh || (one.name < other.name ? -1 : 1));
  const bought = data.import_wh - data.export_wh, { tariff } = data;
  const terms = !data.grid || !tariff ? "not connected" : bought > 0 ? `at ${perKwh(tariff.import_nano_per_wh)}` : bought < 0 ? `at ${perKwh(tariff.export_nano_per_wh)}` : `would sell at ${perKwh(tariff.import_nano_per_wh)}`;
  return { sources, stores, takers, tie: line(GRID, null, bought, { verbs: ["sells", "buys"], note: terms }) };
};

const sentence = (data, all) => {
  const some = (sign) => all.filter((one) => Math.sign(one.wh) === sign).map((one) => `${one.name} ${one.figure}`).join(", ") || "nobody";
  return `Interval ${data.interval}. Towards the site: ${some(1)}. From the site: ${some(-1)}.`;
};

const summary = (data) => {
  const mode = data.mode || (data.grid ? "grid" : "island");
  return cards([
    ["Price", perKwh(data.price_nano_per_wh), PRICE],
    ["Needed", kwh(data.demand_wh + data.bids_wh), "kWh"],
    ["Site supply", kwh(data.supplied_wh), "kWh"],
    ["From the grid", kwh(data.import_wh), "kWh"],
    ["To the grid", kwh(data.export_wh), "kWh"],
    ["Not served", kwh(data.shed_wh), "kWh", data.shed_wh ? "bad" : null],
    ["Mode", MODES[mode] ?? mode, data.mode_reason || MODE_SAYS[mode], mode === "grid" ? null : "warn"],
  ]);
};

/** Where an interval stands between its gate and its settlement. */
const phases = (data, nowMs) => {
  const reached = [
    ["Offers lock", clock(data.locks_ms), data.locks_ms],
    ["Delivery begins", clock(data.start_ms), data.start_ms],
    ["Delivery ends", clock(data.end_ms), data.end_ms],
    [data.status === "settled" ? "Settled" : "Settles", clock(data.closes_ms), data.closes_ms],
  ];
  const passed = reached.filter(([, , ms]) => nowMs >= ms).length;
  return h("ol", { className: "phases", "aria-label": "Where this interval stands" }, reached.map(([name, at], index) =>
    h("li", { className: index < passed ? "done" : null, "aria-current": index === passed - 1 ? "step" : null }, h("strong", {}, name), " ", h("span", { className: "soft" }, at.replace(" UTC", "")))));
};

const unordered = (known, nowMs) => {
  if (!known) return [remark("", "Nobody has spoken about this interval yet.")];
  const passed = nowMs >= known.locks_ms, lock = `Offers lock at ${clock(known.locks_ms)}, then it is decided who supplies it.`;
  if (known.status === "empty") return [phases(known, nowMs), remark("", passed ? "Nobody needed or offered anything in this interval, so nothing was ordered." : `Nobody has spoken about this interval yet. ${lock}`)];
  return [phases(known, nowMs), remark("", passed ? "Not ordered yet: offers are locked, and builders are at work." : `Not ordered yet. ${lock}`)];
};

const metered = (data) => {
  if (data.status !== "settled") return null;
  const rows = [
    ["given to the site", data.supplied_wh + data.import_wh, data.injected_wh],
    ["taken from the site", data.served_wh + data.export_wh, data.withdrawn_wh],
    ["bought from the grid", data.import_wh, data.tie_import_wh],
    ["sold to the grid", data.export_wh, data.tie_export_wh],
    ["lost in lines", null, data.losses_wh],
  ];
  return [
    h("h2", {}, "Ordered and metered"),
    table(`Interval ${data.interval} is settled: money follows what was metered. Residual: ${money(data.residual_nano)} currency.`, [
      { name: "energy", cell: ([name]) => name },
      { name: "ordered", unit: "kWh", n: true, cell: ([, ordered]) => kwh(ordered) },
      { name: "metered", unit: "kWh", n: true, cell: ([, , seen]) => kwh(seen) },
      { name: "difference", unit: "kWh", n: true, cell: ([, ordered, seen]) => (ordered === null ? "–" : kwh(seen - ordered)) },
    ], rows, "", `metered-${data.interval}`),
    data.estimated ? remark("warn", `${data.estimated} meters were silent and are estimated: ${data.estimated_meters.join(", ")}.`) : null,
  ];
};

export const open = async (place, state, [wanted]) => {
  const pick = h("div", { className: "row picker" }), body = h("div", {}, loading()), past = h("div", {});
  show(place, pick, body, past, words("interval", "dispatch", "merit order", "settlement", "residual", "island"));
  const behind = new Past((interval) => query(`interval/${interval}`), (one) => one.status === "settled");
  let drawn = null;

  const holdings = async (data) => {
    if (picker.chosen !== null) return new Map();
    const meters = data.orders.filter((one) => one !== null).flatMap((one) => one.storages.map((it) => it.meter));
    const found = await Promise.all(meters.map((meter) => query(`storage/${meter}`).catch(() => null)));
    return new Map(found.filter((one) => one !== null).map((one) => [one.meter, one.charge_wh]));
  };

  const picker = new Picker(pick, wanted, "grid", async (interval) => {
    try {
      const data = await query(`dispatch/${interval}`);
      if (data && data.orders && data.price_nano_per_wh !== null && data.status !== "open" && data.status !== "locked") {
        const found = flows(data, await holdings(data));
        const every = [...found.sources, found.tie, ...found.stores, ...found.takers];
        show(body, phases(data, state.status?.time_ms ?? data.start_ms), summary(data),
          diagram([...found.sources, found.tie], [...found.stores, ...gathered(found.takers)], sentence(data, every)),
          h("p", { className: "soft" }, `Prices in ${PRICE}. The thicker a line, the more flows.`),
          fold("flows", "All flows as a table", () => table(`Flows of interval ${interval}`, [
            { name: "at", cell: (one) => one.name }, { name: "member", cell: (one) => one.member || "–" },
            { name: "towards the site", unit: "kWh", n: true, cell: (one) => kwh(one.wh) },
          ], every, "", `flows-${interval}`)),
          metered(data));
      } else {
        show(body, ...unordered(data ?? (await query(`interval/${interval}`)), state.status?.time_ms ?? 0));
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
      h("h2", {}, found.length > 1 ? `The last ${found.length} intervals` : "The only interval so far"),
      bars("supply", "Supply ordered", "kWh", ["own supply", "import", "not served"], found.map((one) => ({
        x: one.interval, label: label(one), line: one.demand_wh / 1000,
        values: { "own supply": one.supplied_wh / 1000, import: one.import_wh / 1000, "not served": one.shed_wh / 1000 } })), "needed"),
      steps("price", "Price", PRICE, ["price"], found.map((one) => ({ x: one.interval, label: label(one), values: { price: one.price_nano_per_wh / 1e6 } })), "var(--s5)"),
      table("Intervals, newest first", [
        { name: "interval", n: true, cell: (one) => h("a", { href: `#/dispatch/${one.interval}` }, one.interval) },
        { name: "begins", cell: (one) => clock(one.start_ms), raw: (one) => new Date(one.start_ms).toISOString() },
        { name: "needed", unit: "kWh", n: true, cell: (one) => kwh(one.demand_wh) },
        { name: "price", unit: PRICE, n: true, cell: (one) => perKwh(one.price_nano_per_wh), raw: (one) => exact(one.price_nano_per_wh, 6) },
        { name: "losses", unit: "kWh", n: true, cell: (one) => (one.status === "settled" ? kwh(one.losses_wh) : "–") },
        { name: "residual", unit: "currency", n: true, cell: (one) => (one.status === "settled" ? money(one.residual_nano) : "–"), raw: (one) => (one.status === "settled" ? exact(one.residual_nano, 9) : "") },
        { name: "status", cell: (one) => one.status },
      ], [...found].reverse(), "", "intervals"));
  };

  await picker.move();
  return {
    changed: (what) => {
      if (what.has("interval") || what.has("line")) { drawn = picker.chosen === null ? null : drawn; return picker.move(); }
      return null;
    },
  };
};
