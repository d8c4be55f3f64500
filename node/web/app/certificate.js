// How good the orders of a window are, who built and wagered on them, and what was refused and why. The ledger has costs and
// verdicts; gaps and the rules that refused solutions break are what this node finds when it checks the candidates again.

import { get } from "./api.js";
import { cards, h, save, table } from "./dom.js";
import { count, decimal, exact, money, short, whole } from "./format.js";
import { remark } from "./notes.js";

const VERDICTS = {
  open: "not judged yet",
  undrawn: "not drawn to build: the wager went back",
  best: "certified, and nothing was cheaper",
  valid: "good; another was better within the threshold",
  silent: "drawn, and committed to nothing",
  unrevealed: "committed, and did not show it",
  uncertified: "feasible, but its weights do not show that it is near the optimum",
  wasteful: "certified, but it puts in more energy than needed",
  beaten: "another solution was cheaper by more than the threshold",
  "false-claim": "what it wagered on is false",
  infeasible: "refused: it breaks a limit, or is no solution at all",
  void: "the round ended early: the wager went back",
};
const REASONS = { few: "too few builders were there", trust: "those who came are not trusted enough", late: "its last moment came first", rules: "the rules changed on the way" };
const BAD = new Set(["infeasible", "false-claim", "beaten"]);
const SCANNED = 64;
const BODIES = ["wager", "commit-solution", "reveal-solution"];

const nano = (value) => BigInt(value);

/** Part of the base in ppm, to thousandths: (cost - bound) / base. */
const ppm = (away, base) => (base > 0n ? decimal((away * 1_000_000_000n) / base, 3, 3, 1) : "–");

// The fallback brings no weights, so only what builders showed bounds the optimum.
const best = (check) => {
  const bounds = check.solutions.filter((one) => one.member !== null && one.bound_nano !== null).map((one) => nano(one.bound_nano));
  return bounds.length ? bounds.reduce((one, other) => (one > other ? one : other)) : null;
};

/** What was refused about a round: words of builders whose receipt has another code than `ok`. */
export const refusedWords = async (round) => {
  const from = round.judged_height || round.since_height;
  const asked = BODIES.map((body) => get(`/transactions?limit=${SCANNED}&body=${body}&before=${from + 1}.0`).catch(() => ({ transactions: [] })));
  const found = (await Promise.all(asked)).flatMap((one) => one.transactions);
  return found.filter((one) => one.code !== "ok" && one.height >= round.opened_height).sort((one, other) => one.height - other.height || one.index - other.index);
};

const gap = (check, ordered) => {
  const bound = best(check), base = nano(check.base_nano);
  if (!ordered || ordered.cost_nano === null) return ["–", ""];
  if (bound === null) return ["not bounded", "the fallback brings no weights, and nobody else showed any"];
  const away = nano(ordered.cost_nano) - bound;
  if (away === 0n) return ["0 ppm", "it is an optimum: cost and bound are the same"];
  return [`${ppm(away, base)} ppm`, `at most ${decimal(away, 9, 9, 4)} currency above the optimum`];
};

const builders = (round, check) => {
  const checked = new Map((check?.solutions ?? []).filter((one) => one.member !== null).map((one) => [one.member, one]));
  const bound = check ? best(check) : null;
  const found = (one) => checked.get(one.member) ?? null;
  const away = (one) => (found(one)?.cost_nano && bound !== null ? ppm(nano(found(one).cost_nano) - bound, nano(check.base_nano)) : "–");
  const why = (one) => {
    const broken = found(one)?.refusal;
    return [VERDICTS[one.verdict] ?? one.verdict, broken ? [": ", h("code", {}, broken.code), ` at ${broken.where}. ${broken.message}`] : null];
  };
  return table("Builders and their wagers", [
    { name: "builder", cell: (one) => h("a", { href: `#/ledger/of/${one.member}` }, one.member) },
    { name: "claim", cell: (one) => one.claim },
    { name: "wager", unit: "tokens", n: true, cell: (one) => whole(one.amount_tokens) },
    { name: "verdict", cell: (one) => h("span", { className: one.verdict === "best" ? "good" : BAD.has(one.verdict) ? "bad" : null }, one.verdict) },
    { name: "why", long: true, cell: why },
    { name: "cost", unit: "currency", n: true, cell: (one) => money(one.cost_nano), raw: (one) => exact(one.cost_nano, 9) },
    { name: "gap at most", unit: "ppm", n: true, cell: away },
    { name: "lost", unit: "tokens", n: true, cell: (one) => (one.lost_tokens === "0" ? "–" : h("span", { className: "bad" }, whole(one.lost_tokens))) },
    { name: "earned", unit: "tokens", n: true, cell: (one) => (one.reward_tokens === "0" ? "–" : whole(one.reward_tokens)) },
    { name: "solution", cell: (one) => (found(one) ? h("a", { href: `#/ledger/tx/${found(one).transaction}`, title: one.solution_hash }, "show") : one.solution_hash ? h("code", { title: one.solution_hash }, short(one.solution_hash)) : "–") },
  ], (round.placed || []).filter((one) => one !== null), "Nobody wagered.", `wagers-${round.number}`);
};

const refused = (words) =>
  table("Words of builders that the ledger refused", [
    { name: "block", n: true, cell: (one) => h("a", { href: `#/ledger/block/${one.height}` }, whole(one.height)) },
    { name: "by", cell: (one) => one.sender ?? "kept back" },
    { name: "word", cell: (one) => one.body },
    { name: "refused as", cell: (one) => h("code", { className: "bad" }, one.code) },
    { name: "transaction", cell: (one) => h("a", { href: `#/ledger/tx/${one.hash}`, title: one.hash }, short(one.hash)) },
  ], words, "No word of a builder was refused in this round.");

/** All of it. `round` and `check` are null where there is none; `found` is the case, or null. */
export const certificate = (node, round, check, found, words) => {
  if (!round && (!check || !check.solutions.length)) {
    return remark("", "No builders were asked: no case was kept for this interval, and the cheapest offers were taken first. As a rule that is because nothing couples it to others (storage, ramps, a cap); then this is an optimum. No node bounds the gap here.");
  }
  const ordered = check?.solutions.find((one) => one.ordered) ?? null;
  const [away, means] = check && check.base_nano !== null ? gap(check, ordered) : ["–", ""];
  const saved = round && round.phase === "judged" ? nano(round.fallback_nano) - nano(round.cost_nano) : null;
  const agrees = !round || round.phase !== "judged" || !ordered || ordered.cost_nano === round.cost_nano;
  const who = !round ? "fallback" : round.phase !== "judged" ? round.phase : round.outcome === "builder" ? round.builder : "fallback";
  return h("div", {},
    h("p", { className: "soft" }, "Orders are made for a window of intervals at once. Builders wager trust tokens that nobody finds a cheaper solution; the best that breaks no limit becomes the order. Where there is none in time, it is the fallback that every node computes."),
    cards([
      ["Solution of", who, !round ? "no round of builders" : round.reason !== "none" ? REASONS[round.reason] ?? round.reason : `round ${round.number}${check ? `, ${count(check.count, "interval")}` : ""}`],
      ["Cost of the window", money(ordered ? ordered.cost_nano : round?.cost_nano), "currency"],
      ["No dispatch costs less than", check && best(check) !== null ? money(best(check)) : "–", "currency"],
      ["Certificate gap", away, means],
      ["Certified up to", check?.threshold_nano ? decimal(check.threshold_nano, 9, 4, 4) : "–", "currency above the bound"],
      saved === null ? null : ["Saved by building", money(saved), "currency less than the fallback"],
    ]),
    check ? remark(agrees ? "" : "bad", agrees
      ? `Checked by node ${node}, out of the case and the solutions on the ledger, in exact integers; the ledger itself keeps costs and verdicts. Who doubts it does the same: `
      : `Node ${node} finds another cost than the ledger has. Ask another node, and check it yourself: `, h("code", {}, "gridpact dispatch verify"),
    found ? [" ", h("button", { type: "button", className: "small", "data-key": "case", onclick: () => save(`case-${found.interval}.json`, "application/json", JSON.stringify(found.case)) }, "Save the case")] : null) : null,
    check?.relaxed.length ? remark("warn", `Given up so that there was a dispatch at all: ${check.relaxed.join(", ")}.`) : null,
    round ? [builders(round, check), refused(words)] : null);
};
