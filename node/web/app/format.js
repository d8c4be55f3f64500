// Figures as people read them, each with its unit. Amounts come as decimal strings and stay exact.

const group = (text) => text.replace(/\B(?=(\d{3})+(?!\d))/g, " ");

/** An exact decimal: `value` integer (or its string) over 10^digits, at most `most` digits shown, at least `least`. */
export const decimal = (value, digits, most = digits, least = 0) => {
  const number = BigInt(value ?? 0);
  const sign = number < 0n ? "−" : "";
  const scale = 10n ** BigInt(digits), drop = 10n ** BigInt(digits - most);
  const size = number < 0n ? -number : number;
  const rounded = ((size + drop / 2n) / drop) * drop;
  let rest = (rounded % scale).toString().padStart(digits, "0").slice(0, most);
  while (rest.length > least && rest.endsWith("0")) rest = rest.slice(0, -1);
  return sign + group((rounded / scale).toString()) + (rest ? `.${rest}` : "");
};

export const kwh = (wh) => (wh === null || wh === undefined ? "–" : decimal(wh, 3, 3, 1));
export const money = (nano) => (nano === null || nano === undefined ? "–" : decimal(nano, 9, 4, 2));
export const perKwh = (nanoPerWh) => (nanoPerWh === null || nanoPerWh === undefined ? "–" : decimal(nanoPerWh, 6, 6, 2));
export const kilograms = (ug) => (ug === null || ug === undefined ? "–" : decimal(ug, 9, 3, 1));
export const percent = (ppm) => `${decimal(ppm, 4, 2)} %`;
export const whole = (value) => (value === null || value === undefined ? "–" : decimal(value, 0));
export const bytes = (value) => (value < 1024 ? `${value} B` : value < 1048576 ? `${(value / 1024).toFixed(1)} KiB` : `${(value / 1048576).toFixed(1)} MiB`);
export const short = (hash) => (hash ? `${hash.slice(0, 10)}…` : "–");

const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
const DAY = new Intl.DateTimeFormat("en-GB", { year: "numeric", month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: "UTC" });
export const clock = (ms) => `${TIME.format(ms)} UTC`;
export const when = (ms) => (ms === null || ms === undefined ? "–" : `${DAY.format(ms)} UTC`);
