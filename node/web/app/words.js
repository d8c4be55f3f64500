// What the words on a page mean, to unfold below it. The same sentences as docs/glossary.md has.

import { fold, h } from "./dom.js";

const WORDS = {
  interval: "The time for which energy is dispatched and settled, by default 15 minutes, numbered from 1970.",
  dispatch: "Who supplies, stores and is served in an interval.",
  "merit order": "Cheapest first. The price is about that of the last energy that is needed; all who deliver are paid it.",
  builder: "Whoever computes a solution. Where wagering is on, drawn builders stake trust on theirs.",
  fallback: "The solution that every node computes by itself, ordered where no builder shows a better one.",
  "certificate gap": "How much worse than the optimum a solution is at most, computed from multipliers that come with it.",
  ppm: "Millionths: 10 000 ppm are 1 %.",
  settlement: "What everybody owes for an interval, computed from readings once it has closed.",
  residual: "What an interval's bills leave over or lack, shared by the pact's rule.",
  island: "A site that is not connected to the public grid, by order or by a fault.",
  final: "Decided by more than two thirds of the power. A final block is never undone.",
  header: "The part of a block that is signed; it holds the roots of everything that the block says.",
  proof: "A few dozen hashes and the signatures of a header: whoever has them need not believe the node.",
  power: "Weight of a vote: the root of the bond times the index.",
  "trust token": "What a member stands to lose; the supply is fixed at genesis. Not money.",
  bond: "Tokens that weigh in agreement, and that a lie costs.",
  "trust index": "What a member has shown, from 0 to 100 %. It can not be given away.",
  epoch: "64 blocks by default, after which power is computed anew.",
  equivocation: "Two signed votes or proposals of one key for one round that contradict each other. Costs bond and name.",
  factor: "Grams of CO₂ equivalent per kWh: operating while running, embodied for building and scrapping.",
  attribution: "Who carries what was emitted: consumers, by what they took, losses included.",
  "true-up": "A correction between what a silent meter was taken for and what its register shows later.",
  wallet: "The file that opens a member's hidden money. It never leaves its owner's machine.",
  commitment: "A point that hides a number and binds to it: who made it can not open it as another one.",
  round: "An attempt to decide a block; mostly the first one is enough.",
  prevote: "A statement that a block is valid, the first vote of a round.",
  precommit: "A promise to stay with a block, the second vote of a round.",
};

/** The meaning of these words, folded. */
export const words = (...names) =>
  fold("words", "What the words mean", () => h("dl", { className: "words" }, names.map((name) => [h("dt", {}, name), h("dd", {}, WORDS[name])])));
