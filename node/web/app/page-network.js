// Network: how this node is: peers, the round that is open, how far it is behind, and why the chain stands still if it does.

import { cards, h, show, table } from "./dom.js";
import { bytes, decimal, when, whole } from "./format.js";
import { words } from "./words.js";

const since = (ms) => (ms === null ? "–" : ms < 60_000 ? `${Math.round(ms / 1000)} s` : ms < 3_600_000 ? `${Math.round(ms / 60_000)} min` : `${(ms / 3_600_000).toFixed(1)} h`);
const PHASES = { idle: "nothing to decide", propose: "waits for a proposal", prevote: "gathers prevotes", precommit: "gathers precommits" };
const dropped = (one) => Object.values(one.queue ?? {}).reduce((sum, lane) => sum + lane.dropped, 0);

const PEERS = [
  { name: "node", cell: (one) => one.id },
  { name: "link", cell: (one) => h("span", { className: one.connected ? "good" : "bad" }, one.connected ? "up" : one.blocked ? "blocked" : "down") },
  { name: "for", cell: (one) => since(one.since_ms) },
  { name: "round trip", unit: "ms", n: true, cell: (one) => (one.rtt_us === null || one.rtt_us === undefined ? "–" : decimal(one.rtt_us, 3, 2, 2)) },
  { name: "received", n: true, cell: (one) => bytes(one.bytes_in), raw: (one) => one.bytes_in },
  { name: "sent", n: true, cell: (one) => bytes(one.bytes_out), raw: (one) => one.bytes_out },
  { name: "dropped", unit: "frames", n: true, cell: (one) => whole(dropped(one)) },
  { name: "last reason", long: true, cell: (one) => one.last_reason ?? "–" },
];
const ROUNDS = [
  { name: "round", n: true, cell: (one) => one.round },
  { name: "proposer", cell: (one) => one.proposer },
  { name: "proposal", cell: (one) => one.proposal },
  { name: "prevotes", long: true, cell: (one) => one.prevoted.join(", ") || "–" },
  { name: "awaited", long: true, cell: (one) => one.awaited_prevotes.join(", ") || "–" },
  { name: "precommits", long: true, cell: (one) => one.precommitted.join(", ") || "–" },
];

export const open = (place, state) => {
  // Said once when it begins, by who reads pages aloud, too; the figures below change every second.
  const alarm = h("div", { role: "status" }), body = h("div", {});
  let said = null;
  const draw = () => {
    const told = state.status;
    if (!told) { show(body, h("p", { className: "loading" }, "Waiting for the node's first word …")); return; }
    const consensus = told.consensus ?? {}, peers = told.peers ?? [], idle = consensus.phase === "idle";
    const behind = Math.max(0, (told.best_peer_height ?? 0) - told.height), up = peers.filter((one) => one.connected).length;
    if (said !== (told.stuck ?? "")) {
      said = told.stuck ?? "";
      show(alarm, said ? h("div", { className: "note warn" }, h("p", {}, h("strong", {}, "The chain stands still. "), said), h("p", {}, "More, on the node's machine: ", h("code", {}, "gridpact doctor"))) : h("p", { className: "note good" }, "Nothing is stuck."));
    }
    show(body,
      cards([
        ["Height", whole(told.height), behind ? `${whole(behind)} blocks behind its peers` : "as high as its peers", behind > 2 ? "warn" : null],
        ["Lag", decimal(Math.max(0, told.time_ms - (told.block_time_ms ?? told.time_ms)), 3, 1, 1), "s of ledger time since the newest block"],
        ["Ledger time", when(told.time_ms).slice(13), when(told.time_ms).slice(0, 11)],
        ["Round", `${consensus.round ?? "–"}`, `of height ${whole(consensus.height)}: ${PHASES[consensus.phase] ?? consensus.phase ?? "–"}`, consensus.round > 0 ? "warn" : null],
        ["Peers", `${up} of ${peers.length}`, "links are up", up < peers.length ? "warn" : null],
        ["This node", consensus.seat ? "votes" : "follows", told.syncing ? "and catches up" : "and is up to date"],
        ["Waiting", whole(told.mempool?.transactions ?? 0), `transactions, ${bytes(told.mempool?.bytes ?? 0)}`],
        ["Evidence", whole(told.evidence?.waiting ?? 0), "waits for a block"],
      ]),
      h("h2", {}, "Peers"), table("Links to the other nodes", PEERS, peers, "This node has no peers.", "peers"),
      h("h2", {}, "The open height"),
      idle ? h("p", { className: "empty" }, `The chain is idle: nobody has anything to say, so nothing is proposed. The next proposer is ${consensus.rounds?.[0]?.proposer ?? "not drawn yet"}.`)
        : table("Rounds: who proposed, and who was heard", ROUNDS, consensus.rounds ?? [], "No round has begun."),
      h("p", { className: "soft" }, `Chain ${told.chain_id}, rule set ${told.rule_set}.`));
  };
  show(place, alarm, body, words("round", "prevote", "precommit", "final", "equivocation"));
  draw();
  return { changed: draw };
};
