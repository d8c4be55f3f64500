// My bill: what a member owes or gets, read as that member with a key file that never leaves the browser, and the hidden
// money that its wallet opens.

import { get, query, Refused } from "./api.js";
import { bars } from "./chart.js";
import { cards, fold, h, loading, show, table } from "./dom.js";
import { clock, count, exact, kwh, money, perKwh, PRICE, when } from "./format.js";
import { openKey, openWallet, signedQuestion } from "./keys.js";
import { note, remark } from "./notes.js";
import { words } from "./words.js";

const KINDS = {
  consumption: "energy that was ordered for it, at the price",
  supply: "energy that was ordered from it, at the price",
  "pay-as-bid": "what its accepted offers above the price ask on top of it",
  "within-limit": "what its bids are spared where the price is above their limits",
  reserve: "what it held back for the worst",
  green: "premiums for green shares, as they were bid",
  short: "energy it gave less or took more than ordered, at the dearer of price and import, with the penalty",
  long: "energy it gave more or took less than ordered, at the least of price, offer and export price",
  "tie-import": "what the utility delivered through its meter, at its tariff",
  "tie-export": "what the utility took through its meter, at its tariff",
  "make-whole": "what a day of orders cost its storages beyond their pay",
  builder: "a fee and a share of what its solution saved",
  proposer: "its block settled the interval",
  "spend-fee": "fees of hidden payments",
  "sealed-supply": "what the utility gave or took beside a sealed round",
  "demand-response": "energy done without, for pay",
  "base-load": "base load that was shed although it was promised",
  correction: "what earlier intervals turned out to be worth",
  residual: "its share of what all lines leave over: spread, rent, losses, what is owed",
};
const MIB = 1024 * 1024;
const MONEY = new Set(["balance", "item", "credit"]);

/** A label, a box for a file, and what came of it. */
const file = (id, text, take) => {
  const said = h("span", { role: "status", className: "said-here soft" });
  return [h("label", { for: id }, text), h("input", { type: "file", id, accept: ".json,application/json", onchange: async (event) => {
    const [chosen] = event.target.files;
    if (!chosen) return;
    if (chosen.size > 64 * MIB) { said.textContent = "The file is too large."; return; }
    said.textContent = "opening …";
    try { said.textContent = (await take(await chosen.text())) ?? "open"; } catch (error) { said.textContent = error.message; }
  } }), said];
};

export const open = async (place, state) => {
  const opened = { key: null, wallet: null, member: "", cycle: "now" };
  const body = h("div", {}), hidden = h("div", {});
  const who = h("input", { id: "member", size: "20", placeholder: "e.g. tenant-07", autocomplete: "off" });
  const pass = h("input", { id: "passphrase", type: "password", size: "24", autocomplete: "off" });

  const read = async (path) => {
    const target = `/query/${path}`;
    if (!opened.key) return (await get(target)).data;
    const status = state.status ?? (await get("/status"));
    return (await get(target, await signedQuestion(opened.key, opened.member, status.chain_id, status.node, Date.now(), target))).data;
  };

  let shown = "";
  const draw = async () => {
    if (!opened.member) { show(body, h("p", { className: "empty" }, "Name a member whose bills are open to everybody, such as campus or tenant-07, or open your key file. A devnet keeps them under .gridpact/devnet/keys/.")); return; }
    const wanted = `${opened.member} ${opened.cycle}`;
    if (shown !== wanted) show(body, loading());
    try {
      const [data, member] = await Promise.all([read(`statement/${opened.cycle}/${opened.member}`), read(`member/${opened.member}`).catch(() => null)]);
      const lines = data.lines.filter((one) => one !== null), sums = new Map();
      let total = 0n;
      for (const one of lines) { total += BigInt(one.amount_nano); sums.set(one.kind, (sums.get(one.kind) ?? 0n) + BigInt(one.amount_nano)); }
      const perInterval = new Map();
      for (const one of lines) {
        const known = perInterval.get(one.interval) ?? { x: one.interval, label: clock(one.start_ms).replace(" UTC", ""), values: { paid: 0, received: 0 } };
        const amount = Number(one.amount_nano) / 1e9;
        known.values[amount < 0 ? "paid" : "received"] += Math.abs(amount);
        perInterval.set(one.interval, known);
      }
      if (wanted !== `${opened.member} ${opened.cycle}`) return;
      shown = wanted;
      const interval = { name: "interval", n: true, cell: (one) => h("a", { href: `#/dispatch/${one.interval}` }, one.interval) };
      show(body,
        h("h2", {}, `Statement of ${opened.member}, cycle ${data.cycle}`),
        cards([
          [total < 0n ? "To pay" : "To receive", money(total < 0n ? -total : total), "currency", total < 0n ? null : "good"],
          ["Cycle", data.status, `${when(data.start_ms).slice(0, 11)} to ${when(data.end_ms).slice(0, 11)}`],
          ["Billed", count(data.billed_intervals, "interval"), `${data.waiting_intervals} not closed yet`],
          ["Balance", member ? money(member.balance_nano) : "–", "currency"],
        ]),
        h("div", { className: "row" },
          h("button", { type: "button", "data-key": "this", disabled: opened.cycle === "now", onclick: () => { opened.cycle = "now"; draw(); } }, "This cycle"),
          h("button", { type: "button", "data-key": "last", disabled: opened.cycle === "last", onclick: () => { opened.cycle = "last"; draw(); } }, "The one before")),
        table("By kind of line: below zero is paid, above zero is received", [
          { name: "kind", cell: ([kind]) => kind }, { name: "what it is for", long: true, cell: ([kind]) => KINDS[kind] ?? "see docs/prices.md" },
          { name: "amount", unit: "currency", n: true, cell: ([, amount]) => money(amount), raw: ([, amount]) => exact(amount, 9) },
        ], [...sums], "No line yet: the first interval is billed when it closes.", `sums-${opened.member}-${data.cycle}`),
        lines.length ? bars("paid", "Paid and received by interval", "currency", ["paid", "received"], [...perInterval.values()].slice(-48)) : null,
        lines.length ? fold("lines", `All ${count(lines.length, "line")}, and their CSV`, () => table("Lines", [
          interval, { name: "begins", cell: (one) => clock(one.start_ms), raw: (one) => new Date(one.start_ms).toISOString() }, { name: "kind", cell: (one) => one.kind },
          { name: "energy", unit: "kWh", n: true, cell: (one) => kwh(one.energy_wh) }, { name: "price", unit: PRICE, n: true, cell: (one) => perKwh(one.price_nano_per_wh), raw: (one) => exact(one.price_nano_per_wh, 6) },
          { name: "amount", unit: "currency", n: true, cell: (one) => money(one.amount_nano), raw: (one) => exact(one.amount_nano, 9) },
          { name: "estimated", cell: (one) => (one.estimated ? h("span", { className: "warn" }, "yes") : "no") },
        ], lines, "", `statement-${opened.member}-${data.cycle}`)) : null,
        h("p", { className: "soft" }, "The same with a proof of every line, believed from headers alone: ", h("code", {}, `gridpact bill show ${opened.member} --prove-to bill.json && gridpact bill verify bill.json`)));
    } catch (error) {
      shown = "";
      show(body, note(error), error instanceof Refused && error.code.startsWith("access.") ? remark("warn", "This member keeps its bills: open its key file to read them.") : null);
    }
  };

  const drawHidden = async () => {
    const { wallet } = opened;
    if (!wallet) return;
    const chain = state.status?.chain_id;
    const answer = await query(`hidden/${wallet.member}`).catch(() => null);
    const account = answer?.account ?? null;
    const standing = new Map([[account?.balance, "is the balance"], ...(answer?.items ?? []).filter(Boolean).map((one) => [one.commitment, "waits to be accepted"]),
      ...(answer?.credits ?? []).map((one) => [one.commitment, "credited, not yet accepted"])]);
    const known = account?.balance ? wallet.openings.find((one) => one.commitment === account.balance) : null;
    const balance = !account?.balance ? money(0) : known ? money(known.value) : "not in this wallet";
    show(hidden, h("h2", {}, `Hidden money of ${wallet.member}`),
      chain && chain !== wallet.chain ? remark("warn", `This wallet is of the chain ${wallet.chain}, and this node is of ${chain}.`) : null,
      cards([
        ["Hidden balance", balance, known ? "currency, opened in this browser" : account?.balance ? "run gridpact wallet recover" : "currency"],
        ["Waits to be accepted", String((answer?.items ?? []).length), "items"],
        ["Wallet", String(wallet.openings.length), "openings"],
      ]),
      table("What this wallet opens, and what the ledger has of it", [
        { name: "what", cell: (one) => one.kind }, { name: "of", cell: (one) => one.about },
        { name: "value", n: true, cell: (one) => (MONEY.has(one.kind) ? money(one.value) : kwh(one.value)), raw: (one) => one.value },
        { name: "unit", cell: (one) => (MONEY.has(one.kind) ? "currency" : "kWh") },
        { name: "on the ledger", cell: (one) => standing.get(one.commitment) ?? "–" },
        { name: "commitment", cell: (one) => h("code", { title: one.commitment }, `${one.commitment.slice(0, 14)}…`), raw: (one) => one.commitment },
      ], wallet.openings, "It is empty.", `wallet-${wallet.member}`));
  };

  show(place,
    remark("", "Key and wallet stay in this browser's memory until you leave the page: they are not sent, not stored, and only a signature of each question goes to the node."),
    h("form", { className: "fields", onsubmit: (event) => { event.preventDefault(); opened.member = who.value.trim().toLowerCase(); draw(); } },
      h("label", { for: "member" }, "Member"), h("span", { className: "row" }, who, h("button", { type: "submit" }, "Show")),
      file("key", "Key file, for a bill that not everybody may see", async (content) => { opened.key = await openKey(content); opened.member = opened.key.member; who.value = opened.member; draw(); return `reads as ${opened.member}`; }),
      h("label", { for: "passphrase" }, "Passphrase of the wallet"), pass, h("span", { className: "said-here soft" }, "A devnet's wallet that was made without one: leave it empty, and open its member's key file first."),
      file("wallet", "Wallet file, for hidden money", async (content) => {
        opened.wallet = await openWallet(content, pass.value || (opened.key?.walletPassphrase ?? ""));
        pass.value = "";
        await drawHidden();
        if (!opened.member) { opened.member = opened.wallet.member; who.value = opened.member; draw(); }
        return `opened, ${opened.wallet.openings.length} openings`;
      })),
    body, hidden, words("settlement", "residual", "true-up", "wallet", "commitment"));
  await draw();
  return { changed: (what) => (what.has("interval") && opened.member && !body.contains(document.activeElement) ? draw() : null) };
};
