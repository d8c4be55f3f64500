// The page as a whole: which page is shown, what the node said last, and the line to it.

import { Line, onToken, Unreachable } from "./api.js";
import { h, show } from "./dom.js";
import { when, whole } from "./format.js";
import { note } from "./notes.js";
import { Refresh } from "./refresh.js";
import { ask, forget, token } from "./token.js";

const PAGES = [
  ["grid", "Grid"],
  ["dispatch", "Dispatch"],
  ["ledger", "Ledger"],
  ["trust", "Trust"],
  ["carbon", "Carbon"],
  ["bill", "My bill"],
  ["network", "Network"],
];

/** What every page may look at. */
const state = { status: null, line: null };

const place = document.getElementById("main");
let page = null;
let name = "";
let locked = false;
let failed = false;
let opening = null;

const route = () => {
  const [wanted, ...rest] = location.hash.replace(/^#\/?/, "").split("/").filter(Boolean);
  return { wanted: PAGES.some(([id]) => id === wanted) ? wanted : "grid", rest: rest.map(decodeURIComponent) };
};

const open = () => { opening = opened(); };

const opened = async () => {
  if (locked) return;
  const { wanted, rest } = route();
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.dataset.page === wanted) { link.setAttribute("aria-current", "page"); link.scrollIntoView({ block: "nearest", inline: "nearest" }); } else link.removeAttribute("aria-current");
  }
  const title = PAGES.find(([id]) => id === wanted)[1];
  document.title = `${title} · Gridpact`;
  const moved = name !== "" && name !== wanted;
  name = wanted;
  page = null;
  failed = false;
  show(place, h("h1", {}, title), h("p", { className: "loading" }, "Loading …"));
  if (moved) place.focus();
  try {
    const module = await import(`./page-${wanted}.js`).catch((error) => { throw new Unreachable("The page did not load.", { cause: error }); });
    if (locked || route().wanted !== wanted) return;
    const body = h("div", {});
    show(place, h("h1", {}, title), body);
    const made = await module.open(body, state, rest);
    if (!locked && body.isConnected) page = made;
    // The other pages are there by the time that the node may not be.
    for (const [id] of PAGES) import(`./page-${id}.js`).catch(() => {});
  } catch (error) {
    if (locked || name !== wanted) return;
    failed = true;
    show(place, h("h1", {}, title), note(error), h("p", {}, h("button", { type: "button", onclick: open }, "Try again")));
  }
};

// What happens while a page is still opening may have come after the answers that it shows: it is told once it is there.
const refresh = new Refresh(async (names) => {
  await opening;
  if (page && page.changed) await page.changed(names);
});
const tell = (what) => refresh.add(what);

// The figures of the head change all the time and are read by who looks. What a screen reader says by itself is a line that
// breaks or comes back, and no block.
const pulse = () => {
  const told = document.getElementById("pulse"), said = document.getElementById("said");
  const { status, line } = state;
  told.className = `pulse ${line.state}`;
  if (line.state === "live") told.textContent = status ? `block ${whole(status.height)} · ${when(status.time_ms)}` : "live";
  else if (line.state === "stale") told.textContent = `no word from the node since ${new Date(line.since).toLocaleTimeString()}`;
  else told.textContent = locked ? "waiting for a token" : "connecting …";
  if (document.body.dataset.line === line.state) return;
  const back = document.body.dataset.line === "stale" && line.state === "live";
  document.body.dataset.line = line.state;
  said.className = line.state === "stale" ? "said" : "said quiet";
  if (line.state === "stale") said.textContent = `No word from the node. What is shown is ${status ? `of block ${whole(status.height)}, ${when(status.time_ms)}` : "as old as that"}; this page tries again by itself.`;
  else said.textContent = back ? "The node is back." : "";
};

const hear = (message) => {
  if (message.kind === "status") {
    const before = state.status;
    state.status = message;
    const chain = document.getElementById("chain");
    chain.textContent = `node ${message.node} · ${message.chain_id.slice(0, 12)}…`;
    chain.title = `chain ${message.chain_id}`;
    document.getElementById("version").textContent = message.rule_set ? ` · rule set ${message.rule_set}` : "";
    pulse();
    if (!before || before.height !== message.height || before.stuck !== message.stuck || name === "network") tell("status");
    return;
  }
  for (const event of message.events) {
    if (event.topic === "block") {
      tell("block");
    } else if (event.topic === "interval") {
      tell("interval");
    }
  }
};

// Without its token the page knows nothing: what was shown goes away, and the line is silent until there is another one.
const lock = (code) => {
  if (locked) return;
  locked = true;
  page = null;
  state.status = null;
  state.line.close();
  document.title = "Token · Gridpact";
  document.getElementById("leave").hidden = true;
  ask(place, code, unlock);
};

const unlock = () => {
  locked = false;
  document.getElementById("leave").hidden = !token();
  // Opened as a page of its own, it would come without the token.
  document.getElementById("metrics").hidden = Boolean(token());
  state.line.open();
  open();
};

const THEMES = ["system", "light", "dark"];
const theme = (wanted) => {
  if (wanted === "system") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = wanted;
  document.getElementById("theme").textContent = `Colours: ${wanted}`;
  localStorage.setItem("theme", wanted);
};

const start = () => {
  document.getElementById("nav").append(...PAGES.map(([id, title]) => h("a", { href: `#/${id}`, "data-page": id }, title)));
  const known = localStorage.getItem("theme");
  theme(THEMES.includes(known) ? known : "system");
  document.getElementById("theme").addEventListener("click", () =>
    theme(THEMES[(THEMES.indexOf(localStorage.getItem("theme")) + 1) % THEMES.length]));
  state.line = new Line(hear, () => {
    pulse();
    // What could not be opened while the node was away is opened now.
    if (failed && state.line.state === "live") open(); else tell("line");
  });
  onToken(lock);
  document.getElementById("leave").addEventListener("click", () => { forget(); lock("rpc.token"); });
  addEventListener("hashchange", open);
  unlock();
};

start();
