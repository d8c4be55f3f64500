// Trust: who decides with what power, what each word was worth so far, and who was convicted of a lie, with the evidence.

import { get, query } from "./api.js";
import { bars, steps } from "./chart.js";
import { cards, fold, h, s, loading, show, table } from "./dom.js";
import { count, percent, short, whole } from "./format.js";
import { note, remark } from "./notes.js";
import { words } from "./words.js";

const EPOCHS = 12;
const LEAST_MS = 5_000;
const LINES = 8;

const bar = (part, total) => {
  const share = total > 0n ? Number((part * 10_000n) / total) / 100 : 0;
  return h("span", {}, s("svg", { viewBox: "0 0 100 10", width: 110, height: 11, "aria-hidden": "true" },
    s("rect", { width: 100, height: 10, fill: "var(--panel)", stroke: "var(--line)" }), s("rect", { width: Math.min(100, share), height: 10, fill: "var(--s1)" })), ` ${share.toFixed(1)} %`);
};

const change = (one) => (one && one.kind !== "genesis" ? `${one.kind}, block ${whole(one.height)}` : "since genesis");

const standing = (one) => (one.tombstone ? h("strong", { className: "bad" }, "convicted") : one.flagged ? h("span", { className: "warn" }, "flagged") : "good");

// Whoever has bonded, decided, wagered or changed its index; the others are as they were at genesis.
const active = (one) => one.power !== "0" || one.bonded_tokens !== "0" || one.wagered_tokens !== "0" || one.index_change.kind !== "genesis" || one.tombstone;

const columns = (total) => [
  { name: "member", cell: (one) => h("a", { href: `#/ledger/of/${one.member}` }, one.member) },
  { name: "power", unit: "votes", n: true, cell: (one) => whole(one.power), raw: (one) => one.power },
  { name: "share of power", cell: (one) => bar(BigInt(one.power), total) },
  { name: "index", n: true, cell: (one) => percent(one.index_ppm) },
  { name: "index last changed", cell: (one) => change(one.index_change) },
  { name: "bonded", unit: "tokens", n: true, cell: (one) => whole(one.bonded_tokens), raw: (one) => one.bonded_tokens },
  { name: "free", unit: "tokens", n: true, cell: (one) => whole(one.free_tokens), raw: (one) => one.free_tokens },
  { name: "wagered", unit: "tokens", n: true, cell: (one) => whole(one.wagered_tokens), raw: (one) => one.wagered_tokens },
  { name: "standing", cell: standing },
];

/** Trust in the newest epochs, oldest first, and now: what state was at their ends, asked for once, as far back as the node
 * keeps it. */
const past = () => {
  const known = new Map();
  let oldest = 0;
  return async (data, height) => {
    const blocks = data.epoch_ends_with / (data.epoch + 1), found = [[height, data]];
    for (let back = 1; back <= EPOCHS; back += 1) {
      const at = (data.epoch - back) * blocks;
      if (at <= oldest) break;
      if (!known.has(at)) {
        const then = await query(`trust?height=${at}`).catch(() => null);
        if (then === null) { oldest = at; break; }
        known.set(at, then);
      }
      found.unshift([at, known.get(at)]);
    }
    return found;
  };
};

const histories = (found) => {
  if (found.length < 2) return h("p", { className: "empty" }, "History begins when the first epoch has ended.");
  const label = ([, one]) => `epoch ${one.epoch}`;
  const held = (one) => one.members.filter((it) => it !== null);
  const organisations = [...new Set(found.flatMap(([, one]) => held(one).filter((it) => it.power !== "0").map((it) => it.member)))].sort();
  const moved = [...new Set(held(found[found.length - 1][1]).filter((it) => it.index_change.kind !== "genesis").map((it) => it.member))].sort().slice(0, LINES);
  const of = (one, member, take) => { const it = held(one).find((that) => that.member === member); return it ? take(it) : null; };
  return [
    bars("power", "Power by epoch", "votes", organisations, found.map((at) => ({ x: at[0], label: label(at), values: Object.fromEntries(organisations.map((name) => [name, of(at[1], name, (it) => Number(it.power)) ?? 0])) }))),
    moved.length ? steps("index", "Index of those whose index has changed", "%", moved, found.map((at) => ({ x: at[0], label: label(at), values: Object.fromEntries(moved.map((name) => [name, of(at[1], name, (it) => it.index_ppm / 10_000)])) }))) : null,
  ];
};

/** One conviction with both messages that contradict each other, as the block that recorded them has them. */
const evidence = (one) =>
  fold(`evidence-${one.evidence_hash}`, "Both messages", () => {
    const place = h("div", {}, loading());
    get(`/block/${one.recorded_height}`).then((block) => {
      const all = block.evidence ?? [];
      show(place, h("p", { className: "soft" }, "Both are signed by the same key, and are about one height and round:"), h("pre", { tabindex: "0" }, JSON.stringify(all, null, 2)));
    }, (error) => show(place, note(error)));
    return place;
  });

const convictions = (offences) =>
  table("Who contradicted itself, and where the evidence is", [
    { name: "member", cell: (one) => h("strong", { className: "bad" }, one.member) },
    { name: "node", cell: (one) => one.node },
    { name: "signed two", cell: (one) => `${one.kind.replace("duplicate-", "")}s`, raw: (one) => one.kind },
    { name: "at height", n: true, cell: (one) => whole(one.height) },
    { name: "lost", unit: "tokens", n: true, cell: (one) => (whole(one.taken_tokens)) },
    { name: "recorded in", cell: (one) => h("a", { href: `#/ledger/block/${one.recorded_height}` }, `block ${whole(one.recorded_height)}`) },
    { name: "hash of the evidence", cell: (one) => h("code", { title: one.evidence_hash }, short(one.evidence_hash)), raw: (one) => one.evidence_hash },
    { name: "evidence", long: true, cell: evidence, raw: () => "" },
  ], offences, "Nobody has been convicted.", "convictions");

export const open = async (place, state) => {
  let drawn = 0, waiting = null;
  const body = h("div", {}, loading()), history = past();
  show(place, body, words("power", "trust token", "bond", "trust index", "epoch", "equivocation"));
  const draw = async () => {
    try {
      const [data, offences] = await Promise.all([query("trust"), query("offences")]);
      const members = data.members.filter((one) => one !== null);
      members.sort((one, other) => Number(BigInt(other.power) - BigInt(one.power)) || Number(BigInt(other.bonded_tokens) - BigInt(one.bonded_tokens)) || (one.member < other.member ? -1 : 1));
      const total = BigInt(data.total_power), busy = members.filter(active), quiet = members.filter((one) => !active(one));
      const found = await history(data, state.status?.height ?? data.epoch_ends_with);
      show(body,
        cards([
          ["Epoch", whole(data.epoch), `ends with block ${whole(data.epoch_ends_with)}`],
          ["Organisations that decide", whole(data.organisations)],
          ["Power in all", whole(data.total_power), "votes; more than 2/3 of it decides"],
          ["Tokens in all", whole(data.supply_tokens), "tokens"],
          ["Bond for a seat", whole(data.seat_bond_tokens), "tokens"],
        ]),
        h("p", { className: "soft" }, "More than two thirds of the power must agree. Power follows from the tokens that an organisation bonds and from its index, which rises with words that turn out true and falls with those that do not."),
        table("Who decides, bonds or wagers: power follows from bond and index of two epochs before", columns(total), busy, "", "trust"),
        quiet.length ? fold("quiet", `${count(quiet.length, "member")} without bond, power or wager`, () => table("As they were at genesis", columns(total), quiet, "", "trust-others")) : null,
        h("h2", {}, "Convictions"), convictions((offences?.offences ?? []).filter((one) => one !== null)),
        remark("", "Wagers that were lost stand with their rounds on the page ", h("a", { href: "#/dispatch" }, "Dispatch"), "."),
        h("h2", {}, "History"), histories(found));
    } catch (error) { show(body, note(error)); }
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
