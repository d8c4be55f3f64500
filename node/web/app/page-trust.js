// Trust: who decides with what power, what each word was worth so far, and who was convicted of a lie, with the evidence.

import { query } from "./api.js";
import { cards, csvButton, h, s, show, table } from "./dom.js";
import { percent, whole } from "./format.js";
import { note } from "./notes.js";

const bar = (part, total) => {
  const share = total > 0n ? Number((part * 10_000n) / total) / 100 : 0;
  return h("span", {}, s("svg", { viewBox: "0 0 100 10", width: 110, height: 11, "aria-hidden": "true" },
    s("rect", { width: 100, height: 10, fill: "var(--panel)", stroke: "var(--line)" }), s("rect", { width: Math.min(100, share), height: 10, fill: "var(--s1)" })), ` ${share.toFixed(1)} %`);
};

const change = (one) => (one && one.kind !== "genesis" ? `${one.kind}, block ${whole(one.height)}` : "since genesis");

const LEAST_MS = 5_000;

export const open = async (place) => {
  let drawn = 0, waiting = null;
  const draw = async () => {
    try {
      const [data, offences, rules] = await Promise.all([query("trust"), query("offences"), query("rules")]);
      const members = data.members.filter((one) => one !== null);
      members.sort((one, other) => Number(BigInt(other.power) - BigInt(one.power)) || Number(BigInt(other.bonded_tokens) - BigInt(one.bonded_tokens)) || (one.member < other.member ? -1 : 1));
      const total = BigInt(data.total_power);
      show(place,
        cards([
          ["Epoch", whole(data.epoch), `ends with block ${whole(data.epoch_ends_with)}`],
          ["Organisations that decide", whole(data.organisations)],
          ["Power in all", whole(data.total_power), "more than 2/3 of it decides"],
          ["Tokens in all", whole(data.supply_tokens)],
          ["Bond for a seat", whole(data.seat_bond_tokens), "tokens"],
        ]),
        h("p", { className: "soft" }, "Power is what more than two thirds of must agree; it follows from the tokens that an organisation bonds and from its index, which rises with words that turn out true and falls with those that do not."),
        csvButton("trust", ["member", "power", "index_ppm", "bonded", "free", "wagered"], () => members.map((one) => [one.member, one.power, one.index_ppm, one.bonded_tokens, one.free_tokens, one.wagered_tokens])),
        table("Members: the power of this epoch follows from the bond and the index of two epochs before", [
          { name: "member", cell: (one) => h("a", { href: `#/ledger/of/${one.member}` }, one.member) },
          { name: "power", n: true, cell: (one) => whole(one.power) },
          { name: "share of power", cell: (one) => bar(BigInt(one.power), total) },
          { name: "index", n: true, cell: (one) => percent(one.index_ppm) },
          { name: "index last changed", cell: (one) => change(one.index_change) },
          { name: "bonded", unit: "tokens", n: true, cell: (one) => whole(one.bonded_tokens) },
          { name: "free", unit: "tokens", n: true, cell: (one) => whole(one.free_tokens) },
          { name: "wagered", unit: "tokens", n: true, cell: (one) => whole(one.wagered_tokens) },
          { name: "standing", cell: (one) => (one.tombstone ? h("strong", { className: "bad" }, "convicted") : one.flagged ? h("span", { className: "warn" }, "flagged") : "in good standing") },
        ], members),
        h("h2", {}, "Convictions"),
        table("Who contradicted itself, and where the evidence is", [
          { name: "member", cell: (one) => one.member },
          { name: "node", cell: (one) => one.node },
          { name: "what", cell: (one) => one.kind },
          { name: "at height", n: true, cell: (one) => whole(one.height) },
          { name: "evidence", cell: (one) => h("a", { href: `#/ledger/block/${one.recorded_height}`, title: one.evidence_hash }, `in block ${whole(one.recorded_height)}`) },
        ], (offences?.offences ?? []).filter((one) => one !== null), "Nobody has been convicted."),
        rules ? h("p", { className: "soft" }, `Rule set ${rules.rule_set}.`) : null);
    } catch (error) { show(place, note(error)); }
  };
  // The table is of all members, and blocks come several times a second: one look in a while shows the same.
  const later = () => {
    waiting ||= setTimeout(() => {
      waiting = null;
      drawn = Date.now();
      if (place.isConnected) draw();
    }, Math.max(0, drawn + LEAST_MS - Date.now()));
  };
  await draw();
  drawn = Date.now();
  return { changed: (what) => { if (what.has("status") || what.has("line")) later(); } };
};

