// What the node says: documents by HTTP, and what happens by a websocket that goes on where it stopped.

import { authorization, isAbout, protocols, token } from "./token.js";

/** An answer that is a refusal: code, message and hint as the node gave them. */
export class Refused extends Error {
  constructor(status, document) {
    super(document.message || `The node answered ${status}.`);
    this.code = document.code || `http.${status}`;
    this.hint = document.hint || "";
  }
}

/** No answer: the node is away, or took too long. */
export class Unreachable extends Error {}

const WAIT_MS = 15_000;
let withoutToken = () => {};

/** Who is told the code when the node refuses this tab's token, or asks for one. */
export const onToken = (told) => { withoutToken = told; };

const asked = async (path, how) => {
  try {
    const answer = await fetch(path, how);
    return [answer, await answer.json()];
  } catch (error) {
    throw new Unreachable(`There is no answer to ${path}.`, { cause: error });
  }
};

/** The document at a path. Throws Refused or Unreachable. */
export const get = async (path, headers = {}) => {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), WAIT_MS);
  const shown = token();
  try {
    const [answer, document] = await asked(path, { signal: stop.signal, headers: { Accept: "application/json", ...authorization(), ...headers } });
    if (!answer.ok) {
      if (isAbout(document.code) && shown === token()) withoutToken(document.code);
      throw new Refused(answer.status, document);
    }
    return document;
  } finally {
    clearTimeout(timer);
  }
};

/** The data of a query; null where there is no such record. */
export const query = async (path, headers) => {
  try {
    return (await get(`/query/${path}`, headers)).data;
  } catch (error) {
    if (error instanceof Refused && /unknown|not-ordered|empty/.test(error.code)) return null;
    throw error;
  }
};

const TOPICS = ["block", "interval", "status"];
const FIRST_MS = 500;
const LONGEST_MS = 8_000;
const STALE_MS = 6_000;

/** The live line to the node. `hear` gets every event once, in order, and every status; `changed` the state of the line:
 * "connecting", "live" or "stale". */
export class Line {
  constructor(hear, changed) {
    this.hear = hear;
    this.changed = changed;
    this.cursor = null;
    this.state = "connecting";
    this.since = Date.now();
    this.heard = 0;
    this.pause = FIRST_MS;
    this.socket = null;
    setInterval(() => this.look(), 1_000);
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws`, protocols());
    let taken = false;
    this.socket = socket;
    socket.onopen = () => { taken = true; socket.send(JSON.stringify({ do: "subscribe", topics: TOPICS, cursor: this.cursor })); };
    socket.onmessage = (message) => { if (this.socket === socket) this.take(JSON.parse(message.data)); };
    socket.onclose = (closed) => {
      if (this.socket !== socket) return;
      this.become("stale");
      if (isAbout(closed.reason)) { withoutToken(closed.reason); return; }
      // A browser does not say why a handshake was refused; the same question over HTTP does.
      if (!taken) get("/status").catch(() => {});
      setTimeout(() => { if (this.socket === socket) this.open(); }, this.pause);
      this.pause = Math.min(LONGEST_MS, this.pause * 2);
    };
  }

  /** Be silent until it is opened again. */
  close() {
    const { socket } = this;
    this.socket = null;
    if (socket) socket.close();
    this.become("connecting");
  }

  take(message) {
    this.heard = Date.now();
    if (message.kind === "subscribed") {
      this.pause = FIRST_MS;
      this.become("live");
      if (this.cursor === null) this.cursor = message.cursor;
    } else if (message.kind === "events") {
      // Asked again from the cursor after a break, the node repeats nothing; what it would repeat is left out here.
      if (this.cursor !== null && !later(message.cursor, this.cursor)) return;
      this.cursor = message.cursor;
      this.hear(message);
    } else if (message.kind === "status") {
      this.hear(message);
    } else if (message.kind === "error" && /cursor/.test(message.code)) {
      // Another chain answers at this address, or the node lost what it had.
      this.cursor = null;
      this.socket.close();
    }
  }

  look() {
    if (this.state === "live" && Date.now() - this.heard > STALE_MS) this.socket?.close();
  }

  become(state) {
    if (state === this.state) return;
    this.state = state;
    this.since = Date.now();
    this.changed(state);
  }
}

const later = (one, other) => {
  const [height, index] = one.split(".").map(Number);
  const [thatHeight, thatIndex] = other.split(".").map(Number);
  return height > thatHeight || (height === thatHeight && index > thatIndex);
};
