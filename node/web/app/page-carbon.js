// Carbon: what the energy of an interval emitted, who brought it in, who carries it.

import { query } from "./api.js";
import { bars, steps } from "./chart.js";
import { cards, h, loading, show, table } from "./dom.js";
import { clock, decimal, exact, kilograms, kwh } from "./format.js";
import { note, remark } from "./notes.js";
import { Past } from "./past.js";
import { Picker } from "./picker.js";
import { words } from "./words.js";

const intensity = (ug, wh) => (wh ? decimal((BigInt(ug) * 1000n) / BigInt(wh), 6, 1, 1) : "–");

const emitted = (it) => BigInt(it.energy_wh) * (BigInt(it.operating_ug_per_wh) + BigInt(it.embodied_ug_per_wh)) + BigInt(it.released_ug);

export const open = async (place, state, [wanted]) => {
  const totals = h("div", {}), pick = h("div", { className: "row picker" }), body = h("div", {}, loading()), past = h("div", {});
  show(place, totals, pick, body, past, words("factor", "attribution", "settlement"));
  // Carbon is booked when an interval closes. What is corrected later shows when the page is opened again.
  const booked = new Past((interval) => query(`carbon/${interval}`), () => true);
  let drawn = null;

  const picker = new Picker(pick, wanted, "carbon", async (interval) => {
    try {
      const all = await query("carbon");
      show(totals, all?.carbon ? cards([
        ["Emitted since the beginning", kilograms(all.carbon.emitted_ug), "kg CO₂"],
        ["Carried by consumers", kilograms(all.carbon.attributed_ug), "kg CO₂"],
        ["Sold with exports", kilograms(all.carbon.exported_ug), "kg CO₂"],
        ["Held in storages", kilograms(all.carbon.held_ug), "kg CO₂"],
      ]) : null);
      const last = await newest(interval);
      if (last === null) { show(body, remark("", "No interval near this one is settled yet; carbon is booked when one closes.")); return; }
      show(body, ...one(await booked.of(last)));
      await history(last);
    } catch (error) { show(body, note(error)); }
  });

  // Carbon is known when an interval has closed: the newest that has, where time is followed.
  const newest = async (interval) => {
    const back = picker.chosen === null ? 12 : 1;
    const tried = Array.from({ length: back }, (_, at) => interval - at).filter((at) => at >= 0);
    const found = await Promise.all(tried.map((at) => booked.of(at)));
    return tried.find((_, at) => found[at]) ?? null;
  };

  const one = (data) => [
    h("h2", {}, `Interval ${data.interval}, ${picker.span(data.interval)}${data.interval === picker.now ? "" : picker.chosen === null ? ": the newest that has closed" : ""}`),
    cards([
      ["Emitted", kilograms(data.pool_ug), "kg CO₂"],
      ["Energy", kwh(data.energy_wh), "kWh"],
      ["Of each kWh", intensity(data.pool_ug, data.energy_wh), "g CO₂ per kWh"],
      ["Into storages", kilograms(data.taken_ug), "kg CO₂"],
      ["Out of storages", kilograms(data.released_ug), "kg CO₂"],
      ["Policy", data.policy === "off" ? "no cap" : data.policy],
    ]),
    table("What each meter brought in", [
      { name: "meter", cell: (it) => it.meter }, { name: "member", cell: (it) => it.member },
      { name: "energy", unit: "kWh", n: true, cell: (it) => kwh(it.energy_wh) },
      { name: "factor", unit: "g CO₂ per kWh", n: true, cell: (it) => decimal((BigInt(it.operating_ug_per_wh) + BigInt(it.embodied_ug_per_wh)) * 1000n, 6, 1, 1) },
      { name: "emitted", unit: "kg CO₂", n: true, cell: (it) => kilograms(emitted(it)), raw: (it) => exact(emitted(it), 9) },
      { name: "basis", cell: (it) => (it.certificate ? `certified by ${it.certificate.certifier ?? "a certifier"}` : it.basis) },
    ], data.sources.filter((it) => it), "", `carbon-${data.interval}`),
  ];

  const history = async (last) => {
    if (drawn === last) return;
    drawn = last;
    const found = await booked.until(last);
    const label = (it) => (picker.length ? clock(picker.origin + it.interval * picker.length).replace(" UTC", "") : String(it.interval));
    const owners = [...new Set(found.flatMap((it) => it.sources.filter((x) => x).map((x) => x.member)))].sort();
    show(past, h("h2", {}, `The last ${found.length} intervals`),
      bars("carbon", "Emitted by supplier", "kg CO₂", owners, found.map((it) => ({ x: it.interval, label: label(it),
        values: Object.fromEntries(owners.map((owner) => [owner, it.sources.filter((x) => x && x.member === owner).reduce((sum, x) => sum + x.energy_wh * (x.operating_ug_per_wh + x.embodied_ug_per_wh) / 1e9, 0)])) }))),
      steps("intensity", "Of each kWh", "g CO₂ per kWh", ["intensity"], found.map((it) => ({ x: it.interval, label: label(it), values: { intensity: it.energy_wh ? Number(BigInt(it.pool_ug) / BigInt(it.energy_wh)) / 1000 : null } })), "var(--s3)"));
  };

  await picker.move();
  return { changed: (what) => (what.has("interval") || what.has("line") ? picker.move() : null) };
};
