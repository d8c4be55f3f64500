// The token with which a browser on another machine uses a node: asked for once, and kept by this tab until it is closed.
// It goes out in a header, or among the subprotocols of the websocket: never in an address, which logs and histories keep.

import { h, show } from "./dom.js";

const KEPT = "gridpact token";
const FORM = /^[a-z0-9-]{1,32}\.[0-9a-f]{64}$/;
const WHY = {
  "rpc.token": "This node does not know that token: it was mistyped, or taken back.",
  "rpc.token-expired": "That token no longer counts. Ask for a new one.",
};

/** The token of this tab; empty where none is needed, or none is known. */
export const token = () => sessionStorage.getItem(KEPT) ?? "";

export const forget = () => sessionStorage.removeItem(KEPT);

/** Whether a refusal (or the reason of a closed websocket) is about the token. */
export const isAbout = (code) => Object.hasOwn(WHY, code);

/** What a request says besides its address. */
export const authorization = () => (token() ? { Authorization: `Bearer ${token()}` } : {});

/** What a websocket offers: the server takes the first, and reads the token out of the second. */
export const protocols = () => ["gridpact.v1", ...(token() ? [`bearer.${token()}`] : [])];

/** Ask for a token in `place`. `code` says why; `opened` is called once there is one to try. */
export const ask = (place, code, opened) => {
  const said = h("p", { role: "status", className: "bad", id: "token-says" }, token() ? WHY[code] : "");
  const box = h("input", { id: "token", type: "password", size: "40", autocomplete: "off", "aria-describedby": "token-says token-stays", "data-key": "token" });
  forget();
  show(place,
    h("h1", {}, "This node asks for a token"),
    h("p", {}, "Other machines reach it, so it answers nobody without one. Whoever runs the node makes one for you: ", h("code", {}, "gridpact token add NAME --home DIR"), "."),
    h("form", { className: "row", onsubmit: (event) => {
      event.preventDefault();
      const text = box.value.trim();
      if (!FORM.test(text)) { said.textContent = "A token is a name, a dot and 64 hexadecimal digits, such as laptop.0123…"; return; }
      sessionStorage.setItem(KEPT, text);
      opened();
    } }, h("label", { for: "token" }, "Token"), box, h("button", { type: "submit" }, "Open")),
    said,
    h("p", { className: "soft", id: "token-stays" }, "It stays in this tab until you close it, and goes to this node alone: in a header, never in an address."));
  box.focus();
};
