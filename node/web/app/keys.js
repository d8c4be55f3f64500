// Files that stay in this browser: a member's key, and its wallet. Nothing of them is sent, stored or put into a URL.

import { encode, hex, join, unhex } from "./msgpack.js";

const PKCS8 = unhex("302e020100300506032b657004220420");
const text = new TextEncoder();
const DEVNET_WALLET = text.encode("gridpact/1/devnet-wallet");

/** What opens a devnet's wallet that was made without a passphrase: whoever has the open key has its money anyway. */
const walletPassphrase = async (seed) => {
  const base = await crypto.subtle.importKey("raw", seed, "HKDF", false, ["deriveBits"]);
  return hex(new Uint8Array(await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: DEVNET_WALLET }, base, 256)));
};

/** A devnet's account key file, opened: {member, sign, publicKey, walletPassphrase}. Throws Error with a sentence. */
export const openKey = async (content) => {
  let told;
  try { told = JSON.parse(content); } catch { throw new Error("This is no key file: it is not JSON."); }
  if (told.kind !== "account" || !/^[0-9a-f]{64}$/.test(told.seed ?? "")) throw new Error("This is no open account key. Encrypted keys are used by the command line only.");
  const key = await crypto.subtle.importKey("pkcs8", join([PKCS8, unhex(told.seed)]), { name: "Ed25519" }, true, ["sign"]);
  const jwk = await crypto.subtle.exportKey("jwk", key);
  const publicKey = Uint8Array.from(atob(jwk.x.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
  return { member: told.member, publicKey, walletPassphrase: await walletPassphrase(unhex(told.seed)), sign: async (bytes) => new Uint8Array(await crypto.subtle.sign({ name: "Ed25519" }, key, bytes)) };
};

/** The header with which a member asks one node one question (docs/access.md). */
export const signedQuestion = async (key, member, chain, node, nowMs, target) => {
  const question = join([text.encode(`gridpact/1/read-request/${chain}/`), encode(["member", member, node, Math.floor(nowMs), "GET", target])]);
  return { "Gridpact-Reader": `member ${member} ${node} ${Math.floor(nowMs)} ${hex(key.publicKey)} ${hex(await key.sign(question))}` };
};

/** An encrypted wallet, opened with its passphrase (docs/wallets.md): {member, chain, height, openings}. */
export const openWallet = async (content, passphrase) => {
  let told;
  try { told = JSON.parse(content); } catch { throw new Error("This is no wallet: it is not JSON."); }
  if (told.format !== "gridpact-wallet-1") throw new Error("This is no wallet of a form that is known here.");
  if (!(told.iterations >= 100_000 && told.iterations <= 10_000_000)) throw new Error("The wallet asks for a number of iterations that no wallet has.");
  const fields = ["format", "chain_id", "member", "kdf", "iterations", "salt", "cipher", "iv", "ciphertext"].map((name) => told[name]);
  const sum = hex(new Uint8Array(await crypto.subtle.digest("SHA-256", text.encode(fields.join("\n")))));
  if (sum !== told.checksum) throw new Error("The file is damaged: its checksum does not fit. Put back a copy, or recover the wallet from the ledger.");
  const base = await crypto.subtle.importKey("raw", text.encode(passphrase), "PBKDF2", false, ["deriveKey"]);
  const key = await crypto.subtle.deriveKey({ name: "PBKDF2", hash: "SHA-256", salt: unhex(told.salt), iterations: told.iterations }, base, { name: "AES-GCM", length: 256 }, false, ["decrypt"]);
  let plain;
  try {
    plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv: unhex(told.iv), additionalData: text.encode(`${told.format}/${told.chain_id}/${told.member}`) }, key, unhex(told.ciphertext));
  } catch { throw new Error("The passphrase does not open this wallet."); }
  const known = JSON.parse(new TextDecoder().decode(plain));
  return { member: told.member, chain: told.chain_id, height: known.height,
    openings: known.openings.map(([commitment, kind, about, value]) => ({ commitment, kind, about, value })) };
};
