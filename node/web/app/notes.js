// What is said when something did not go well: the code, what is wrong, and what would help.

import { h } from "./dom.js";
import { Refused, Unreachable } from "./api.js";

export const note = (error) => {
  if (error instanceof Refused) {
    return h("div", { className: "note bad", role: "alert" }, h("p", {}, h("code", {}, error.code), " ", error.message), error.hint ? h("p", {}, error.hint) : null);
  }
  const unreachable = error instanceof Unreachable;
  return h("div", { className: "note bad", role: "alert" },
    h("p", {}, unreachable ? "The node can not be reached." : `This page can not show what the node said: ${error.message}`),
    unreachable ? h("p", {}, "It may be restarting; this page tries again by itself when it is back.") : null);
};

export const remark = (kind, ...text) => h("p", { className: `note ${kind}` }, ...text);
