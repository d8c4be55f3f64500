// Ledger: blocks and transactions as they are decided, a search, and a proof that this browser checks by itself.

import { get, Refused } from "./api.js";
import { cards, fold, h, loading, show, table } from "./dom.js";
import { bytes, short, when, whole } from "./format.js";
import { note, remark } from "./notes.js";
import { verifyReceipt } from "./verify.js";
import { words } from "./words.js";

const PAGE = 25;
const HASH = /^[0-9a-f]{64}$/;

const link = (to, text, title) => h("a", { href: `#/ledger/${to}`, title }, text);

const BLOCKS = [
  { name: "height", n: true, cell: (one) => link(`block/${one.height}`, whole(one.height)), raw: (one) => one.height },
  { name: "ledger time", cell: (one) => when(one.time_ms), raw: (one) => new Date(one.time_ms).toISOString() },
  { name: "proposer", cell: (one) => (one.proposer_round ? `${one.proposer} (round ${one.proposer_round})` : one.proposer) },
  { name: "transactions", n: true, cell: (one) => whole(one.transactions) },
  { name: "evidence", n: true, cell: (one) => (one.evidence ? h("strong", { className: "bad" }, one.evidence) : "–") },
  { name: "id", cell: (one) => h("code", { title: one.id }, short(one.id)), raw: (one) => one.id },
];

const TRANSACTIONS = [
  { name: "transaction", cell: (one) => link(`tx/${one.hash}`, h("code", {}, short(one.hash)), one.hash), raw: (one) => one.hash },
  { name: "block", n: true, cell: (one) => link(`block/${one.height}`, whole(one.height)), raw: (one) => one.height },
  { name: "ledger time", cell: (one) => when(one.time_ms), raw: (one) => new Date(one.time_ms).toISOString() },
  { name: "says", cell: (one) => one.body },
  { name: "sender", cell: (one) => one.sender ?? h("span", { className: "soft" }, "kept back") },
  { name: "result", cell: (one) => h("span", { className: one.code === "ok" ? "good" : "bad" }, one.code) },
];

const search = (text) => {
  const wanted = text.trim().toLowerCase();
  if (/^\d{1,14}$/.test(wanted)) return `#/ledger/block/${Number(wanted)}`;
  if (HASH.test(wanted)) return `#/ledger/tx/${wanted}`;
  if (/^[a-z0-9-]{1,32}$/.test(wanted)) return `#/ledger/of/${wanted}`;
  return null;
};

const searching = () => {
  const said = h("span", { role: "status", className: "soft" });
  const box = h("input", { type: "search", id: "search", placeholder: "height, transaction hash, or member", size: "34", "aria-label": "Search the ledger" });
  const form = h("form", { className: "row", role: "search", onsubmit: (event) => {
    event.preventDefault();
    const to = search(box.value);
    if (to) location.hash = to; else said.textContent = "Give a height, a hash of 64 hexadecimal digits, or a member's id.";
  } }, box, h("button", { type: "submit" }, "Search"), said);
  return form;
};

export const open = (place, state, [kind, name]) => {
  if (kind === "block") return block(place, name);
  if (kind === "tx") return transaction(place, name);
  if (kind === "of") return list(place, state, name);
  return list(place, state, null);
};

const list = async (place, state, sender) => {
  const blocks = h("section", {}), rows = h("section", {});
  show(place, searching(),
    h("p", { className: "soft" }, "Open a transaction, and this browser checks its proof. Those of intervals, bills and balances: ", h("code", {}, "gridpact proof fetch")),
    sender ? null : blocks, rows, words("final", "header", "proof"));
  let before = null;

  const drawBlocks = async () => {
    const told = await get(`/blocks?limit=${PAGE}${before ? `&before=${before}` : ""}`);
    show(blocks, h("h2", {}, "Blocks"),
      h("div", { className: "row" },
        h("button", { type: "button", "data-key": "newest", disabled: before === null, onclick: () => { before = null; drawBlocks(); } }, "Newest"),
        h("button", { type: "button", "data-key": "older", disabled: told.next === null, onclick: () => { before = told.next; drawBlocks(); } }, "Older")),
      table(before === null ? "The newest blocks, as they come" : `Blocks below ${whole(before)}`, BLOCKS, told.blocks, "No block yet: the chain waits for the first word.", "blocks"));
  };

  let from = null, body = "", code = "";
  const drawRows = async () => {
    const filter = [sender ? `&sender=${sender}` : "", body ? `&body=${body}` : "", code ? `&code=${code}` : "", from ? `&before=${from}` : ""].join("");
    try {
      const told = await get(`/transactions?limit=${PAGE}${filter}`);
      const box = (id, text, value, take) => h("label", {}, `${text} `, h("input", { id, size: "14", value, "data-key": id, placeholder: id === "body" ? "e.g. offer" : "e.g. ok", onchange: (event) => { take(event.target.value.trim()); from = null; drawRows(); } }));
      show(rows, h("h2", {}, sender ? `Transactions of ${sender}` : "Transactions"),
        h("div", { className: "row" },
          box("body", "says", body, (value) => { body = value; }), box("code", "result", code, (value) => { code = value; }),
          h("button", { type: "button", "data-key": "newest-tx", disabled: from === null, onclick: () => { from = null; drawRows(); } }, "Newest"),
          h("button", { type: "button", "data-key": "older-tx", disabled: told.next === null, onclick: () => { from = told.next; drawRows(); } }, "Older")),
        table(from === null ? "The newest transactions" : "Older transactions", TRANSACTIONS, told.transactions, told.next ? "None among those that were looked at; older ones follow." : "None.", "transactions"));
    } catch (error) { show(rows, h("h2", {}, "Transactions"), note(error), h("button", { type: "button", onclick: () => { body = ""; code = ""; from = null; drawRows(); } }, "Without filters")); }
  };

  await Promise.all([sender ? null : drawBlocks(), drawRows()]);
  return {
    changed: (what) => {
      if (!what.has("block") && !what.has("line")) return null;
      return Promise.all([before === null && !sender ? drawBlocks() : null, from === null && !rows.contains(document.activeElement) ? drawRows() : null]);
    },
  };
};

/** What the node says at `path`; where it refuses, that and `besides` are shown with the search kept, and null comes back. */
const found = async (place, path, besides) => {
  try { return await get(path); } catch (error) {
    if (!(error instanceof Refused)) throw error;
    show(place, searching(), note(error), besides);
    return null;
  }
};

const block = async (place, height) => {
  show(place, searching(), loading());
  const told = await found(place, `/block/${encodeURIComponent(height)}`,
    h("p", {}, "Is it the number of an interval? Then it is on ", h("a", { href: `#/dispatch/${encodeURIComponent(height)}` }, "Dispatch"), "."));
  if (told === null) return {};
  const { header } = told;
  const names = told.payload.map((hash, index) => ({ hash, index }));
  show(place, searching(),
    h("h2", {}, `Block ${whole(told.height)}`),
    h("div", { className: "row" }, told.height > 1 ? link(`block/${told.height - 1}`, "◀ the one before") : null, link(`block/${told.height + 1}`, "the next one ▶")),
    cards([["Time", when(told.time_ms)], ["Proposer", header.proposer, `round ${header.proposer_round}`], ["Transactions", whole(told.payload.length)], ["Rules", `set ${header.version}`]]),
    table("Transactions", [{ name: "number", n: true, cell: (one) => one.index }, { name: "hash", long: true, cell: (one) => link(`tx/${one.hash}`, h("code", {}, one.hash)) }], names, "It is empty: it makes the state before it provable, or lets time pass."),
    told.evidence?.length ? [h("h2", {}, "Evidence"), remark("bad", "Somebody signed two messages that contradict each other. Both are here, with their signatures."), h("pre", { tabindex: "0" }, JSON.stringify(told.evidence, null, 2))] : null,
    fold("header", "Header and certificate", () => h("pre", { tabindex: "0" }, JSON.stringify({ header, certificate: told.certificate ?? null }, null, 2))),
    words("final", "header", "proof"));
  return {};
};

const transaction = async (place, hash) => {
  if (!HASH.test(hash || "")) { show(place, searching(), remark("bad", "That is no transaction hash: it has 64 hexadecimal digits.")); return {}; }
  show(place, searching(), loading());
  const told = await found(place, `/tx/${hash}`, null);
  if (told === null) return {};
  const { data } = told, envelope = data.envelope;
  const proof = h("div", { "aria-live": "polite" });
  const check = async () => {
    show(proof, h("p", { className: "loading" }, "Fetching the proof and checking it here …"));
    try {
      const bundle = (await get(`/tx/${hash}?prove=1`)).proof;
      const checked = await verifyReceipt(bundle, hash);
      show(proof,
        h("div", { className: `note ${checked.ok ? "good" : "bad"}`, "data-verdict": checked.ok ? "proven" : "false" },
          h("p", {}, h("strong", {}, checked.ok ? "Proven, by this browser." : `Not proven: ${checked.why}`)),
          h("ol", { className: "steps" }, checked.steps.map((one) => h("li", {}, one)))),
        h("p", { className: "soft" }, `${bytes(JSON.stringify(bundle).length)} of proof. The node computed none of this verdict: hashes and signatures were checked with WebCrypto.`));
    } catch (error) { show(proof, note(error)); }
  };
  show(place, searching(),
    h("h2", {}, "Transaction"), h("p", {}, h("code", {}, hash)),
    cards([
      ["Result", h("span", { className: data.receipt?.code === "ok" ? "good" : "bad" }, data.receipt?.code ?? "kept back")],
      ["Says", envelope?.body?.type ?? "kept back"],
      ["By", envelope?.sender ?? envelope?.meter ?? "kept back"],
      ["Block", link(`block/${told.height}`, whole(told.height)), when(told.time_ms)],
    ]),
    h("div", { className: "row" }, h("button", { type: "button", id: "verify", onclick: check }, "Verify in this browser")),
    proof,
    h("h2", {}, "What it says"), h("pre", { tabindex: "0" }, JSON.stringify(envelope, null, 2)),
    h("h2", {}, "What it did"), h("pre", { tabindex: "0" }, JSON.stringify(data.receipt, null, 2)), words("final", "header", "proof"));
  return {};
};
