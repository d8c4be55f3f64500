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
    this.at = null;
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

  draw(at) {
    const start = this.origin + at * this.length;
    const step = (text, label, to) => h("button", { type: "button", "data-key": label, "aria-label": label, onclick: () => this.go(to) }, text);
    show(this.place,
      step("◀", "earlier interval", at - 1),
      h("strong", {}, `Interval ${at}`),
      h("span", { className: "soft" }, this.length ? `${clock(start)} – ${clock(start + this.length)}` : ""),
      step("▶", "later interval", at + 1),
      this.chosen === null ? h("span", { className: "soft" }, "following time") : step("Follow time", "follow time", null));
  }
}
