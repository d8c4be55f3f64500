// The intervals behind the one that is shown. What is final is asked for once while a page is open.

const SPAN = 24;

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
    if (found !== null && this.final(found)) this.kept.set(interval, found);
    return found;
  }

  /** The intervals up to and with `last` of which something is known, oldest first. */
  async until(last) {
    const wanted = Array.from({ length: SPAN }, (_, at) => last - SPAN + 1 + at).filter((at) => at >= 0);
    return (await Promise.all(wanted.map((at) => this.of(at)))).filter((one) => one !== null);
  }
}
