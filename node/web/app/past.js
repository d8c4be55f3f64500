// The intervals behind the one that is shown. What is final is asked for once while a page is open.

const SPAN = 24;
const AT_ONCE = 6;
const MAX_KEPT = 4 * SPAN;

/** Asks by `ask(interval)`, which gives null where there is nothing; keeps answers that are `final(answer)`. */
export class Past {
  constructor(ask, final) {
    this.ask = ask;
    this.final = final;
    this.kept = new Map();
  }

  /** What is known of one interval; null where nothing is, or where it can not be had now. */
  async of(interval) {
    if (this.kept.has(interval)) return this.kept.get(interval);
    const found = await this.ask(interval).catch(() => null);
    if (found !== null && this.final(found)) this.keep(interval, found);
    return found;
  }

  /** A page that stays open for weeks forgets what it has kept longest. */
  keep(interval, found) {
    this.kept.set(interval, found);
    if (this.kept.size > MAX_KEPT) this.kept.delete(this.kept.keys().next().value);
  }

  /** The intervals up to and with `last` of which something is known, oldest first; no further back than a gap of some. */
  async until(last) {
    const found = [];
    for (let top = last; top > last - SPAN && top >= 0; top -= AT_ONCE) {
      const wanted = Array.from({ length: AT_ONCE }, (_, at) => top - at).filter((at) => at >= 0);
      const some = (await Promise.all(wanted.map((at) => this.of(at)))).filter((one) => one !== null);
      found.push(...some);
      if (!some.length) break;
    }
    return found.reverse();
  }
}
