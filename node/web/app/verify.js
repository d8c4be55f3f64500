// Checks a proof in this browser: the path from a transaction and its receipt to a header, and the signatures of more
// than two thirds of the power under it. Believes nothing that the node says but what follows from the validators of
// block 1, which it remembers from the first visit (people compare their hash with what other members see).

import { get } from "./api.js";
import { encode, decode, hex, join, unhex } from "./msgpack.js";

const PRECOMMIT = 2;
const NO_ROUND = -1;
const MAX_TRAIL = 64;
const text = new TextEncoder();

const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", join(parts)));
const domain = (purpose, chain) => text.encode(`gridpact/1/${purpose}/${chain}/`);
const same = (one, other) => hex(one) === hex(other);

class False extends Error {}
const must = (holds, otherwise) => { if (!holds) throw new False(otherwise); };

// RFC 6962

const leafHash = (leaf) => sha256(Uint8Array.of(0), leaf);
const innerHash = (left, right) => sha256(Uint8Array.of(1), left, right);

const root = async (leaves) => {
  let level = await Promise.all(leaves.map(leafHash));
  while (level.length > 1) {
    const next = [];
    for (let at = 0; at + 1 < level.length; at += 2) next.push(await innerHash(level[at], level[at + 1]));
    if (level.length % 2) next.push(level[level.length - 1]);
    level = next;
  }
  return level.length ? level[0] : sha256();
};

const leads = async (rootHash, leaf, index, size, siblings) => {
  if (!(index >= 0 && index < size)) return false;
  let node = await leafHash(leaf), position = index, last = size - 1;
  for (const sibling of siblings) {
    if (last === 0) return false;
    if (position % 2 || position === last) {
      node = await innerHash(sibling, node);
      while (position % 2 === 0 && position) { position = Math.floor(position / 2); last = Math.floor(last / 2); }
    } else node = await innerHash(node, sibling);
    position = Math.floor(position / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && same(node, rootHash);
};

const provenSize = async (rootHash, proof) => {
  must(proof.length && proof[0].length === 1, "The number of transactions is not proven.");
  let node = await leafHash(proof[0][0]), size = 1;
  for (const subtree of proof.slice(1)) {
    must(subtree.length >= 1 && subtree.length <= 32, "The number of transactions is not proven.");
    let perfect = await leafHash(subtree[0]);
    for (const sibling of subtree.slice(1)) perfect = await innerHash(perfect, sibling);
    node = await innerHash(perfect, node);
    size += 2 ** (subtree.length - 1);
  }
  must(same(node, rootHash), "The number of transactions is not proven.");
  return size;
};

// Headers and sets, as lists of fields in the order in which they are hashed

const HEADER = [
  ["version", Number], ["chain_id", String], ["height", Number], ["parent_hash", unhex], ["time_ms", Number], ["params_hash", unhex], ["proposer", String],
  ["proposer_round", Number], ["set_hash", unhex], ["next_set_hash", unhex], ["last_certificate_hash", unhex], ["payload_root", unhex],
  ["state_root", unhex], ["receipts_root", unhex], ["evidence_root", unhex], ["beacon", unhex],
];
const header = (document) => HEADER.map(([name, read]) => read(document[name]));
const field = (fields, name) => fields[HEADER.findIndex(([known]) => known === name)];
const idOf = (fields) => sha256(domain("header", field(fields, "chain_id")), encode(fields));

const seat = (one) => [one.id, one.organisation, unhex(one.public_key), unhex(one.bls_key), BigInt(one.power), one.flagged];
const setHash = (seats) => root(seats.map(encode));

/** Power under a certificate [height, round, block id, [[seat, signature]]], each signature checked. */
const signedPower = async (chain, certificate, seats, known = null) => {
  const [height, round, block, signatures] = certificate;
  const signed = join([domain("vote", chain), encode([PRECOMMIT, height, round, block, NO_ROUND])]);
  let power = 0n, before = -1;
  for (const [index, signature] of signatures) {
    const at = Number(index);
    must(at > before && at < seats.length, "The certificate names seats that do not exist, or one twice.");
    before = at;
    const [, , publicKey, , weight, flagged] = seats[at];
    const key = await crypto.subtle.importKey("raw", publicKey, { name: "Ed25519" }, false, ["verify"]);
    must(await crypto.subtle.verify({ name: "Ed25519" }, key, signature, signed), `The signature of ${seats[at][0]} is false.`);
    if (known) power += known.get(hex(publicKey)) ?? 0n;
    else power += flagged ? 0n : weight;
  }
  return power;
};

const total = (seats) => seats.reduce((sum, one) => sum + one[4], 0n);

/** That more than 2/3 of a set, the one that the header names, signed it. */
const decided = async (chain, fields, certificate, seats) => {
  must(same(await setHash(seats), field(fields, "set_hash")), "The validators are not those that the header names.");
  must(same(certificate[2], await idOf(fields)) && Number(certificate[0]) === Number(field(fields, "height")), "The certificate is for another header.");
  must(3n * (await signedPower(chain, certificate, seats)) > 2n * total(seats), "Two thirds of the power did not sign this header.");
};

/** The set that a trail of light blocks leads to, each believed for the one before it. */
const follow = async (chain, trail, anchor) => {
  must(trail.length <= MAX_TRAIL, "The way from the first block is too long.");
  let before = null;
  for (const encoded of trail) {
    const [fields, certificate, seats, next] = decode(unhex(encoded));
    must(field(fields, "chain_id") === chain, "A header on the way is of another chain.");
    await decided(chain, fields, certificate, seats);
    must(same(await setHash(next), field(fields, "next_set_hash")), "The next validators are not those that a header names.");
    if (before === null) must(hex(field(fields, "set_hash")) === anchor, "The first header is signed by others than the validators of block 1.");
    else if (Number(field(fields, "height")) === Number(field(before.fields, "height")) + 1) {
      must(same(field(fields, "set_hash"), field(before.fields, "next_set_hash")), "A header has other validators than the one before it named.");
    } else {
      const known = new Map(before.next.filter((one) => !one[5]).map((one) => [hex(one[2]), one[4]]));
      must(3n * (await signedPower(chain, certificate, seats, known)) > total(before.next), "Too few of those who were trusted signed a header on the way.");
    }
    before = { fields, next };
  }
  return before.fields;
};

/** Hash of the validators of block 1: as remembered for this chain, else as the node says now. */
export const anchor = async (chain) => {
  const name = `validators of ${chain}`;
  const known = localStorage.getItem(name);
  if (known) return { hash: known, first: false };
  const block = await get("/block/1");
  localStorage.setItem(name, block.header.set_hash);
  return { hash: block.header.set_hash, first: true };
};

/** Check a receipt bundle. Returns {ok, steps: [text], why}; never throws for a false proof. */
export const verifyReceipt = async (bundle, wanted) => {
  const steps = [];
  try {
    const chain = bundle.chain_id;
    const trusted = await anchor(chain);
    const fields = header(bundle.header);
    const certificate = [bundle.certificate.height, bundle.certificate.round, unhex(bundle.certificate.block_id), bundle.certificate.signatures.map(([at, one]) => [at, unhex(one)])];
    const seats = bundle.validators.map(seat);
    if (bundle.trail.length) {
      const last = await follow(chain, bundle.trail, trusted.hash);
      must(same(encode(last), encode(fields)), "The way from block 1 leads to another header.");
      steps.push(`${bundle.trail.length} headers lead from the validators of block 1 to those of block ${bundle.header.height}.`);
    } else {
      must(hex(field(fields, "set_hash")) === trusted.hash, "Other validators than those of block 1 signed, and nothing leads to them.");
      steps.push(`Block ${bundle.header.height} has the validators of block 1 (${trusted.hash.slice(0, 16)}…${trusted.first ? ", seen here for the first time: compare it with another member's" : ", remembered here"}).`);
    }
    await decided(chain, fields, certificate, seats);
    steps.push(`${certificate[3].length} signatures of more than two thirds of the power are under header ${bundle.header.height}, each checked.`);
    const parent = header(bundle.block_header);
    must(same(await idOf(parent), field(fields, "parent_hash")), "The transaction's block is not the parent of the signed one.");
    steps.push(`That header names block ${bundle.block_header.height} as its parent.`);
    const envelope = unhex(bundle.envelope);
    const identity = await sha256(domain("transaction", chain), envelope);
    must(hex(identity) === wanted, "The envelope is another transaction.");
    const size = await provenSize(field(parent, "payload_root"), bundle.size.map((one) => one.map(unhex)));
    must(await leads(field(parent, "payload_root"), identity, bundle.index, size, bundle.path.map(unhex)), "The path does not lead from the transaction to its block.");
    steps.push(`The transaction is number ${bundle.index} of the ${size} in that block.`);
    must(await leads(field(fields, "receipts_root"), unhex(bundle.receipt), bundle.index + 1, size + 1, bundle.receipt_path.map(unhex)), "The path does not lead from the receipt to the signed header.");
    const code = decode(unhex(bundle.receipt))[0];
    steps.push(`Executing it gave the code ${code}, which the signed header commits to.`);
    return { ok: true, steps, why: null, code };
  } catch (error) {
    if (error instanceof False || error instanceof RangeError || error instanceof TypeError || error.name === "NotSupportedError") return { ok: false, steps, why: error.message };
    throw error;
  }
};
