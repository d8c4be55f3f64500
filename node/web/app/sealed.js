// The sealed round of an interval: what everybody may know of a price that was found without anybody showing an offer.

import { cards, h, table } from "./dom.js";
import { count, exact, kwh, money, perKwh, PRICE } from "./format.js";
import { remark } from "./notes.js";

const STATES = {
  bid: "its offer is in, sealed",
  awarded: "has its award, sealed",
  opened: "its bid had to be opened, because it did not say its award",
  unopened: "did not say its award, and its bid could not be opened",
  shown: "delivered, as its meters prove without saying how much",
  short: "showed no delivery",
  void: "the round came to nothing",
};
const OUTCOMES = { open: "under way", balanced: "awards add up to the demand", overpaid: "awards were opened, and more was paid", void: "sums did not fit", failed: "it failed" };

/** What is known of a round; null where the interval has none. */
export const sealed = (round) => {
  if (!round) return null;
  const { clearing } = round;
  const suppliers = (round.suppliers ?? []).filter((one) => one !== null);
  return [
    h("h2", {}, "Sealed round"),
    remark("", "Offers, awards and what each tenant needs stay sealed. Only sums were opened, by more than two thirds of the seats together: whether enough is offered at a price, and what all need."),
    cards([
      ["Buyer", round.buyer],
      ["Phase", round.phase, OUTCOMES[round.outcome] ?? round.outcome],
      ["Clearing price", clearing ? perKwh(clearing.price_nano_per_wh) : "–", PRICE],
      ["All need", kwh(round.demand_wh), `kWh, for ${count(round.tenants.length, "tenant")}`],
      ["Awarded in all", kwh(round.awarded_wh), "kWh"],
      ["Paid in all", round.paid_nano === "0" ? "–" : money(round.paid_nano), "currency"],
      ["Sums opened", String(round.openings), `to find one of ${round.ticks.length} prices`],
    ]),
    table("Suppliers: what each was awarded only it can open", [
      { name: "supplier", cell: (one) => one.member },
      { name: "state", cell: (one) => one.state },
      { name: "means", long: true, cell: (one) => STATES[one.state] ?? "see docs/sealed.md" },
      { name: "wager held", unit: "currency", n: true, cell: (one) => money(one.wager_nano), raw: (one) => exact(one.wager_nano, 9) },
      { name: "lost its wager", cell: (one) => (one.lost_wager ? h("span", { className: "bad" }, "yes") : "no") },
      { name: "short by", unit: "kWh", n: true, cell: (one) => kwh(one.shortfall_wh) },
    ], suppliers, "Nobody has bid yet.", `sealed-${round.interval}`),
    round.withheld.length ? remark("bad", `Sums could not be opened: these seats gave no share: ${round.withheld.join(", ")}.`) : null,
    round.absent.length ? remark("warn", `Did not bid although registered: ${round.absent.join(", ")}.`) : null,
  ];
};
