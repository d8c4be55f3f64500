// Dispatch: the stack of an interval against what was needed, why its price is what it is, and who found the order.

import { query } from "./api.js";
import { stack } from "./chart.js";
import { cards, csvButton, h, show, table } from "./dom.js";
import { decimal, kwh, money, perKwh, short, whole } from "./format.js";
import { note, remark } from "./notes.js";
import { Picker } from "./picker.js";

const VERDICTS = {
  open: "not judged yet",
  undrawn: "not drawn to build: the wager went back",
  best: "certified, and nothing was cheaper",
  beaten: "certified, but another solution was cheaper",
  infeasible: "refused: it breaks a limit, or is too far from its bound",
  unrevealed: "promised and not shown",
};

/** Blocks of all sources in an interval of a case, cheapest first, with what was ordered of each. */
const blocks = (found, orders, interval) => {
  const at = interval - found.interval;
  const ordered = new Map();
  for (const order of orders) for (const one of order.meters) ordered.set(one.meter, one.energy_wh);
  const made = [];
  for (const source of found.case.sources) {
    let left = ordered.get(source.id) ?? 0;
    for (const block of source.blocks[at] || []) {
      const used = Math.min(left, block.energy_wh);
      left -= used;
      made.push({ name: source.organisation, kwh: block.energy_wh / 1000, price: block.price_nano_per_wh / 1e6, used: used / 1000 });
    }
  }
  for (const tie of found.case.connections || []) {
    const used = 0;
    const limit = tie.import_limit_wh?.[at] ?? 0;
    if (limit) made.push({ name: "import", kwh: limit / 1000, price: tie.import_nano_per_wh[at] / 1e6, used });
  }
  return made.sort((one, other) => one.price - other.price || (one.name < other.name ? -1 : 1));
};

const why = (told) => {
  const price = told.price;
  if (!price || price.price_nano_per_wh === null) return remark("", "It is not ordered yet, so it has no price.");
  const by = price.set_by.map((one) => (one.member ? `${one.member}'s ${one.kind} of ${kwh(one.offered_wh ?? 0)} kWh` : one.kind)).join(" and ");
  return h("ol", { className: "steps" },
    h("li", {}, `${kwh(told.demand.fixed_wh)} kWh had to be served, for ${told.demand.members} members; ${kwh(told.moved.charged_wh)} kWh went into storage, ${kwh(told.moved.discharged_wh)} kWh came out of it.`),
    h("li", {}, `${told.offered.members} suppliers offered ${kwh(told.offered.offered_wh)} kWh. Cheaper than the price: ${kwh(told.offered.cheaper?.ordered_wh ?? 0)} kWh ordered; at the price: ${kwh(told.offered.equal?.ordered_wh ?? 0)} of ${kwh(told.offered.equal?.offered_wh ?? 0)} kWh; dearer, and not needed: ${kwh((told.offered.dearer?.offered_wh ?? 0) - (told.offered.dearer?.ordered_wh ?? 0))} kWh.`),
    h("li", {}, h("strong", {}, `${perKwh(price.price_nano_per_wh)} per kWh`), by ? ` because the last energy needed came from ${by}.` : " by the rule of the pact."),
    h("li", {}, `Read ${kwh(price.slack_wh)} kWh below the last, so that nobody moves a price with the last Wh. Everybody who delivers gets this price; what was dearer is paid as bid (${kwh(price.as_bid_wh)} kWh).`),
    told.grid.connected ? h("li", {}, `The public grid would have sold for ${perKwh(told.grid.import_nano_per_wh)} and bought for ${perKwh(told.grid.export_nano_per_wh)} per kWh.`) : h("li", {}, "The site was an island."));
};

const certificate = (round) => {
  if (!round) return remark("", "No round of builders about this window: every node ordered it by the fallback, the same everywhere.");
  const saved = round.fallback_nano !== null && round.cost_nano !== null ? BigInt(round.fallback_nano) - BigInt(round.cost_nano) : null;
  return h("div", {},
    cards([
      ["Outcome", round.outcome ? (round.outcome === "builder" ? `solution of ${round.builder}` : round.outcome) : round.phase],
      ["Cost of the order", round.cost_nano === null ? "–" : money(round.cost_nano), "currency"],
      ["Without builders", round.fallback_nano === null ? "–" : money(round.fallback_nano), "currency"],
      ["Saved", saved === null ? "–" : money(saved), "currency"],
      ["Certified gap at most", decimal(round.terms.loss_ppm, 0), "ppm of the demand's worth"],
    ]),
    table("Builders and their wagers", [
      { name: "builder", cell: (one) => one.member },
      { name: "wagers that", cell: (one) => one.claim },
      { name: "wager", unit: "tokens", n: true, cell: (one) => whole(one.amount_tokens) },
      { name: "verdict", cell: (one) => (one.verdict ? h("span", { className: one.verdict === "best" ? "good" : one.verdict === "infeasible" ? "bad" : null }, one.verdict) : "–") },
      { name: "why", long: true, cell: (one) => VERDICTS[one.verdict] ?? one.verdict },
      { name: "cost", unit: "currency", n: true, cell: (one) => (one.cost_nano === null ? "–" : money(one.cost_nano)) },
      { name: "lost", unit: "tokens", n: true, cell: (one) => whole(one.lost_tokens) },
      { name: "solution", cell: (one) => h("code", { title: one.solution_hash }, short(one.solution_hash)) },
    ], (round.placed || []).filter((one) => one !== null), "Nobody wagered."));
};

const orders = (data) => {
  const rows = data.orders.filter((one) => one !== null && (one.requested_wh || one.supplied_wh || one.shed_wh || one.storages.length));
  const columns = [
    { name: "member", cell: (one) => one.member },
    { name: "asked", unit: "kWh", n: true, cell: (one) => kwh(one.requested_wh) },
    { name: "served", unit: "kWh", n: true, cell: (one) => kwh(one.served_wh) },
    { name: "not served", unit: "kWh", n: true, cell: (one) => (one.shed_wh ? h("span", { className: "bad" }, kwh(one.shed_wh)) : "–") },
    { name: "delivers", unit: "kWh", n: true, cell: (one) => (one.supplied_wh ? kwh(one.supplied_wh) : "–") },
    { name: "highest offer taken", unit: "per kWh", n: true, cell: (one) => (one.supplied_wh ? perKwh(one.offer_nano_per_wh) : "–") },
  ];
  const suppliers = rows.filter((one) => one.supplied_wh || one.storages.length), others = rows.filter((one) => !suppliers.includes(one));
  return h("div", {}, csvButton(`orders-${data.interval}`, ["member", "asked Wh", "served Wh", "shed Wh", "delivers Wh"], () => rows.map((one) => [one.member, one.requested_wh, one.served_wh, one.shed_wh, one.supplied_wh])), table("Who delivers and stores", columns, suppliers, "Nobody delivers: all of it is import."),
    h("details", { open: others.length <= 12 || others.some((one) => one.shed_wh) }, h("summary", {}, `${others.length} members that are served`), table("Who is served", columns, others)));
};

export const open = async (place, state, [wanted]) => {
  const pick = h("div", { className: "row" }), body = h("div", {});
  show(place, pick, body);
  const picker = new Picker(pick, wanted, "dispatch", async (interval) => {
    try {
      const [data, told] = await Promise.all([query(`dispatch/${interval}`), query(`explain/${interval}`)]);
      if (!data) {
        show(body, remark("", "Not ordered yet: offers are still open, or builders are at work. "), told ? why(told) : null);
        return;
      }
      const round = data.round === null || data.round === undefined ? null : await query(`round/${data.round}`).catch(() => null);
      const found = await query(`case/${interval}`).catch(() => null);
      const drawn = found && found.case ? blocks(found, data.orders.filter((one) => one !== null), interval) : [];
      const names = [...new Set(drawn.map((one) => one.name))].sort();
      const price = data.price_nano_per_wh === null ? null : data.price_nano_per_wh / 1e6;
      show(body,
        h("h2", {}, "Why this price"), why(told),
        drawn.length ? stack(`stack-${interval}`, `What was offered in interval ${interval}, against what was needed`, drawn, data.served_wh / 1000, price, names) : remark("", "The stack is not kept any more, or was never one window's."),
        h("h2", {}, "Certificate, builders and wagers"), certificate(round),
        data.relaxed.length ? remark("warn", `Given up so that there was a dispatch at all: ${data.relaxed.join(", ")}.`) : null,
        h("h2", {}, "Orders"), orders(data));
    } catch (error) { show(body, note(error)); }
  });
  await picker.move();
  return { changed: (what) => (what.has("interval") || what.has("line") ? picker.move() : null) };
};
