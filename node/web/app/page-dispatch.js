// Dispatch: the stack of an interval against what was needed, why its price is what it is, and who found the order.

import { get, query } from "./api.js";
import { certificate, refusedWords } from "./certificate.js";
import { stack } from "./chart.js";
import { fold, h, loading, show, table } from "./dom.js";
import { count, kwh, perKwh, PRICE } from "./format.js";
import { note, remark } from "./notes.js";
import { Picker } from "./picker.js";
import { sealed } from "./sealed.js";
import { words } from "./words.js";

/** What was offered, cheapest first, with what was ordered of each: the members' blocks, and what the grid would sell. */
const blocks = ({ offered, grid }) => {
  const made = (offered.stack ?? []).map((one) => ({ name: one.member, kwh: one.offered_wh / 1000, price: one.price_nano_per_wh / 1e6, used: one.ordered_wh / 1000 }));
  if (grid?.connected && grid.import_limit_wh) made.push({ name: "import", kwh: grid.import_limit_wh / 1000, price: grid.import_nano_per_wh / 1e6, used: grid.import_wh / 1000 });
  return made.sort((one, other) => one.price - other.price || (one.name < other.name ? -1 : 1));
};

/** Wh that offers and the public grid give. Less than was needed where batteries give the rest, more where they charge. */
const orderedWh = (told) => Math.round(blocks(told).reduce((sum, one) => sum + one.used * 1000, 0));

/** The stack with a dashed line: before the lock, when it grows with every offer, what is needed; then what was ordered of it. */
const drawn = (told, mark, price) => {
  const made = blocks(told), names = [...new Set(made.map((one) => one.name))].sort();
  return made.length ? stack(`stack-${told.interval}`, `Offers of interval ${told.interval} against demand`, PRICE, made, mark, price, names) : remark("", "Nobody offered energy in this interval.");
};

const why = (told) => {
  const price = told.price;
  if (!price || price.price_nano_per_wh === null) return remark("", "It is not ordered yet, so it has no price.");
  const by = price.set_by.map((one) => (one.member ? `${one.member}'s ${one.kind} of ${kwh(one.offered_wh ?? 0)} kWh` : one.kind)).join(" and ");
  const { offered, moved, demand, grid } = told;
  const dearer = (offered.dearer?.offered_wh ?? 0) - (offered.dearer?.ordered_wh ?? 0);
  return h("ol", { className: "steps" },
    h("li", {}, `${kwh(demand.fixed_wh)} kWh had to be served, for ${count(demand.members, "member")}.${moved.charged_wh || moved.discharged_wh ? ` ${kwh(moved.charged_wh)} kWh went into storage, ${kwh(moved.discharged_wh)} kWh came out of it.` : ""} Offers and the public grid give ${kwh(orderedWh(told))} kWh.`),
    h("li", {}, `${count(offered.members, "supplier")} offered ${kwh(offered.offered_wh)} kWh. Cheaper than the price: ${kwh(offered.cheaper?.ordered_wh ?? 0)} kWh ordered.${offered.equal?.offered_wh ? ` At the price: ${kwh(offered.equal.ordered_wh)} of ${kwh(offered.equal.offered_wh)} kWh.` : ""} Dearer and not needed: ${kwh(dearer)} kWh.`),
    h("li", {}, h("strong", {}, `${perKwh(price.price_nano_per_wh)} ${PRICE}`), by ? ` because the last energy needed came from ${by}.` : " by the rule of the pact."),
    h("li", {}, `The price is read ${kwh(price.slack_wh)} kWh below the last kWh, so that nobody moves it with a single one. Who delivers is paid this price${price.as_bid_wh ? `, but for ${kwh(price.as_bid_wh)} kWh that were dearer and are paid as bid` : ""}.`),
    grid.connected ? h("li", {}, `The public grid would have sold for ${perKwh(grid.import_nano_per_wh)} and bought for ${perKwh(grid.export_nano_per_wh)} ${PRICE}.`) : h("li", {}, "The site was an island."));
};

const orders = (data) => {
  const rows = data.orders.filter((one) => one !== null && (one.requested_wh || one.supplied_wh || one.shed_wh || one.storages.length));
  const stored = (one) => one.storages.reduce((sum, it) => sum + it.discharge_wh - it.charge_wh, 0);
  const member = { name: "member", cell: (one) => h("a", { href: `#/ledger/of/${one.member}` }, one.member) };
  const asked = { name: "asked", unit: "kWh", n: true, cell: (one) => kwh(one.requested_wh) };
  const served = { name: "served", unit: "kWh", n: true, cell: (one) => kwh(one.served_wh) };
  const shed = { name: "not served", unit: "kWh", n: true, cell: (one) => (one.shed_wh ? h("span", { className: "bad" }, kwh(one.shed_wh)) : "–") };
  const gives = [
    { name: "delivers", unit: "kWh", n: true, cell: (one) => (one.supplied_wh ? kwh(one.supplied_wh) : "–") },
    { name: "highest offer taken", unit: PRICE, n: true, cell: (one) => (one.supplied_wh ? perKwh(one.offer_nano_per_wh) : "–") },
    { name: "out of storage", unit: "kWh", n: true, cell: (one) => (one.storages.length ? kwh(stored(one)) : "–") },
  ];
  const suppliers = rows.filter((one) => one.supplied_wh || one.storages.length), others = rows.filter((one) => !suppliers.includes(one));
  const open = others.length <= 12 || others.some((one) => one.shed_wh);
  return h("div", {},
    table("Who delivers and stores", [member, ...gives], suppliers, "Nobody delivers: all of it is import.", `supply-${data.interval}`),
    others.length ? fold("served", `Served: ${count(others.length, "member")}`, () => table("Who is served", [member, asked, served, shed], others, "", `served-${data.interval}`), open) : null);
};

const conduct = (data) => {
  const rows = data?.shortfalls?.filter((one) => one !== null) ?? [];
  return rows.length ? [h("h2", {}, "Promised and not kept"), table("Who gave less than ordered", [
    { name: "member", cell: (one) => one.member },
    ...Object.keys(rows[0]).filter((key) => key.endsWith("_wh")).map((key) => ({ name: key.slice(0, -3).replaceAll("_", " "), unit: "kWh", n: true, cell: (one) => kwh(one[key]) })),
  ], rows, "", `conduct-${data.interval}`)] : null;
};

export const open = async (place, state, [wanted]) => {
  const pick = h("div", { className: "row picker" }), body = h("div", {}, loading());
  show(place, pick, body, words("merit order", "builder", "fallback", "certificate gap", "ppm", "trust token"));
  const soft = (asked) => asked.catch(() => null);
  const picker = new Picker(pick, wanted, "dispatch", async (interval) => {
    try {
      const [data, told, hidden] = await Promise.all([query(`dispatch/${interval}`), query(`explain/${interval}`), soft(query(`sealed/${interval}`))]);
      if (!data || data.status === "open" || data.status === "locked") {
        const spoken = told && (told.offered.offered_wh || told.demand.fixed_wh);
        show(body, remark("", spoken ? "Not ordered yet: offers are still open, or builders are at work." : "Nobody has needed or offered anything in this interval so far."),
          spoken ? drawn(told, ["needed", (told.demand.fixed_wh + told.demand.bids_wh) / 1000], null) : null, sealed(hidden));
        return;
      }
      const hasRound = data.round !== null && data.round !== undefined;
      const [round, check, found, kept] = await Promise.all([
        hasRound ? soft(query(`round/${data.round}`)) : null, soft(get(`/check/${interval}`)), soft(query(`case/${interval}`)), soft(query(`conduct/${interval}`)),
      ]);
      const refused = round ? await soft(refusedWords(round)) : [];
      const price = data.price_nano_per_wh === null ? null : data.price_nano_per_wh / 1e6;
      show(body,
        h("h2", {}, "Why this price"), why(told),
        drawn(told, ["ordered", orderedWh(told) / 1000], price),
        h("h2", {}, "Certificate, builders and wagers"), certificate(state.status?.node ?? "", round, check, found, refused ?? []), sealed(hidden),
        h("h2", {}, "Orders"), orders(data), conduct(kept),
        h("p", { className: "soft" }, "All of it with its proof, checked without believing a node: ", h("code", {}, `gridpact proof fetch dispatch ${interval} | gridpact proof verify -`)));
    } catch (error) { show(body, note(error)); }
  });
  await picker.move();
  return { changed: (what) => (what.has("interval") || what.has("line") ? picker.move() : null) };
};
