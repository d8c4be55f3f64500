// Choosing an interval: the newest that is ordered, followed as time goes on, or one that stays.

import { query } from "./api.js";
import { h, show } from "./dom.js";
import { clock } from "./format.js";

/** A row of buttons above a page. `changed(interval)` is called for each choice; `move()` when time went on. */
export class Picker {
  constructor(place, wanted, page, changed) {
    this.place = place;
    this.page = page;
    this.changed = changed;
    this.chosen = /^\d{1,14}$/.test(wanted || "") ? Number(wanted) : null;
    this.now = null;
  }

  /** Look what time it is, and tell the interval that is shown. */
  async move() {
    const now = await query("interval/now");
    if (now) { this.now = now.interval; this.length = now.end_ms - now.start_ms; this.origin = now.start_ms - now.interval * this.length; }
    const at = this.chosen ?? this.now;
    this.draw(at);
    if (at !== null) await this.changed(at);
  }

  go(interval) {
    history.replaceState(null, "", interval === null ? `#/${this.page}` : `#/${this.page}/${interval}`);
    this.chosen = interval;
    return this.move();
  }

  /** From when to when an interval lasts, as text. */
  span(at) {
    return this.length ? `${clock(this.origin + at * this.length).replace(" UTC", "")} – ${clock(this.origin + (at + 1) * this.length)}` : "";
  }

  draw(at) {
    if (at === null) { show(this.place); return; }
    const step = (text, label, to) => h("button", { type: "button", "data-key": label, "aria-label": label, title: label, onclick: () => this.go(to) }, text);
    const number = h("input", { id: "interval", "data-key": "interval", size: "9", inputmode: "numeric", placeholder: "number", "aria-label": "Go to the interval with this number" });
    show(this.place,
      step("◀", "earlier interval", at - 1),
      h("strong", {}, `Interval ${at}`),
      step("▶", "later interval", at + 1),
      h("span", { className: "soft" }, this.span(at)),
      this.chosen === null ? h("span", { className: "tag" }, "follows time") : step("Follow time", "follow time", null),
      h("form", { className: "go", onsubmit: (event) => { event.preventDefault(); if (/^\d{1,14}$/.test(number.value.trim())) this.go(Number(number.value)); } },
        number, h("button", { type: "submit", "data-key": "go" }, "Go")));
  }
}
