// My bill: what a member owes or gets, read as that member with a key file that never leaves the browser, and the hidden
// money that its wallet opens.

import { get, query, Refused } from "./api.js";
import { bars } from "./chart.js";
import { cards, csvButton, h, show, table } from "./dom.js";
import { clock, kwh, money, perKwh, when } from "./format.js";
import { openKey, openWallet, signedQuestion } from "./keys.js";
import { note, remark } from "./notes.js";

const KINDS = {
  consumption: "energy used", delivery: "energy delivered", short: "used or delivered otherwise than ordered", long: "used or delivered otherwise than ordered",
  residual: "share of what is left over", builder: "reward for building", "make-whole": "made whole for an order that did not pay", rent: "rent of lines",
  "spend-fee": "fees of hidden payments", correction: "correction of an earlier interval",
};
const MIB = 1024 * 1024;

const file = (id, text, take) => {
  const said = h("span", { role: "status", className: "soft" });
  return h("p", { className: "row" }, h("label", { for: id }, text), h("input", { type: "file", id, accept: ".json,application/json", onchange: async (event) => {
    const [chosen] = event.target.files;
    if (!chosen) return;
    if (chosen.size > 64 * MIB) { said.textContent = "The file is too large."; return; }
    try { said.textContent = (await take(await chosen.text())) ?? "open"; } catch (error) { said.textContent = error.message; }
  } }), said);
};

export const open = async (place, state) => {
  const opened = { key: null, wallet: null, member: "", cycle: "now" };
  const body = h("div", {}), hidden = h("div", {});
  const who = h("input", { id: "member", size: "20", "aria-label": "Member", placeholder: "member, e.g. tenant-07", autocomplete: "off" });
  const pass = h("input", { id: "passphrase", type: "password", size: "24", autocomplete: "off" });

  const read = async (path) => {
    const target = `/query/${path}`;
    if (!opened.key) return (await get(target)).data;
    const status = state.status ?? (await get("/status"));
    return (await get(target, await signedQuestion(opened.key, opened.member, status.chain_id, status.node, Date.now(), target))).data;
  };

  const draw = async () => {
    if (!opened.member) { show(body, h("p", { className: "empty" }, "Open your key file, or name a member whose bills are public.")); return; }
    show(body, h("p", { className: "loading" }, "Loading …"));
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
      show(body,
        h("h2", {}, `Statement of ${opened.member}, cycle ${data.cycle}`),
        cards([
          [total < 0n ? "Owed" : "Received", money(total < 0n ? -total : total), "currency"],
          ["Cycle", data.status, `${when(data.start_ms)} to ${when(data.end_ms)}`],
          ["Intervals billed", String(data.billed_intervals), `${data.waiting_intervals} still open`],
          ["Balance", member ? money(member.balance_nano) : "–", "currency"],
        ]),
        h("div", { className: "row" },
          h("button", { type: "button", "data-key": "this", disabled: opened.cycle === "now", onclick: () => { opened.cycle = "now"; draw(); } }, "This cycle"),
          h("button", { type: "button", "data-key": "last", disabled: opened.cycle === "last", onclick: () => { opened.cycle = "last"; draw(); } }, "The one before"),
          csvButton(`statement-${opened.member}-${data.cycle}`, ["interval", "kind", "energy_wh", "price_nano_per_wh", "amount_nano", "estimated"], () => lines.map((one) => [one.interval, one.kind, one.energy_wh, one.price_nano_per_wh, one.amount_nano, one.estimated]))),
        table("By kind of line", [
          { name: "kind", cell: ([kind]) => kind }, { name: "what it is for", cell: ([kind]) => KINDS[kind] ?? "see docs" },
          { name: "amount", unit: "currency", n: true, cell: ([, amount]) => money(amount) },
        ], [...sums], "No line yet: the first interval is billed when it closes."),
        lines.length ? bars("paid", "Paid and received by interval", "currency", ["paid", "received"], [...perInterval.values()].slice(-48)) : null,
        h("details", {}, h("summary", {}, `All ${lines.length} lines`), table("Lines", [
          { name: "interval", n: true, cell: (one) => h("a", { href: `#/dispatch/${one.interval}` }, one.interval) },
          { name: "begins", cell: (one) => clock(one.start_ms) }, { name: "kind", cell: (one) => one.kind },
          { name: "energy", unit: "kWh", n: true, cell: (one) => kwh(one.energy_wh) }, { name: "price", unit: "per kWh", n: true, cell: (one) => perKwh(one.price_nano_per_wh) },
          { name: "amount", unit: "currency", n: true, cell: (one) => money(one.amount_nano) }, { name: "estimated", cell: (one) => (one.estimated ? h("span", { className: "warn" }, "yes") : "no") },
        ], lines)),
        h("p", { className: "soft" }, "Proven from headers alone: ", h("code", {}, `gridpact bill show ${opened.member} --prove > bill.json; gridpact bill verify bill.json`)));
    } catch (error) {
      show(body, note(error), error instanceof Refused && error.code.startsWith("access.") ? remark("warn", "This member keeps its bills: open its key file to read them.") : null);
    }
  };

  const drawHidden = async () => {
    const { wallet } = opened;
    if (!wallet) return;
    const chain = state.status?.chain_id;
    const kinds = new Map();
    const account = await query(`hidden/${wallet.member}`).catch(() => null);
    for (const one of wallet.openings) kinds.set(one.commitment, one);
    const known = account?.balance ? kinds.get(account.balance) : null;
    show(hidden, h("h2", {}, `Hidden money of ${wallet.member}`),
      chain && chain !== wallet.chain ? remark("warn", `This wallet is of the chain ${wallet.chain}, and this node is of ${chain}.`) : null,
      cards([["Hidden balance", known ? money(known.value) : account?.balance ? "its opening is not in this wallet" : money(0), known ? "currency, opened here" : null], ["Openings", String(wallet.openings.length)]]),
      table("What this wallet opens", [
        { name: "what", cell: (one) => one.kind }, { name: "of", cell: (one) => one.about }, { name: "value", unit: "nano", n: true, cell: (one) => one.value },
        { name: "commitment", cell: (one) => h("code", { title: one.commitment }, `${one.commitment.slice(0, 14)}…`) },
      ], wallet.openings, "It is empty."));
  };

  show(place,
    remark("", "Key and wallet stay in this browser's memory until you leave the page: they are not sent, not stored, and only a signature of each question goes to the node."),
    h("form", { className: "row", onsubmit: (event) => { event.preventDefault(); opened.member = who.value.trim().toLowerCase(); draw(); } }, h("label", { for: "member" }, "Member"), who, h("button", { type: "submit" }, "Show")),
    file("key", "Key file", async (content) => { opened.key = await openKey(content); opened.member = opened.key.member; who.value = opened.member; draw(); return `reads as ${opened.member}`; }),
    h("p", { className: "row" }, h("label", { for: "passphrase" }, "Passphrase of the wallet"), pass),
    file("wallet", "Wallet file", async (content) => { opened.wallet = await openWallet(content, pass.value); pass.value = ""; await drawHidden(); return `opened, ${opened.wallet.openings.length} openings`; }),
    body, hidden);
  await draw();
  return { changed: (what) => (what.has("interval") && opened.member && !body.contains(document.activeElement) ? draw() : null) };
};
