// Figures as people read them, each with its unit. Amounts come as decimal strings and stay exact.

const group = (text) => text.replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");

/** An exact decimal: `value` integer (or its string) over 10^digits, at most `most` digits shown, at least `least`. */
export const decimal = (value, digits, most = digits, least = 0) => {
  const number = BigInt(value ?? 0);
  const scale = 10n ** BigInt(digits), drop = 10n ** BigInt(digits - most);
  const size = number < 0n ? -number : number;
  const rounded = ((size + drop / 2n) / drop) * drop;
  const sign = number < 0n && rounded ? "−" : "";
  let rest = (rounded % scale).toString().padStart(digits, "0").slice(0, most);
  while (rest.length > least && rest.endsWith("0")) rest = rest.slice(0, -1);
  return sign + group((rounded / scale).toString()) + (rest ? `.${rest}` : "");
};

const known = (value, text) => (value === null || value === undefined ? "–" : text());

export const kwh = (wh) => known(wh, () => decimal(wh, 3, 3, 3));
export const money = (nano) => known(nano, () => decimal(nano, 9, 4, 4));
export const perKwh = (nanoPerWh) => known(nanoPerWh, () => decimal(nanoPerWh, 6, 6, 3));
export const kilograms = (ug) => known(ug, () => decimal(ug, 9, 3, 3));
/** The same as a spreadsheet reads them: every digit, and nothing between them. */
export const exact = (value, digits) => known(value, () => decimal(value, digits, digits).replaceAll("\u202f", "").replace("−", "-"));
export const PRICE = "currency/kWh";
export const count = (number, thing) => `${whole(number)} ${thing}${number === 1 ? "" : "s"}`;
export const percent = (ppm) => `${decimal(ppm, 4, 2)} %`;
export const whole = (value) => known(value, () => decimal(value, 0));
export const bytes = (value) => (value < 1024 ? `${value} B` : value < 1048576 ? `${(value / 1024).toFixed(1)} KiB` : `${(value / 1048576).toFixed(1)} MiB`);
export const short = (hash) => (hash ? `${hash.slice(0, 10)}…` : "–");

const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
const DAY = new Intl.DateTimeFormat("en-GB", { year: "numeric", month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: "UTC" });
export const clock = (ms) => `${TIME.format(ms)} UTC`;
export const when = (ms) => (ms === null || ms === undefined ? "–" : `${DAY.format(ms)} UTC`);
