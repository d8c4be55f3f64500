// Network: how this node is: peers, the round that is open, how far it is behind, and why the chain stands still if it does.

import { cards, h, show, table } from "./dom.js";
import { bytes, when, whole } from "./format.js";
import { remark } from "./notes.js";

const since = (ms) => (ms === null ? "–" : ms < 60_000 ? `${Math.round(ms / 1000)} s` : ms < 3_600_000 ? `${Math.round(ms / 60_000)} min` : `${(ms / 3_600_000).toFixed(1)} h`);

export const open = (place, state) => {
  const draw = () => {
    const told = state.status;
    if (!told) { show(place, h("p", { className: "loading" }, "Waiting for the node's first word …")); return; }
    const consensus = told.consensus ?? {};
    const behind = Math.max(0, (told.best_peer_height ?? 0) - told.height);
    show(place,
      told.stuck ? h("div", { className: "note warn", role: "alert" }, h("p", {}, h("strong", {}, "The chain stands still. "), told.stuck), h("p", {}, "More: ", h("code", {}, "gridpact doctor"))) : remark("good", "Nothing is stuck."),
      cards([
        ["Height", whole(told.height), behind ? `${whole(behind)} behind` : "newest"],
        ["Ledger time", when(told.time_ms)],
        ["Newest block", when(told.block_time_ms)],
        ["Phase", consensus.phase ?? "–", `height ${whole(consensus.height)}, round ${consensus.round}`],
        ["Seat", consensus.seat ? "votes" : "follows"],
        ["Waiting transactions", whole(told.mempool?.transactions ?? 0), bytes(told.mempool?.bytes ?? 0)],
        ["Evidence waiting", whole(told.evidence?.waiting ?? 0)],
        ["Syncing", told.syncing ? "yes" : "no"],
      ]),
      h("h2", {}, "Peers"),
      table("Links to the other nodes", [
        { name: "node", cell: (one) => one.id },
        { name: "link", cell: (one) => h("span", { className: one.connected ? "good" : "bad" }, one.connected ? "up" : one.blocked ? "blocked" : "down") },
        { name: "for", cell: (one) => since(one.since_ms) },
        { name: "there and back", unit: "ms", n: true, cell: (one) => (one.rtt_us === null || one.rtt_us === undefined ? "–" : (one.rtt_us / 1000).toFixed(2)) },
        { name: "received", n: true, cell: (one) => bytes(one.bytes_in) },
        { name: "sent", n: true, cell: (one) => bytes(one.bytes_out) },
        { name: "dropped", unit: "frames", n: true, cell: (one) => whole(Object.values(one.queue ?? {}).reduce((sum, lane) => sum + lane.dropped, 0)) },
        { name: "last reason", long: true, cell: (one) => one.last_reason ?? "–" },
      ], told.peers ?? [], "This node has no peers."),
      h("h2", {}, "The open height"),
      table("Rounds: who proposed, and who was heard", [
        { name: "round", n: true, cell: (one) => one.round },
        { name: "proposer", cell: (one) => one.proposer },
        { name: "proposal", cell: (one) => one.proposal },
        { name: "prevotes", long: true, cell: (one) => one.prevoted.join(", ") || "–" },
        { name: "awaited", long: true, cell: (one) => one.awaited_prevotes.join(", ") || "–" },
        { name: "precommits", long: true, cell: (one) => one.precommitted.join(", ") || "–" },
      ], consensus.rounds ?? [], "The chain is idle: nobody has anything to say."));
  };
  draw();
  return { changed: draw };
};
