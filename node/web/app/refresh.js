// When a page is told what happened: at once where it rests, then a few times a second at most, however fast events come.

const PAUSE_MS = 250;

/** Tells `draw(names)` of events, each name once. The next turn begins with a frame that the browser draws, so never while
 * nobody sees the page, never while `draw` still works on the last one, and not sooner than PAUSE_MS after that began. */
export class Refresh {
  constructor(draw) {
    this.draw = draw;
    this.due = new Set();
    this.working = false;
    this.began = -PAUSE_MS;
  }

  add(name) {
    this.due.add(name);
    if (!this.working) this.work();
  }

  async work() {
    this.working = true;
    while (this.due.size) {
      await new Promise((go) => { setTimeout(go, this.began + PAUSE_MS - performance.now()); });
      await new Promise((go) => { requestAnimationFrame(go); });
      this.began = performance.now();
      const names = this.due;
      this.due = new Set();
      try { await this.draw(names); } catch { /* What a page could not learn it says itself, or learns in the next turn. */ }
    }
    this.working = false;
  }
}
